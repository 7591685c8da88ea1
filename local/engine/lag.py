"""Descriptions that are older than the last write, as an eventually consistent service gives them.

AWS does not say that what is written can be read at once. With a lag, the first answers after each write are
those that the same request got before it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

LAG_VARIABLE = "LABELLOOP_ENGINE_LAG_READS"
DESCRIBES = {"DescribeProjects", "DescribeProjectVersions", "DescribeDataset"}


def reads_from_environment(environment: Mapping[str, str] = os.environ) -> int:
    """How many answers after each write are old ones.

    Raises:
        ValueError: the variable holds no whole number, 0 or more.
    """
    text = environment.get(LAG_VARIABLE, "").strip() or "0"
    if not text.isdecimal():
        raise ValueError(f"{LAG_VARIABLE}={text!r}: a whole number, 0 or more")
    return int(text)


@dataclass
class _Remembered:
    answer: dict[str, Any]
    left: int = 0
    """How often it is still given."""


class Lag:
    """Remembers what each describing request was answered.

    Args:
        reads: how many answers after each write are old ones.
    """

    def __init__(self, reads: int) -> None:
        self._reads = reads
        self._lock = threading.Lock()
        self._answers: dict[str, _Remembered] = {}

    def answer(
        self, operation: str, request: Mapping[str, Any], caller: str, fresh: dict[str, Any]
    ) -> dict[str, Any]:
        """The answer to give, after an operation that succeeded.

        Args:
            caller: whose account and Region it was in.
            fresh: its answer as it is.
        """
        if not self._reads:
            return fresh
        with self._lock:
            if operation in DESCRIBES:
                return self._described(f"{caller} {operation} {json.dumps(request, sort_keys=True)}", fresh)
            if not operation.startswith(("List", "Detect")):
                for remembered in self._answers.values():
                    remembered.left = self._reads
        return fresh

    def _described(self, key: str, fresh: dict[str, Any]) -> dict[str, Any]:
        remembered = self._answers.get(key)
        if remembered and remembered.left > 0:
            remembered.left -= 1
            return deepcopy(remembered.answer)
        self._answers[key] = _Remembered(deepcopy(fresh))
        return fresh
