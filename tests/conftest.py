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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for folder, mark in FOLDERS.items():
            if item.nodeid.startswith(folder):
                item.add_marker(mark)
