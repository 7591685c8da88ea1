"""Tries the champion on an image that somebody sends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.detect import champion, unusable_images
from lambdas.domain.detect.champion import Answer, NoChampionError, Question
from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import UnusableImageError
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
    tell: Callable[[requests.Request], None],
) -> TryResult:
    """What the champion sees in the image, also with less confidence than its own thresholds ask for.

    Args:
        tuning: reads the settings.
        tell: tells the step serve that the champion is used, or has to wake.

    Raises:
        ApiError: the image did not come, is none, or no champion runs.
    """
    facts = _facts(s3, bucket, key(id))
    image: Image = {"S3Object": {"Bucket": bucket, "Name": key(id)}}
    question = Question(min_confidence=0, label_thresholds=or_defaults(tuning).label_thresholds)
    try:
        answer = champion.ask(detector, loop_state, image, question)
    except NoChampionError as error:
        raise requests.asleep(loop_state, tuning(), str(error), tell) from error
    except ClientError as error:
        # The image was read a moment ago, and looked at.
        is_unreadable = error.response["Error"]["Code"] == unusable_images.UNREADABLE
        if is_unreadable or not unusable_images.is_unusable(error):
            raise
        raise ApiError(422, "bad_image", error.response["Error"]["Message"]) from error
    tell("use")
    return TryResult(answer, facts.width, facts.height)


def _facts(s3: S3Client, bucket: str, key: str) -> image_files.ImageFacts:
    try:
        opened = s3.get_object(Bucket=bucket, Key=key)
        image_files.check_bytes(opened["ContentLength"])
        return registration.inspect_upright(opened["Body"].read())
    except UnusableImageError as error:
        raise ApiError(422, "bad_image", f"this image cannot be used: {error.detail}") from error
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        raise ApiError(404, "not_found", "the image has not arrived; send it again") from error


def box_in_pixels(label: Mapping[str, Any], result: TryResult) -> dict[str, int] | None:
    """Where the label's object is on the image that was tried; None if it is a label of the whole image."""
    box = label.get("box")
    return boxes.in_pixels(box, result.width, result.height) if box else None
