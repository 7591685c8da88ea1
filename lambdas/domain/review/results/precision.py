"""How right the model in production is, from what reviewers say of its detections.

Only a random sample tells, so the images are kept apart by why they are reviewed. Of those that the model is
sure of a share is drawn at random; those that it is unsure of are all proposed, and are wrong more often.
Neither alone tells how right all answers are: `weighted` does, by how many detections of each kind came.

Detections of one image are alike, right and wrong together, so that they tell less than those of as many
images would. The interval is Wilson's, at 95 %, of as many detections as would tell as much if each had an
image of its own: L. Kish, 1965, "Survey Sampling", on the design effect of clusters.
benchmarks/production_precision.py shows how often it holds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from lambdas.domain.review.desk.task import Suggestions, Task
from lambdas.domain.review.results.consolidation import Consolidated
from lambdas.domain.shared import boxes as shared_boxes
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.intervals import wilson

Stratum = Literal["sure", "unsure"]
"""Whether the model was sure of all that it saw on an image."""
STRATA: dict[str, Stratum] = {"sample": "sure", "low_confidence": "unsure"}
"""The stratum of an image by the reason of its review; other images are no sample of anything."""
_PRIOR_IMAGES = 0.5
"""Images all wrong, and as many all right, that are added before it is asked how alike detections of an image
are: with no error yet, or nothing right, there would be nothing to learn that from."""


@frozen
class Precision:
    """Detections that reviewers confirmed and did not, and what is needed to say how sure that is."""

    confirmed: int = 0
    false: int = 0
    missed: int = 0
    images: int = 0
    clusters: int = 0
    """Images whose sums of squares follow: none of those that were counted before there were any."""
    detections_squared: int = 0
    confirmed_squared: int = 0
    product: int = 0
    """Sum over images of detections times those confirmed."""

    @property
    def detections(self) -> int:
        return self.confirmed + self.false

    @property
    def value(self) -> float | None:
        """Share of the detections that were confirmed, from 0 to 1; None where there is none."""
        return self.confirmed / self.detections if self.detections else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """In which that share lies with 95 % certainty, of all detections that these are a sample of."""
        if not self.detections:
            return None
        return wilson(self.confirmed / self.detections, self.detections / self.design_effect)

    @property
    def design_effect(self) -> float:
        """How many detections tell as much as one that has an image of its own; 1 or more."""
        detections = self.detections
        if not detections or self.clusters < self.images:
            return 1.0
        usual = detections / self.images
        images = self.images + 2 * _PRIOR_IMAGES
        detections += 2 * _PRIOR_IMAGES * usual
        share = (self.confirmed + _PRIOR_IMAGES * usual) / detections
        prior = _PRIOR_IMAGES * usual * usual
        # Of each image the detections confirmed, less as many as the share says.
        squares = self.confirmed_squared + prior
        squares += share * share * (self.detections_squared + 2 * prior)
        squares -= 2 * share * (self.product + prior)
        between = squares * images / max(images - 1, 1)
        return max(1.0, between / (detections * share * (1 - share)))

    def __add__(self, other: Precision) -> Precision:
        return Precision(
            *(mine + theirs for mine, theirs in zip(_numbers(self), _numbers(other), strict=True))
        )


@frozen
class Estimate:
    """A share from 0 to 1, and the interval in which it lies with 95 % certainty."""

    value: float
    low: float
    high: float


def weighted(parts: Sequence[tuple[Precision, int]]) -> Estimate | None:
    """How right all detections are, where each kind of them was judged apart.

    The interval is made of those of the parts: G. Y. Zou and A. Donner, 2008, "Construction of confidence
    limits about effect measures: a general approach".

    Args:
        parts: what reviewers said of each kind, and how many detections of it there were in all.

    Returns:
        None if there was none, or if a kind that there is was never judged.
    """
    total = sum(detections for _, detections in parts)
    if not total:
        return None
    value = below = above = 0.0
    for judged, detections in parts:
        share = detections / total
        if not share:
            continue
        if judged.value is None or judged.interval is None:
            return None
        low, high = judged.interval
        value += share * judged.value
        below += (share * (judged.value - low)) ** 2
        above += (share * (high - judged.value)) ** 2
    return Estimate(value, max(0.0, value - math.sqrt(below)), min(1.0, value + math.sqrt(above)))


def _numbers(precision: Precision) -> tuple[int, ...]:
    return tuple(vars(precision).values())


@frozen
class Tally:
    """Detections of one image by label: confirmed, false, and what the model missed."""

    confirmed: Counter[str]
    false: Counter[str]
    missed: Counter[str]

    def counts(self, label: str | None = None) -> dict[str, int]:
        """What is counted of the image, by the names of Precision's members.

        Args:
            label: of this label alone.
        """
        confirmed, false, missed = (
            counter.total() if label is None else counter[label]
            for counter in (self.confirmed, self.false, self.missed)
        )
        detections = confirmed + false
        squares = (detections**2, confirmed**2, detections * confirmed)
        return dict(vars(Precision(confirmed, false, missed, 1, 1, *squares)))

    @property
    def labels(self) -> list[str]:
        """That were seen or missed, those with the most detections first."""
        seen = self.confirmed + self.false
        return sorted({*seen, *self.missed}, key=lambda label: (-seen[label], label))


def tally(suggestions: Suggestions, result: Consolidated, iou: float) -> Tally:
    """Judge a model's answer by what reviewers say. An image that is unusable judges nothing.

    What the model was not sure enough of to answer is no answer; where it is there, it is missed.
    """
    if result.verdict == "unusable":
        return Tally(Counter(), Counter(), Counter())
    boxes = [suggestion.box for suggestion in suggestions.boxes if not suggestion.left_out]
    pairs = shared_boxes.matches(boxes, result.boxes, iou)
    right = Counter(boxes[i].label for i, _ in pairs)
    suggested = {suggestion.label for suggestion in suggestions.labels if not suggestion.left_out}
    right.update(suggested & set(result.labels))
    seen = Counter([*(box.label for box in boxes), *suggested])
    there = Counter([*(box.label for box in result.boxes), *result.labels])
    return Tally(confirmed=right, false=seen - right, missed=there - right)


MAX_LABELS = 40
"""Labels of one image that are counted apart: DynamoDB takes 100 items in a transaction, and a correction
writes those of two results. An image with more counts for all labels together with everything, and apart for
those with the most detections.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


def counts(task: Task, result: Consolidated, iou: float) -> dict[tuple[str, str], dict[str, int]]:
    """What the result of a task adds to what is known of the model's precision, by the items' keys.

    The keys' second parts: `all` is the sample, whatever it is of; `day#<day>#<source>#<stratum>` and
    `label#<source>#<stratum>#<label>` tell when, of what and of which label.
    """
    stratum = STRATA.get(task.reason)
    if stratum is None or not task.suggested_by or result.verdict == "unusable":
        return {}
    judged = tally(task.suggestions, result, iou)
    id = f"precision#{task.suggested_by}"
    counted = {(id, "all"): judged.counts()} if stratum == "sure" else {}
    if not task.source:
        return counted
    counted[id, f"day#{task.created_at[:10]}#{task.source}#{stratum}"] = judged.counts()
    for label in judged.labels[:MAX_LABELS]:
        counted[id, f"label#{task.source}#{stratum}#{label}"] = judged.counts(label)
    return counted
