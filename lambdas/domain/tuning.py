"""What Ops can change without a deployment: one JSON document in an SSM parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


class TuningError(ValueError):
    """A value in the settings parameter cannot be used; the message names it."""


@dataclass(frozen=True)
class Tuning:
    """The loop's thresholds and intervals. Durations in seconds, F1s between 0 and 1."""

    min_new_images: int = 50
    """Newly labelled or relabelled images that start a run by themselves."""
    settle_seconds: int = 300
    """A burst of uploads is over when nothing changed for this long."""
    settle_limit_seconds: int = 3600
    """A run waits no longer than this for a burst to end."""
    poll_seconds: int = 60
    """How often a training or a starting model is looked at."""
    lost_event_seconds: int = 900
    """An object that lies under incoming/ for longer than this had its event lost, and gets a new one."""
    min_training_images: int = 10
    """AWS recommends at least 10 images to train with."""
    min_f1: float = 0.8
    """Gate 1: the overall F1 that a version must reach."""
    min_label_f1: float = 0.5
    """Gate 1: the F1 that each label must reach."""
    min_test_images_per_label: int = 2
    """Gate 1: fewer test images of a label than this prove nothing about it."""
    verification_images: int = 30
    """Gate 2: test images sent through the real endpoint of challenger and champion."""
    f1_tolerance: float = 0.05
    """Gate 2: how far the challenger's overall F1 may lie below the champion's."""
    label_f1_tolerance: float = 0.25
    """Gate 2: the same for each label; a label's few images make its F1 jump."""
    inference_units: int = 1
    drain_seconds: int = 60
    """Time between the switch and the stop of the old champion; longer than a detection takes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if "f1" in field.name:
                # NaN is not between anything.
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                    raise TuningError(f"{field.name}={value!r}: an F1 lies between 0 and 1")
            elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise TuningError(f"{field.name}={value!r}: expected a whole number, 0 or more")
        for name in (
            "min_new_images",
            "poll_seconds",
            "lost_event_seconds",
            "inference_units",
            "verification_images",
        ):
            if getattr(self, name) < 1:
                raise TuningError(f"{name}={getattr(self, name)!r}: expected 1 or more")

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tuning:
        """Tuning with the given values over the defaults.

        Raises:
            TuningError: a name is unknown or a value cannot be used.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise TuningError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)

    @classmethod
    def from_json(cls, document: str) -> Tuning:
        """Tuning as the SSM parameter holds it.

        Raises:
            TuningError: the document is not a JSON object, or a value cannot be used.
        """
        try:
            values = json.loads(document)
        except json.JSONDecodeError as error:
            raise TuningError(f"the settings parameter is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise TuningError("the settings parameter has to be a JSON object")
        return cls.from_dict(values)
