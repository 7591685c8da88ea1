"""How much boxes overlap, and which of them mean the same thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Sides = NDArray[np.float64]
"""Left, top, width and height of boxes (boxes, 4)."""
SAME_THING_IOU = 0.45
"""The overlap from which two boxes of a label show the same thing."""


def iou(boxes: Sides, others: Sides) -> NDArray[np.float64]:
    """Intersection over union of each box with each of the others (boxes, others), 0 to 1."""
    left, top, width, height = boxes.T[:, :, None]
    other_left, other_top, other_width, other_height = others.T[:, None, :]
    wide = np.minimum(left + width, other_left + other_width) - np.maximum(left, other_left)
    tall = np.minimum(top + height, other_top + other_height) - np.maximum(top, other_top)
    intersection = np.where((wide > 0) & (tall > 0), wide * tall, 0.0)
    union = width * height + other_width * other_height - intersection
    shares: NDArray[np.float64] = intersection / np.where(intersection > 0, union, 1.0)
    return shares


def without_duplicates(boxes: Sides, numbers: NDArray[np.int64]) -> list[int]:
    """Which boxes, the surest first, no surer one of the same label covers (non-maximum suppression)."""
    covers = (iou(boxes, boxes) >= SAME_THING_IOU) & (numbers[:, None] == numbers[None])
    alive = np.ones(len(numbers), bool)
    kept = []
    for index in range(len(numbers)):
        if alive[index]:
            kept.append(index)
            alive &= ~covers[index]
    return kept
