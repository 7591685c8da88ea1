"""Precision, recall and F1 of predictions against the truth, as Custom Labels defines them.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-metrics-use.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from learning.types import Box, Evaluation, Example, LabelMetrics, Prediction, Task

MATCHING_OVERLAP = 0.5
"""Custom Labels' documentation does not say how much; it is what PASCAL VOC has made usual."""

_MANY = 64
"""Pairs of boxes from which it is faster to compute their overlaps all at once."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A prediction and whether it is right; or a truth that no prediction found, with confidence 0.

    `confidence` is from 0 to 100, whatever the threshold; `box` is None for image-level labels.
    """

    label: str
    confidence: float
    right: bool
    box: Box | None
    predicted: bool = True


def measure(
    task: Task, examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> Evaluation:
    """The figures of predictions, one sequence of them for each example.

    Each label's assumed threshold is the one which gives it the best F1 on these examples; it lies half way
    between the last confidence that counts and the next that does not. Labels that no example shows are
    left out, and so are predictions of them. The overall figures are plain means over the labels left: so are
    those of the example on
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file-api.html

    Raises:
        ValueError: no example shows a label.
    """
    judged: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    truths: Counter[str] = Counter()
    test_images: Counter[str] = Counter()
    for example, seen in zip(examples, predictions, strict=True):
        shown = _labels(task, example)
        truths.update(shown)
        test_images.update(shown.keys())
        for one in judge(task, example, seen):
            if one.predicted:
                judged[one.label].append((one.confidence, one.right))
    if not truths:
        raise ValueError("No test example shows a label; give at least one labelled test image")
    found = [_best(label, judged[label], truths[label], test_images[label]) for label in sorted(truths)]
    return Evaluation(
        f1=_mean([one.f1 for one in found]),
        precision=_mean([one.precision for one in found]),
        recall=_mean([one.recall for one in found]),
        labels=tuple(found),
        predictions=tuple(tuple(each) for each in predictions),
    )


def judge(task: Task, example: Example, predictions: Iterable[Prediction]) -> list[Judged]:
    """Each prediction on an example, and each truth that none of them found; label by label.

    The most confident prediction first, each takes the free box that it overlaps most, if enough. So what a
    prediction is does not depend on those with less confidence.
    """
    mine: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        mine[prediction.label].append(prediction)
    if task == "classification":
        given = [
            Judged(p.label, p.confidence, p.label in example.labels, None) for ps in mine.values() for p in ps
        ]
        missed = dict.fromkeys(label for label in example.labels if label not in mine)
        return given + [Judged(label, 0.0, True, None, predicted=False) for label in missed]
    boxes: dict[str, list[Box]] = defaultdict(list)
    for box in example.boxes:
        boxes[box.label].append(box)
    return [one for label in {**mine, **boxes} for one in _match(label, boxes[label], mine[label])]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1, whatever their labels."""
    wide = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    tall = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    if wide <= 0 or tall <= 0:
        return 0.0
    shared = wide * tall
    return shared / (one.width * one.height + other.width * other.height - shared)


def _labels(task: Task, example: Example) -> Counter[str]:
    """How often each label should be found in an example."""
    return (
        Counter(box.label for box in example.boxes) if task == "detection" else Counter(set(example.labels))
    )


def _match(label: str, boxes: Sequence[Box], predictions: Iterable[Prediction]) -> list[Judged]:
    ordered = [
        (prediction, prediction.box)
        for prediction in sorted(predictions, key=lambda prediction: -prediction.confidence)
        if prediction.box is not None
    ]
    overlaps = _overlaps([box for _, box in ordered], boxes)
    free = dict.fromkeys(range(len(boxes)))
    judged = []
    for (prediction, place), row in zip(ordered, overlaps, strict=True):
        nearest = max(free, key=row.__getitem__, default=-1)
        right = nearest >= 0 and row[nearest] >= MATCHING_OVERLAP
        if right:
            del free[nearest]
        judged.append(Judged(label, prediction.confidence, right, place))
    return judged + [Judged(label, 0.0, True, boxes[number], predicted=False) for number in free]


def _overlaps(some: Sequence[Box], others: Sequence[Box]) -> list[list[float]]:
    if len(some) * len(others) < _MANY:
        return [[overlap(one, other) for other in others] for one in some]
    sides = [np.array([(b.left, b.top, b.width, b.height) for b in boxes], float) for boxes in (some, others)]
    (left, top, width, height), (left2, top2, width2, height2) = (
        sides[0].T[:, :, None],
        sides[1].T[:, None, :],
    )
    wide = np.minimum(left + width, left2 + width2) - np.maximum(left, left2)
    tall = np.minimum(top + height, top2 + height2) - np.maximum(top, top2)
    shared = np.where((wide > 0) & (tall > 0), wide * tall, 0.0)
    whole = width * height + width2 * height2 - shared
    return (shared / np.where(shared > 0, whole, 1.0)).tolist()  # pyrefly: ignore[no-any-return-explicit]


def _best(label: str, judged: Sequence[tuple[float, bool]], truths: int, test_images: int) -> LabelMetrics:
    """The figures at the threshold with the best F1; of equals, the highest threshold."""
    best = LabelMetrics(label, 0.0, 0.0, 0.0, 1.0, test_images)
    counted = right = 0
    ordered = sorted(judged, key=lambda one: -one[0])
    levels = [(confidence, list(group)) for confidence, group in groupby(ordered, key=itemgetter(0))]
    for number, (confidence, group) in enumerate(levels):
        counted += len(group)
        right += sum(is_right for _, is_right in group)
        f1 = 2 * right / (counted + truths)
        if f1 > best.f1:
            below = levels[number + 1][0] if number + 1 < len(levels) else 0.0
            threshold = (confidence + below) / 200
            best = LabelMetrics(label, f1, right / counted, right / truths, threshold, test_images)
    return best


def _mean(figures: list[float]) -> float:
    return sum(figures) / len(figures)
