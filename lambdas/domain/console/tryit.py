"""Tries the champion on an image that somebody sends."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.detect import champion, unusable_images
from lambdas.domain.detect.champion import Answer, NoChampionError, Question
from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.port import UNREADABLE_IMAGE
from lambdas.domain.engines.tiled_detection import TiledImage, UnansweredTilesError
from lambdas.domain.images import files as image_files
from lambdas.domain.images import tiles
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.register import registration
from lambdas.domain.serve import requests
from lambdas.domain.shared import boxes
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning, or_defaults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Detector, Image

PREFIX = "try/"
MAX_TILES = 80
"""Of an image that is tried, with its overview: as many as an application's request has time for."""
TILES_SECONDS = 15
"""After which no further tile is begun: API Gateway waits 30 seconds for all, decoding included.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""


@dataclass(frozen=True)
class TryResult:
    """What the champion sees on an image, and the size of that in pixels, upright."""

    answer: Answer
    """With whatever the model sees, if the thresholds are known."""
    width: int
    height: int


def new_id() -> str:
    """A name for an image that is about to be sent."""
    return uuid.uuid4().hex


def key(id: str) -> str:
    """Where the image lies.

    Raises:
        ApiError: it is no name that new_id gave.
    """
    if len(id) != 32 or not all(character in "0123456789abcdef" for character in id):
        raise ApiError(404, "not_found", "there is no such image; send it anew")
    return f"{PREFIX}{id}"


def ask(
    detector: Detector,
    s3: S3Client,
    loop_state: LoopState,
    bucket: str,
    id: str,
    *,
    tuning: Callable[[], Tuning],
    tiling: Tiling,
    tell: Callable[[requests.Request], None],
) -> TryResult:
    """What the champion sees in the image, also with less confidence than its own thresholds ask for.

    Args:
        tuning: reads the settings.
        tiling: how an image is cut that is too large for Rekognition.
        tell: tells the step serve that the champion is used, or has to wake.

    Raises:
        ApiError: the image did not come, is none, or no champion runs.
    """
    opened = _opened(s3, bucket, key(id), tiling)
    question = Question(min_confidence=0, label_thresholds=or_defaults(tuning).label_thresholds)
    try:
        answer = champion.ask(detector, loop_state, opened.image, question)
    except UnansweredTilesError as error:
        raise ApiError(
            503,
            "busy",
            f"{error} in the time that the page waits; try again in a minute, or put the image under detect/",
            retry_after=60,
        ) from error
    except NoChampionError as error:
        raise requests.asleep(loop_state, tuning(), str(error), tell) from error
    except ClientError as error:
        # The image was read a moment ago, and looked at.
        is_unreadable = error.response["Error"]["Code"] == UNREADABLE_IMAGE
        if is_unreadable or not unusable_images.is_unusable(error):
            raise
        raise ApiError(422, "bad_image", error.response["Error"]["Message"]) from error
    tell("use")
    return TryResult(answer, opened.width, opened.height)


@dataclass(frozen=True)
class _Opened:
    """An image that was sent, as it is asked about; width and height in pixels, upright."""

    image: Image | TiledImage
    width: int
    height: int


def _opened(s3: S3Client, bucket: str, key: str, tiling: Tiling) -> _Opened:
    try:
        opened = s3.get_object(Bucket=bucket, Key=key)
        image_files.check_bytes(opened["ContentLength"])
        data = opened["Body"].read()
        try:
            facts = registration.inspect_upright(data)
        except UnusableImageError as error:
            if error.reason not in tiles.TOO_LARGE:
                raise
            return _tiled(data, tiling)
        return _Opened({"S3Object": {"Bucket": bucket, "Name": key}}, facts.width, facts.height)
    except UnusableImageError as error:
        raise ApiError(422, "bad_image", f"this image cannot be used: {error.detail}") from error
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        raise ApiError(404, "not_found", "the image has not arrived; send it again") from error


def _tiled(data: bytes, tiling: Tiling) -> _Opened:
    """An image that Rekognition does not take for its size, cut into tiles.

    Raises:
        UnusableImageError: it cannot be cut, or into more tiles than somebody waits for.
    """
    plan = tiles.plan_of(BytesIO(data), size_bytes=len(data), tiling=tiling)
    if plan and plan.detections > MAX_TILES:
        raise UnusableImageError(
            "too_large",
            f"{plan.width} x {plan.height} pixels are {plan.detections} tiles, and there is time for"
            f" {MAX_TILES} here: put it under detect/, or set a larger tile_side",
        )
    image = tiled_detection.open_file(BytesIO(data), len(data), tiling)
    if image is None:
        raise UnusableImageError("too_large", "it is too large, and cannot be cut into tiles: scale it down")
    until = time.monotonic() + TILES_SECONDS
    whole = image.image
    return _Opened(replace(image, until=until, patient_until=until), whole.width, whole.height)


def box_in_pixels(label: Mapping[str, Any], result: TryResult) -> dict[str, int] | None:
    """Where the label's object is on the image that was tried; None if it is a label of the whole image."""
    box = label.get("box")
    return boxes.in_pixels(box, result.width, result.height) if box else None
