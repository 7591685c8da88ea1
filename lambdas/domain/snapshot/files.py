"""Where a snapshot lies in the data bucket, and what it is read with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.shared.annotation import DatasetType

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class SnapshotImage:
    """What a snapshot says of an image beside its manifest entry; width and height in pixels."""

    key: str
    width: int
    height: int
    perceptual_hash: str
    group: str
    """Near-duplicates share it; empty if there is no other one in the snapshot."""
    changed_at: str


def manifest_key(snapshot_id: str, side: DatasetType) -> str:
    return f"datasets/{snapshot_id}/{side.lower()}.manifest"


def images_key(snapshot_id: str, side: DatasetType) -> str:
    """Of the file that has a line for each line of the manifest."""
    return f"datasets/{snapshot_id}/{side.lower()}.images.jsonl"


def summary_key(snapshot_id: str) -> str:
    return f"datasets/{snapshot_id}/snapshot.json"


def entries(s3: S3Client, bucket: str, snapshot_id: str, side: DatasetType) -> Iterator[str]:
    """The lines of a snapshot's manifest, in the order of their source-refs.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, when it is called, if there is no such snapshot.
    """
    return _lines(s3, bucket, manifest_key(snapshot_id, side))


def images(s3: S3Client, bucket: str, snapshot_id: str, side: DatasetType) -> Iterator[SnapshotImage]:
    """Of each entry, in the same order, what the snapshot knows beside it.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, when it is called, if there is no such snapshot.
    """
    lines = _lines(s3, bucket, images_key(snapshot_id, side))
    return (SnapshotImage(**json.loads(line)) for line in lines)


def _lines(s3: S3Client, bucket: str, key: str) -> Iterator[str]:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    return (line.decode() for line in body.iter_lines(_CHUNK) if line)
