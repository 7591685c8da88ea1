"""Faults that tests ask for: an operation fails, is slow, or ends badly, a given number of times."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

from local.engine.errors import ERRORS
from local.engine.shapes import model

OUTCOMES = {
    "CreateDataset": {"CREATE_FAILED"},
    "UpdateDatasetEntries": {"UPDATE_FAILED"},
    "CreateProjectVersion": {"TRAINING_FAILED"},
    "StartProjectVersion": {"FAILED"},
}
"""How the work that an operation begins may be made to end."""


@dataclass(frozen=True)
class Fault:
    operation: str
    error: str = ""
    delay_seconds: float = 0.0
    outcome: str = ""
    times: int = 1


def parse(body: bytes) -> Fault:
    """The fault that a request's JSON describes.

    Raises:
        ValueError: it describes none; the message says what it must.
    """
    try:
        wanted: Any = json.loads(body)
        fault = Fault(**wanted)
        fault = replace(fault, delay_seconds=float(fault.delay_seconds), times=int(fault.times))
    except (TypeError, ValueError) as error:
        raise ValueError(
            "A fault is {operation, error | delay_seconds | outcome, times}; see local/engine/faults.py"
        ) from error
    if fault.operation not in model().operation_names:
        raise ValueError(f"Amazon Rekognition has no operation {fault.operation}")
    if fault.error and fault.error not in ERRORS:
        raise ValueError(f"error must be one of {sorted(ERRORS)}")
    if fault.outcome and fault.outcome not in OUTCOMES.get(fault.operation, ()):
        raise ValueError(f"outcome must be one of {sorted(OUTCOMES.get(fault.operation, ()))}")
    if not (fault.error or fault.outcome or fault.delay_seconds > 0) or fault.times < 1:
        raise ValueError("A fault needs an error, an outcome or a delay_seconds, and times of at least 1")
    return fault


class Faults:
    """The faults that are waiting; each strikes `times` times and is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, list[Fault]] = defaultdict(list)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting[fault.operation] += [fault] * fault.times

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def strike(self, operation: str) -> str:
        """Wait, raise, or return the outcome that the operation's work must have; "" if it may succeed."""
        with self._lock:
            waiting = self._waiting[operation]
            fault = waiting.pop(0) if waiting else None
        if fault is None:
            return ""
        time.sleep(fault.delay_seconds)
        if fault.error:
            raise ERRORS[fault.error](f"{operation} was made to fail by a fault of /_labelloop/faults")
        return fault.outcome
