"""Average precision of boxes, as detectors are published with: mAP50 is its mean over the labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from learning import Example, Prediction
from learning.metrics import judge


def of_labels(examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]) -> dict[str, float]:
    """The average precision of each label that the examples show, 0 to 1, at an overlap of 0.5.

    It is the whole area under the curve of precision over recall, where a precision counts as the best one
    at this recall or more, as PASCAL VOC has it since 2010
    (http://host.robots.ox.ac.uk/pascal/VOC/voc2010/devkit_doc_08-May-2010.pdf).
    """
    judged: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    truths: Counter[str] = Counter()
    for example, seen in zip(examples, predictions, strict=True):
        truths.update(box.label for box in example.boxes)
        for verdict in judge("detection", example, seen):
            if verdict.predicted:
                judged[verdict.label].append((verdict.confidence, verdict.right))
    return {label: _area(judged[label], truths[label]) for label in sorted(truths)}


def _area(judged: Sequence[tuple[float, bool]], truths: int) -> float:
    """The area under precision over recall, of each prediction's confidence and whether it is right."""
    right = 0
    points: list[tuple[float, float]] = []
    for number, (_, is_right) in enumerate(sorted(judged, key=lambda pair: -pair[0]), 1):
        right += is_right
        points.append((right / truths, right / number))
    area = best = 0.0
    recalls = [0.0, *(recall for recall, _ in points)]
    for (recall, precision), before in zip(reversed(points), reversed(recalls[:-1]), strict=True):
        best = max(best, precision)
        area += best * (recall - before)
    return area
