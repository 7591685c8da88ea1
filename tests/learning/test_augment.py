"""Boxes go where their pixels go."""

from __future__ import annotations

import pytest

from learning import (
    Box,
    augment,
)
from portable.images import Canvas

import torch  # isort: skip - after the library, which sets how torch's threads wait


def test_augmented_boxes_follow_their_pixels() -> None:
    canvas, window = Canvas(128, 96), Canvas(64, 64)
    images = torch.zeros(8, 3, 96, 128)
    images[:, :, 40:60, 50:80] = 1
    random = torch.Generator().manual_seed(3)
    focus = torch.tensor([[65.0, 50.0]]).expand(8, 2)
    how = augment.placements(focus, window, canvas, random, low=0.7, high=1.4)
    placed = augment.place(images, how, window)
    assert placed.shape == (8, 3, 64, 64)
    for row in range(8):
        box = Box("bar", 50, 40, 30, 20)
        left, top = (torch.tensor([50.0, 40.0]) * how.scale[row] + how.shift[row]).tolist()
        right, bottom = (torch.tensor([80.0, 60.0]) * how.scale[row] + how.shift[row]).tolist()
        ys, xs = torch.nonzero(placed[row, 0] > 0.5, as_tuple=True)
        assert float(xs.min()) == pytest.approx(max(0, left), abs=1.0)
        assert float(xs.max()) + 1 == pytest.approx(min(64, right), abs=1.0)
        assert float(ys.min()) == pytest.approx(max(0, top), abs=1.0)
        assert float(ys.max()) + 1 == pytest.approx(min(64, bottom), abs=1.0)
        assert box.width * float(how.scale[row, 0]) == pytest.approx(right - left, abs=1e-3)
