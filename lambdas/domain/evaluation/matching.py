"""Which of a version's detections are right, and what kind of mistake each other one is.

The kinds are those of TIDE (https://arxiv.org/abs/2008.08115): a detection that is wrong has the wrong label,
the wrong place, an object that was found already, or nothing there at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, Thresholds, TrueObject
from lambdas.domain.shared import boxes
from lambdas.domain.shared.boxes import MIN_IOU
from lambdas.domain.shared.comparison import Counts, ImageCounts

MIN_LOOSE_IOU = 0.1
"""From here on a box that fits too badly is still one of the object, as TIDE has it."""

Judgement = Literal["right", "confusion", "loose", "duplicate", "background", "missed"]
"""`confusion`: on an object of another label, that nothing else found; `loose`: on the object, but not well
enough; `duplicate`: on an object that was found already; `background`: where nothing is; `missed`: an object
that no detection is on."""


@dataclass(frozen=True)
class Judged:
    """A true object, a detection, or one of each that belong together."""

    judgement: Judgement
    truth: TrueObject | None
    detection: Detection | None
    overlap: float = 0.0
    """Intersection over union of both."""

    @property
    def is_right(self) -> bool:
        return self.judgement == "right"


def judge(image: TestImage, thresholds: Thresholds) -> list[Judged]:
    """Every true object and every detection from its label's threshold on, each once."""
    counted = [
        detection
        for detection in image.detections
        if detection.confidence >= thresholds.get(detection.label, 0.0)
    ]
    if any(thing.box for thing in (*image.truths, *counted)):
        return _judge_boxes(image.truths, counted)
    return _judge_labels(image.truths, counted)


def judge_all(evaluation: Evaluation, thresholds: Thresholds) -> list[tuple[TestImage, list[Judged]]]:
    """The same of each image."""
    return [(image, judge(image, thresholds)) for image in evaluation.images]


def counts(judged: Iterable[Judged]) -> ImageCounts:
    """What is right, wrong and missed, by label; a confusion is wrong for one and missed for another."""
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    for one in judged:
        if one.is_right and one.truth:
            right[one.truth.label] += 1
            continue
        if one.detection:
            wrong[one.detection.label] += 1
        if one.truth and one.judgement != "duplicate":
            missed[one.truth.label] += 1
    labels = sorted({*right, *wrong, *missed})
    return {label: Counts(right[label], wrong[label], missed[label]) for label in labels}


def _judge_boxes(truths: tuple[TrueObject, ...], detections: list[Detection]) -> list[Judged]:
    overlaps = [
        [boxes.iou(truth.box, one.box) if truth.box and one.box else 0.0 for truth in truths]
        for one in detections
    ]
    taken = boxes.taken(
        [truth.label for truth in truths], [detection.label for detection in detections], overlaps
    )
    free = dict.fromkeys(range(len(truths)))
    judged: dict[int, Judged] = {}
    for number, truth in enumerate(taken):
        if truth is not None:
            del free[truth]
            judged[number] = Judged("right", truths[truth], detections[number], overlaps[number][truth])

    def take(judgement: Judgement, same_label: bool, low: float) -> None:
        """Give each wrong detection the free object that it lies on best, of its label or of another."""
        for number, detection in enumerate(detections):
            on = [
                truth
                for truth in free
                if overlaps[number][truth] >= low and (truths[truth].label == detection.label) is same_label
            ]
            if number in judged or not on:
                continue
            best = max(on, key=lambda truth: overlaps[number][truth])
            del free[best]
            judged[number] = Judged(judgement, truths[best], detection, overlaps[number][best])

    take("confusion", same_label=False, low=MIN_IOU)
    take("loose", same_label=True, low=MIN_LOOSE_IOU)
    for number, detection in enumerate(detections):
        if number not in judged:
            judged[number] = _rest(truths, detection, overlaps[number])
    missed = [Judged("missed", truths[truth], None) for truth in free]
    return [*(judged[number] for number in range(len(detections))), *missed]


def _rest(truths: tuple[TrueObject, ...], detection: Detection, overlaps: list[float]) -> Judged:
    """A wrong detection that no free object is left for."""
    best = max(range(len(truths)), key=lambda truth: overlaps[truth], default=None)
    if best is not None and overlaps[best] >= MIN_IOU:
        return Judged("duplicate", truths[best], detection, overlaps[best])
    return Judged("background", None, detection)


def _judge_labels(truths: tuple[TrueObject, ...], detections: list[Detection]) -> list[Judged]:
    """The same of labels of the whole image: a single one that was missed belongs to the surest wrong one."""
    true, seen = {truth.label: truth for truth in truths}, {one.label: one for one in reversed(detections)}
    judged = [Judged("right", truth, seen[label]) for label, truth in true.items() if label in seen]
    missed = [truth for label, truth in true.items() if label not in seen]
    wrong = sorted((one for label, one in seen.items() if label not in true), key=lambda one: -one.confidence)
    if len(missed) == 1 and wrong:
        judged.append(Judged("confusion", missed.pop(), wrong.pop(0)))
    judged += [Judged("background", None, one) for one in wrong]
    return judged + [Judged("missed", truth, None) for truth in missed]
