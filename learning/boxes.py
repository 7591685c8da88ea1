"""Boxes as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from learning.types import Box
from portable.boxes import Sides


def sides_of(boxes: Sequence[Box]) -> Sides:
    """The sides of boxes, whatever their labels."""
    return np.array([(box.left, box.top, box.width, box.height) for box in boxes], float).reshape(-1, 4)
