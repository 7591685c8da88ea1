"""Intersection over union of boxes."""

from __future__ import annotations

import numpy as np
import pytest

from learning import (
    Box,
)
from learning.boxes import sides_of
from portable.boxes import iou


def test_the_overlap_of_known_boxes() -> None:
    boxes = [Box("nut", 0, 0, 10, 10), Box("nut", 50, 50, 10, 10)]
    others = [Box("bolt", 2, 0, 10, 10), Box("nut", 0, 0, 10, 10), Box("nut", 10, 0, 10, 10)]
    overlaps = iou(sides_of(boxes), sides_of(others))
    assert overlaps == pytest.approx(np.array([[8 / 12, 1, 0], [0, 0, 0]]))


def test_no_boxes_have_no_overlaps() -> None:
    box = sides_of([Box("nut", 0, 0, 10, 10)])
    assert iou(sides_of([]), box).shape == (0, 1)
    assert iou(box, sides_of([])).shape == (1, 0)


def test_a_box_without_an_area_overlaps_nothing() -> None:
    line, box = Box("nut", 0, 0, 10, 0), Box("nut", 0, 0, 10, 10)
    assert iou(sides_of([line]), sides_of([line, box])).tolist() == [[0, 0]]
