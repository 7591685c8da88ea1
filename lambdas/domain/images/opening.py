"""Opens images with Pillow, under the limits that images of this project need."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


def open_image(data: bytes, formats: tuple[str, ...] = ("JPEG", "PNG")) -> ImageFile:
    """An image whose header is read and whose pixels are not.

    Pillow refuses a PNG with a compressed text or colour profile of more than 1 MB, although its pixels are
    as good as any: editors and microscopes write such texts. Its limit of all texts together (64 MB) stays,
    which keeps a few bytes from claiming the function's memory.
    """
    # Imported here, because most of a cold start's events need no decoder.
    from PIL import Image, PngImagePlugin  # noqa: PLC0415

    setattr(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY)  # noqa: B010 typed as a constant
    return Image.open(BytesIO(data), formats=formats)
