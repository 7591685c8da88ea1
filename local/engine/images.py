"""Images as Custom Labels takes them: PNG or JPEG, of a size within its limits.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

from __future__ import annotations

import io

from PIL import Image, PngImagePlugin

from local.engine.errors import (
    ImageTooLargeException,
    InvalidImageFormatException,
    InvalidParameterException,
    RekognitionError,
)
from local.engine.quotas import MAX_ASPECT_RATIO, MAX_IMAGE_SIDE, MAX_STORED_IMAGE_BYTES, MIN_IMAGE_SIDE

setattr(PngImagePlugin, "MAX_TEXT_CHUNK", PngImagePlugin.MAX_TEXT_MEMORY)  # noqa: B010 typed as a constant
"""A long text says nothing about the image; the limit of all texts together stays."""


def check(body: bytes, *, limit: int) -> tuple[str, int, int]:
    """Format ("PNG" or "JPEG"), width and height in pixels as stored.

    Raises:
        InvalidImageFormatException: not a whole PNG or JPEG.
        ImageTooLargeException: more than `limit` bytes, or a side above 4096 pixels.
        InvalidParameterException: a side below 64 pixels, or one more than 20 times the other.
    """
    if len(body) > limit:
        raise ImageTooLargeException(f"The image has {len(body)} bytes; the limit is {limit}")
    try:
        with Image.open(io.BytesIO(body), formats=("PNG", "JPEG")) as image:
            width, height = image.size
            # Pillow calls a JPEG that holds further pictures an MPO.
            kind = "PNG" if image.format == "PNG" else "JPEG"
            if max(width, height) <= MAX_IMAGE_SIDE:
                image.load()
    except Image.DecompressionBombError as error:
        raise ImageTooLargeException(
            f"The image has too many pixels; the limit is {MAX_IMAGE_SIDE} each way"
        ) from error
    except Exception as error:
        raise InvalidImageFormatException("The image must be a whole PNG or JPEG file") from error
    if max(width, height) > MAX_IMAGE_SIDE:
        raise ImageTooLargeException(f"The image is {width} x {height} pixels; the limit is {MAX_IMAGE_SIDE}")
    if min(width, height) < MIN_IMAGE_SIDE or max(width, height) >= MAX_ASPECT_RATIO * min(width, height):
        raise InvalidParameterException(
            f"The image is {width} x {height} pixels; each side needs at least {MIN_IMAGE_SIDE}, and neither"
            f" may be {MAX_ASPECT_RATIO} times the other"
        )
    return kind, width, height


def is_usable(body: bytes) -> bool:
    """Whether an image of a dataset can be trained on."""
    try:
        check(body, limit=MAX_STORED_IMAGE_BYTES)
    except RekognitionError:
        return False
    return True
