"""Checks an image by its first and last bytes, with the same rules as its registration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from lambdas.domain.annotations.types import LabelledBox
from lambdas.domain.images import exif, tiles
from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import Format, UnusableImageError
from lambdas.domain.images.opening import open_image

HEAD_BYTES = 64 * 1024
"""Enough for most images' headers; if a long profile comes first, the image is read whole."""


@dataclass(frozen=True)
class ImageInfo:
    """Format, size and orientation of a usable image.

    Width and height are in pixels of the upright image, as its EXIF orientation says.
    """

    format: Format
    width: int
    height: int
    orientation: int = 1

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the image as it is stored."""
        if self.orientation in exif.QUARTER_TURNS:
            return self.height, self.width
        return self.width, self.height

    def upright(self, box: LabelledBox) -> LabelledBox:
        """Turn a box that was drawn on the image as it is stored, as the image is turned upright."""
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


def check(read: Callable[[int], bytes], size: int, tail: bytes | None) -> ImageInfo:
    """Check that a file is a usable image.

    Args:
        read: returns the file's first bytes, as many as it is asked for if there are so many.
        size: size of the file in bytes.
        tail: its last files.TAIL_BYTES. If they do not hold the end of an image, the whole image is decoded
            to see if it is complete. None: that is left to registration.

    Raises:
        UnusableImageError: with a reason of lambdas.domain.images.files.
    """
    if size == 0:
        raise UnusableImageError("empty", "the file has no content")
    tiles.check_bytes(size)
    head = read(HEAD_BYTES)
    format = image_files.format_of(head)
    try:
        info = _header(head, format, size)
    except _NoHeaderError:
        whole = read(size)
        _decode(whole)
        return _header(whole, format, size)
    if tail is not None and not image_files.is_whole(tail, format):
        _decode(read(size))
    return info


def _decode(data: bytes) -> None:
    """Raise UnusableImageError unless it is a whole image, to be trained with as it is or in tiles."""
    try:
        image_files.inspect(data)
    except UnusableImageError as error:
        if error.reason not in tiles.TOO_LARGE:
            raise
        tiles.load(BytesIO(data))


class _NoHeaderError(Exception):
    """The bytes hold no complete header of an image."""


def _header(data: bytes, format: Format, size: int) -> ImageInfo:
    try:
        with open_image(data, (format,)) as image:
            width, height = image.size
            if size > image_files.MAX_BYTES or max(width, height) > image_files.MAX_SIDE:
                tiles.check_size(width, height)
                image_files.check_still(image)
            else:
                image_files.check_header(image)
            orientation = exif.orientation(image)
    except UnusableImageError:
        raise
    # A decoder may raise anything when bytes are hostile, or too few.
    except Exception as error:
        raise _NoHeaderError from error
    if orientation in exif.QUARTER_TURNS:
        width, height = height, width
    return ImageInfo(format, width, height, orientation)
