"""Which detections are worth a person's time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.domain.reviews.tasks import Reason
from lambdas.domain.tuning import Tuning


def worth_review(labels: Sequence[Mapping[str, Any]], name: str, tuning: Tuning) -> Reason | None:
    """Why an image that the champion was asked about should be reviewed; None if it should not.

    The sample hangs on the image's name alone: an event that comes twice decides the same.

    Args:
        labels: what the champion sees (custom_labels.detect), confidence from 0 to 100.
        name: hexadecimal digits that stand for the image.
    """
    if any(float(label["confidence"]) < tuning.review_below for label in labels):
        return "low_confidence"
    if int(name[:8], 16) / 0x1_0000_0000 < tuning.review_sample:
        return "sample"
    return None
