"""The split ledger: which image is TRAIN and which one TEST, once and for all.

It lies in the catalogue's table, 256 items by the first two hex digits of the images' hashes. A line of an
item says an image's hash, its dataset type and its perceptual hash; the last, because a near-duplicate of an
image that is out of the dataset at present has to go to the same dataset.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.shared.dynamodb import batch_get, get_item, put_if

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


BUCKETS = tuple(f"{number:02x}" for number in range(256))
MAX_BYTES = 390 * 1024
"""Of an item's lines, compressed; an item holds 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
_LETTERS: dict[DatasetType, str] = {"TRAIN": "T", "TEST": "E"}
_DATASET_TYPES: dict[str, DatasetType] = {letter: dataset_type for dataset_type, letter in _LETTERS.items()}
_BATCH = 25
"""Items asked for at once: BatchGetItem answers with up to 16 MB."""


@dataclass(frozen=True)
class AssignedImage:
    """An image that is assigned to a dataset; `perceptual_hash` as 16 hex digits."""

    sha256: str
    dataset_type: DatasetType
    perceptual_hash: str


def dataset_type_of(table: Table, sha256: str) -> DatasetType | None:
    """The dataset type of one image; None before the first snapshot that it is in."""
    item = get_item(table, _id(sha256[:2]))
    if item is None:
        return None
    lines = _decompressed(item)
    begin = lines.find(sha256)
    return _DATASET_TYPES[lines[begin + len(sha256) + 1]] if begin >= 0 else None


class Ledger:
    """The dataset types of all images, as they were when they were read; some 60 bytes an image."""

    def __init__(self, items: Mapping[str, dict[str, Any]]) -> None:
        self._items = dict(items)
        self._decoded: dict[str, dict[str, DatasetType]] = {}
        """Of the bucket that was asked for last: images are looked up in the order of their hashes."""

    @classmethod
    def read(cls, table: Table, buckets: Sequence[str] = BUCKETS) -> Ledger:
        """Read the ledger, or these buckets of it."""
        items: dict[str, dict[str, Any]] = {}
        for begin in range(0, len(buckets), _BATCH):
            asked = [{"id": _id(bucket)} for bucket in buckets[begin : begin + _BATCH]]
            for item in batch_get(table, asked):
                items[str(item["id"])[-2:]] = item
        return cls(items)

    def bucket(self, bucket: str) -> list[AssignedImage]:
        """The images of a bucket, in the order of their hashes."""
        item = self._items.get(bucket)
        if item is None:
            return []
        lines = (line.split(" ") for line in _decompressed(item).splitlines())
        return [AssignedImage(sha256, _DATASET_TYPES[letter], hash) for sha256, letter, hash in lines]

    def dataset_type_of(self, sha256: str) -> DatasetType | None:
        """The dataset type of one image; None if it has none yet."""
        bucket = sha256[:2]
        if bucket not in self._decoded:
            self._decoded = {bucket: {image.sha256: image.dataset_type for image in self.bucket(bucket)}}
        return self._decoded[bucket].get(sha256)

    def assign(self, table: Table, bucket: str, new: Sequence[AssignedImage]) -> None:
        """Add images, all of them of this bucket and not assigned until now.

        Raises:
            CatalogueError: the bucket is full, or another snapshot was quicker.
        """
        lines = sorted(_line(assigned) for assigned in (*self.bucket(bucket), *new))
        data = zlib.compress("".join(lines).encode())
        if len(data) > MAX_BYTES:
            raise CatalogueError(
                f"the split ledger has no room for more images: {len(lines)} make {len(data)} bytes in"
                f" {_id(bucket)}, which takes {MAX_BYTES}; start a new deployment for them"
            )
        revision = int(self._items.get(bucket, {}).get("revision", 0))
        item: dict[str, Any] = {"id": _id(bucket), "images": data, "revision": revision + 1}
        unchanged = Attr("revision").eq(revision) if revision else Attr("id").not_exists()
        if not put_if(table, item, unchanged):
            raise CatalogueError(
                f"{_id(bucket)} was written by another snapshot at the same time; make it again"
            )
        self._items[bucket] = item
        self._decoded.pop(bucket, None)


def _id(bucket: str) -> str:
    return f"split#{bucket}"


def _line(assigned: AssignedImage) -> str:
    return f"{assigned.sha256} {_LETTERS[assigned.dataset_type]} {assigned.perceptual_hash}\n"


def _decompressed(item: Mapping[str, Any]) -> str:
    return zlib.decompress(bytes(item["images"])).decode()
