"""Running model versions: each is a child process that holds its model in memory and predicts.

Engine and child share a socket pair: requests carry an id and an image, answers the same id and the
detections, in any order.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from local.engine import children
from local.engine.model_directory import version_directory
from local.engine.serving.detections import Detection
from local.engine.serving.framing import receive, send
from local.engine.storage.store import Store

logger = logging.getLogger("labelloop.engine.endpoint")

START_SECONDS = 120.0
PREDICT_SECONDS = 30.0
"""The longest that a prediction may take: less than the minute after which the SDKs give up, so that callers
learn of it."""
SEND_SECONDS = 10.0
"""How long a child may read nothing of what it is sent; it does little else at any time."""


class NotRunningError(Exception):
    """No process predicts for this version."""


class PredictionFailedError(Exception):
    """The model failed on this image."""


class Endpoints(Protocol):
    """What the API needs of running versions. They move a version from STARTING to RUNNING or FAILED, from
    STOPPING to STOPPED, and from RUNNING to FAILED if its process dies."""

    def start(self, version_arn: str, *, fail_with: str = "") -> None: ...

    def stop(self, version_arn: str) -> None: ...

    def predict(self, version_arn: str, image: bytes) -> list[Detection]: ...

    def thresholds(self, version_arn: str) -> Mapping[str, float]: ...

    def close(self) -> None: ...


class ModelServer(Protocol):
    """A loaded model."""

    def predict(self, image: bytes) -> list[Detection]: ...

    def close(self) -> None: ...


Launch = Callable[[Path, Callable[[int], None]], ModelServer]
"""Load the model in a version's directory; the function is called with the exit code if it ends by itself."""


class ModelProcess:
    """The model of a version's directory, in a child process."""

    def __init__(self, directory: Path, on_exit: Callable[[int], None]) -> None:
        self._on_exit = on_exit
        self._ids = itertools.count()
        self._answered = 0
        self._waiting: dict[int, Future[list[Detection]]] = {}
        self._lock = threading.Lock()
        self._closing = False
        log = directory / "endpoint.log"
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            fd = theirs.fileno()
            self._child = children.spawn(
                "local.engine.serving.child", str(directory), str(fd), log=log, pass_fds=[fd]
            )
        ours.settimeout(START_SECONDS)
        try:
            receive(ours)
        except OSError as error:
            code = children.end(self._child, seconds=0.5)
            ours.close()
            raise NotRunningError(f"The model did not load ({code}): {children.last_words(log)}") from error
        ours.settimeout(None)
        # Of sending only; the reader may wait for ever.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(SEND_SECONDS), 0))
        threading.Thread(target=self._read, name="endpoint-reader", daemon=True).start()

    def predict(self, image: bytes) -> list[Detection]:
        """The model's detections in an image.

        Raises:
            NotRunningError: the process was stopped, or has ended.
            PredictionFailedError: the model failed on the image, or took too long for it.
        """
        answer: Future[list[Detection]] = Future()
        with self._lock:
            if self._closing:
                raise NotRunningError("The model was stopped.")
            number = next(self._ids)
            self._waiting[number] = answer
            answered = self._answered
            try:
                send(self._socket, {"id": number}, image)
            except OSError as error:
                # Nothing can follow a message of which a part was sent.
                self._child.kill()
                del self._waiting[number]
                raise NotRunningError("The model's process has ended or hangs.") from error
        try:
            return answer.result(PREDICT_SECONDS)
        except TimeoutError as error:
            self._waiting.pop(number, None)
            if self._answered == answered:
                # It hangs. Its end makes the version FAILED, and frees all who wait.
                self._child.kill()
            raise PredictionFailedError(f"No answer within {PREDICT_SECONDS:.0f} seconds") from error

    def close(self) -> None:
        self._closing = True
        children.end(self._child)
        self._socket.close()

    def _read(self) -> None:
        while (message := self._receive()) is not None:
            header, _ = message
            self._answered += 1
            waiting = self._waiting.pop(header["id"], None)
            if waiting is None:
                continue
            if "error" in header:
                waiting.set_exception(PredictionFailedError(header["error"]))
            else:
                waiting.set_result([_detection(values) for values in header["detections"]])
        code = self._child.wait()
        with self._lock:
            expected, self._closing = self._closing, True
            left = list(self._waiting.values())
            self._waiting.clear()
        for waiting in left:
            waiting.set_exception(NotRunningError("The model's process has ended."))
        if not expected:
            self._on_exit(code)

    def _receive(self) -> tuple[dict[str, Any], bytes] | None:
        try:
            return receive(self._socket)
        except OSError:
            return None


