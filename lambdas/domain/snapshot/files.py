"""A snapshot's files in the data bucket: their keys, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.shared.annotation import DatasetType

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


def manifest_key(snapshot_id: str, dataset_type: DatasetType) -> str:
    """The key of a dataset's manifest."""
    return f"datasets/{snapshot_id}/{dataset_type.lower()}.manifest"


def report_key(snapshot_id: str, name: str = "report.html") -> str:
    """The key of a file of the snapshot's dataset report."""
    return f"datasets/{snapshot_id}/{name}"


def images_key(snapshot_id: str, dataset_type: DatasetType) -> str:
    """The key of the file that has a line for each line of the manifest."""
    return f"datasets/{snapshot_id}/{dataset_type.lower()}.images.jsonl"


def summary_key(snapshot_id: str) -> str:
    """The key of what the snapshot holds in numbers."""
    return f"datasets/{snapshot_id}/snapshot.json"


def entries(s3: S3Client, bucket: str, snapshot_id: str, dataset_type: DatasetType) -> Iterator[str]:
    """The lines of a snapshot's manifest, in the order of their source-refs.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, when it is called, if there is no such snapshot.
    """
    return _lines(s3, bucket, manifest_key(snapshot_id, dataset_type))


def images(s3: S3Client, bucket: str, snapshot_id: str, dataset_type: DatasetType) -> Iterator[SnapshotImage]:
    """What the snapshot knows of the image of each entry, in the same order.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, when it is called, if there is no such snapshot.
    """
    lines = _lines(s3, bucket, images_key(snapshot_id, dataset_type))
    return (SnapshotImage(**json.loads(line)) for line in lines)


def _lines(s3: S3Client, bucket: str, key: str) -> Iterator[str]:
    body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    return (line.decode() for line in body.iter_lines(_CHUNK) if line)
