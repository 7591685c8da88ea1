"""What holds for every test: how properties are tested, and which suite a folder's tests belong to."""

from __future__ import annotations

import gc
import logging
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.fixtures import remembered

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

remembered.remember_botocores()


class Loggers(dict[str, Any]):
    """Loggers by name, which may be looked through while a thread that imports something adds one.

    Pytest 9.2 does that before each test, without the lock of logging; threads of MiniStack's go on between
    tests.
    """

    def values(self) -> Any:
        # At once, as no other thread runs meanwhile.
        return list(super().values())


logging.Logger.manager.loggerDict = Loggers(logging.Logger.manager.loggerDict)

FOLDERS = {
    "tests/endtoend/": "embedded",
    "tests/infra/": "synthesis",
    "tests/statemachines/": "embedded",
    "tests/web/": "browser",
}
"""Marks of all tests of a folder; a file elsewhere says its own."""


TOGETHER = {
    f"tests/endtoend/{file}": "parts"
    for file in ("test_applications.py", "test_console.py", "test_desk.py", "test_workers.py")
}
"""Files that share a deployment. Of all others, each is given to a worker as a whole."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.nodeid.partition("::")[0]
        for folder, mark in FOLDERS.items():
            if file.startswith(folder):
                item.add_marker(mark)


def pytest_collection_finish() -> None:
    """What was imported by now stays: to look through it for garbage every while took a tenth of the time."""
    remembered.remember_motos()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


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
