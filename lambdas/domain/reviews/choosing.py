"""Which detections are worth a person's time."""

from __future__ import annotations

from lambdas.domain.detection import Detected
from lambdas.domain.reviews.tasks import Reason
from lambdas.domain.tuning import Tuning


def floor(tuning: Tuning) -> float | None:
    """Confidence (percent) from which on what the champion leaves out is looked at; None: nothing is."""
    return tuning.review_floor if tuning.review_route != "none" and tuning.review_below else None


def worth_review(found: Detected, name: str, tuning: Tuning) -> Reason | None:
    """Why an image that the champion was asked about should be reviewed; None if it should not.

    The champion is unsure of what it answers with little confidence, and of what its own threshold leaves
    out of the answer though it has some: a label's threshold may lie far above `review_below`.

    The sample hangs on the image's name alone: an event that comes twice decides the same.

    Args:
        name: hexadecimal digits that stand for the image.
    """
    if found.left_out or any(label["confidence"] < tuning.review_below for label in found.labels):
        return "low_confidence"
    if int(name[:8], 16) / 0x1_0000_0000 < tuning.review_sample:
        return "sample"
    return None
