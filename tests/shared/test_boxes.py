"""Boxes on each other, in ratios of the image's size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.shared.boxes import RelativeBox, iou

BOX = (0.1, 0.1, 0.4, 0.4)
"""Left, top, width, height."""


def box(sides: tuple[float, ...]) -> RelativeBox:
    return RelativeBox("cat", *sides)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (BOX, BOX, 1),
        ((0, 0, 1, 1), (0, 0, 0.5, 1), 0.5),
        ((0, 0, 0.2, 0.2), (0.1, 0.1, 0.2, 0.2), 1 / 7),
        ((0, 0, 0.5, 0.5), (0.5, 0, 0.5, 0.5), 0),
        ((0, 0, 0.1, 0.1), (0.5, 0.5, 0.1, 0.1), 0),
        ((0, 0, 0.5, 0.5), (0, 0, 0, 0), 0),
    ],
)
def test_intersection_over_union(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert iou(box(a), box(b)) == pytest.approx(expected)
    assert iou(box(b), box(a)) == pytest.approx(expected)


SIDES = st.tuples(*[st.floats(0, 0.5)] * 2, *[st.floats(0.01, 0.5)] * 2)


@given(SIDES, SIDES)
def test_intersection_over_union_is_a_ratio(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    assert 0 <= iou(box(a), box(b)) <= 1 + 1e-9
    assert iou(box(a), box(a)) == pytest.approx(1)
