"""The result of several reviewers' answers: the majority, box by box.

Boxes of different reviewers are of one object where they have one label and overlap enough. An object is
there if more than half of the reviewers who labelled the image drew it, and its box is the mean of theirs;
it is not there if fewer than half did. Reviewers disagree while the verdict has no majority, an object was
drawn by just half of them, or none was by more: then one more is asked, up to twice as many as were wanted
less one. Then what half of them drew is there, too. A verdict or an object that only one of several gave does
not hold; where that leaves nothing, they have come to no result.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import get_args

from lambdas.domain.review.desk.limits import Verdict
from lambdas.domain.review.desk.task import Answer
from lambdas.domain.shared import boxes as shared_boxes
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.frozen import frozen


@frozen
class Consolidated:
    """The result for an image."""

    verdict: Verdict
    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    reason: str = ""


@frozen
class Disagreement:
    """One more reviewer has to decide; if there is none, the answers have come to nothing."""

    why: str


def max_answers(wanted: int) -> int:
    """Answers after which the majority holds, of a task that began with `wanted`."""
    return max(1, 2 * wanted - 1)


def consolidate(answers: Sequence[Answer], *, final: bool, iou: float) -> Consolidated | Disagreement:
    """The result of one or more answers.

    Args:
        final: no further reviewer is asked. Of verdicts with as many votes, what was labelled counts before
            nothing, and nothing before unusable. They still disagree if no two of them mean the same.
        iou: boxes that overlap so much, and have one label, are of one object.
    """
    if len(answers) == 1:
        (only,) = answers
        return Consolidated(only.verdict, only.boxes, only.labels, only.reason)
    # Who answered first decides nothing.
    answers = sorted(answers, key=lambda answer: answer.reviewer)
    verdicts = Counter(answer.verdict for answer in answers)
    verdict: Verdict = max(get_args(Verdict), key=lambda candidate: verdicts[candidate])
    votes = verdicts[verdict]
    if (2 * votes <= len(answers) and not final) or votes < 2:
        return Disagreement("the reviewers do not agree on what the image is: " + _counted(verdicts))
    if verdict != "labelled":
        reasons = [answer.reason for answer in answers if answer.verdict == verdict and answer.reason]
        return Consolidated(verdict, reason="; ".join(reasons))
    return _of_labelled([answer for answer in answers if answer.verdict == "labelled"], final, iou)


def _of_labelled(answers: Sequence[Answer], final: bool, iou: float) -> Consolidated | Disagreement:
    drawn = [(len(boxes), _mean(boxes)) for boxes in _objects([answer.boxes for answer in answers], iou)]
    chosen = [(count, label) for label, count in _labels(answers).items()]
    doubtful = sum(2 * count == len(answers) for count, _ in (*drawn, *chosen))
    if doubtful and not final:
        return Disagreement(f"the reviewers do not agree on {doubtful} of {len(drawn) + len(chosen)} labels")
    enough = max(2, math.ceil(len(answers) / 2))
    boxes = [box for count, box in drawn if count >= enough]
    labels = [label for count, label in chosen if count >= enough]
    if not boxes and not labels:
        return Disagreement("the reviewers do not agree on any label")
    return Consolidated("labelled", tuple(sorted(boxes, key=_place)), tuple(sorted(labels)))


def _labels(answers: Sequence[Answer]) -> Counter[str]:
    return Counter(label for answer in answers for label in answer.labels)


def _objects(lists: Sequence[Sequence[Box]], iou: float) -> list[list[Box]]:
    """Boxes of the same object, one of each reviewer at most."""
    objects: list[list[Box]] = []
    for boxes in lists:
        known = [_mean(drawn) for drawn in objects]
        paired = {j: i for i, j in shared_boxes.matches(known, boxes, iou)}
        for number, box in enumerate(boxes):
            if number in paired:
                objects[paired[number]].append(box)
            else:
                objects.append([box])
    return objects


def _mean(boxes: Sequence[Box]) -> Box:
    """Of edges, so that the mean lies where the boxes do."""
    count = len(boxes)
    left, top = (round(sum(getattr(box, side) for box in boxes) / count) for side in ("left", "top"))
    right = round(sum(box.left + box.width for box in boxes) / count)
    bottom = round(sum(box.top + box.height for box in boxes) / count)
    return Box(boxes[0].label, left, top, max(1, right - left), max(1, bottom - top))


def _place(box: Box) -> tuple[int, int, str]:
    return box.top, box.left, box.label


def agreement(answer: Answer, result: Consolidated, iou: float) -> float:
    """How far an answer agrees with the result, from 0 to 1."""
    if answer.verdict != result.verdict:
        return 0.0
    if answer.labels or result.labels:
        ones, others = set(answer.labels), set(result.labels)
        return 2 * len(ones & others) / (len(ones) + len(others))
    return shared_boxes.agreement(answer.boxes, result.boxes, iou)


def _counted(verdicts: Counter[Verdict]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