class LocalEndpoints:
    """The running versions, one ModelServer for each."""

    def __init__(self, store: Store, state: Path, *, launch: Launch = ModelProcess) -> None:
        self._store = store
        self._state = state
        self._launch = launch
        self._lock = threading.Lock()
        self._servers: dict[str, ModelServer] = {}
        self._closed = False
        self._work = ThreadPoolExecutor(4, thread_name_prefix="endpoint")

    def start(self, version_arn: str, *, fail_with: str = "") -> None:
        self._work.submit(self._start, version_arn, fail_with)

    def stop(self, version_arn: str) -> None:
        self._work.submit(self._stop, version_arn)

    def predict(self, version_arn: str, image: bytes) -> list[Detection]:
        server = self._servers.get(version_arn)
        if server is None:
            raise NotRunningError(version_arn)
        return server.predict(image)

    def thresholds(self, version_arn: str) -> Mapping[str, float]:
        """Assumed threshold (0 to 1) of each label."""
        return _thresholds(self._directory(version_arn))

    def close(self) -> None:
        """End every process. The store goes on saying RUNNING, so that the next engine starts them again."""
        with self._lock:
            self._closed = True
            servers = list(self._servers.values())
            self._servers = {}
        for server in servers:
            server.close()
        self._work.shutdown(wait=True, cancel_futures=True)

    def _start(self, arn: str, fail_with: str) -> None:
        if self._closed:
            return
        try:
            if fail_with:
                raise NotRunningError(fail_with)
            server = self._launch(self._directory(arn), lambda code: self._died(arn, code))
        except Exception as error:  # noqa: BLE001 - whatever it was, the version must not be STARTING for ever
            logger.warning("start of %s: %s", arn, error)
            if not self._closed:
                self._store.move_version(arn, "FAILED", when={"STARTING"}, message=str(error))
            return
        with self._lock:
            kept = not self._closed
            if kept:
                self._servers[arn] = server
        moved = kept and self._store.move_version(
            arn, "RUNNING", when={"STARTING"}, message="The model is running."
        )
        if not moved:
            self._servers.pop(arn, None)
            server.close()

    def _stop(self, arn: str) -> None:
        server = self._servers.pop(arn, None)
        if server is not None:
            server.close()
        self._store.move_version(arn, "STOPPED", when={"STOPPING"}, message="The model is stopped.")

    def _died(self, arn: str, code: int) -> None:
        logger.warning("the process of %s ended with code %s", arn, code)
        self._servers.pop(arn, None)
        if not self._closed:
            message = f"The model's process ended with code {code}. Start the model again."
            self._store.move_version(arn, "FAILED", when={"RUNNING", "STARTING"}, message=message)

    def _directory(self, arn: str) -> Path:
        return version_directory(self._state, arn)


@functools.lru_cache(maxsize=64)
def _thresholds(directory: Path) -> Mapping[str, float]:
    """The thresholds in a version's directory. They are read once: a version is trained once, and its ARN, so
    its directory too, is never another's."""
    evaluation = json.loads((directory / "evaluation.json").read_text())
    tested = {label["label"]: float(label["assumed_threshold"]) for label in evaluation["labels"]}
    return {**evaluation.get("thresholds", {}), **tested}


def _detection(values: Mapping[str, Any]) -> Detection:
    box = values["box"]
    return Detection(values["label"], values["confidence"], tuple(box) if box else None)
