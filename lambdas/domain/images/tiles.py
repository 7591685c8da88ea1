"""Tiles: how an image that is too large for Rekognition is cut into parts that overlap.

An image of more than 4,096 pixels or 15 MB is not taken, and of a smaller one the service sees no more than
1,280 pixels each way (`TRAINING_SIDE`), in which small objects vanish. So it is asked about in tiles that are
not scaled down. What lies at a seam is whole in one of them, if it is no larger than the overlap; for larger
objects the whole image is asked about once more, scaled down: its overview.
`lambdas/domain/shared/merging.py` makes one answer of all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from io import BytesIO
from typing import IO, TYPE_CHECKING

from lambdas.domain.images import exif
from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import (
    MAX_ASPECT_RATIO,
    MAX_BYTES,
    MAX_SIDE,
    MIN_SIDE,
    Format,
    UnusableImageError,
)
from lambdas.domain.images.opening import MAX_PIXELS, open_file
from lambdas.domain.shared.annotation import TRAINING_SIDE
from lambdas.domain.shared.boxes import Rectangle
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Of an image that is cut; it is kept in /tmp, of which a function has 512 MB:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html"""
TOO_LARGE = {"too_large", "too_many_bytes"}
"""Why an image (UnusableImageError.reason) is not taken as it is, though it may be cut."""
SIDE = TRAINING_SIDE
"""Of a tile, in pixels: the largest that Custom Labels does not scale down."""
OVERLAP = SIDE // 5
"""Of neighbouring tiles, in pixels; larger objects are cut off in all of them. A fifth of the side, as SAHI
has it, from which slicing detectors come: https://obss.github.io/sahi/guides/sliced-inference/"""
MAX_TILE_BYTES = 4 * 1024 * 1024
"""Of an encoded tile: what DetectCustomLabels takes as bytes, by botocore's model of it (shape ImageBlob is
bounded by 4,194,304 there)."""
_BEGINNING_BYTES = 16
_QUALITIES = (95, 90, 80, 65, 45, 25)
"""Of JPEG, from that of a usual tile down to what the noisiest one needs to stay below the limit."""


@frozen
class Tiling:
    """Which images are cut, and how."""

    side: int = SIDE
    overlap: int = OVERLAP
    tile: bool | None = None
    """True cuts images that Rekognition takes as well, False none; None those that it does not take."""
    max_pixels: int = MAX_PIXELS
    """As many as the function has memory for."""


DEFAULT = Tiling()


