"""What each version has answered about images, kept so that later versions can be held against it.

Of a version that no longer runs nothing else is left to compare with on the same images. Detections are kept
and not how right they were: whether they are right depends on the image's labels, which people correct.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_IMAGES = 5000
"""Of a version that are kept; the ones asked about last."""

Detections = Sequence[Mapping[str, Any]]
"""What a version sees on an image, as Detector.detect_labels returns it."""
Answers = Mapping[str, Detections]
"""Detections by the image's key."""


def key(version_name: str) -> str:
    return f"evaluations/{version_name}/shadow.jsonl"


def read(s3: S3Client, bucket: str, version_name: str) -> Answers:
    """What a version has answered; nothing if it never was asked."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key(version_name))["Body"]
    except s3.exceptions.NoSuchKey:
        return {}
    lines: list[dict[str, Any]] = [json.loads(line) for line in body.iter_lines() if line]
    return {line["image"]: line["detections"] for line in lines}


def keep(s3: S3Client, bucket: str, version_name: str, answers: Answers) -> None:
    """Add answers to those of the version; a newer answer about an image replaces the older one."""
    earlier = {
        image: detections
        for image, detections in read(s3, bucket, version_name).items()
        if image not in answers
    }
    kept = list({**earlier, **answers}.items())[-MAX_IMAGES:]
    lines = ({"image": image, "detections": list(detections)} for image, detections in kept)
    body = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
    s3.put_object(Bucket=bucket, Key=key(version_name), Body=body, ContentType="application/jsonl")
