"""What a reviewer sends, read into an answer: everything of it is checked before anything is changed."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, get_args

from lambdas.domain.review.desk.task import Answer, Task, Verdict
from lambdas.domain.shared import annotation, clock, manifests
from lambdas.domain.shared.annotation import Annotation, Box

MAX_REASON = 500
MAX_SECONDS = 24 * 3600
_SIDES = ("left", "top", "width", "height")
_MEMBERS = frozenset({"verdict", "boxes", "labels", "reason", "seconds"})
_SHOWN = 60


class InvalidAnswerError(ValueError):
    """An answer that cannot be kept: the member that is wrong, and what to do."""

    status = 422
    code = "bad_answer"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse_answer(
    body: Mapping[str, Any], task: Task, labels: Collection[str], *, reviewer: str, name: str
) -> Answer:
    """An answer about this task.

    Args:
        body: verdict, and as it asks boxes, labels, reason; seconds that the reviewer took.
        labels: that may be used.
        reviewer, name: who answers.

    Raises:
        BadAnswer: it contradicts itself, or does not fit the image.
    """
    if unknown := sorted(map(str, set(body) - _MEMBERS)):
        raise InvalidAnswerError(_cut(unknown[0]), f"unknown member {_shown(unknown[0])}")
    verdict: Any = body.get("verdict")
    if verdict not in get_args(Verdict):
        raise InvalidAnswerError("verdict", f"verdict has to be one of {', '.join(get_args(Verdict))}")
    boxes = tuple(_box(item, n, task, labels) for n, item in enumerate(_list(body, "boxes")))
    names = tuple(sorted({_label(item, "labels", labels) for item in _list(body, "labels")}))
    _check_agreement(verdict, boxes, names, task)
    return Answer(
        reviewer=reviewer,
        name=name,
        verdict=verdict,
        boxes=boxes,
        labels=names,
        reason=reason(body),
        seconds=_seconds(body),
        at=clock.now(),
    )


def _check_agreement(verdict: Verdict, boxes: tuple[Box, ...], labels: tuple[str, ...], task: Task) -> None:
    if verdict != "labelled" and (boxes or labels):
        raise InvalidAnswerError("verdict", f"verdict {verdict} comes without boxes and labels")
    if task.kind == "detection" and labels:
        raise InvalidAnswerError("labels", "this task asks for boxes, not for labels of the whole image")
    if task.kind == "classification" and boxes:
        raise InvalidAnswerError("boxes", "this task asks for labels of the whole image, not for boxes")
    if verdict == "labelled" and not (boxes or labels):
        raise InvalidAnswerError("verdict", "nothing is labelled: say nothing if there is nothing to label")
    if len(set(boxes)) < len(boxes):
        raise InvalidAnswerError("boxes", "two boxes are the same: delete one")


def _list(body: Mapping[str, Any], member: str) -> list[Any]:
    value = body.get(member, [])
    most = annotation.MAX_BOXES_PER_IMAGE if member == "boxes" else annotation.MAX_LABELS_PER_IMAGE
    if not isinstance(value, list):
        raise InvalidAnswerError(member, f"{member} has to be a list")
    if len(value) > most:
        raise InvalidAnswerError(
            member, f"{len(value)} {member}: Custom Labels takes up to {most} of an image"
        )
    return value


def _box(item: Any, number: int, task: Task, labels: Collection[str]) -> Box:
    field = f"boxes[{number}]"
    if not isinstance(item, dict) or set(item) != {"label", *_SIDES}:
        raise InvalidAnswerError(field, "a box has just label, left, top, width and height")
    for side in _SIDES:
        if isinstance(item[side], bool) or not isinstance(item[side], int):
            raise InvalidAnswerError(f"{field}.{side}", f"{side} has to be a whole number of pixels")
    box = Box(_label(item["label"], f"{field}.label", labels), *(item[side] for side in _SIDES))
    if box.width <= 0 or box.height <= 0:
        raise InvalidAnswerError(field, "a box is at least one pixel wide and high")
    wrong = manifests.check_fits(Annotation("", "", "detection", boxes=(box,)), task.width, task.height)
    if wrong:
        raise InvalidAnswerError(field, wrong[1])
    return box


def _label(value: Any, field: str, labels: Collection[str]) -> str:
    if not isinstance(value, str) or value not in labels:
        raise InvalidAnswerError(field, f"there is no label {_shown(value)}: an administrator can add it")
    return value


def reason(body: Mapping[str, Any]) -> str:
    """Why, in words; empty if nothing is said.

    Raises:
        BadAnswer: it is no text, too long, or has control characters.
    """
    value = body.get("reason", "")
    if not isinstance(value, str) or len(value) > MAX_REASON:
        raise InvalidAnswerError("reason", f"reason has to be text of up to {MAX_REASON} characters")
    if any(unicodedata.category(one) == "Cc" and one not in "\n\r\t" for one in value):
        raise InvalidAnswerError("reason", "reason has control characters: type it anew")
    return value.strip()


def _seconds(body: Mapping[str, Any]) -> float:
    value = body.get("seconds", 0)
    # A whole number can be too long for math.isfinite.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise InvalidAnswerError("seconds", "seconds has to be a number")
    if value < 0:
        raise InvalidAnswerError("seconds", "seconds cannot be negative")
    return round(float(min(value, MAX_SECONDS)), 3)


def _shown(value: Any) -> str:
    return repr(_cut(value)) if isinstance(value, str) else f"of type {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
