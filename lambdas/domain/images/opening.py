"""Opens images with Pillow, under the limits that images of this project need."""

from __future__ import annotations

from io import BytesIO
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS = 100_000_000
"""Of an image that is decoded, whatever for. Pillow refuses those of twice as many by itself, at once."""


def open_image(data: bytes, formats: tuple[str, ...] = ("JPEG", "PNG")) -> ImageFile:
    """An image whose header is read and whose pixels are not.

    Pillow refuses a PNG with a compressed text or colour profile of more than 1 MB, although its pixels are
    as good as any: editors and microscopes write such texts. Its limit of all texts together (64 MB) stays,
    which keeps a few bytes from claiming the function's memory.
    """
    return open_file(BytesIO(data), formats)


def open_file(file: IO[bytes], formats: tuple[str, ...] = ("JPEG", "PNG")) -> ImageFile:
    """The same of a file, which has to stay open until the pixels are decoded."""
    # Imported here, because most of a cold start's events need no decoder.
    from PIL import Image, PngImagePlugin  # noqa: PLC0415

    setattr(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY)  # noqa: B010 typed as a constant
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    return Image.open(file, formats=formats)