@frozen
class Tile:
    """A part of an image, in pixels of the image upright."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height


@frozen
class TilePlan:
    """How an image is cut. Sizes in pixels, of the image upright.

    An object that is no wider and no higher than `overlap` lies whole in one of the tiles.
    """

    width: int
    height: int
    overlap: int
    tiles: tuple[Tile, ...]
    """Row by row, from the top left. They cover the image."""
    overview: tuple[int, int] | None
    """The size that the whole image is scaled down to; None if there is one tile alone, or the image is so
    long that Rekognition does not take it scaled down."""

    @property
    def detections(self) -> int:
        """Images that the model is asked about: each is a paid detection."""
        return len(self.tiles) + (self.overview is not None)


@frozen
class LargeImage:
    """An image that was decoded to be cut. Width and height in pixels, upright."""

    pixels: Image
    """As stored: its tiles are turned, so that there are no two of it in memory."""
    turn: int
    """The EXIF orientation."""
    width: int
    height: int


def plan(width: int, height: int, *, size_bytes: int = 0, tiling: Tiling = DEFAULT) -> TilePlan | None:
    """How to cut an image of this size; None if Rekognition is to get it as it is.

    Raises:
        ValueError: the side is none that Rekognition takes, or not larger than the overlap.
    """
    side, overlap = tiling.side, tiling.overlap
    if not MIN_SIDE <= side <= MAX_SIDE or not 0 <= overlap < side:
        raise ValueError(
            f"tiles of {side} pixels that overlap by {overlap}: expected {MIN_SIDE} to {MAX_SIDE} pixels, and"
            " an overlap of less than that"
        )
    is_too_large = max(width, height) > MAX_SIDE or size_bytes > MAX_BYTES
    if tiling.tile is False or not (tiling.tile or is_too_large):
        return None
    # Of a low image they are shorter, as none may be too elongated.
    longest = min(side, MAX_ASPECT_RATIO * min(width, height))
    overlap = min(overlap, longest - 1)
    across, down = _spans(width, longest, overlap), _spans(height, longest, overlap)
    tiles = tuple(Tile(left, top, wide, high) for top, high in down for left, wide in across)
    if len(tiles) == 1:
        return None if not is_too_large else TilePlan(width, height, overlap, tiles, None)
    return TilePlan(width, height, overlap, tiles, _overview(width, height, side))


def _spans(length: int, side: int, overlap: int) -> list[tuple[int, int]]:
    """Where tiles begin along one side of the image, and how long they are.

    As few as possible, spread evenly, so that all neighbours overlap by `overlap` or more.
    """
    if length <= side:
        return [(0, length)]
    steps = math.ceil((length - side) / (side - overlap))
    return [(step * (length - side) // steps, side) for step in range(steps + 1)]


def _overview(width: int, height: int, side: int) -> tuple[int, int] | None:
    scale = min(1.0, side / max(width, height))
    wide, high = round(width * scale), round(height * scale)
    is_usable = min(wide, high) >= MIN_SIDE and max(wide, high) <= MAX_ASPECT_RATIO * min(wide, high)
    return (wide, high) if is_usable else None


def size_of(file: IO[bytes]) -> tuple[int, int]:
    """Width and height of an image upright, by its header alone.

    Raises:
        UnusableImageError: it is no image that can be cut; the detail says what to do.
    """
    image, _ = _open(file)
    return _upright_size(image)


def plan_of(file: IO[bytes], *, size_bytes: int, tiling: Tiling) -> TilePlan | None:
    """How to cut an image file; None if Rekognition is to get it as it is.

    Raises:
        UnusableImageError: it is no image that can be cut; the detail says what to do.
    """
    return plan(*size_of(file), size_bytes=size_bytes, tiling=tiling)


def load(file: IO[bytes], max_pixels: int = MAX_PIXELS) -> LargeImage:
    """Decode an image once, to be cut.

    Args:
        max_pixels: as many as the function has memory for.

    Raises:
        UnusableImageError: it is no image that can be cut; the detail says what to do.
    """
    image, format = _open(file)
    width, height = _upright_size(image)
    # By the header, before the pixels are decoded: a few bytes may claim the function's memory.
    check_size(width, height, max_pixels)
    turn = exif.orientation(image)
    try:
        image.load()
    except MemoryError:
        raise
    # A decoder may raise anything when bytes are hostile.
    except Exception as error:
        raise image_files.broken(_tail(file), format, error) from error
    return LargeImage(image, turn, width, height)


def _open(file: IO[bytes]) -> tuple[ImageFile, Format]:
    # Imported here, because most of a cold start's events need no decoder.
    from PIL import Image  # noqa: PLC0415

    file.seek(0)
    beginning = file.read(_BEGINNING_BYTES)
    if not beginning:
        raise UnusableImageError("empty", "the file has no content; upload it again")
    format = image_files.format_of(beginning)
    file.seek(0)
    try:
        image = open_file(file, (format,))
        image_files.check_still(image)
    except UnusableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(error), MAX_PIXELS) from error
    except Exception as error:
        raise image_files.broken(_tail(file), format, error) from error
    return image, format


def _tail(file: IO[bytes]) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - image_files.TAIL_BYTES))
    return file.read()


def check_bytes(size: int) -> None:
    """Raise UnusableImageError if a file of so many bytes is too large to be cut."""
    if size > MAX_FILE_BYTES:
        raise UnusableImageError(
            "too_many_bytes",
            f"{size} bytes; images of up to {MAX_FILE_BYTES // 1024**2} MB are cut into tiles: save it"
            " smaller, as a JPEG file for example, or cut it into parts",
        )


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    """Raise UnusableImageError if an image has too many pixels to be cut, or too few."""
    if width * height > max_pixels:
        raise _too_large(f"{width} x {height} pixels", max_pixels)
    if min(width, height) < MIN_SIDE:
        raise UnusableImageError(
            "too_small", f"{width} x {height} pixels; Custom Labels takes {MIN_SIDE} each way or more"
        )


def _too_large(what: str, max_pixels: int) -> UnusableImageError:
    return UnusableImageError(
        "too_large",
        f"{what}; up to {max_pixels // 1_000_000} million are cut into tiles: scale it down, or cut it into"
        " parts",
    )


def cut(
    image: LargeImage, tile: Tile, *, hidden: Sequence[Rectangle] = (), shown: Sequence[Rectangle] = ()
) -> bytes:
    """A tile as a JPEG file that DetectCustomLabels takes as bytes.

    Args:
        hidden: what of it is painted over, in pixels of the tile.
        shown: what is not, though it lies there too.
    """
    part = exif.upright(_plain(image.pixels.crop(_as_stored(image, tile))), image.turn)
    return encode(_painted(part, hidden, shown), image.pixels.info.get("icc_profile"))


def overview(
    image: LargeImage,
    size: tuple[int, int],
    *,
    hidden: Sequence[Rectangle] = (),
    shown: Sequence[Rectangle] = (),
) -> bytes:
    """The whole image scaled down to a size, as `cut` gives a tile."""
    small = scaled(image.pixels, image.turn, size)
    return encode(_painted(small, hidden, shown), image.pixels.info.get("icc_profile"))


def scaled(pixels: Image, turn: int, size: tuple[int, int]) -> Image:
    """An image in 8 bits of grey or of three colours each, upright and scaled down to a size."""
    from PIL.Image import Resampling  # noqa: PLC0415

    stored = size[::-1] if turn in exif.QUARTER_TURNS else size
    if pixels.mode not in ("RGB", "L", "RGBA", "CMYK"):
        # Palettes and bits cannot be averaged. They have a byte for each pixel, so that this is bounded.
        pixels = _plain(pixels)
    return exif.upright(_plain(pixels.resize(stored, Resampling.BOX)), turn)


def _painted(image: Image, hidden: Sequence[Rectangle], shown: Sequence[Rectangle]) -> Image:
    """The image with some of it in its own mean colour."""
    from PIL.Image import Resampling  # noqa: PLC0415

    if not hidden:
        return image
    painted, mean = image.copy(), image.resize((1, 1), Resampling.BOX)
    for area in hidden:
        left, top, right, bottom = _corners(area)
        painted.paste(mean.resize((right - left, bottom - top)), (left, top))
    for area in shown:
        painted.paste(image.crop(_corners(area)), _corners(area))
    return painted


def _corners(area: Rectangle) -> tuple[int, int, int, int]:
    left, top = round(area.left), round(area.top)
    return left, top, left + round(area.width), top + round(area.height)


def _upright_size(image: Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if exif.orientation(image) in exif.QUARTER_TURNS else (width, height)


def _as_stored(image: LargeImage, tile: Tile) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a tile in the image as it is stored."""
    left, top, right, bottom = tile.left, tile.top, tile.right, tile.bottom
    width, height = image.width, image.height
    # https://exiftool.org/TagNames/EXIF.html says of each orientation how what is stored is seen.
    return {
        1: (left, top, right, bottom),
        2: (width - right, top, width - left, bottom),
        3: (width - right, height - bottom, width - left, height - top),
        4: (left, height - bottom, right, height - top),
        5: (top, left, bottom, right),
        6: (top, width - right, bottom, width - left),
        7: (height - bottom, width - right, height - top, width - left),
        8: (height - bottom, left, height - top, right),
    }[image.turn]


