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
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain import catalogue, clock, custom_labels
from lambdas.domain.catalogue import SIDES, CatalogueImage, Side
from lambdas.domain.custom_labels import DATASET_TYPES, MAX_UPDATE_BYTES, CustomLabelsError, DatasetType
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
    with tempfile.TemporaryDirectory() as folder, ExitStack() as files:
        drafts = {
            (kind, side): files.enter_context((Path(folder) / f"{kind}-{side}").open("w+"))
            for kind in KINDS
            for side in SIDES
        }
        splits = {kind: Split() for kind in KINDS}
        fresh = {i.id: i for i in catalogue.labelled_images(table, "UNASSIGNED") if i.changed_at <= cutoff}
        backgrounds = _draft_assigned(table, bucket, cutoff, drafts, splits, set(fresh))
        added = _assign(table, bucket, fresh, splits)
        backgrounds += sum(1 for image in fresh.values() if not image.label_names)
        return _publish(s3, bucket, Path(folder), drafts, added, splits, cutoff, backgrounds)


Drafts = dict[tuple[Kind, Side], IO[str]]


def _draft_assigned(
    table: Table, bucket: str, cutoff: str, drafts: Drafts, splits: dict[Kind, Split], skip: set[str]
) -> int:
    """Entries of the images that have a side already; returns how many show nothing."""
    backgrounds = 0
    for side in SIDES:
        for image in catalogue.labelled_images(table, side):
            if image.id in skip or image.changed_at > cutoff or image.kind is None:
                continue
            if not image.label_names:
                backgrounds += 1
                continue
            splits[image.kind].count(image.label_names, side)
            drafts[image.kind, side].write(_line(image, bucket))
    return backgrounds


def _assign(
    table: Table, bucket: str, fresh: dict[str, CatalogueImage], splits: dict[Kind, Split]
) -> dict[tuple[Kind, Side], list[str]]:
    """Assign new images a side, once and for all: their entries."""
    added: dict[tuple[Kind, Side], list[str]] = {(kind, side): [] for kind in KINDS for side in SIDES}
    for image in fresh.values():
        if image.kind is None or not image.label_names:
            continue
        wanted = splits[image.kind].side_for(image.label_names)
        side = catalogue.assign_split(table, image.id, wanted)
        splits[image.kind].count(image.label_names, side)
        added[image.kind, side].append(_line(image, bucket))
    return added


def _publish(
    s3: S3Client,
    bucket: str,
    folder: Path,
    drafts: Drafts,
    added: dict[tuple[Kind, Side], list[str]],
    splits: dict[Kind, Split],
    cutoff: str,
    backgrounds: int,
) -> Snapshot:
    content = hashlib.sha256()
    counts: Counter[tuple[Kind, Side]] = Counter()
    for key, draft in drafts.items():
        draft.seek(0)
        with _manifest(folder, key).open("w") as merged:
            for line in heapq.merge(draft, sorted(added[key])):
                merged.write(line)
                counts[key] += 1
    kind = max(KINDS, key=lambda kind: sum(counts[kind, side] for side in SIDES))
    for side in SIDES:
        content.update(_manifest(folder, (kind, side)).read_bytes() + b"\0")
    others = sum(counts[other, side] for other in KINDS if other != kind for side in SIDES)
    reasons = {f"not of the data set's kind, {kind}": others, "nothing on the image": backgrounds}
    snapshot = Snapshot(
        id=content.hexdigest()[:16],
        kind=kind,
        train_images=counts[kind, "TRAIN"],
        test_images=counts[kind, "TEST"],
        train_labels=dict(sorted(splits[kind].train.items())),
        test_labels=_all_labels(splits[kind]),
        left_out={reason: count for reason, count in reasons.items() if count},
        cutoff=cutoff,
    )
    for side in SIDES:
        s3.upload_file(str(_manifest(folder, (kind, side))), bucket, manifest_key(snapshot.id, side))
    body = json.dumps(asdict(snapshot), indent=2, ensure_ascii=False)
    s3.put_object(Bucket=bucket, Key=_summary_key(snapshot.id), Body=body.encode())
    return snapshot


def _all_labels(split: Split) -> dict[str, int]:
    """Test images of each label, those without any included."""
    return {label: split.test[label] for label in sorted(split.train | split.test)}


def _manifest(folder: Path, key: tuple[Kind, Side]) -> Path:
    return folder / f"{key[0]}-{key[1]}.manifest"


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
    for line in body.iter_lines():
        if line:
            yield line.decode()


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


def sync(
    rekognition: RekognitionClient,
    s3: S3Client,
    records: Records,
    project_arn: str,
    bucket: str,
    snapshot_id: str,
) -> bool:
    """Bring both datasets one step closer to the snapshot: whether they are there.

    Raises:
        CustomLabelsError: Rekognition cannot make a dataset of the snapshot.
    """
    return all(
        [
            _sync_one(rekognition, s3, records, project_arn, bucket, snapshot_id, dataset_type)
            for dataset_type in DATASET_TYPES
        ]
    )


def _sync_one(
    rekognition: RekognitionClient,
    s3: S3Client,
    records: Records,
    project_arn: str,
    bucket: str,
    snapshot_id: str,
    dataset_type: DatasetType,
) -> bool:
    key = manifest_key(snapshot_id, dataset_type)
    dataset = custom_labels.dataset(rekognition, project_arn, dataset_type)
    if dataset is None:
        custom_labels.create_dataset(rekognition, project_arn, dataset_type, bucket, key)
        records.note_synced(dataset_type, snapshot_id)
        return False
    arn, status = dataset["DatasetArn"], dataset["Status"]
    synced = records.synced_snapshot(dataset_type)
    if status.endswith("_IN_PROGRESS"):
        return False
    if status.endswith("_FAILED"):
        if synced == snapshot_id and status == "CREATE_FAILED":
            raise CustomLabelsError(
                f"the {dataset_type} dataset cannot be made of snapshot {snapshot_id}:"
                f" {dataset.get('StatusMessage', status)}"
            )
        rekognition.delete_dataset(DatasetArn=arn)
        return False
    if synced == snapshot_id:
        return True
    changes = _changes(s3, bucket, synced, snapshot_id, dataset_type)
    if changes is None:
        rekognition.delete_dataset(DatasetArn=arn)
        return False
    if changes:
        rekognition.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": changes})
    records.note_synced(dataset_type, snapshot_id)
    return not changes


def _changes(
    s3: S3Client, bucket: str, old_id: str, new_id: str, dataset_type: DatasetType
) -> bytes | None:
    """What UpdateDatasetEntries has to be told; None if only a new dataset will do."""
    if not old_id:
        return None
    try:
        old = list(entries(s3, bucket, old_id, dataset_type))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    changed = custom_labels.changed_entries(iter(old), entries(s3, bucket, new_id, dataset_type))
    if changed is None:
        return None
    document = "\n".join(changed).encode()
    return document if len(document) <= MAX_UPDATE_BYTES else None
