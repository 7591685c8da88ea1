"""Scores from a running model's real answers: the same measure for challenger and champion.

A detection is right if it has the label of a true box that it overlaps with an intersection over union of
at least 0.5 and that no better detection has taken; each label's F1 follows from what is right, wrong and
missed, and the overall F1 is the labels' mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.domain.shared.boxes import RelativeBox, iou
from lambdas.domain.shared.scores import LabelScore, Scores

MIN_IOU = 0.5


@dataclass(frozen=True)
class GroundTruth:
    """What a test image shows: boxes, or labels of the whole image."""

    labels: tuple[str, ...]
    boxes: tuple[RelativeBox, ...] = ()


@dataclass
class Tally:
    """Detections of each label that were right, wrong, and true ones that were missed."""

    right: Counter[str]
    wrong: Counter[str]
    missed: Counter[str]
    images: Counter[str]


def score(answers: Iterable[tuple[GroundTruth, list[dict[str, Any]]]]) -> Scores:
    """Scores of a model version from pairs of truth and its detections (see custom_labels.detect)."""
    tally = Tally(Counter(), Counter(), Counter(), Counter())
    for truth, detections in answers:
        tally.images.update(set(truth.labels))
        if truth.boxes:
            _tally_boxes(tally, truth, detections)
        else:
            _tally_labels(tally, truth, detections)
    labels = tuple(_label_score(tally, label) for label in sorted(tally.images))
    overall = sum(label.f1 for label in labels) / len(labels) if labels else 0.0
    return Scores(f1=overall, labels=labels)


def _tally_labels(tally: Tally, truth: GroundTruth, detections: list[dict[str, Any]]) -> None:
    detected, true = {detection["label"] for detection in detections}, set(truth.labels)
    tally.right.update(detected & true)
    tally.wrong.update(detected - true)
    tally.missed.update(true - detected)


def _tally_boxes(tally: Tally, truth: GroundTruth, detections: list[dict[str, Any]]) -> None:
    open_boxes = list(truth.boxes)
    for detection in sorted(detections, key=lambda d: -d["confidence"]):
        box = _box(detection)
        candidates = [true for true in open_boxes if true.label == box.label]
        best = max(candidates, key=lambda true: iou(true, box), default=None)
        if best is not None and iou(best, box) >= MIN_IOU:
            open_boxes.remove(best)
            tally.right[box.label] += 1
        else:
            tally.wrong[box.label] += 1
    tally.missed.update(true.label for true in open_boxes)


def _box(detection: Mapping[str, Any]) -> RelativeBox:
    """A detection's box; one without a box has none of any size, which overlaps nothing."""
    box = detection.get("box") or {"left": 0, "top": 0, "width": 0, "height": 0}
    return RelativeBox(detection["label"], box["left"], box["top"], box["width"], box["height"])


def _label_score(tally: Tally, label: str) -> LabelScore:
    right, wrong, missed = tally.right[label], tally.wrong[label], tally.missed[label]
    return LabelScore(
        label=label,
        f1=2 * right / max(1, 2 * right + wrong + missed),
        precision=right / max(1, right + wrong),
        recall=right / max(1, right + missed),
        test_images=tally.images[label],
    )
