"""What an image is, from its first bytes, by the same rules as when it is registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from lambdas.domain.annotations.types import LabelledBox
from lambdas.domain.images import exif
from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import Format, UnusableImageError

HEAD_BYTES = 64 * 1024
"""Enough for most images' headers; if a long profile comes first, the image is read whole."""


@dataclass(frozen=True)
class Picture:
    """A usable image; width and height in pixels of the image upright, as its EXIF orientation says."""

    width: int
    height: int
    orientation: int = 1

    @property
    def stored_size(self) -> tuple[int, int]:
        if self.orientation in exif.QUARTER_TURNS:
            return self.height, self.width
        return self.width, self.height

    def upright(self, box: LabelledBox) -> LabelledBox:
        """A box drawn on the pixels as they are stored, on the image turned upright."""
        left, top, width, height = box.left, box.top, box.width, box.height
        right, bottom = self.stored_size[0] - left - width, self.stored_size[1] - top - height
        turned = {
            2: (right, top, width, height),
            3: (right, bottom, width, height),
            4: (left, bottom, width, height),
            5: (top, left, height, width),
            6: (bottom, left, height, width),
            7: (bottom, right, height, width),
            8: (top, right, height, width),
        }
        return LabelledBox(box.label, *turned.get(self.orientation, (left, top, width, height)), box.line)


def look(read: Callable[[int], bytes], size: int, tail: bytes | None) -> Picture:
    """What image a file is.

    Args:
        read: gives the file's first bytes, as many as it is asked for if there are so many.
        size: of the file, in bytes.
        tail: its last images.TAIL_BYTES; without its format's end in them it is decoded to see if it is
            whole. None if that is left to registration.

    Raises:
        UnusableImage: with lambdas.domain.images.files' reasons.
    """
    if size == 0:
        raise UnusableImageError("empty", "the file has no content")
    image_files.check_bytes(size)
    head = read(HEAD_BYTES)
    format = image_files.format_of(head)
    try:
        picture = _header(head, format)
    except _NoHeaderError:
        whole = read(size)
        image_files.inspect(whole)
        return _header(whole, format)
    if tail is not None and not image_files.is_whole(tail, format):
        image_files.inspect(read(size))
    return picture


class _NoHeaderError(Exception):
    """The bytes do not tell what image they are, or not all of it."""


def _header(data: bytes, format: Format) -> Picture:
    try:
        with Image.open(BytesIO(data), formats=(format,)) as image:
            image_files.check_header(image)
            width, height = image.size
            orientation = exif.orientation(image)
    except UnusableImageError:
        raise
    # A decoder may raise anything when bytes are hostile, or too few.
    except Exception as error:
        raise _NoHeaderError from error
    if orientation in exif.QUARTER_TURNS:
        width, height = height, width
    return Picture(width, height, orientation)
