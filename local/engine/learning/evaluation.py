"""Precision, recall and F1 of predictions against the truth, as Custom Labels defines them.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-metrics-use.html
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from local.engine.learning.types import Box, Evaluation, Example, LabelMetrics, Prediction, Task

if TYPE_CHECKING:
    from local.engine.learning.model import Model

MATCHING_OVERLAP = 0.5

Judged = tuple[float, bool]
"""A prediction's confidence from 0 to 100, and whether the prediction is right."""


def evaluate(model: Model, examples: Sequence[Example]) -> Evaluation:
    """The model's figures on test examples.

    Raises:
        ValueError: an image file cannot be read, or no example shows a label.
    """
    return measure(model.task, examples, [model.predict_file(example.path) for example in examples])


def measure(
    task: Task, examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> Evaluation:
    """The figures of predictions, one sequence of them for each example.

    Each label's assumed threshold is the one which gives it the best F1 on these examples; it lies half way
    between the last confidence that counts and the next that does not. Labels that no example shows are
    left out, and so are predictions of them; the overall figures are plain means over the labels left.

    Raises:
        ValueError: no example shows a label.
    """
    shown = [_labels(task, example) for example in examples]
    labels = sorted(set().union(*shown)) if shown else []
    if not labels:
        raise ValueError("No test example shows a label; give at least one labelled test image")
    found = []
    for label in labels:
        judged, truths = _judge(task, label, examples, predictions)
        test_images = sum(label in names for names in shown)
        found.append(_best(label, judged, truths, test_images))
    return Evaluation(
        f1=_mean([one.f1 for one in found]),
        precision=_mean([one.precision for one in found]),
        recall=_mean([one.recall for one in found]),
        labels=tuple(found),
        predictions=tuple(tuple(each) for each in predictions),
    )


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1, whatever their labels."""
    wide = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    tall = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    if wide <= 0 or tall <= 0:
        return 0.0
    shared = wide * tall
    return shared / (one.width * one.height + other.width * other.height - shared)


def _labels(task: Task, example: Example) -> set[str]:
    return {box.label for box in example.boxes} if task == "detection" else set(example.labels)


def _judge(
    task: Task, label: str, examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> tuple[list[Judged], int]:
    """Every prediction of the label with whether it is right, and how many there should be."""
    judged: list[Judged] = []
    truths = 0
    for example, seen in zip(examples, predictions, strict=True):
        mine = [prediction for prediction in seen if prediction.label == label]
        if task == "detection":
            boxes = [box for box in example.boxes if box.label == label]
            judged += _match(boxes, mine)
            truths += len(boxes)
        else:
            judged += [(prediction.confidence, label in example.labels) for prediction in mine]
            truths += label in example.labels
    return judged, truths


def _match(boxes: list[Box], predictions: list[Prediction]) -> list[Judged]:
    """The most confident prediction first, each takes the free box that it overlaps most, if enough."""
    free = list(boxes)
    judged: list[Judged] = []
    for prediction in sorted(predictions, key=lambda prediction: -prediction.confidence):
        if prediction.box is None:
            continue
        overlaps = [overlap(prediction.box, box) for box in free]
        right = bool(overlaps) and max(overlaps) >= MATCHING_OVERLAP
        if right:
            free.pop(overlaps.index(max(overlaps)))
        judged.append((prediction.confidence, right))
    return judged


def _best(label: str, judged: list[Judged], truths: int, test_images: int) -> LabelMetrics:
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
