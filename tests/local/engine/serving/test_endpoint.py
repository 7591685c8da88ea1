"""The process that holds a running model: many requests, bad ones, and processes that end badly.

The child is this module with a stand-in for the model that does what the image says, so nothing needs torch.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.engine import children
from local.engine.serving import child, endpoint
from local.engine.serving.detections import Detection
from local.engine.serving.endpoint import LocalEndpoints, ModelProcess, NotRunningError, PredictionFailedError
from tests.fixtures.engine import eventually

LIMIT = 3.0
"""Seconds that a prediction may take in these tests."""
LARGE = 4 * 1024 * 1024


def obey(image: bytes) -> list[Detection]:
    """The stand-in's prediction: the label is the image's text and length, unless that text is an order."""
    order = image[:5].decode()
    if order == "fails":
        raise ValueError("no such image")
    if order == "dies!":
        os._exit(3)
    if order == "hangs":
        time.sleep(600)
    return [Detection(f"{image[:9].decode()} {len(image)}", 50.0, (0.1, 0.2, 0.3, 0.4))]


class Running:
    """A model's process, and with what codes it ended by itself."""

    def __init__(self, directory: Path) -> None:
        self.codes: list[int] = []
        self.process = ModelProcess(directory, self.codes.append)

    def predict(self, image: bytes) -> str:
        (detection,) = self.process.predict(image)
        return detection.label

    @property
    def pid(self) -> int:
        return self.process._child.pid


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    spawn = children.spawn

    def spawn_this(module: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        assert module == "local.engine.serving.child"
        return spawn("tests.local.engine.serving.test_endpoint", *arguments, **options)

    monkeypatch.setattr(children, "spawn", spawn_this)
    monkeypatch.setattr(endpoint, "PREDICT_SECONDS", LIMIT)
    monkeypatch.setattr(endpoint, "SEND_SECONDS", 1.0)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path)
    yield started
    started.process.close()


def failing(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - which one it is, the test looks at
        return error
    raise AssertionError("it did not fail")


def test_each_of_many_requests_gets_its_own_answer(running: Running) -> None:
    images = [f"image{number:04d}".encode() + b"x" * (number * 977 % 60_000) for number in range(400)]
    images[7] += b"x" * LARGE
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(running.predict, images))
    assert answers == [f"{image[:9].decode()} {len(image)}" for image in images]


def test_what_is_found_comes_through_unchanged(running: Running) -> None:
    assert running.process.predict(b"gear") == [Detection("gear 4", 50.0, (0.1, 0.2, 0.3, 0.4))]


def test_an_image_that_fails_fails_alone(running: Running) -> None:
    with pytest.raises(PredictionFailedError, match="no such image"):
        running.predict(b"fails")
    assert running.predict(b"next") == "next 4"
    assert running.codes == []


@pytest.mark.long
def test_an_image_that_takes_too_long_fails_alone(running: Running) -> None:
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(failing, lambda: running.predict(b"hangs"))
        while not slow.done():
            assert running.predict(b"others") == "others 6"
            time.sleep(0.05)
    assert isinstance(slow.result(), PredictionFailedError)
    assert running.predict(b"next") == "next 4"
    assert running.codes == []


def test_who_waits_for_a_process_that_dies_is_told(running: Running) -> None:
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(failing, lambda: running.predict(b"hangs")) for _ in range(3)]
        eventually(lambda: len(running.process._waiting) == 3)
        os.kill(running.pid, signal.SIGKILL)
    assert [type(future.result()) for future in waiting] == [NotRunningError] * 3
    eventually(lambda: running.codes == [-signal.SIGKILL])
    with pytest.raises(NotRunningError):
        running.predict(b"next")


def test_a_process_that_ends_by_itself_says_with_what_code(running: Running) -> None:
    with pytest.raises(NotRunningError):
        running.predict(b"dies!")
    eventually(lambda: running.codes == [3])


@pytest.mark.long
@pytest.mark.parametrize("size", [100, LARGE], ids=["waiting for an answer", "waiting to send"])
def test_a_process_that_hangs_is_ended_and_frees_who_waits(running: Running, size: int) -> None:
    """An image larger than the socket's buffer cannot even be sent whole."""
    os.kill(running.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(failing, lambda: running.predict(b"x" * size)) for _ in range(4)]
        errors = [future.result(10 * LIMIT) for future in waiting]
    assert {type(error) for error in errors} <= {NotRunningError, PredictionFailedError}
    eventually(lambda: running.codes == [-signal.SIGKILL])


def test_stopping_frees_who_waits_and_is_no_failure(running: Running) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(failing, lambda: running.predict(b"hangs"))
        eventually(lambda: running.process._waiting)
        running.process.close()
        assert isinstance(waiting.result(), NotRunningError)
    with pytest.raises(NotRunningError):
        running.predict(b"next")
    assert running.codes == []


def test_a_process_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with pytest.raises(NotRunningError, match="ValueError: the model is broken"):
        Running(tmp_path)


@pytest.mark.long
def test_a_version_whose_process_hangs_has_failed(tmp_path: Path) -> None:
    store = Versions()
    endpoints = LocalEndpoints(store, tmp_path)  # pyrefly: ignore[bad-argument-type]
    endpoints._directory("arn").mkdir(parents=True)
    try:
        endpoints.start("arn")
        eventually(lambda: store.moves == [("arn", "RUNNING")])
        server = endpoints._servers["arn"]
        assert isinstance(server, ModelProcess)
        os.kill(server._child.pid, signal.SIGSTOP)
        with pytest.raises((NotRunningError, PredictionFailedError)):
            endpoints.predict("arn", b"x")
        eventually(lambda: store.moves[1:] == [("arn", "FAILED")])
        with pytest.raises(NotRunningError):
            endpoints.predict("arn", b"x")
    finally:
        endpoints.close()


def test_thresholds_are_those_of_the_evaluation_and_else_of_training(tmp_path: Path) -> None:
    endpoints = LocalEndpoints(Versions(), tmp_path)  # pyrefly: ignore[bad-argument-type]
    directory = endpoints._directory("arn")
    directory.mkdir(parents=True)
    labels = [{"label": "gear", "assumed_threshold": 0.4}]
    evaluation = {"labels": labels, "thresholds": {"gear": 0.1, "nut": 0.2}}
    (directory / "evaluation.json").write_text(json.dumps(evaluation))
    assert endpoints.thresholds("arn") == {"gear": 0.4, "nut": 0.2}
    endpoints.close()


class Versions:
    """What LocalEndpoints tells the store."""

    def __init__(self) -> None:
        self.moves: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def move_version(self, arn: str, to: str, *, when: set[str], message: str) -> bool:
        with self._lock:
            self.moves.append((arn, to))
        return True


if __name__ == "__main__":
    children.end_with_parent()
    if (Path(sys.argv[1]) / "broken").exists():
        raise ValueError("the model is broken")
    child.serve(socket.socket(fileno=int(sys.argv[2])), obey)
