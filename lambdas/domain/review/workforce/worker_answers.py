"""Reads workers' answers, given with Amazon's crowd HTML elements, into boxes and labels.

The elements and what they answer:
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-ui-template-crowd-bounding-box.html
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-ui-template-crowd-image-classifier.html
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-ui-template-crowd-image-classifier-multi.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from lambdas.domain.annotations import box_parsing, entries
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.review.desk.task import Answer
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.shared import annotation as shared_annotation
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Box, Kind
from lambdas.domain.shared.frozen import frozen

NOTHING = "None of these labels"
"""The category of a classification by which a worker says that no label fits: workers have to choose one.
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-image-classification-multilabel.html"""

MAX_LABELS = 50
"""Label categories that workers can choose from, NOTHING among them:
https://docs.aws.amazon.com/sagemaker/latest/dg/input-data-limits.html (crowd-bounding-box's own page says 10;
Ground Truth's template hands the same element these 50)."""

_SHOWN = 10
_SIDES = ("left", "top", "width", "height")


class UnusableLabelsError(RouteError):
    """The labels cannot be put to workers."""


class WorkerAnswerError(ValueError):
    """One worker's answer cannot be used; says why."""


@frozen
class WorkerAnswer:
    """What is on an image. Boxes in whole pixels of the image upright."""

    verdict: Literal["labelled", "nothing"]
    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    """Sorted."""


def check_labels(labels: Sequence[str], kind: Kind) -> None:
    """Raises UnusableLabelsError unless workers can choose from these."""
    if not labels:
        raise UnusableLabelsError("there is no label to choose from: define labels on the review desk first")
    if NOTHING in labels:
        raise UnusableLabelsError(f"the label {NOTHING!r} says to workers that no label fits: rename it")
    if len(choices(labels, kind)) > MAX_LABELS:
        raise UnusableLabelsError(
            f"{len(labels)} labels: workers choose from up to {MAX_LABELS}, and of a classification one of"
            f" these is {NOTHING!r}; retire some, or set review_route to builtin, which takes any number"
        )


def choices(labels: Sequence[str], kind: Kind) -> list[str]:
    """What workers can choose from: of a classification they have to choose something."""
    return [*labels, NOTHING] if kind == "classification" else list(labels)


def of_boxes(
    items: Any, drawn_on: tuple[Any, Any], size: tuple[int, int], labels: Iterable[str]
) -> WorkerAnswer:
    """The boxes of one answer.

    Args:
        items: a list of objects with label, left, top, width and height.
        drawn_on: width and height of what the worker saw.
        size: width and height of the image upright, in pixels.

    Raises:
        WorkerAnswerError: they cannot be boxes on this image.
    """
    if not isinstance(items, list):
        raise WorkerAnswerError(f"boundingBoxes has to be a list, not {_shown(items)}")
    if tuple(drawn_on) != size:
        raise WorkerAnswerError(
            f"drawn on {_shown(drawn_on[0])} x {_shown(drawn_on[1])} pixels, but the image is"
            f" {size[0]} x {size[1]}"
        )
    if len(items) > shared_annotation.MAX_BOXES_PER_IMAGE:
        max_boxes = shared_annotation.MAX_BOXES_PER_IMAGE
        raise WorkerAnswerError(f"{len(items)} boxes; Custom Labels takes up to {max_boxes} on an image")
    known = frozenset(labels)
    boxes = [_box(item, number, size, known) for number, item in enumerate(items, 1)]
    # Of a box that is drawn twice over itself, one is meant.
    once = tuple(dict.fromkeys(boxes))
    return WorkerAnswer("labelled" if once else "nothing", boxes=once)


def of_labels(names: Any, labels: Iterable[str]) -> WorkerAnswer:
    """The image-level labels of one answer; NOTHING alone, or no label: nothing.

    Raises:
        WorkerAnswerError: they are not among `labels`, or contradict each other.
    """
    if not isinstance(names, list):
        raise WorkerAnswerError(f"labels have to be a list, not {_shown(names)}")
    known = frozenset(labels)
    chosen = {_label(name, known | {NOTHING}) for name in names}
    if chosen <= {NOTHING}:
        return WorkerAnswer("nothing")
    if NOTHING in chosen:
        others = ", ".join(sorted(chosen - {NOTHING}))
        raise WorkerAnswerError(f"says {NOTHING!r} and {others} of one image")
    return WorkerAnswer("labelled", labels=tuple(sorted(chosen)))


def answer(worker_answer: WorkerAnswer, reviewer: str, name: str, *, seconds: float, at: str) -> Answer:
    """A worker's answer as a reviewer's.

    Args:
        seconds: that the worker worked.
        at: when it was given (clock.to_iso).
    """
    return Answer(
        reviewer=reviewer,
        name=name,
        verdict=worker_answer.verdict,
        boxes=worker_answer.boxes,
        labels=worker_answer.labels,
        seconds=seconds,
        at=at,
    )


def _box(item: Any, number: int, size: tuple[int, int], known: frozenset[str]) -> Box:
    if not isinstance(item, dict):
        raise WorkerAnswerError(f"box {number} has to be an object, not {_shown(item)}")
    try:
        label = _label(item.get("label"), known)
        sides = [box_parsing.number(item.get(side), side) for side in _SIDES]
        box = entries.whole(box_parsing.of_sides(label, sides[0], sides[1], sides[2], sides[3], size=size))
    except (AnnotationError, WorkerAnswerError) as error:
        why = error.detail if isinstance(error, AnnotationError) else error
        raise WorkerAnswerError(f"box {number}: {why}") from error
    return _checked(box, number, size)


def _checked(box: Box, number: int, size: tuple[int, int]) -> Box:
    annotation = shared_annotation.Annotation("", "", "detection", boxes=(box,))
    if problem := manifests.check_fits(annotation, *size):
        raise WorkerAnswerError(f"box {number}: {problem[1]}")
    return box


def _label(name: Any, known: frozenset[str]) -> str:
    if isinstance(name, str) and name in known:
        return name
    shown = ", ".join(sorted(known)[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    raise WorkerAnswerError(f"label {_shown(name)} is none of those asked for ({shown})")


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:80] + "..."
