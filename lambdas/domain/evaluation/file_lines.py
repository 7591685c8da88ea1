"""The lines of a training's evaluation, one for each test image.

Format: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-evaluation-manifest-snapshot-api.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_IMAGES = 1000
"""Of an evaluation that are read: enough to tell models apart, and read in seconds."""
TRAINING, EVALUATION = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
"""What an image is labelled with, and what the version saw on it."""
DETAILS = "rekognition-custom-labels-evaluation-details"
_CHUNK = 1024 * 1024


def read_lines(s3: S3Client, file: tuple[str, str]) -> Iterator[bytes] | None:
    """The lines of an evaluation; None if there is no such file.

    Args:
        file: its bucket and key.
    """
    bucket, key = file
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except s3.exceptions.NoSuchKey:
        return None
    return body.iter_lines(_CHUNK)


def attributes(line: Mapping[str, Any], name: str) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """Values and metadata of the attributes of that name, which is numbered if there are several."""
    for key, value in line.items():
        if key == name or (key.startswith(name) and key.removeprefix(f"{name}-").isdigit()):
            yield value, line.get(f"{key}-metadata", {})
