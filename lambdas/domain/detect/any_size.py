"""Asks about an image of any size: whole, or in tiles if Rekognition does not take it for its size.

What most images are costs nothing for that: Rekognition is asked first, and only an image that it refuses is
read and looked at. A refused request is none that was answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from lambdas.domain.detect import unusable_images
from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.tiled_detection import TiledImage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Image
    from lambdas.domain.images.tiles import Tiling

T = TypeVar("T")


def ask_about(ask: Callable[[Image | TiledImage], T], s3: S3Client, image: Any, tiling: Tiling) -> T:
    """What `ask` makes of an object of S3, or of its tiles.

    Args:
        ask: asks a model version, such as champion.ask does.
        image: Bucket, Name and, if it is known, Version, as Rekognition takes them.

    Raises:
        UnusableImageError: it is too large for Rekognition, and cannot be cut.
        botocore.exceptions.ClientError: Rekognition takes it not for another reason, or another service
            failed.
    """
    if tiling.tile and (large := tiled_detection.open_object(s3, image, tiling)):
        return ask(large)
    try:
        return ask({"S3Object": image})
    except ClientError as error:
        if not unusable_images.is_unusable(error):
            raise
        large = tiled_detection.open_object(s3, image, tiling)
        if large is None:
            raise
        return ask(large)
