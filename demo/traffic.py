"""An application that asks the champion all the time, whatever the loop does meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import cycle
from types import TracebackType

PAUSE_SECONDS = 0.6

Ask = Callable[[bytes], str]
"""Asks the champion about an image: the name of the version that answered."""


class Traffic:
    """Sends detections one after the other while the `with` block runs, and counts them by version."""

    def __init__(self, ask: Ask, images: Sequence[bytes], pause_seconds: float = PAUSE_SECONDS) -> None:
        self._ask, self._images, self._pause = ask, images, pause_seconds
        self._answers: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self.failures: list[str] = []
        self.slowest = 0.0
        """Seconds of the slowest answer."""

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(30)

    @property
    def answers(self) -> dict[str, int]:
        """Answers by model version, in the order in which they served."""
        with self._lock:
            return dict(self._answers)

    @property
    def asked(self) -> int:
        """Detections that were asked for, with those that failed."""
        return sum(self.answers.values()) + len(self.failures)

    def summary(self) -> str:
        """The counts so far, in one line."""
        served = ", ".join(f"{number} by {name.split('-')[0]}" for name, number in self.answers.items())
        return f"{self.asked} detections{f' ({served})' if served else ''}, {len(self.failures)} failed"

    def _run(self) -> None:
        for image in cycle(self._images):
            if self._ended.is_set():
                return
            self._once(image)
            self._ended.wait(self._pause)

    def _once(self, image: bytes) -> None:
        began = time.monotonic()
        try:
            name = self._ask(image)
        except Exception as error:  # noqa: BLE001 whatever it is, a user would have seen it
            self.failures.append(f"{type(error).__name__}: {error}")
            return
        with self._lock:
            self._answers[name] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
