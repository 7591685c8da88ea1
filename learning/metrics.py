"""Precision, recall and F1 of predictions against the truth, as Custom Labels defines them.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-metrics-use.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from learning.boxes import sides_of
from learning.types import Box, Evaluation, Example, LabelMetrics, Prediction, Task
from portable.boxes import iou

MATCHING_IOU = 0.5
"""The least overlap of a prediction with the box that it matches. Custom Labels' documentation does not say
how much; it is what PASCAL VOC has made usual."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A prediction and whether it is right; or a truth that no prediction matches, with confidence 0.

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
        for verdict in judge(task, example, seen):
            if verdict.predicted:
                judged[verdict.label].append((verdict.confidence, verdict.right))
    if not truths:
        raise ValueError("No test example shows a label; give at least one labelled test image")
    labels = [_best(label, judged[label], truths[label], test_images[label]) for label in sorted(truths)]
    return Evaluation(
        f1=_mean([label.f1 for label in labels]),
        precision=_mean([label.precision for label in labels]),
        recall=_mean([label.recall for label in labels]),
        labels=tuple(labels),
        predictions=tuple(tuple(each) for each in predictions),
    )


def judge(task: Task, example: Example, predictions: Iterable[Prediction]) -> list[Judged]:
    """Verdicts on each prediction for an example, and on each truth that none of them matches; label by
    label.

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
    return [verdict for label in {**mine, **boxes} for verdict in _match(label, boxes[label], mine[label])]


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
    overlaps = iou(sides_of([box for _, box in ordered]), sides_of(boxes)).tolist()
    free = dict.fromkeys(range(len(boxes)))
    judged = []
    for (prediction, place), row in zip(ordered, overlaps, strict=True):
        nearest = max(free, key=row.__getitem__, default=-1)
        right = nearest >= 0 and row[nearest] >= MATCHING_IOU
        if right:
            del free[nearest]
        judged.append(Judged(label, prediction.confidence, right, place))
    return judged + [Judged(label, 0.0, True, boxes[number], predicted=False) for number in free]


def _best(label: str, judged: Sequence[tuple[float, bool]], truths: int, test_images: int) -> LabelMetrics:
    """The figures at the threshold with the best F1; of equals, the highest threshold."""
    best = LabelMetrics(label, 0.0, 0.0, 0.0, 1.0, test_images)
    counted = right = 0
    ordered = sorted(judged, key=lambda pair: -pair[0])
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
