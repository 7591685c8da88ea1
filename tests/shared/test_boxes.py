"""How far boxes lie on each other, held against COCO's own measure."""

from __future__ import annotations

import numpy as np
import pytest
from faster_coco_eval import mask
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import iou

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
