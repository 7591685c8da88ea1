"""How two snapshots differ: the images and labels that came, went and changed from one to the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.snapshot import files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Change = Literal["came", "went", "relabelled", "redrawn", "moved"]
CHANGES: tuple[Change, ...] = ("came", "went", "relabelled", "redrawn", "moved")
"""Redrawn: the same labels with other boxes. Moved: labelled as before, in the other dataset."""


@frozen
class SnapshotEntry:
    """An image in a snapshot: its dataset, and what it is labelled with."""

    dataset: DatasetType
    labels: tuple[str, ...]
    """One for each box, or those of the whole image; sorted."""
    boxes: tuple[tuple[float, ...], ...]
    """In pixels: left, top, width and height, by label."""


@frozen
class ImageDifference:
    """What has become of an image; labels are None where it is not in the snapshot."""

    key: str
    change: Change
    dataset: DatasetType
    """In the second snapshot, or in the first one if it went."""
    before: tuple[str, ...] | None
    after: tuple[str, ...] | None


@frozen
class LabelDifference:
    """Objects of a label, or images with it, in both snapshots."""

    label: str
    before: int
    after: int
    came: int
    """On images where they were not before."""
    went: int


@frozen
class SnapshotDifference:
    """Everything in which two snapshots differ."""

    before: int
    """Images."""
    after: int
    images: tuple[ImageDifference, ...]
    """By their keys."""
    labels: tuple[LabelDifference, ...]

    @property
    def counts(self) -> dict[Change, int]:
        """How many images have changed in which way."""
        counted = Counter(image.change for image in self.images)
        return {change: counted[change] for change in CHANGES}

    def as_dict(self) -> dict[str, Any]:
        return {
            "images_before": self.before,
            "images_after": self.after,
            **self.counts,
            "labels": [asdict(label) for label in self.labels],
            "images": [asdict(image) for image in self.images],
        }


def between(s3: S3Client, bucket: str, first: str, second: str) -> SnapshotDifference:
    """How the second snapshot differs from the first one.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, if one of them is not there any more.
    """
    return compare(dict(_entries(s3, bucket, first)), dict(_entries(s3, bucket, second)))


def compare(before: Mapping[str, SnapshotEntry], after: Mapping[str, SnapshotEntry]) -> SnapshotDifference:
    """How the entries of two snapshots differ, which are given by the keys of their images."""
    images = [_image(key, before.get(key), after.get(key)) for key in sorted({*before, *after})]
    return SnapshotDifference(
        len(before), len(after), tuple(filter(None, images)), tuple(_labels(before, after))
    )


def _entries(s3: S3Client, bucket: str, snapshot_id: str) -> Iterator[tuple[str, SnapshotEntry]]:
    for dataset in DATASET_TYPES:
        for number, line in enumerate(files.entries(s3, bucket, snapshot_id, dataset), start=1):
            entry = manifests.parse_line(line, number)
            boxes = sorted((box.label, box.left, box.top, box.width, box.height) for box in entry.boxes)
            labels = [box[0] for box in boxes] or sorted(set(entry.labels))
            yield entry.source_key, SnapshotEntry(dataset, tuple(labels), tuple(box[1:] for box in boxes))


def _image(key: str, before: SnapshotEntry | None, after: SnapshotEntry | None) -> ImageDifference | None:
    change = _change(before, after)
    if change is None:
        return None
    *_, last = (entry for entry in (before, after) if entry)
    return ImageDifference(
        key,
        change,
        last.dataset,
        before.labels if before else None,
        after.labels if after else None,
    )


def _change(before: SnapshotEntry | None, after: SnapshotEntry | None) -> Change | None:
    if before is None:
        return "came"
    if after is None:
        return "went"
    if before.labels != after.labels:
        return "relabelled"
    if before.boxes != after.boxes:
        return "redrawn"
    return "moved" if before.dataset != after.dataset else None


def _labels(
    before: Mapping[str, SnapshotEntry], after: Mapping[str, SnapshotEntry]
) -> Iterable[LabelDifference]:
    totals = [Counter(label for entry in side.values() for label in entry.labels) for side in (before, after)]
    came, went = Counter[str](), Counter[str]()
    for key in {*before, *after}:
        had, has = (Counter(side[key].labels if key in side else ()) for side in (before, after))
        came += has - had
        went += had - has
    for label in sorted({*totals[0], *totals[1]}):
        yield LabelDifference(label, totals[0][label], totals[1][label], came[label], went[label])
