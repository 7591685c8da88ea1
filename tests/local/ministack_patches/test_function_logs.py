"""What functions write, with and without the patch: a worker of MiniStack's with a process of its own."""

from __future__ import annotations

import io
import queue
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from local.ministack_patches import function_logs

CODE = """
import sys

def handle(event, context):
    if event["writes"]:
        sys.stdout.write(event["writes"])
    return {"took": event["writes"]}
"""
CONFIG = {
    "Runtime": "python3.12",
    "Handler": "talker.handle",
    "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:talker",
    "Timeout": 10,
}


@pytest.fixture
def lambda_runtime(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's runtime of functions, as it comes."""
    from ministack.core import lambda_runtime as module

    monkeypatch.setattr(module, "_PYTHON_WORKER_SCRIPT", module._PYTHON_WORKER_SCRIPT)
    for name in ("invoke", "_drain_stderr_bounded"):
        monkeypatch.setattr(module.Worker, name, getattr(module.Worker, name))
    return module


@pytest.fixture
def worker(lambda_runtime: Any) -> Iterator[Any]:
    """A worker whose process runs already."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("talker.py", CODE)
    function_logs.apply_patch()
    worker = lambda_runtime.Worker("talker", CONFIG, package.getvalue())
    worker.invoke({"writes": ""}, "first")
    yield worker
    worker.kill()


def test_the_patch_is_needed(lambda_runtime: Any) -> None:
    worker = lambda_runtime.Worker("talker", CONFIG, b"")
    began = time.monotonic()
    worker._drain_stderr_bounded()
    assert time.monotonic() - began > 0.045


def test_each_invocation_has_what_it_wrote(worker: Any) -> None:
    texts = ["one\ntwo\n", "", "not ended", "\x1eend of invocation another\n", "three\n"]
    logs = [worker.invoke({"writes": text}, f"id{number}")["log"] for number, text in enumerate(texts)]
    assert logs == ["one\ntwo", "", "not ended", "", "three"]


def test_an_end_that_came_too_late_ends_no_later_invocation() -> None:
    written: queue.Queue[str] = queue.Queue()
    for line in ("\x1eend of invocation one", "said", "\x1eend of invocation two", "of the next"):
        written.put(line)
    assert function_logs._lines(written, "\x1eend of invocation two") == ["said"]
    assert written.qsize() == 1


def test_a_worker_that_was_killed_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_logs, "_SECONDS", 0.02)
    written: queue.Queue[str] = queue.Queue()
    written.put("half a")
    assert function_logs._lines(written, "\x1eend of invocation one") == ["half a"]


def test_what_functions_of_other_languages_wrote_is_looked_for_as_ever(lambda_runtime: Any) -> None:
    function_logs.apply_patch()
    worker = lambda_runtime.Worker("talker", {**CONFIG, "Runtime": "nodejs22.x"}, b"")
    worker._stderr_queue.put("said")
    assert worker._drain_stderr_bounded() == "said"
