"""Scores from a running model's real answers: the same measure for challenger and champion.

A detection is right if it has the label of a true box that it overlaps with an intersection over union of
at least 0.5 and that no better detection has taken; each label's F1 follows from what is right, wrong and
missed, and the overall F1 is the labels' mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from lambdas.domain.evaluation.shadow_answers import Detections
from lambdas.domain.shared import boxes, comparison
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.shared.comparison import Counts, ImageCounts
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.scores import LabelScore, Scores


@frozen
class GroundTruth:
    """What a test image shows: boxes, or labels of the whole image."""

    labels: tuple[str, ...]
    boxes: tuple[RelativeBox, ...] = ()


def score(answers: Iterable[tuple[GroundTruth, Detections]]) -> Scores:
    """Scores of a model version from pairs of truth and its detections."""
    judged = [(truth, count(truth, detections)) for truth, detections in answers]
    images = Counter(label for truth, _ in judged for label in set(truth.labels))
    sums: dict[str, Counts] = {}
    for _, counts in judged:
        for label, counted in counts.items():
            sums[label] = Counts(*map(sum, zip(sums.get(label, Counts()), counted, strict=True)))
    labels = tuple(_label_score(label, sums[label], images[label]) for label in sorted(images))
    return Scores(f1=comparison.f1(counts for _, counts in judged), labels=labels)


def count(truth: GroundTruth, detections: Detections) -> ImageCounts:
    """What of a version's detections on an image is right and wrong, and what it has missed."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    if truth.boxes or not truth.labels:
        _count_boxes(truth, detections, right, wrong, missed)
    else:
        detected, true = {detection["label"] for detection in detections}, set(truth.labels)
        right.update(detected & true)
        wrong.update(detected - true)
        missed.update(true - detected)
    labels = sorted({*right, *wrong, *missed})
    return {label: Counts(right[label], wrong[label], missed[label]) for label in labels}


def _count_boxes(
    truth: GroundTruth, detections: Detections, right: Counter[str], wrong: Counter[str], missed: Counter[str]
) -> None:
    seen = [_box(detection) for detection in sorted(detections, key=lambda d: -d["confidence"])]
    overlaps = [[boxes.iou(true, box) for true in truth.boxes] for box in seen]
    taken = boxes.taken([true.label for true in truth.boxes], [box.label for box in seen], overlaps)
    for box, true in zip(seen, taken, strict=True):
        (wrong if true is None else right)[box.label] += 1
    missed.update(true.label for number, true in enumerate(truth.boxes) if number not in taken)


def _box(detection: Mapping[str, Any]) -> RelativeBox:
    """A detection's box; one without a box has none of any size, which overlaps nothing."""
    box = detection.get("box") or {"left": 0, "top": 0, "width": 0, "height": 0}
    return RelativeBox(detection["label"], box["left"], box["top"], box["width"], box["height"])


def _label_score(label: str, counted: Counts, images: int) -> LabelScore:
    right, wrong, missed = counted
    return LabelScore(
        label=label,
        f1=2 * right / max(1, 2 * right + wrong + missed),
        precision=right / max(1, right + wrong),
        recall=right / max(1, right + missed),
        test_images=images,
    )
