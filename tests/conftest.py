"""What holds for every test: how properties are tested, and which suite a folder's tests belong to."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says more of the machine than of the code. What decides whether a change lands has
# to say the same twice; at a desk every run draws other examples.
settings.register_profile(
    "labelloop",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("labelloop")

FOLDERS = {
    "tests/endtoend/": "embedded",
    "tests/infra/": "synthesis",
    "tests/statemachines/": "embedded",
    "tests/web/": "browser",
}
"""Marks of all tests of a folder; a file elsewhere says its own."""


TOGETHER = {
    f"tests/endtoend/{file}": "parts" for file in ("test_console.py", "test_desk.py", "test_workers.py")
}
"""Files that share a deployment. Of all others, each is given to a worker as a whole."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(TOGETHER.get(file, file)))
        for folder, mark in FOLDERS.items():
            if file.startswith(folder):
                item.add_marker(mark)
