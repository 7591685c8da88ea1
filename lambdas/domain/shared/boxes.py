"""How far boxes lie on each other, and which of one list belong to which of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lambdas.domain.shared.annotation import Box

MIN_IOU = 0.5
"""From which intersection over union on a detection is on an object. Custom Labels' documentation does not
say how much it asks for; this is what PASCAL VOC has made usual."""


@dataclass(frozen=True)
class RelativeBox:
    """A labelled box whose sides are ratios of the image's size."""

    label: str
    left: float
    top: float
    width: float
    height: float


class Rectangle(Protocol):
    """Something with the sides of a box, in pixels or in ratios of the image's size."""

    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...


def in_pixels(box: Mapping[str, float], width: int, height: int) -> dict[str, int]:
    """A box in shares of an image, in whole pixels of it; none lies outside.

    Sides that two boxes share stay shared, as it is the sides that are rounded.
    """
    left, top = (
        min(max(round(box[side] * size), 0), size) for side, size in (("left", width), ("top", height))
    )
    right = min(max(round((box["left"] + box["width"]) * width), left), width)
    bottom = min(max(round((box["top"] + box["height"]) * height), top), height)
    return {"left": left, "top": top, "width": right - left, "height": bottom - top}


def iou(a: Rectangle, b: Rectangle) -> float:
    """Intersection over union of two boxes, from 0 to 1."""
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.width * a.height + b.width * b.height - shared)


def taken(
    truths: Sequence[str], detections: Sequence[str], overlaps: Sequence[Sequence[float]]
) -> list[int | None]:
    """The true box that each detection has found, by its position; None of a detection that is wrong.

    The surest detection first, each takes the free box of its label that it lies on best, if well enough. So
    what a detection is does not depend on those with less confidence.

    Args:
        truths: the labels of the true boxes.
        detections: the labels of the detections, the surest first.
        overlaps: of each detection with each true box.
    """
    free = dict.fromkeys(range(len(truths)))
    positions: list[int | None] = []
    for label, row in zip(detections, overlaps, strict=True):
        candidates = [truth for truth in free if truths[truth] == label and row[truth] >= MIN_IOU]
        best = max(candidates, key=row.__getitem__, default=None)
        if best is not None:
            del free[best]
        positions.append(best)
    return positions


def matches(firsts: Sequence[Box], seconds: Sequence[Box], min_iou: float) -> list[tuple[int, int]]:
    """Pairs of positions of boxes with one label that overlap by `min_iou` or more, each in one pair at most;
    the best pairs first."""
    pairs = sorted(
        (-overlap, i, j)
        for i, first in enumerate(firsts)
        for j, second in enumerate(seconds)
        if first.label == second.label and (overlap := iou(first, second)) >= min_iou
    )
    pairing: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in pairs:
        if i not in taken[0] and j not in taken[1]:
            pairing.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return pairing


def agreement(firsts: Sequence[Box], seconds: Sequence[Box], min_iou: float) -> float:
    """F1 of one list against the other, from 0 to 1; two empty lists agree."""
    if not firsts and not seconds:
        return 1.0
    return 2 * len(matches(firsts, seconds, min_iou)) / (len(firsts) + len(seconds))
