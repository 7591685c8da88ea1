"""What holds for every test: how properties are tested, and which suite a folder's tests belong to."""

from __future__ import annotations

import os
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# How long an example takes says more of the machine than of the code. What decides whether a change lands has
# to say the same twice; at a desk every run draws other examples.
settings.register_profile(
    "labelloop",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("labelloop")

# Deployed functions get it from the stack; without it they would refuse to give their metrics.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "LabelLoop/tests")

_make_loader = Loader.__init__
_SERVICE_MODELS: dict[Any, Any] = {}


def _make_sharing_loader(loader: Loader, *args: Any, **kwargs: Any) -> None:
    """Share what botocore's loaders have read: every session of a test would parse the same models again."""
    _make_loader(loader, *args, **kwargs)
    vars(loader)["_cache"] = _SERVICE_MODELS


Loader.__init__ = _make_sharing_loader  # pyrefly: ignore[bad-assignment, method-assign]

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
        for folder, mark in FOLDERS.items():
            if file.startswith(folder):
                item.add_marker(mark)


class ByDeployment(LoadScopeScheduling):
    """Gives each worker whole files, and one worker the files that share a deployment.

    The marks of pytest-xdist for this (`--dist loadgroup`) do nothing with pytest 9.2: they are written into
    an attribute that test items no longer have.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByDeployment | None:
    """The scheduler of `--dist loadfile`; the other modes keep theirs."""
    return ByDeployment(config, log) if config.getvalue("dist") == "loadfile" else None
