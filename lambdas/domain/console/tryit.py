"""Trying the champion on an image of one's own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.detect import detection
from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import MAX_BYTES, UnusableImageError
from lambdas.domain.register import registration
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

PREFIX = "try/"
CONTENT_TYPES = ("image/jpeg", "image/png")


@dataclass(frozen=True)
class Tried:
    """What the champion saw. Boxes in whole pixels of the upright image, confidences from 0 to 100."""

    model_version: str
    labels: list[dict[str, Any]]
    """As custom_labels.detect tells them."""
    width: int
    height: int


def new_id(content_type: Any, size: Any) -> str:
    """A name for an image that is about to be sent.

    Raises:
        Refusal: it is none that can be tried.
    """
    if content_type not in CONTENT_TYPES:
        raise ApiError(422, "bad_image", f"send one of {', '.join(CONTENT_TYPES)}", "content_type")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_BYTES:
        raise ApiError(422, "bad_image", f"an image has up to {MAX_BYTES // 1024 // 1024} MiB", "size")
    return uuid.uuid4().hex


def key(id: str) -> str:
    """Where the image lies.

    Raises:
        Refusal: it is no name that new_id gave.
    """
    if len(id) != 32 or not all(character in "0123456789abcdef" for character in id):
        raise ApiError(404, "not_found", "there is no such image; send it anew")
    return f"{PREFIX}{id}"


def ask(rekognition: RekognitionClient, s3: S3Client, loop_state: LoopState, bucket: str, id: str) -> Tried:
    """What the champion sees in the image.

    Raises:
        Refusal: the image did not come, is none, or no champion runs.
    """
    facts = _facts(s3, bucket, key(id))
    try:
        champion, labels = detection.ask(
            rekognition, loop_state, {"S3Object": {"Bucket": bucket, "Name": key(id)}}
        )
    except detection.NoChampionError as error:
        raise ApiError(409, "no_champion", str(error)) from error
    except ClientError as error:
        if error.response["Error"]["Code"] not in detection.UNUSABLE:
            raise
        raise ApiError(422, "bad_image", error.response["Error"]["Message"]) from error
    return Tried(champion.version_name, labels, facts.width, facts.height)


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


def document(tried: Tried, url: str) -> dict[str, Any]:
    return {
        "model_version": tried.model_version,
        "labels": [_label(label, tried) for label in tried.labels],
        "width": tried.width,
        "height": tried.height,
        "url": url,
    }


def _label(label: Mapping[str, Any], tried: Tried) -> dict[str, Any]:
    found = {"name": label["label"], "confidence": label["confidence"]}
    if box := label.get("box"):
        sides = {"left": tried.width, "top": tried.height, "width": tried.width, "height": tried.height}
        found["box"] = {side: round(box[side] * whole) for side, whole in sides.items()}
    return found
