"""Thumbnails: a small JPEG of every registered image, upright, made once and kept beside it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from lambdas.domain.images import exif, tiles
from lambdas.domain.images.opening import open_image

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from PIL.Image import Image

PREFIX = "thumbnails/"
SIDE = 320
"""Pixels of the longer side, and no more than the image has."""
_QUALITY = 78
_ONE_YEAR = "public, max-age=31536000, immutable"


def key(sha256: str) -> str:
    """Where the thumbnail of the image of this content lies in the data bucket."""
    return f"{PREFIX}{sha256}.jpg"


def of_file(data: bytes) -> bytes:
    """The thumbnail of an image file.

    Raises:
        OSError: it cannot be decoded.
    """
    with open_image(data) as image:
        turn = exif.orientation(image)
        # A decoder of JPEG scales by powers of two in a fraction of the time.
        image.draft("RGB", (SIDE, SIDE))
        return of_pixels(image, turn)


def of_pixels(pixels: Image, turn: int) -> bytes:
    """The thumbnail of an image as stored, which has this EXIF orientation."""
    width, height = pixels.size[::-1] if turn in exif.QUARTER_TURNS else pixels.size
    scale = min(1.0, SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    buffer = BytesIO()
    tiles.scaled(pixels, turn, size).save(buffer, "JPEG", quality=_QUALITY, optimize=True, progressive=True)
    return buffer.getvalue()


def put(s3: S3Client, bucket: str, sha256: str, thumbnail: bytes) -> None:
    """Keep an image's thumbnail; another one of the same content is the same."""
    s3.put_object(
        Bucket=bucket,
        Key=key(sha256),
        Body=thumbnail,
        ContentType="image/jpeg",
        CacheControl=_ONE_YEAR,
    )
