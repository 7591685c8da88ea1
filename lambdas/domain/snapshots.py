"""Dataset snapshots: what a model version was trained and tested on, immutable and named by its content.

`datasets/<id>/train.manifest` and `test.manifest` hold the entries in the order of the images' hashes,
`snapshot.json` says how many of what they are.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain import catalogue, clock, custom_labels
from lambdas.domain.catalogue import SIDES, CatalogueImage, Side
from lambdas.domain.custom_labels import MAX_UPDATE_BYTES, CustomLabelsError, DatasetType
from lambdas.domain.manifests import Kind, entry_line
from lambdas.domain.records import Records
from lambdas.domain.split import Split
from lambdas.domain.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

KINDS: tuple[Kind, Kind] = ("detection", "classification")
MIN_LABELS: dict[Kind, int] = {"classification": 2, "detection": 1}
"""https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""

Part = tuple[Kind, Side]
PARTS: tuple[Part, ...] = tuple((kind, side) for kind in KINDS for side in SIDES)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot's content in numbers: images by dataset, and of each label."""

    id: str
    kind: Kind
    train_images: int
    test_images: int
    train_labels: dict[str, int]
    test_labels: dict[str, int]
    left_out: dict[str, int] = field(default_factory=dict)
    """Labelled images that are not in it, by reason."""
    cutoff: str = ""
    """Changes up to here are in it."""

    def summary(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k not in ("id", "cutoff")}


# Making


def make(table: Table, s3: S3Client, bucket: str) -> Snapshot:
    """Write a snapshot of every labelled image, assigning those that are new to a dataset for ever.

    A data set is of one kind: where images with boxes and images with image-level labels were mixed, the
    more frequent kind is trained on and the rest is left out, and counted.
    """
    cutoff = clock.now()
    fresh = {image.id: image for image in catalogue.labelled_images(table, "UNASSIGNED")}
    with tempfile.TemporaryDirectory() as folder:
        draft = _Draft(Path(folder), bucket, cutoff)
        for side in SIDES:
            for image in catalogue.labelled_images(table, side):
                # The index may still show as unassigned what was assigned a moment ago.
                if image.id not in fresh:
                    draft.keep(image, side)
        for image in fresh.values():
            if draft.takes(image):
                side = catalogue.assign_split(table, image.id, draft.side_for(image))
                draft.add(image, side)
        snapshot = draft.finish()
        for side in SIDES:
            manifest = str(draft.manifest(snapshot.kind, side))
            s3.upload_file(manifest, bucket, manifest_key(snapshot.id, side))
    body = json.dumps(asdict(snapshot), indent=2, ensure_ascii=False)
    s3.put_object(Bucket=bucket, Key=_summary_key(snapshot.id), Body=body.encode())
    return snapshot


class _Draft:
    """A snapshot in the making. Images that have their side come in the order of their ids and go straight
    to a file; only entries of new ones are held in memory, until they are merged in."""

    def __init__(self, folder: Path, bucket: str, cutoff: str) -> None:
        self._folder, self._bucket, self._cutoff = folder, bucket, cutoff
        self._splits = {kind: Split() for kind in KINDS}
        self._kept = {part: (folder / "-".join(part)).open("w+") for part in PARTS}
        self._added: dict[Part, list[str]] = {part: [] for part in PARTS}
        self._images: Counter[Part] = Counter()
        self._backgrounds = 0

    def takes(self, image: CatalogueImage) -> bool:
        """Whether the image is trained on: labelled before the cutoff, and with something on it."""
        if image.changed_at > self._cutoff or image.kind is None:
            return False
        self._backgrounds += not image.label_names
        return bool(image.label_names)

    def keep(self, image: CatalogueImage, side: Side) -> None:
        """Take over an image that has its side."""
        if self.takes(image):
            self._kept[self._count(image, side)].write(_line(image, self._bucket))

    def side_for(self, image: CatalogueImage) -> Side:
        assert image.kind  # noqa: S101 only images that it takes are asked about
        return self._splits[image.kind].side_for(image.label_names)

    def add(self, image: CatalogueImage, side: Side) -> None:
        """Take over an image that was just assigned its side."""
        self._added[self._count(image, side)].append(_line(image, self._bucket))

    def manifest(self, kind: Kind, side: Side) -> Path:
        return self._folder / f"{kind}-{side}.manifest"

    def finish(self) -> Snapshot:
        """Write the manifests and name the snapshot by their content."""
        for part, kept in self._kept.items():
            with kept, self.manifest(*part).open("w") as merged:
                kept.seek(0)
                merged.writelines(heapq.merge(kept, sorted(self._added[part])))
        kind = max(KINDS, key=self._images_of)
        content = hashlib.sha256()
        for side in SIDES:
            with self.manifest(kind, side).open("rb") as manifest:
                content.update(hashlib.file_digest(manifest, "sha256").digest())
        split = self._splits[kind]
        return Snapshot(
            id=content.hexdigest()[:16],
            kind=kind,
            train_images=self._images[kind, "TRAIN"],
            test_images=self._images[kind, "TEST"],
            train_labels=dict(sorted(split.train.items())),
            test_labels={label: split.test[label] for label in sorted(split.train | split.test)},
            left_out=self._left_out(kind),
            cutoff=self._cutoff,
        )

    def _count(self, image: CatalogueImage, side: Side) -> Part:
        assert image.kind  # noqa: S101 only images that it takes are counted
        self._splits[image.kind].count(image.label_names, side)
        self._images[image.kind, side] += 1
        return image.kind, side

    def _images_of(self, kind: Kind) -> int:
        return sum(self._images[kind, side] for side in SIDES)

    def _left_out(self, kind: Kind) -> dict[str, int]:
        others = sum(self._images_of(other) for other in KINDS if other != kind)
        reasons = {f"not of the data set's kind, {kind}": others, "nothing on the image": self._backgrounds}
        return {reason: count for reason, count in reasons.items() if count}


