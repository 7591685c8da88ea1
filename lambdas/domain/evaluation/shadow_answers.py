"""What each version has answered about images, kept so that later versions can be held against it.

Of a version that no longer runs nothing else is left to compare with on the same images. Detections are kept
and not how right they were: whether they are right depends on the image's labels, which people correct.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from lambdas.domain.shared.dynamodb import TRANSACTION_ATTEMPTS, wait_after
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_IMAGES = 5000
"""Of a version that are kept; the ones asked about last."""

Detections = Sequence[Mapping[str, Any]]
"""What a version sees on an image, as Detector.detect_labels returns it."""
Answers = Mapping[str, Detections]
"""Detections by the image's key."""


_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
"""Codes of a write after somebody else's: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""


def key(version_name: str) -> str:
    return f"evaluations/{version_name}/shadow.jsonl"


@frozen
class AnswerFile:
    """What is kept of a version's answers."""

    etag: str
    """Another one with every change; empty if nothing is kept."""
    answers: Answers
    unread_lines: int = 0
    """Lines that could not be read: the file was cut off, or has another form."""


def read(s3: S3Client, bucket: str, version_name: str) -> Answers:
    """What a version has answered; nothing if it never was asked."""
    file = read_newer(s3, bucket, version_name)
    return file.answers if file else {}


def read_newer(s3: S3Client, bucket: str, version_name: str, etag: str = "") -> AnswerFile | None:
    """What is kept of a version's answers; None if it is still what this ETag is of."""
    condition: Any = {"IfNoneMatch": etag} if etag else {}
    try:
        response = s3.get_object(Bucket=bucket, Key=key(version_name), **condition)
    except s3.exceptions.NoSuchKey:
        return AnswerFile("", {})
    except ClientError as error:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
            return None
        raise
    answers: dict[str, Detections] = {}
    unread = 0
    for text in filter(None, response["Body"].read().split(b"\n")):
        try:
            image, detections = _read_line(text)
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            unread += 1
        else:
            answers[image] = detections
    return AnswerFile(response["ETag"], answers, unread)


def _read_line(text: bytes) -> tuple[str, Detections]:
    """An image's key, and what was seen on it; any of several errors if the line has another form."""
    line = msgspec.json.decode(text)
    for seen in line["detections"]:
        sides = [seen["box"][side] for side in ("left", "top", "width", "height")] if seen.get("box") else []
        is_known = isinstance(seen["label"], str) and 0 <= seen["confidence"] <= 100
        if not is_known or not all(map(math.isfinite, sides)):
            raise ValueError("no detection")
    return str(line["image"]), line["detections"]


def keep(s3: S3Client, bucket: str, version_name: str, answers: Answers) -> None:
    """Add answers to those of the version; a newer answer about an image replaces the older one.

    A run and a release may ask the champion at once: each answer was paid for, and none is written over.
    """
    for attempt in range(TRANSACTION_ATTEMPTS):
        file = read_newer(s3, bucket, version_name) or AnswerFile("", {})
        earlier = {image: seen for image, seen in file.answers.items() if image not in answers}
        kept = list({**earlier, **answers}.items())[-MAX_IMAGES:]
        lines = ({"image": image, "detections": list(detections)} for image, detections in kept)
        body = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
        put: Any = {"Bucket": bucket, "Key": key(version_name), "Body": body}
        put |= {"IfMatch": file.etag} if file.etag else {"IfNoneMatch": "*"}
        try:
            s3.put_object(**put, ContentType="application/jsonl")
        except ClientError as error:
            is_last = attempt == TRANSACTION_ATTEMPTS - 1
            if is_last or error.response["Error"]["Code"] not in _CHANGED:
                raise
            wait_after(attempt)
        else:
            return
