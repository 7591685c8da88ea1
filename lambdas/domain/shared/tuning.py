"""What Ops can change without a deployment: one JSON document in an SSM parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


class TuningError(ValueError):
    """A value in the settings parameter cannot be used; the message names it."""


CHOICES = {
    "review_route": ("builtin", "a2i", "groundtruth", "none"),
    "review_kind": ("auto", "detection", "classification"),
}
"""Values of the settings that are words."""
LIMITS = {
    "review_confidence_threshold": 100,
    "review_min_confidence": 100,
    "review_sample_rate": 1,
    "review_iou": 1,
}
"""The most that a share or a percentage may be; an F1 is 1 at most."""
MAX_SECONDS = 99_999_999
"""More than three years: https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""
MAX_REVIEW_WORKERS = 9
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HumanTaskConfig.html ; what follows from the
answers of one task is one transaction, and DynamoDB takes 100 items in one."""


@dataclass(frozen=True)
class Tuning:
    """The loop's thresholds and intervals. Durations in seconds, F1s and shares between 0 and 1."""

    min_new_images: int = 50
    """Newly labelled or relabelled images that start a run by themselves."""
    burst_quiet_seconds: int = 300
    """A burst of uploads is over when nothing changed for this long."""
    burst_limit_seconds: int = 3600
    """A run waits no longer than this for a burst to end."""
    poll_seconds: int = 60
    """How often a training or a starting model is looked at."""
    resend_event_after_seconds: int = 900
    """An object that lies under incoming/ for longer than this had its event lost, and gets a new one."""
    min_training_images: int = 10
    """AWS recommends at least 10 images to train with."""
    min_f1: float = 0.8
    """Gate 1: the overall F1 that a version must reach."""
    min_label_f1: float = 0.5
    """Gate 1: the F1 that each label must reach."""
    min_test_images_per_label: int = 2
    """Gate 1: fewer test images of a label than this prove nothing about it."""
    shadow_test_images: int = 30
    """Gate 2: test images sent through the real endpoint of challenger and champion."""
    f1_tolerance: float = 0.05
    """Gate 2: how far the challenger's overall F1 may lie below the champion's."""
    label_f1_tolerance: float = 0.25
    """Gate 2: the same for each label; a label's few images make its F1 jump."""
    inference_units: int = 1
    drain_seconds: int = 60
    """Time between the switch and the stop of the old champion; longer than a detection takes."""
    review_route: str = "builtin"
    """Who is asked about images without labels: builtin (the review desk), a2i, groundtruth or none."""
    review_kind: str = "auto"
    """What is asked for: detection (boxes), classification (labels of the whole image), or auto: what the
    labelled images have."""
    review_confidence_threshold: float = 60.0
    """Images with a detection of less confidence (percent) are reviewed; 0: none."""
    review_min_confidence: float = 50.0
    """So are those with a detection of this confidence (percent) or more that the model's own threshold for
    its label leaves out; 100: none."""
    review_sample_rate: float = 0.02
    """Share of the other detected images that are reviewed, to know how right the model is."""
    review_open_limit: int = 1000
    """Review tasks open at once; the other images wait in the catalogue."""
    review_workers_per_task: int = 1
    """Reviewers who are asked about each image, 1 to 9; where several disagree, further ones are."""
    review_iou: float = 0.5
    """Boxes of two reviewers that overlap so much, and have one label, are of one object."""
    review_claim_seconds: int = 600
    """A reviewer's claim on a task ends after this, unless it is renewed."""
    review_timeout_seconds: int = 7 * 24 * 3600
    """A task that nobody has answered by then is given back."""
    review_heartbeat_seconds: int = 24 * 3600
    """A task that the sweeper has not seen on the desk for so long is given back: less than
    review_timeout_seconds, and more than passes between two sweeps."""
    review_cooldown_seconds: int = 24 * 3600
    """An image whose task was given back waits so long for the next."""
    review_wait_seconds: int = 4 * 3600
    """A run waits no longer than this for open review tasks; 0: it does not wait."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in CHOICES:
                if value not in CHOICES[field.name]:
                    raise TuningError(f"{field.name}={value!r}: one of {', '.join(CHOICES[field.name])}")
            elif field.name in LIMITS or "f1" in field.name:
                most = LIMITS.get(field.name, 1)
                # NaN is not between anything.
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                    raise TuningError(f"{field.name}={value!r}: expected a number between 0 and {most}")
            elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise TuningError(f"{field.name}={value!r}: expected a whole number, 0 or more")
            elif field.name.endswith("_seconds") and value > MAX_SECONDS:
                raise TuningError(f"{field.name}={value!r}: expected {MAX_SECONDS} seconds or less")
        for name in (
            "min_new_images",
            "poll_seconds",
            "resend_event_after_seconds",
            "inference_units",
            "shadow_test_images",
            "review_open_limit",
            "review_workers_per_task",
            "review_claim_seconds",
            "review_timeout_seconds",
            "review_heartbeat_seconds",
        ):
            if getattr(self, name) < 1:
                raise TuningError(f"{name}={getattr(self, name)!r}: expected 1 or more")
        if self.review_workers_per_task > MAX_REVIEW_WORKERS:
            raise TuningError(
                f"review_workers_per_task={self.review_workers_per_task}:"
                f" expected {MAX_REVIEW_WORKERS} or less"
            )
        # https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
        if self.review_heartbeat_seconds >= self.review_timeout_seconds:
            raise TuningError(
                f"review_heartbeat_seconds={self.review_heartbeat_seconds}: expected less than"
                f" review_timeout_seconds={self.review_timeout_seconds}"
            )

    def as_dict(self) -> dict[str, int | float | str]:
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
