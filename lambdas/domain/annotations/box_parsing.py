"""Box parsing: boxes of whatever numbers a dataset has, or why they are none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import LabelledBox
from lambdas.domain.shared import annotation

MAX_PIXELS = 1_000_000
ROUNDING = 1.0
"""Pixels that a box may stick out of its image: tools round, or count from 1."""
ROUNDED_SHARE = 1 / 4096
"""The same of shares: less than a pixel of the largest image."""
_NOISE = 1e-6
"""Pixels, or shares, that adding floating-point numbers may be wrong by."""
_NUMBERS = (int, float, str)
_SHOWN = 80
_COMMA = re.compile(r"-?\d+,\d+")
"""A number as spreadsheets write it in many languages."""

Where = Callable[[], str]
"""Describes a box, when it turns out to be bad."""


def of_shapes(
    shapes: object, where: str, box_of: Callable[[dict[str, Any]], LabelledBox | None]
) -> tuple[list[LabelledBox], list[AnnotationError], int]:
    """The boxes of a list of shapes, what is wrong with others, and how many are none.

    Args:
        where: what the file calls the list; without its s, what it calls one of it.
        box_of: the box of a shape; None of one that has none.
    """
    if not isinstance(shapes, list):
        return [], [AnnotationError("bad_boxes", f"{where} has to be a list")], 0
    boxes: list[LabelledBox] = []
    problems: list[AnnotationError] = []
    left_out = 0
    for number, shape in enumerate(shapes, start=1):
        try:
            if not isinstance(shape, dict):
                raise AnnotationError("bad_boxes", "it has to be an object")
            box = box_of(shape)
        except AnnotationError as error:
            problems.append(AnnotationError(error.reason, f"{where[:-1]} {number}: {error.detail}"))
            continue
        if box is None:
            left_out += 1
        else:
            boxes.append(box)
    return boxes, problems, left_out


def label(name: object) -> str:
    """The label, cleaned. Raises AnnotationError if it is none."""
    if not isinstance(name, str):
        raise AnnotationError("bad_label", f"a label has to be text, not {_shown(name)}")
    if name.lstrip()[:1] == "=":
        raise AnnotationError(
            "formula", f"{_shown(name)} is a spreadsheet's formula: save the values, not the formulas"
        )
    try:
        return annotation.clean_label(name)
    except ValueError as error:
        raise AnnotationError("bad_label", f"{error}: correct it") from error


def number(value: object, name: str) -> float:
    """A finite number, of a number or its text. Raises AnnotationError."""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        raise AnnotationError("bad_number", f"{name} has to be a number, not {_shown(value)}")
    try:
        result = float(value)
    except (ValueError, OverflowError) as error:
        point = ": write decimals with a point" if _COMMA.fullmatch(str(value).strip()) else ""
        raise AnnotationError(
            "bad_number", f"{name} has to be a number, not {_shown(value)}{point}"
        ) from error
    # Python reads 1_0 as ten; nobody writes it to mean that.
    if not math.isfinite(result) or (isinstance(value, str) and "_" in value):
        raise AnnotationError("bad_number", f"{name} is {_shown(value)}, which is no position in an image")
    return result


def side(value: object) -> int:
    """An image's side in pixels; 0 if the value cannot be one."""
    try:
        pixels = number(value, "size")
    except AnnotationError:
        return 0
    return int(pixels) if pixels == int(pixels) and 0 < pixels <= MAX_PIXELS else 0


def size(width: object, height: object) -> tuple[int, int] | None:
    """An image's size in pixels; None if the values cannot be one."""
    sides = side(width), side(height)
    return sides if all(sides) else None


def of_sides(
    label: str, left: float, top: float, width: float, height: float, *, size: tuple[int, int] | None = None
) -> LabelledBox:
    """A box of its left, top, width and height, in pixels.

    Args:
        size: of the image as the same annotation claims it; a box that sticks out of it by more than ROUNDING
            is refused, and by less is cut off at the edge.

    Raises:
        AnnotationError: it can be no box, or does not look like one of these four numbers.
    """
    box = LabelledBox(label, left, top, width, height)
    where = partial(_where, left, top, width, height)
    if width <= 0 or height <= 0:
        raise AnnotationError("box_too_small", f"{where()} has no area: width and height have to be above 0")
    _check_position(left, top, left + width, top + height, where)
    if size and (left + width > size[0] + ROUNDING or top + height > size[1] + ROUNDING):
        raise _outside(box, size)
    return _clipped(box, size, where)


