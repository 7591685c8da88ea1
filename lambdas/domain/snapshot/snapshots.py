"""Dataset snapshots: what a model version was trained and tested on, immutable and named by its content.

`datasets/<id>/train.manifest` and `test.manifest` hold the entries in the order of the images' hashes,
`train.images.jsonl` and `test.images.jsonl` what else is known of the same images, line by line, and
`snapshot.json` says how many of what they are.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.catalogue.split_ledger import Ledger
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import DATASET_TYPES, Kind
from lambdas.domain.shared.records import SnapshotSummary, is_serverless
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.shared.wording import listed
from lambdas.domain.snapshot import files as snapshot_files
from lambdas.domain.snapshot.assignment import Assignment
from lambdas.domain.snapshot.builder import SnapshotBuilder, Written
from lambdas.domain.snapshot.files import entries, images, manifest_key
from lambdas.domain.snapshot.split import BACKGROUND

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

__all__ = [
    "Snapshot",
    "entries",
    "images",
    "make",
    "manifest_key",
    "read",
    "why_not_train",
    "why_trained",
]

MIN_LABELS: dict[Kind, int] = {"classification": 2, "detection": 1}
"""https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""

MAX_LABELS_IN_SUMMARY = 250
"""As many as Custom Labels takes, so of whatever can be trained on all."""


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
    crossing_groups: int = 0
    """Groups of near-duplicates that are in both datasets: what was asked for is granted all the same."""
    not_as_requested: int = 0
    """Images that are not in the dataset that was asked for."""
    manifest_bytes: dict[str, int] = field(default_factory=dict)
    """By dataset."""
    cutoff: str = ""
    """Changes up to here are in it."""
    train_backgrounds: int = 0
    """Images with nothing on them, which are in the manifest and not among `train_images`."""
    test_backgrounds: int = 0
    with_objects: str = ""
    """A hash of the entries with something on the image, which are those that Custom Labels learns from."""
    origins: dict[str, int] = field(default_factory=dict)
    """Images by where their labels come from: `folder`, `annotation`, `person`; empty: not on record."""
    labelled_by: dict[str, int] = field(default_factory=dict)
    """Images by the person whose labels they have, or several who were asked together, most first."""

    def summary(self) -> SnapshotSummary:
        """The snapshot as a run's record holds it: an item takes 400 KB, so of very many labels not all
        (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)."""
        return SnapshotSummary(
            kind=self.kind,
            train_images=self.train_images,
            test_images=self.test_images,
            labels=len(self.test_labels),
            train_labels=dict(islice(self.train_labels.items(), MAX_LABELS_IN_SUMMARY)),
            test_labels=dict(islice(self.test_labels.items(), MAX_LABELS_IN_SUMMARY)),
            left_out=self.left_out,
            train_backgrounds=self.train_backgrounds,
            test_backgrounds=self.test_backgrounds,
            crossing_groups=self.crossing_groups,
            not_as_requested=self.not_as_requested,
            manifest_bytes=self.manifest_bytes,
        )


# Making


def make(table: Table, s3: S3Client, bucket: str) -> Snapshot:
    """Write a snapshot of every labelled image, assigning those that are new to a dataset for ever.

    A dataset is of one kind: where images with boxes and images with image-level labels were mixed, the
    more frequent kind is trained on and the rest is left out, and counted. Images on which somebody found no
    object are in those with boxes, as backgrounds: Custom Labels takes them and documents that it does not
    learn from them (WARNING_NO_ANNOTATIONS,
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-json-line-errors.html); the
    shadow gate tests with them. The split is on record before the
    manifests are: whatever this stops at, the next snapshot goes on from there.

    Raises:
        CatalogueError: another snapshot is made at the same time, or there are more images than a catalogue
            can hold the split of.
    """
    cutoff = clock.now()
    with tempfile.TemporaryDirectory() as folder:
        builder = SnapshotBuilder(Path(folder), bucket, cutoff)
        builder.collect(snapshot_rows.labelled(table))
        assignment = builder.assign(Ledger.read(table))
        assignment.write(table)
        written = builder.write(assignment)
        snapshot = _snapshot(builder, assignment, written, cutoff)
        for dataset_type in DATASET_TYPES:
            s3.upload_file(
                str(builder.images(dataset_type)),
                bucket,
                snapshot_files.images_key(snapshot.id, dataset_type),
            )
            s3.upload_file(
                str(builder.manifest(dataset_type)), bucket, manifest_key(snapshot.id, dataset_type)
            )
    body = json.dumps(asdict(snapshot), indent=2, ensure_ascii=False)
    s3.put_object(Bucket=bucket, Key=snapshot_files.summary_key(snapshot.id), Body=body.encode())
    return snapshot


