"""How much boxes overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from learning.types import Box

Sides = NDArray[np.float64]
"""Left, top, width and height of boxes (boxes, 4)."""


def sides_of(boxes: Sequence[Box]) -> Sides:
    """The sides of boxes, whatever their labels."""
    return np.array([(box.left, box.top, box.width, box.height) for box in boxes], float).reshape(-1, 4)


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
