"""Images as models take them: upright RGB, fitted into one canvas, or cropped about a box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from PIL.Image import Transpose

setattr(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY)  # noqa: B010 typed as a constant
"""A long text in an image says nothing about its pixels."""

GREY = 128
"""What fills a canvas or a crop beside an image."""
CROP_MARGIN = 1.1
"""How much more than the box a crop shows."""
_ON_ITS_SIDE = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""How to put upright what has this EXIF orientation. Pillow's own function writes the other EXIF tags
anew, which fails if one is odd."""

Pixels = NDArray[np.uint8]
"""Pixels of an image (height, width, 3)."""


@dataclass(frozen=True)
class Canvas:
    """A network's input, in pixels."""

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
    turn = _TURNS.get(_orientation(image))
    turned = image if turn is None else image.transpose(turn)
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
    # A decoder may raise anything when bytes are hostile.
    except Exception as error:
        name = source if isinstance(source, Path) else "it"
        raise ValueError(f"{name} cannot be read as an image: {error}") from error


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 if there is none that can be read, as other programs take it."""
    try:
        value = image.getexif().get(0x0112, 1)
    # As above; its pixels are as good as any.
    except Exception:  # noqa: BLE001
        return 1
    return int(value) if value in range(1, 9) else 1


def fit(width: float, height: float, canvas: Canvas) -> Fit:
    """Where an image of this size lies in the canvas: as large as it can, in the middle."""
    scale = min(canvas.width / width, canvas.height / height)
    left = (canvas.width - round(width * scale)) // 2
    top = (canvas.height - round(height * scale)) // 2
    return Fit(scale, left, top)


def read_side(canvas: Canvas) -> int:
    """The longer side in pixels that an image must be read with to look good in the canvas."""
    return 2 * max(canvas.width, canvas.height)


def to_canvas(image: Image.Image, canvas: Canvas) -> Pixels:
    """An upright image's pixels in the canvas."""
    place = fit(image.width, image.height, canvas)
    wide = min(canvas.width, max(1, round(image.width * place.scale)))
    tall = min(canvas.height, max(1, round(image.height * place.scale)))
    small = image.resize((wide, tall), Image.Resampling.BILINEAR, reducing_gap=3.0)
    filled = np.full((canvas.height, canvas.width, 3), GREY, np.uint8)
    filled[place.top : place.top + tall, place.left : place.left + wide] = np.asarray(small)
    return filled


def from_canvas(
    sides: Sequence[float], size: tuple[int, int], canvas: Canvas
) -> tuple[float, float, float, float] | None:
    """A box's left, top, width and height moved from the canvas onto the image of this size; None if the box
    lies beside it."""
    place = fit(*size, canvas)
    box_left, box_top, width, height = sides
    left = max(0.0, (box_left - place.left) / place.scale)
    top = max(0.0, (box_top - place.top) / place.scale)
    right = min(float(size[0]), (box_left + width - place.left) / place.scale)
    bottom = min(float(size[1]), (box_top + height - place.top) / place.scale)
    if right - left < 1 or bottom - top < 1:
        return None
    return left, top, right - left, bottom - top


def crop(image: Image.Image, scale: float, sides: Sequence[float], side: int, around: float = 1.0) -> Pixels:
    """The square about a box, `side` pixels wide; grey beside the image.

    Args:
        scale: the image's pixels for each pixel that the box counts.
        sides: the box's left, top, width and height.
        around: how much more than the crop is shown.
    """
    box_left, box_top, width, height = sides
    half = max(width, height) / 2 * CROP_MARGIN * around * scale
    x, y = (box_left + width / 2) * scale, (box_top + height / 2) * scale
    # Image.transform takes single pixels, so what is larger is made smaller first.
    shrink = max(1, int(2 * half / side))
    left, top = math.floor(x - half), math.floor(y - half)
    right, bottom = math.ceil(x + half) + 1, math.ceil(y + half) + 1
    inside = (max(0, left), max(0, top), min(image.width, right), min(image.height, bottom))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return np.full((side, side, 3), GREY, np.uint8)
    part = Image.new("RGB", (right - left, bottom - top), (GREY, GREY, GREY))
    part.paste(image.crop(inside), (inside[0] - left, inside[1] - top))
    if shrink > 1:
        part = part.reduce(shrink)
    frame = [(edge - corner) / shrink for edge, corner in zip((x - half, y - half), (left, top), strict=True)]
    extent = (frame[0], frame[1], frame[0] + 2 * half / shrink, frame[1] + 2 * half / shrink)
    square = part.transform((side, side), Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR)
    return np.array(square)
