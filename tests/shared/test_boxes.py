"""How far boxes lie on each other, held against COCO's own measure."""

from __future__ import annotations

import numpy as np
import pytest
from faster_coco_eval import mask
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import RelativeBox, in_pixels, iou

RATIO = (0.1, 0.1, 0.4, 0.4)
BOXES = st.builds(Box, st.just("bolt"), *[st.integers(0, 60)] * 2, *[st.integers(1, 60)] * 2)


def sides(box: Box) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[box.left, box.top, box.width, box.height]], dtype=np.float64)


@given(BOXES, BOXES)
def test_intersection_over_union_is_that_of_coco(one: Box, other: Box) -> None:
    [[expected]] = mask.iou(sides(one), sides(other), [0])
    assert iou(one, other) == pytest.approx(expected)
    assert iou(other, one) == iou(one, other)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box("bolt", 100, 100, 120, 90), 1.0),
        (Box("nut", 160, 100, 120, 90), 1 / 3),
        (Box("bolt", 220, 100, 120, 90), 0.0),
        (Box("bolt", 100, 190, 120, 90), 0.0),
        (Box("bolt", 1000, 1000, 120, 90), 0.0),
    ],
)
def test_boxes_that_touch_or_lie_apart_share_nothing(other: Box, expected: float) -> None:
    assert iou(Box("bolt", 100, 100, 120, 90), other) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # 141.5 to 208.2 of 480, 102.6 to 162.1 of 360: the sides are rounded, not the size.
        ((0.2948, 0.285, 0.139, 0.1654), (142, 103, 66, 59)),
        ((0.5, 0.5, 0.6, 0.6), (240, 180, 240, 180)),
        ((-0.1, 0, 0.2, 1), (0, 0, 48, 360)),
    ],
)
def test_boxes_in_pixels_have_rounded_sides_inside_the_image(
    box: tuple[float, ...], expected: tuple[int, ...]
) -> None:
    shares = dict(zip(("left", "top", "width", "height"), box, strict=True))
    assert tuple(in_pixels(shares, 480, 360).values()) == expected


def relative(ratios: tuple[float, ...]) -> RelativeBox:
    """A box by left, top, width and height, in ratios of the image's size."""
    return RelativeBox("bolt", *ratios)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (RATIO, RATIO, 1),
        ((0, 0, 1, 1), (0, 0, 0.5, 1), 0.5),
        ((0, 0, 0.2, 0.2), (0.1, 0.1, 0.2, 0.2), 1 / 7),
        ((0, 0, 0.5, 0.5), (0.5, 0, 0.5, 0.5), 0),
        ((0, 0, 0.1, 0.1), (0.5, 0.5, 0.1, 0.1), 0),
        ((0, 0, 0.5, 0.5), (0, 0, 0, 0), 0),
    ],
)
def test_ratios_overlap_as_pixels_do(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert iou(relative(a), relative(b)) == pytest.approx(expected)
    assert iou(relative(b), relative(a)) == pytest.approx(expected)


RATIOS = st.tuples(*[st.floats(0, 0.5)] * 2, *[st.floats(0.01, 0.5)] * 2)


@given(RATIOS, RATIOS)
def test_intersection_over_union_is_a_ratio(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert 0 <= iou(relative(a), relative(b)) <= 1 + 1e-9
    assert iou(relative(a), relative(a)) == pytest.approx(1)
