"""Bounding boxes of COCO's segmentations: polygons, and masks as lengths of runs (RLE).

Runs go down the columns, from the left, and are outside and inside by turns, outside first; as text they are
compressed: https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c .
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lambdas.domain.annotations import box_parsing
from lambdas.domain.annotations.problems import AnnotationError

_MAX_RUN_CHARACTERS = 7
"""Characters of one compressed run: more bits than any image has pixels."""


def bounds(segmentation: Any) -> tuple[float, float, float, float]:
    """Left, top, width and height of what a segmentation covers.

    Raises:
        AnnotationError: it is none, or covers nothing.
    """
    if isinstance(segmentation, dict):
        return _of_runs(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        raise AnnotationError("bad_mask", "segmentation has to be polygons, or a mask with counts and size")
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    points = [point for polygon in polygons for point in _points(polygon)]
    left, top, right, bottom = box_parsing.around(points)
    return left, top, right - left, bottom - top


def _points(polygon: Any) -> list[tuple[float, float]]:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise AnnotationError("bad_mask", "a polygon has to be a list of x, y, x, y, ... of 3 points or more")
    numbers = [box_parsing.number(value, "a polygon's point") for value in polygon]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _of_runs(mask: dict[str, Any]) -> tuple[float, float, float, float]:
    size, counts = mask.get("size"), mask.get("counts")
    sides = box_parsing.size(*size) if isinstance(size, list) and len(size) == 2 else None
    if not sides:
        raise AnnotationError("bad_mask", "a mask's size has to be its height and width")
    height, width = sides
    runs = _runs(counts)
    at, inside = 0, False
    lefts, tops, rights, bottoms = [width], [height], [0], [0]
    for run in runs:
        end = at + run
        if run < 0 or end > height * width:
            raise AnnotationError("bad_mask", "a mask's counts are of more pixels than its size has")
        if inside and run:
            first, last = divmod(at, height), divmod(end - 1, height)
            whole = first[0] != last[0]
            lefts[0], rights[0] = min(lefts[0], first[0]), max(rights[0], last[0] + 1)
            tops[0] = 0 if whole else min(tops[0], first[1])
            bottoms[0] = height if whole else max(bottoms[0], last[1] + 1)
        at, inside = end, not inside
    if not rights[0]:
        raise AnnotationError("box_too_small", "a mask that covers nothing")
    return lefts[0], tops[0], rights[0] - lefts[0], bottoms[0] - tops[0]


def _runs(counts: Any) -> Sequence[int] | Iterator[int]:
    if isinstance(counts, str):
        return _decompressed(counts)
    if isinstance(counts, list) and all(isinstance(run, int) and not isinstance(run, bool) for run in counts):
        return counts
    raise AnnotationError("bad_mask", "a mask's counts have to be a list of whole numbers, or text")


def _decompressed(text: str) -> Iterator[int]:
    """The runs of a compressed mask: each, after the third, as the difference from the last but one."""
    before = [0, 0, 0]
    at = number = 0
    while at < len(text):
        value = shift = 0
        while True:
            code = ord(text[at]) - 48 if at < len(text) else -1
            if not 0 <= code < 64 or shift >= 5 * _MAX_RUN_CHARACTERS:
                raise AnnotationError("bad_mask", "a mask's counts are cut off, or are no compressed runs")
            value |= (code & 31) << shift
            shift += 5
            at += 1
            if not code & 32:
                break
        if code & 16:
            value -= 1 << shift
        value += before[-2] if number > 2 else 0
        before = [*before[1:], value]
        number += 1
        yield value
