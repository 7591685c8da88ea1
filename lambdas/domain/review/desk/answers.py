"""Checks of what a reviewer sends about a task: everything of it, before anything is changed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from lambdas.domain.review.desk.limits import Verdict
from lambdas.domain.review.desk.task import Answer, Task
from lambdas.domain.shared import clock, manifests
from lambdas.domain.shared.annotation import Annotation, Box, Kind
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.reasons import reason_problem

MAX_SECONDS = 24 * 3600
_SHOWN = 60


class InvalidAnswerError(ApiError):
    """An answer that cannot be kept: the member that is wrong, and what to do."""

    status = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(self.status, "bad_answer", message, field)


@frozen
class Submission:
    """What a reviewer sends about a task, not yet checked against it. Boxes in whole pixels of the upright
    image; the seconds that the reviewer took."""

    verdict: Verdict
    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    reason: str = ""
    seconds: float = 0


def check_submission(
    submission: Submission, task: Task, labels: Collection[str], *, reviewer: str, name: str
) -> Answer:
    """The answer that a submission is.

    Args:
        labels: that may be used.
        reviewer, name: who answers.

    Raises:
        InvalidAnswerError: it contradicts itself, or does not fit the image.
    """
    check_content(
        submission.boxes, submission.labels, kind=task.kind, size=(task.width, task.height), usable=labels
    )
    _check_agreement(submission, task)
    return Answer(
        reviewer=reviewer,
        name=name,
        verdict=submission.verdict,
        boxes=submission.boxes,
        labels=tuple(sorted(set(submission.labels))),
        reason=check_reason(submission.reason),
        seconds=_seconds(submission.seconds),
        at=clock.now(),
    )


def _check_agreement(submission: Submission, task: Task) -> None:
    verdict, boxes, labels = submission.verdict, submission.boxes, submission.labels
    if verdict != "labelled" and (boxes or labels):
        raise InvalidAnswerError("verdict", f"verdict {verdict} comes without boxes and labels")
    if verdict == "labelled" and not (boxes or labels):
        raise InvalidAnswerError("verdict", "nothing is labelled: say nothing if there is nothing to label")


def check_content(
    boxes: Sequence[Box], labels: Sequence[str], *, kind: Kind, size: tuple[int, int], usable: Collection[str]
) -> None:
    """Check what is to be on an image of this size (width and height in pixels).

    Raises:
        InvalidAnswerError: it is not of this kind, does not fit the image, or has a label that is not usable.
    """
    for number, box in enumerate(boxes):
        _check_box(box, f"boxes[{number}]", size, usable)
    for label in labels:
        _check_label(label, "labels", usable)
    if kind == "detection" and labels:
        raise InvalidAnswerError("labels", "boxes are asked for, not labels of the whole image")
    if kind == "classification" and boxes:
        raise InvalidAnswerError("boxes", "labels of the whole image are asked for, not boxes")
    if len(set(boxes)) < len(boxes):
        raise InvalidAnswerError("boxes", "two boxes are the same: delete one")


def _check_box(box: Box, field: str, size: tuple[int, int], labels: Collection[str]) -> None:
    _check_label(box.label, f"{field}.label", labels)
    if box.width <= 0 or box.height <= 0:
        raise InvalidAnswerError(field, "a box is at least one pixel wide and high")
    problem = manifests.check_fits(Annotation("", "", "detection", boxes=(box,)), *size)
    if problem:
        raise InvalidAnswerError(field, problem[1])


def _check_label(label: str, field: str, labels: Collection[str]) -> None:
    if label not in labels:
        shown = label if len(label) <= _SHOWN else label[:_SHOWN] + "..."
        raise InvalidAnswerError(field, f"there is no label {shown!r}: an administrator can add it")


def check_reason(reason: str) -> str:
    """The reason without blanks around it; empty if none is given.

    Raises:
        InvalidAnswerError: it is too long, or has control characters.
    """
    if problem := reason_problem(reason):
        raise InvalidAnswerError("reason", f"reason {problem}")
    return reason.strip()


def _seconds(value: float) -> float:
    # A whole number can be too long for math.isfinite.
    if not 0 <= value < math.inf:
        raise InvalidAnswerError("seconds", "seconds has to be a number of 0 or more")
    return round(float(min(value, MAX_SECONDS)), 3)
