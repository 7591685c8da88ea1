"""What a training may spend on learning."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Budget:
    """The longest that learning may take, and if given, the most steps: then how far it comes does not
    depend on how busy the machine is."""

    seconds: float
    steps: int | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Budget:
        """LABELLOOP_TRAINING_SECONDS, 600 unless set, and LABELLOOP_TRAINING_STEPS.

        Raises:
            ValueError: one of them is not a number above 0.
        """
        seconds = _positive(environment, "LABELLOOP_TRAINING_SECONDS", float) or 600.0
        return cls(seconds, _positive(environment, "LABELLOOP_TRAINING_STEPS", int))


def label_check_seconds(environment: Mapping[str, str] = os.environ) -> float:
    """How long a training may look for wrong labels: LABELLOOP_LABEL_CHECK_SECONDS, 120 unless
    set; 0: it does not.

    Raises:
        ValueError: it is not 0, nor a number above.
    """
    name = "LABELLOOP_LABEL_CHECK_SECONDS"
    if environment.get(name) in ("0", "0.0"):
        return 0.0
    return _positive(environment, name, float) or 120.0


def _positive(environment: Mapping[str, str], name: str, kind: type[T]) -> T | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        value = kind(0)
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {text!r}; it has to be a number above 0")
    return value
