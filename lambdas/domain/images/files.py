"""Image files: whether Amazon Rekognition Custom Labels trains with them, and what image they hold.

The limits are those of "Guidelines and quotas in Amazon Rekognition Custom Labels",
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html : PNG or JPEG, 64 to 4096 pixels
each way, an aspect ratio of no more than 20:1, no more than 15 MB. That page limits neither bit depth nor
colour space, so 16-bit PNGs and CMYK JPEGs are taken. An animated PNG is refused although it is a PNG: a
person sees it move, a model sees one frame, and boxes would belong to neither.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from lambdas.domain.shared.errors import UnusableInputError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

Format = Literal["JPEG", "PNG"]

MIN_SIDE = 64
"""Pixels, each way."""
MAX_SIDE = 4096
"""Pixels, each way."""
MAX_ASPECT_RATIO = 20
MAX_BYTES = 15 * 1024 * 1024
"""15 MB. A megabyte has 1024 x 1024 bytes here: Rekognition's API model bounds by 5,242,880 bytes what its
documentation calls 5 MB."""

TAIL_BYTES = 1024
"""The end of a file in which its format's end has to be."""

_EXTENSIONS: dict[Format, str] = {"JPEG": "jpg", "PNG": "png"}
_CONTENT_TYPES: dict[Format, str] = {"JPEG": "image/jpeg", "PNG": "image/png"}
_ENDS: dict[Format, bytes] = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
_BEGINNINGS: tuple[tuple[bytes, Format], ...] = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"))
_REFUSED_BEGINNINGS = (
    (b"GIF8", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"BM", "BMP"),
    (b"8BPS", "Photoshop"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF", "PDF"),
)
_REFUSED_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF"}


class UnusableImageError(UnusableInputError):
    """These bytes are no image that can be trained with."""


@frozen
class ImageFacts:
    """A usable image. Width and height in pixels, as stored (an EXIF orientation is not applied)."""

    format: Format
    width: int
    height: int
    sha256: str
    bytes: int
    perceptual_hash: str
    """16 hex digits, of the image upright; those of images that look alike differ in few bits."""

    @property
    def key(self) -> str:
        """Where a registered image lies in the data bucket; its content decides, not its old name."""
        return registered_key(self.sha256, self.format)

    @property
    def content_type(self) -> str:
        return _CONTENT_TYPES[self.format]


def registered_key(sha256: str, format: Format) -> str:
    """Where an image of this content lies in the data bucket once it is registered."""
    return f"images/{sha256}.{_EXTENSIONS[format]}"


def inspect(data: bytes) -> ImageFacts:
    """Find out what image these bytes are, whatever the file is called; its pixels are decoded for that.

    Raises:
        UnusableImageError: empty, not_an_image, unsupported_format, too_many_bytes, too_small, too_large,
            too_elongated, animated, truncated or corrupt.
    """
    if not data:
        raise UnusableImageError("empty", "the file has no content; upload it again")
    check_bytes(len(data))
    format = format_of(data)
    width, height, perceptual_hash = _decode(data, format)
    return ImageFacts(format, width, height, hashlib.sha256(data).hexdigest(), len(data), perceptual_hash)


def check_bytes(size: int) -> None:
    """Raise UnusableImageError if a file of so many bytes is too large to be worth reading."""
    if size > MAX_BYTES:
        raise UnusableImageError(
            "too_many_bytes", f"{size} bytes; Custom Labels takes up to {MAX_BYTES}: save it smaller"
        )


def format_of(data: bytes) -> Format:
    """The format that a file's first bytes are of.

    Raises:
        UnusableImageError: it is neither a JPEG nor a PNG file.
    """
    for beginning, format in _BEGINNINGS:
        if data.startswith(beginning):
            return format
    other = next((name for beginning, name in _REFUSED_BEGINNINGS if data.startswith(beginning)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        other = "WebP"
    if data[4:8] == b"ftyp":
        other = _REFUSED_BRANDS.get(data[8:12])
    if other:
        raise UnusableImageError(
            "unsupported_format", f"a {other} file; Custom Labels takes JPEG and PNG: convert it"
        )
    raise UnusableImageError("not_an_image", "neither a JPEG nor a PNG file")


def _decode(data: bytes, format: Format) -> tuple[int, int, str]:
    """Width, height and perceptual hash."""
    # Imported here, because most of a cold start's events need no decoder.
    from PIL import Image  # noqa: PLC0415

    from lambdas.domain.images import perceptual_hash as images_perceptual_hash  # noqa: PLC0415
    from lambdas.domain.images.opening import open_image  # noqa: PLC0415

    try:
        with open_image(data, (format,)) as image:
            # Before its pixels are decoded, so that a few bytes cannot claim the function's memory.
            check_header(image)
            image.load()
            return *image.size, images_perceptual_hash.of_image(image)
    except (UnusableImageError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UnusableImageError(
            "too_large", f"{error}; Custom Labels takes {MAX_SIDE} pixels each way"
        ) from error
    # A decoder may raise anything when bytes are hostile.
    except Exception as error:
        raise broken(data[-TAIL_BYTES:], format, error) from error


def is_whole(tail: bytes, format: Format) -> bool:
    """Whether a file's last TAIL_BYTES have the end that its format wants."""
    return _ENDS[format] in tail


def check_header(image: ImageFile) -> None:
    """Raise UnusableImageError if an opened image, its pixels not decoded, cannot be trained with."""
    check_size(*image.size)
    check_still(image)


def check_size(width: int, height: int) -> None:
    """Raise UnusableImageError if Custom Labels takes no image of so many pixels each way."""
    size = f"{width} x {height} pixels"
    if max(width, height) > MAX_SIDE:
        raise UnusableImageError(
            "too_large", f"{size}; Custom Labels takes up to {MAX_SIDE} each way: scale it down"
        )
    if min(width, height) < MIN_SIDE:
        raise UnusableImageError("too_small", f"{size}; Custom Labels takes {MIN_SIDE} each way or more")
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise UnusableImageError(
            "too_elongated", f"{size}; Custom Labels takes up to {MAX_ASPECT_RATIO}:1: crop it"
        )


def check_still(image: ImageFile) -> None:
    """Raise UnusableImageError if an opened image moves."""
    # A JPEG of several pictures (MPO, as phones write) is an ordinary JPEG to every other decoder.
    if image.format == "PNG" and getattr(image, "is_animated", False):
        raise UnusableImageError(
            "animated", "an animated PNG; save the frame that counts as a PNG of its own"
        )


def broken(tail: bytes, format: Format, error: Exception) -> UnusableImageError:
    """Why a file cannot be decoded: it ends too early by its last TAIL_BYTES, or the decoder's error."""
    from PIL import UnidentifiedImageError  # noqa: PLC0415

    # Pillow's message of this error names the object that the bytes are in.
    cause = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else str(error)
    if not is_whole(tail, format):
        return UnusableImageError("truncated", f"the {format} file ends too early ({cause}); upload it again")
    return UnusableImageError(
        "corrupt", f"the {format} file cannot be decoded ({cause}); save and upload it again"
    )
