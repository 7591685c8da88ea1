"""Figures of an evaluation: precision and recall by threshold, who is taken for whom, F1 by object size."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.domain.evaluation.matching import Judged, counts, judge
from lambdas.domain.evaluation.records import SIZES, Evaluation, Size, TestImage
from lambdas.domain.shared.comparison import Counts

NOTHING = ""
"""In place of a label: an object that was not detected, or a detection where nothing is."""

JudgedImages = Sequence[tuple[TestImage, list[Judged]]]


@dataclass(frozen=True)
class CurvePoint:
    """What counts where detections of a label count from a threshold on; the threshold between 0 and 1."""

    threshold: float
    right: int
    wrong: int
    missed: int


@dataclass(frozen=True)
class LabelCurve:
    """Precision and recall of a label by threshold, from the lowest that anything is known of."""

    label: str
    floor: float
    objects: int
    """True objects of it."""
    points: tuple[CurvePoint, ...]
    """Ascending, in whole percent but for the floor. Between two of them the counts of the lower one hold."""


@dataclass(frozen=True)
class Cell:
    """How many objects of a label were taken for another; NOTHING stands for no object, or no detection."""

    truth: str
    detected: str
    count: int


@dataclass(frozen=True)
class SizeCounts:
    """What is right, wrong and missed among objects of a size."""

    size: Size
    right: int
    wrong: int
    missed: int


def f1_of(counted: Counts) -> float | None:
    """F1 between 0 and 1; None where there was nothing to find."""
    right, wrong, missed = counted
    return 2 * right / (2 * right + wrong + missed) if right + missed else None


def curves(evaluation: Evaluation) -> list[LabelCurve]:
    """The curve of each label.

    Whether a detection is right does not depend on those with less confidence, so one look at the images is
    enough for all thresholds.
    """
    floors = evaluation.thresholds()
    seen: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    objects: Counter[str] = Counter()
    for image in evaluation.images:
        objects.update(truth.label for truth in image.truths)
        for one in judge(image, floors):
            if one.detection:
                seen[one.detection.label].append((one.detection.confidence, one.is_right))
    return [_curve(label, floors[label], objects[label], seen[label]) for label in evaluation.labels]


def _curve(label: str, floor: float, objects: int, seen: list[tuple[float, bool]]) -> LabelCurve:
    seen.sort(reverse=True)
    points: list[CurvePoint] = []
    grid = [percent / 100 for percent in range(100, math.floor(floor * 100), -1)]
    counted = right = 0
    for threshold in [*(each for each in grid if each > floor), floor]:
        while counted < len(seen) and seen[counted][0] >= threshold:
            right += seen[counted][1]
            counted += 1
        point = CurvePoint(threshold, right, counted - right, objects - right)
        # A higher threshold with the same counts says nothing that the lower one does not say.
        if points and (points[-1].right, points[-1].wrong) == (point.right, point.wrong):
            points.pop()
        points.append(point)
    return LabelCurve(label, floor, objects, tuple(reversed(points)))


def label_counts(judged: JudgedImages) -> dict[str, Counts]:
    """What is right, wrong and missed of each label."""
    sums: dict[str, Counts] = {}
    for _, of_image in judged:
        for label, counted in counts(of_image).items():
            sums[label] = Counts(*map(sum, zip(sums.get(label, Counts()), counted, strict=True)))
    return sums


def overall_f1(counted: Iterable[Counts]) -> float | None:
    """The labels' mean F1; None where no image shows any label."""
    known = [f1 for counts_of_label in counted if (f1 := f1_of(counts_of_label)) is not None]
    return sum(known) / len(known) if known else None


def confusion_matrix(judged: JudgedImages) -> list[Cell]:
    """The cells that are not 0, of which those of a label's row make its objects, and those of its column its
    detections. An object that a loose box is on was missed, and the box is on nothing."""
    cells: Counter[tuple[str, str]] = Counter()
    for one in (one for _, of_image in judged for one in of_image):
        truth = one.truth.label if one.truth and one.judgement != "duplicate" else NOTHING
        detected = one.detection.label if one.detection else NOTHING
        if one.judgement == "loose":
            cells[truth, NOTHING] += 1
            cells[NOTHING, detected] += 1
        else:
            cells[truth, detected] += 1
    return [Cell(truth, detected, count) for (truth, detected), count in sorted(cells.items())]


def by_size(judged: JudgedImages) -> list[SizeCounts]:
    """Counts by the size of the true object, or of the detection where there is none; nothing for labels of
    whole images."""
    sums: dict[Size, list[int]] = {size: [0, 0, 0] for size in SIZES}
    for image, of_image in judged:
        for one in of_image:
            truth = one.truth if one.judgement != "duplicate" else None
            true_size = image.size_of(truth) if truth else None
            seen_size = image.size_of(one.detection) if one.detection else None
            if one.is_right and true_size:
                sums[true_size][0] += 1
                continue
            if seen_size:
                sums[seen_size][1] += 1
            if true_size:
                sums[true_size][2] += 1
    if not any(map(any, sums.values())):
        return []
    return [SizeCounts(size, *sums[size]) for size in SIZES]