def _line(image: CatalogueImage, bucket: str) -> str:
    return entry_line(image.manifest_entry(bucket)) + "\n"


# Reading


def manifest_key(snapshot_id: str, dataset_type: DatasetType) -> str:
    return f"datasets/{snapshot_id}/{dataset_type.lower()}.manifest"


def _summary_key(snapshot_id: str) -> str:
    return f"datasets/{snapshot_id}/snapshot.json"


def read(s3: S3Client, bucket: str, snapshot_id: str) -> Snapshot:
    body = s3.get_object(Bucket=bucket, Key=_summary_key(snapshot_id))["Body"]
    return Snapshot(**json.load(body))


def entries(s3: S3Client, bucket: str, snapshot_id: str, dataset_type: DatasetType) -> Iterator[str]:
    """The lines of a snapshot's manifest."""
    body = s3.get_object(Bucket=bucket, Key=manifest_key(snapshot_id, dataset_type))["Body"]
    return (line.decode() for line in body.iter_lines() if line)


# Judging


def why_not_train(snapshot: Snapshot, tuning: Tuning) -> str:
    """Why a training on this snapshot would be wasted; empty if it would not."""
    images = snapshot.train_images + snapshot.test_images
    if images == 0:
        return "no image has a label yet"
    labels = sorted(snapshot.test_labels)
    if len(labels) < MIN_LABELS[snapshot.kind]:
        return f"only one label, {labels[0]}: a classification needs at least two"
    if snapshot.train_images < tuning.min_training_images:
        return (
            f"{snapshot.train_images} images to train with ({snapshot.test_images} more to test with),"
            f" fewer than {tuning.min_training_images}"
        )
    untrained = [label for label in labels if not snapshot.train_labels.get(label)]
    if untrained:
        return f"no image to train with of: {', '.join(untrained)}"
    untested = [label for label in labels if not snapshot.test_labels[label]]
    if untested:
        return f"no image to test with of: {', '.join(untested)}; add images with these labels"
    return ""


def is_trained(records: Records, snapshot: Snapshot) -> bool:
    """Whether a version was trained on just this; a training that failed does not count."""
    return any(
        version.get("snapshot") == snapshot.id and version.get("state") != "failed"
        for version in records.versions()
    )


# Bringing the project's datasets to it


@dataclass(frozen=True)
class Datasets:
    """The project's two datasets in Rekognition, and how they are brought to a snapshot."""

    rekognition: RekognitionClient
    s3: S3Client
    records: Records
    project_arn: str
    bucket: str

    def sync(self, snapshot_id: str) -> bool:
        """Bring both datasets one step closer to the snapshot: whether they are there.

        Raises:
            CustomLabelsError: Rekognition cannot make a dataset of the snapshot.
        """
        train = self._sync(snapshot_id, "TRAIN")
        test = self._sync(snapshot_id, "TEST")
        return train and test

    def _sync(self, snapshot_id: str, dataset_type: DatasetType) -> bool:
        found = custom_labels.dataset(self.rekognition, self.project_arn, dataset_type)
        if found is None:
            self._create(snapshot_id, dataset_type)
            return False
        arn, status = found["DatasetArn"], found["Status"]
        synced = self.records.synced_snapshot(dataset_type)
        if status.endswith("_IN_PROGRESS"):
            return False
        if status == "CREATE_FAILED" and synced == snapshot_id:
            self.records.note_synced(dataset_type, "")
            raise CustomLabelsError(
                f"the {dataset_type} dataset cannot be made of snapshot {snapshot_id}:"
                f" {found.get('StatusMessage', status)}"
            )
        if synced == snapshot_id and not status.endswith("_FAILED"):
            return True
        changes = None if status.endswith("_FAILED") else self._changes(synced, snapshot_id, dataset_type)
        if changes is None:
            self.rekognition.delete_dataset(DatasetArn=arn)
            return False
        if changes:
            self.rekognition.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": changes})
        self.records.note_synced(dataset_type, snapshot_id)
        return not changes

    def _create(self, snapshot_id: str, dataset_type: DatasetType) -> None:
        key = manifest_key(snapshot_id, dataset_type)
        custom_labels.create_dataset(self.rekognition, self.project_arn, dataset_type, self.bucket, key)
        self.records.note_synced(dataset_type, snapshot_id)

    def _changes(self, old_id: str, new_id: str, dataset_type: DatasetType) -> bytes | None:
        """What UpdateDatasetEntries has to be told; None if only a new dataset will do."""
        if not old_id:
            return None
        try:
            old = entries(self.s3, self.bucket, old_id, dataset_type)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        new = entries(self.s3, self.bucket, new_id, dataset_type)
        changed = custom_labels.changed_entries(old, new)
        if changed is None:
            return None
        document = "\n".join(changed).encode()
        return document if len(document) <= MAX_UPDATE_BYTES else None