def of_corners(
    label: str,
    left: float,
    top: float,
    right: float,
    bottom: float,
    *,
    size: tuple[int, int] | None = None,
) -> LabelledBox:
    """A box of its top left and bottom right corners, in pixels; size and errors as of_sides."""
    where = partial(_from_to, left, top, right, bottom)
    if right < left or bottom < top:
        raise AnnotationError(
            "box_swapped", f"{where()}: the second corner is left of the first, or above it: swap them"
        )
    if right == left or bottom == top:
        raise AnnotationError("box_too_small", f"{where()} has no area")
    _check_position(left, top, right, bottom, where)
    if size and (right > size[0] + ROUNDING or bottom > size[1] + ROUNDING):
        detail = (
            f"{where()} reaches out of {size[0]} x {size[1]} pixels: correct the box, or the image's size"
        )
        raise AnnotationError("box_outside", detail)
    return _clipped(LabelledBox(label, left, top, right - left, bottom - top), size, where)


def of_shares(label: str, left: float, top: float, right: float, bottom: float) -> LabelledBox:
    """A box of two corners as shares of the image's sides, 0 to 1. Raises AnnotationError."""
    where = partial(_from_to, left, top, right, bottom)
    if right < left or bottom < top:
        raise AnnotationError(
            "box_swapped", f"{where()}: the second corner is left of the first, or above it: swap them"
        )
    if right == left or bottom == top:
        raise AnnotationError("box_too_small", f"{where()} has no area")
    if min(left, top) < -ROUNDED_SHARE or max(right, bottom) > 1 + ROUNDED_SHARE:
        raise AnnotationError(
            "box_outside", f"{where()}: shares of the image's sides have to lie between 0 and 1"
        )
    return _clipped(LabelledBox(label, left, top, right - left, bottom - top), (1, 1), where)


def around(points: Sequence[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a polygon's bounding box."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def turned(wide: float, high: float, angle: float) -> tuple[float, float]:
    """Half the width and height of what an ellipse of these half axes covers, turned by so many radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    return math.hypot(wide * cos, high * sin), math.hypot(wide * sin, high * cos)


def _check_position(left: float, top: float, right: float, bottom: float, where: Where) -> None:
    if left < -ROUNDING or top < -ROUNDING:
        raise AnnotationError(
            "box_outside", f"{where()} begins outside the image: left and top have to be 0 or more"
        )
    if right <= 1 and bottom <= 1:
        raise AnnotationError(
            "box_normalised", f"{where()} looks like shares of the image's sides: pixels are expected"
        )
    if right > MAX_PIXELS or bottom > MAX_PIXELS:
        raise AnnotationError("box_outside", f"{where()} is larger than any image")


def _clipped(box: LabelledBox, size: tuple[int, int] | None, where: Where) -> LabelledBox:
    """The box without what sticks out of the image. Raises AnnotationError if nothing is left."""
    right, bottom = box.left + box.width, box.top + box.height
    limits = size or (MAX_PIXELS, MAX_PIXELS)
    if min(box.left, box.top) >= -_NOISE and right <= limits[0] + _NOISE and bottom <= limits[1] + _NOISE:
        return box
    left, top = max(box.left, 0.0), max(box.top, 0.0)
    width, height = min(right, limits[0]) - left, min(bottom, limits[1]) - top
    if width <= 0 or height <= 0:
        raise AnnotationError("box_outside", f"{where()} lies outside the image: correct the box")
    return replace(box, left=left, top=top, width=width, height=height)


def _outside(box: LabelledBox, size: tuple[int, int]) -> AnnotationError:
    where = f"{_where(box.left, box.top, box.width, box.height)} reaches out of {size[0]} x {size[1]} pixels"
    inside = box.width <= size[0] + ROUNDING and box.height <= size[1] + ROUNDING
    if inside and box.left < box.width and box.top < box.height:
        return AnnotationError(
            "box_corners_suspected",
            f"{where}, but fits if its last two numbers are a corner: write left, top, width, height",
        )
    return AnnotationError("box_outside", f"{where}: correct the box, or the image's size")


def _from_to(left: float, top: float, right: float, bottom: float) -> str:
    return f"box from {left:g}, {top:g} to {right:g}, {bottom:g}"


def _where(left: float, top: float, width: float, height: float) -> str:
    return f"box at {left:g}, {top:g} of {width:g} x {height:g}"


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a number of many digits"
    # Aliases of YAML make lists of a few bytes that take all memory when they are shown.
    if not isinstance(value, str | int | float | None):
        return f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
