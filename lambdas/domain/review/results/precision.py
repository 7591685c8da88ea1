"""How right the model in production is, from what reviewers say of its detections.

Only a random sample tells: of detections that were sent because they were unsure, many are wrong. The
interval is Wilson's, at 95 % (E. B. Wilson, 1927, "Probable inference, the law of succession, and statistical
inference").
"""

from __future__ import annotations

from collections import Counter

from lambdas.domain.review.desk.task import Suggestions
from lambdas.domain.review.results.consolidation import Consolidated
from lambdas.domain.shared import boxes as shared_boxes
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.intervals import wilson


@frozen
class Precision:
    """Share of the detections that reviewers confirmed, from 0 to 1, and the interval that it lies in."""

    confirmed: int
    false: int
    missed: int
    images: int

    @property
    def value(self) -> float | None:
        """None before there is anything to judge by."""
        detections = self.confirmed + self.false
        return self.confirmed / detections if detections else None

    @property
    def interval(self) -> tuple[float, float] | None:
        detections = self.confirmed + self.false
        return wilson(self.confirmed / detections, detections) if detections else None


@frozen
class Tally:
    """Detections of one image by label: confirmed, false, and what the model missed."""

    confirmed: Counter[str]
    false: Counter[str]
    missed: Counter[str]


def tally(suggestions: Suggestions, result: Consolidated, iou: float) -> Tally:
    """Judge a model's suggestions by what reviewers say. An image that is unusable judges nothing."""
    if result.verdict == "unusable":
        return Tally(Counter(), Counter(), Counter())
    boxes = [suggestion.box for suggestion in suggestions.boxes]
    pairs = shared_boxes.matches(boxes, result.boxes, iou)
    right = Counter(boxes[i].label for i, _ in pairs)
    suggested = {suggestion.label for suggestion in suggestions.labels}
    right.update(suggested & set(result.labels))
    seen = Counter([*(box.label for box in boxes), *suggested])
    there = Counter([*(box.label for box in result.boxes), *result.labels])
    return Tally(confirmed=right, false=seen - right, missed=there - right)
