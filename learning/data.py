"""Images as networks take them: upright RGB, fitted into one canvas, kept in memory as bytes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image

from learning.types import Box, Example
from portable.images import GREY, Canvas, Pixels, fit, read, read_side, to_canvas

STRIDE = 32
"""Canvas sides are multiples of this, so that every level of the networks fits."""
CACHE_BYTES = 1 << 30
DECODERS = 4


def canvas_for(sizes: Sequence[tuple[int, int]], side: int) -> Canvas:
    """A canvas with the longer side `side`, shaped so that nearly all images of these sizes fill it."""
    wide = [min(1.0, width / height) for width, height in sizes]
    tall = [min(1.0, height / width) for width, height in sizes]
    return Canvas(multiple(_ninetieth(wide) * side), multiple(_ninetieth(tall) * side))


def finer_side(canvas: Canvas, largest: int) -> int | None:
    """The longer side of the next finer canvas, `largest` at most; None where that shows hardly more."""
    side = max(canvas.width, canvas.height)
    finer = min(largest, round(side * 1.5))
    return finer if finer >= side * 1.2 else None


def canvas_tensor(image: Image.Image, canvas: Canvas) -> torch.Tensor:
    """An upright image in the canvas, as bytes of shape (3, height, width)."""
    return channels_first(to_canvas(image, canvas))


def channels_first(pixels: Pixels) -> torch.Tensor:
    """Pixels (height, width, 3) as a tensor (3, height, width)."""
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels from bytes to numbers around 0, which is the grey beside images."""
    return (pixels.float() - GREY) / 64


class Images:
    """The examples' images in the canvas: decoded when first asked for, kept as far as the memory's limit."""

    def __init__(self, examples: Sequence[Example], canvas: Canvas, *, limit: int = CACHE_BYTES) -> None:
        self.canvas = canvas
        self._paths = [example.path for example in examples]
        self._room = limit // (3 * canvas.width * canvas.height)
        self._kept: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """An example's image in the canvas, as bytes of shape (3, height, width)."""
        pixels = self._kept.get(index)
        if pixels is None:
            pixels = self._decode(self._paths[index])
            if len(self._kept) < self._room:
                self._kept[index] = pixels
        return pixels

    def batch(self, indices: Sequence[int]) -> torch.Tensor:
        """The images of these examples, normalised, of shape (batch, 3, height, width)."""
        if all(index in self._kept for index in indices):
            return normalised(torch.stack([self._kept[index] for index in indices]))
        with ThreadPoolExecutor(DECODERS) as pool:
            return normalised(torch.stack(list(pool.map(self.__getitem__, indices))))

    def forget(self) -> None:
        """Give up the memory that holds the images."""
        self._kept.clear()

    def _decode(self, path: Path) -> torch.Tensor:
        image, _ = read(path, side=read_side(self.canvas))
        return canvas_tensor(image, self.canvas)


def boxes_inside(boxes: Sequence[Box], size: tuple[int, int]) -> tuple[Box, ...]:
    """What of these boxes lies inside an image of this width and height."""
    width, height = size
    cut = []
    for box in boxes:
        left, right = max(0.0, box.left), min(float(width), box.left + box.width)
        top, bottom = max(0.0, box.top), min(float(height), box.top + box.height)
        if right > left and bottom > top:
            cut.append(Box(box.label, left, top, right - left, bottom - top))
    return tuple(cut)


def boxes_in_canvas(boxes: Sequence[Box], size: tuple[int, int], canvas: Canvas) -> tuple[Box, ...]:
    """The boxes of an image of this width and height where they lie once it is in the canvas."""
    place = fit(*size, canvas)
    return tuple(
        Box(
            box.label,
            box.left * place.scale + place.left,
            box.top * place.scale + place.top,
            box.width * place.scale,
            box.height * place.scale,
        )
        for box in boxes
    )


def multiple(length: float) -> int:
    """The nearest length that a canvas can have."""
    return max(2 * STRIDE, round(length / STRIDE) * STRIDE)


def _ninetieth(values: list[float]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
