"""Faults that tests ask for: an operation fails, is slow, or ends badly, a given number of times."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, replace

from local.engine.errors import ERRORS
from local.engine.shapes import model

OUTCOMES = {
    "CreateDataset": {"CREATE_FAILED"},
    "UpdateDatasetEntries": {"UPDATE_FAILED"},
    "DistributeDatasetEntries": {"UPDATE_FAILED"},
    "CopyProjectVersion": {"COPYING_FAILED"},
    "CreateProjectVersion": {"TRAINING_FAILED"},
    "StartProjectVersion": {"FAILED"},
}
"""How the work that an operation begins may be made to end."""

MESSAGE = "A fault of /_labelloop/faults"
"""The message of what ends as a fault asks for."""
MAX_DELAY_SECONDS = 600.0
MAX_TIMES = 10_000
_FORM = "A fault is {operation, error | outcome, delay_seconds, times}; see local/engine/faults.py"


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
        fault = Fault(**json.loads(body))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(_FORM) from error
    texts = (fault.operation, fault.error, fault.outcome)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(_FORM)
    if fault.operation not in model().operation_names:
        raise ValueError(f"operation: Amazon Rekognition has no operation {fault.operation}")
    if fault.error and fault.error not in ERRORS:
        raise ValueError(f"error must be one of {sorted(ERRORS)}")
    if fault.outcome and fault.outcome not in OUTCOMES.get(fault.operation, ()):
        raise ValueError(f"outcome must be one of {sorted(OUTCOMES.get(fault.operation, ()))}")
    if not _is_number(fault.delay_seconds) or not 0 <= fault.delay_seconds <= MAX_DELAY_SECONDS:
        raise ValueError(f"delay_seconds must be a number from 0 to {MAX_DELAY_SECONDS:.0f}")
    if type(fault.times) is not int or not 1 <= fault.times <= MAX_TIMES:
        raise ValueError(f"times must be a whole number from 1 to {MAX_TIMES}")
    if fault.error and fault.outcome:
        raise ValueError("A request that fails with an error begins nothing that could have an outcome")
    if not (fault.error or fault.outcome or fault.delay_seconds):
        raise ValueError("A fault needs an error, an outcome or a delay_seconds")
    return fault


class Faults:
    """The faults that are waiting, in the order in which they were asked for; each strikes `times` times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def waiting(self) -> list[Fault]:
        """The faults that have not struck yet, with the times that are left."""
        with self._lock:
            return list(self._waiting)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def strike(self, operation: str) -> str:
        """Wait, raise, or return the outcome that the operation's work must have; "" if it may succeed."""
        fault = self._take(operation)
        if fault is None:
            return ""
        time.sleep(fault.delay_seconds)
        if fault.error:
            raise ERRORS[fault.error](f"{operation} was made to fail by a fault of /_labelloop/faults")
        return fault.outcome

    def _take(self, operation: str) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._waiting):
                if fault.operation == operation:
                    left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self._waiting[index : index + 1] = left
                    return fault
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