def _plain(image: Image) -> Image:
    """In 8 bits of grey or of three colours each, as JPEG files are."""
    from lambdas.domain.images import perceptual_hash  # noqa: PLC0415

    if image.mode.startswith("I"):
        return perceptual_hash.grey(image)
    return image if image.mode in ("RGB", "L") else image.convert("RGB")


def encode(image: Image, profile: bytes | None = None) -> bytes:
    """An image as a JPEG file of MAX_TILE_BYTES at most, with as little loss as that allows.

    It is always JPEG: a model is asked about just such tiles as it was trained with, wherever they are from.
    """
    suits = profile if profile and _suits(profile, image.mode) else None
    data = b""
    for quality in _QUALITIES:
        buffer = BytesIO()
        image.save(buffer, "JPEG", quality=quality, subsampling=0, icc_profile=suits)
        data = buffer.getvalue()
        if len(data) <= MAX_TILE_BYTES:
            break
    return data


def _suits(profile: bytes, mode: str) -> bool:
    """Whether a colour profile, by its header, is one for images of this mode."""
    return profile[16:20] == (b"GRAY" if mode == "L" else b"RGB ")


def max_pixels(memory_mb: int) -> int:
    """Pixels of an image that a function with so much memory can cut, MAX_PIXELS at most."""
    return max(0, min(MAX_PIXELS, (memory_mb - _BASE_MB) * 1024 * 1024 // _BYTES_PER_PIXEL))


_BASE_MB = 250
"""Of a function before it decodes anything, with some room."""
_BYTES_PER_PIXEL = 10
"""At most: 9.6 were measured with 10,000 x 10,000 pixels, of a progressive JPEG as it is decoded and of the
overview of 16-bit grey; 4.6 of other JPEG and PNG files."""