def _snapshot(builder: SnapshotBuilder, assignment: Assignment, written: Written, cutoff: str) -> Snapshot:
    train, test = Counter(assignment.split.train), Counter(assignment.split.test)
    train_backgrounds, test_backgrounds = train.pop(BACKGROUND, 0), test.pop(BACKGROUND, 0)
    return Snapshot(
        id=written.content[:16],
        kind=builder.kind,
        train_images=written.images["TRAIN"] - train_backgrounds,
        test_images=written.images["TEST"] - test_backgrounds,
        train_labels={label: count for label, count in sorted(train.items()) if count},
        test_labels={label: test[label] for label in sorted(train | test)},
        left_out=builder.left_out(),
        train_backgrounds=train_backgrounds,
        test_backgrounds=test_backgrounds,
        with_objects=written.with_objects[:16],
        crossing_groups=assignment.crossing_groups(),
        not_as_requested=assignment.not_as_requested(),
        manifest_bytes={dataset_type: written.bytes[dataset_type] for dataset_type in DATASET_TYPES},
        cutoff=cutoff,
        origins=dict(builder.origins[builder.kind].most_common()),
        labelled_by=dict(builder.people[builder.kind].most_common()),
    )


# Reading


def read(s3: S3Client, bucket: str, snapshot_id: str) -> Snapshot:
    """What the snapshot holds, in numbers.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, if there is no such snapshot.
    """
    body = s3.get_object(Bucket=bucket, Key=snapshot_files.summary_key(snapshot_id))["Body"]
    return Snapshot(**json.load(body))


# Judging


def why_not_train(snapshot: Snapshot, tuning: Tuning) -> str:
    """Why a training on this snapshot, which has images, would be wasted; empty if it would not."""
    labels = sorted(snapshot.test_labels)
    if len(labels) < MIN_LABELS[snapshot.kind]:
        return f"only one label, {listed(labels)}: a classification needs at least two"
    if snapshot.train_images < tuning.min_training_images:
        return (
            f"{snapshot.train_images} images to train with ({snapshot.test_images} more to test with),"
            f" fewer than {tuning.min_training_images}"
        )
    untrained = [label for label in labels if not snapshot.train_labels.get(label)]
    if untrained:
        return f"no image to train with of: {listed(untrained)}"
    untested = [label for label in labels if not snapshot.test_labels[label]]
    if untested:
        return f"no image to test with of: {listed(untested)}; add images with these labels"
    return ""


def why_trained(
    s3: S3Client,
    bucket: str,
    loop_state: LoopState,
    snapshot: Snapshot,
    engine: str = "",
    *,
    learns_from_backgrounds: bool = False,
) -> str:
    """Why a training on this snapshot would be that of an earlier one again; empty if it would not.

    It is if a version was trained on the same, and a gate has judged it. A training that failed or goes on
    does not count, nor does a version whose run ended before its end: to be asked by the run that has the
    lease, so that no other version is on its way.

    Args:
        engine: whose versions count; empty: those of any.
        learns_from_backgrounds: whether images with nothing on them make a difference to the engine that is
            to train: to Custom Labels they make none.
    """
    judged = [
        version
        for version in loop_state.versions()
        if version.state in ("champion", "retired", "rejected")
        and (not engine or is_serverless(version.id) == (engine == "serverless"))
    ]
    if any(version.trained_on == snapshot.id for version in judged):
        return f"nothing has changed since snapshot {snapshot.id} was trained"
    if learns_from_backgrounds:
        return ""
    last = next((version.trained_on for version in judged if version.trained_on), None)
    if last and snapshot.with_objects and _with_objects(s3, bucket, last) == snapshot.with_objects:
        return (
            f"only images with nothing on them have changed since snapshot {last} was trained, and Custom"
            " Labels does not learn from those"
        )
    return ""


def _with_objects(s3: S3Client, bucket: str, snapshot_id: str) -> str:
    """What of an earlier snapshot Custom Labels learnt from; empty if that is not known."""
    try:
        return read(s3, bucket, snapshot_id).with_objects
    except s3.exceptions.NoSuchKey:
        return ""
