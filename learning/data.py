"""Images as networks take them: upright RGB, fitted into one canvas, kept in memory as bytes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin

from learning.types import Box, Example

setattr(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY)  # noqa: B010 typed as a constant
"""A long text in an image says nothing about its pixels."""

STRIDE = 32
"""Canvas sides are multiples of this, so that every level of the networks fits."""
GREY = 128
"""What fills the canvas beside an image."""
CACHE_BYTES = 1 << 30
_ON_ITS_SIDE = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
DECODERS = 4


@dataclass(frozen=True)
class Canvas:
    """The networks' input, in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Fit:
    """How an image lies in a canvas: an image's x is at `x * scale + left`, y at `y * scale + top`."""

    scale: float
    left: int
    top: int


def upright(image: Image.Image) -> Image.Image:
    """The image as RGB, turned as its EXIF orientation says; transparency is dropped.

    16-bit greyscale is brought to 8 bits, which Pillow alone would clip.
    """
    turned = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
    if turned.mode.startswith("I") or turned.mode == "F":
        values = np.asarray(turned, np.float32)
        turned = Image.fromarray(
            np.clip(values / (257 if values.max() > 255 else 1), 0, 255).astype(np.uint8)
        )
    if turned.mode != "RGB":
        return turned.convert("RGB")
    turned.load()
    return turned


def read(source: Path | IO[bytes], side: int | None = None) -> tuple[Image.Image, tuple[int, int]]:
    """An upright image, and the upright width and height that the file has.

    With `side`, a large JPEG may come smaller than its file, but its longer side no smaller than `side`.

    Raises:
        ValueError: the file is no image that can be read.
    """
    with _opened(source) as (image, whole):
        if side is not None:
            width, height = image.size
            share = side / max(width, height)
            image.draft("RGB", (int(width * share), int(height * share)))
        return upright(image), whole


def size(path: Path) -> tuple[int, int]:
    """The upright width and height of an image file, from its header alone.

    Raises:
        ValueError: the file is no image that can be read.
    """
    with _opened(path) as (_, whole):
        return whole


@contextmanager
def _opened(source: Path | IO[bytes]) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """An image that is not decoded yet, and its upright width and height.

    Raises:
        ValueError: the file is no image that can be read, as far as that shows while it is open.
    """
    try:
        with Image.open(source) as image:
            width, height = image.size
            turned = _orientation(image) in _ON_ITS_SIDE
            yield image, (height, width) if turned else (width, height)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{source} cannot be read as an image: {error}") from error


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(0x0112, 1))


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


def fit(width: float, height: float, canvas: Canvas) -> Fit:
    """Where an image of this size lies in the canvas: as large as it can, in the middle."""
    scale = min(canvas.width / width, canvas.height / height)
    left = (canvas.width - round(width * scale)) // 2
    top = (canvas.height - round(height * scale)) // 2
    return Fit(scale, left, top)


def read_side(canvas: Canvas) -> int:
    """The longer side in pixels that an image must be read with to look good in the canvas."""
    return 2 * max(canvas.width, canvas.height)


def to_canvas(image: Image.Image, canvas: Canvas) -> torch.Tensor:
    """An upright image in the canvas, as bytes of shape (3, height, width)."""
    place = fit(image.width, image.height, canvas)
    wide = min(canvas.width, max(1, round(image.width * place.scale)))
    tall = min(canvas.height, max(1, round(image.height * place.scale)))
    small = image.resize((wide, tall), Image.Resampling.BILINEAR, reducing_gap=3.0)
    filled = np.full((canvas.height, canvas.width, 3), GREY, np.uint8)
    filled[place.top : place.top + tall, place.left : place.left + wide] = np.asarray(small)
    return torch.from_numpy(filled).permute(2, 0, 1).contiguous()


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
        return to_canvas(image, self.canvas)


def boxes_in_canvas(boxes: Sequence[Box], size: tuple[int, int], canvas: Canvas) -> tuple[Box, ...]:
    """An image's boxes where they lie once the image is in the canvas; what lies outside it is cut off."""
    width, height = size
    place = fit(width, height, canvas)
    moved = []
    for box in boxes:
        left, right = max(0.0, box.left), min(float(width), box.left + box.width)
        top, bottom = max(0.0, box.top), min(float(height), box.top + box.height)
        if right > left and bottom > top:
            moved.append(
                Box(
                    box.label,
                    left * place.scale + place.left,
                    top * place.scale + place.top,
                    (right - left) * place.scale,
                    (bottom - top) * place.scale,
                )
            )
    return tuple(moved)


def multiple(length: float) -> int:
    """The nearest length that a canvas can have."""
    return max(2 * STRIDE, round(length / STRIDE) * STRIDE)


def _ninetieth(values: list[float]) -> float:
    return statistics.quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
