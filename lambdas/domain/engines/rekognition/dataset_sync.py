"""Rekognition's datasets of the project, and how they are brought to a snapshot, a step at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import Step
from lambdas.domain.engines.rekognition import custom_labels
from lambdas.domain.engines.rekognition.custom_labels import AT_A_LIMIT, MAX_UPDATE_BYTES
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import DatasetSync
from lambdas.domain.shared.state import FencedState
from lambdas.domain.snapshot import files as snapshot_files
from lambdas.domain.snapshot.files import manifest_key

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.shared.annotation import DatasetType


TYPES: tuple[DatasetType, DatasetType] = ("TRAIN", "TEST")


_DESCRIBED_LATE = {
    "ResourceAlreadyExistsException",
    "ResourceInUseException",
    "ResourceNotFoundException",
    "ResourceNotReadyException",
}
"""Errors of a step that what is described allows, and what is so does not: a dataset that is described as
before its deletion, its creation or its last changes."""
_MAX_LATE_SECONDS = 6 * 3600
"""After so long such an error is one."""
_SETTLES_SECONDS = 60
"""How long after a change what is described of a dataset may be older than that."""


class RemovedError(ValueError):
    """An entry of the old snapshot is not in the new one, or has lost a part there.

    UpdateDatasetEntries removes no entry. Of an entry that is sent again without a part of it, such as one
    label of several, AWS does not say whether it loses that:
    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_UpdateDatasetEntries.html
    """


@frozen
class RekognitionDatasets:
    """The project's two datasets in Rekognition."""

    rekognition: RekognitionClient
    s3: S3Client
    loop_state: FencedState
    project_arn: str
    bucket: str
    waited_seconds: float = 0
    """How long the run has waited for them."""

    def sync(self, snapshot_id: str) -> Step:
        """Bring both datasets one step closer to the snapshot.

        A step creates a dataset, deletes one to be created anew, or sends one document of changes. How far
        it went is on record, so that a later call goes on from there. An error is returned once: whoever
        calls again begins anew, as its cause may have been removed.
        """
        steps = [self._sync(snapshot_id, dataset_type) for dataset_type in TYPES]
        errors = [step.error for step in steps if step.error]
        waits_for = "; ".join(step.waits_for for step in steps if step.waits_for)
        return Step(all(step.ready for step in steps), "; ".join(errors), waits_for)

    def flagged(self) -> dict[str, int]:
        """Entries that Rekognition found errors in, and trains without, by dataset; of both, once they are
        ready."""
        datasets = {kind: custom_labels.dataset(self.rekognition, self.project_arn, kind) for kind in TYPES}
        return {
            kind: custom_labels.error_entries(self.rekognition, dataset["DatasetArn"])
            for kind, dataset in datasets.items()
            if dataset
        }

    def _sync(self, snapshot_id: str, dataset_type: DatasetType) -> Step:
        """A step for one of them. What is described may be older than what was done last: then Rekognition
        refuses the step, or there is none yet. Where the account changes as many datasets at once as it may,
        the step waits."""
        try:
            return self._take_step(snapshot_id, dataset_type)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in AT_A_LIMIT:
                message = error.response["Error"].get("Message", code)
                return Step(False, waits_for=f"room for a change of the {dataset_type} dataset: {message}")
            if code not in _DESCRIBED_LATE or self.waited_seconds > _MAX_LATE_SECONDS:
                raise
            return Step(False)

    def _take_step(self, snapshot_id: str, dataset_type: DatasetType) -> Step:
        dataset = custom_labels.dataset(self.rekognition, self.project_arn, dataset_type)
        synced = self.loop_state.dataset_sync(dataset_type)
        if dataset is None:
            self._create(synced, snapshot_id, dataset_type)
            return Step(False)
        arn, status = dataset["DatasetArn"], dataset["Status"]
        if status.endswith("_IN_PROGRESS") or (status.endswith("_COMPLETE") and self._is_older(arn, synced)):
            return Step(False)
        if synced.arn not in ("", arn):
            # Somebody has made another one in its place.
            self._delete(arn)
            return Step(False)
        if status == "CREATE_FAILED" and synced.snapshot == snapshot_id:
            self.loop_state.record_synced(dataset_type, "")
            why = dataset.get("StatusMessage", status)
            return Step(False, f"the {dataset_type} dataset cannot be made of snapshot {snapshot_id}: {why}")
        if status.endswith("_FAILED") or synced.target not in ("", snapshot_id) or not synced.snapshot:
            self._delete(arn)
            return Step(False)
        return Step(synced.snapshot == snapshot_id or self._update(arn, synced, snapshot_id, dataset_type))

    def _is_older(self, arn: str, synced: DatasetSync) -> bool:
        """Whether what is described of a dataset may be from before it was created, or sent its last changes.

        Rekognition need not say that it has updated a dataset: after a while it is believed all the same.
        """
        if not synced.changed_at:
            return False
        seconds = clock.seconds_between(synced.changed_at, clock.now())
        if synced.arn not in ("", arn):
            return seconds < _SETTLES_SECONDS
        if not synced.target or seconds >= _SETTLES_SECONDS:
            return False
        return custom_labels.last_updated(self.rekognition, arn) == synced.updated_before

    def _delete(self, arn: str) -> None:
        self.loop_state.check()
        self.rekognition.delete_dataset(DatasetArn=arn)

    def _create(self, synced: DatasetSync, snapshot_id: str, dataset_type: DatasetType) -> None:
        if synced.snapshot != snapshot_id or synced.target:
            # First, or what stood there before would count as its content if this stopped in between.
            self.loop_state.record_synced(dataset_type, "")
        key = manifest_key(snapshot_id, dataset_type)
        arn = custom_labels.create_dataset(self.rekognition, self.project_arn, dataset_type, self.bucket, key)
        self.loop_state.record_synced(dataset_type, snapshot_id, arn=arn, changed_at=clock.now())

    def _update(self, arn: str, synced: DatasetSync, snapshot_id: str, dataset_type: DatasetType) -> bool:
        """Send the next document of changes: whether there was none left to send."""
        try:
            changes = self._changes(synced, snapshot_id, dataset_type)
        except RemovedError:
            self._delete(arn)
            return False
        if not changes:
            self.loop_state.record_synced(dataset_type, snapshot_id, arn=arn)
            return True
        before = custom_labels.last_updated(self.rekognition, arn)
        # On record before it is sent: whoever is to bring it to another snapshot must know that it is no
        # longer what it was.
        self.loop_state.record_sent(dataset_type, snapshot_id, synced.sent, before)
        document = "\n".join(changes).encode()
        self.rekognition.update_dataset_entries(DatasetArn=arn, Changes={"GroundTruth": document})
        self.loop_state.record_sent(dataset_type, snapshot_id, synced.sent + len(changes), before)
        return False

    def _changes(self, synced: DatasetSync, snapshot_id: str, dataset_type: DatasetType) -> list[str]:
        """The next entries to send, as many as one document takes.

        Raises:
            RemovedError: only a new dataset will do.
        """
        try:
            old = snapshot_files.entries(self.s3, self.bucket, synced.snapshot, dataset_type)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            raise RemovedError(f"the manifest of snapshot {synced.snapshot} is gone") from error
        new = snapshot_files.entries(self.s3, self.bucket, snapshot_id, dataset_type)
        return _document(islice(changed(old, new), synced.sent, None))


def changed(old: Iterator[str], new: Iterator[str]) -> Iterator[str]:
    """The entries of `new` that `old` does not have, or has otherwise; both in the order of source-refs.

    Raises:
        RemovedError: `old` has entries, or parts of them, that `new` has not; the iterator may have yielded
            others before.
    """
    before = next(old, None)
    for line in new:
        if before is not None and _source(before) < _source(line):
            break
        if before is None or _source(before) != _source(line):
            yield line
            continue
        if before != line:
            if not _keeps(json.loads(before), json.loads(line)):
                raise RemovedError(f"{_source(line)} has lost a label")
            yield line
        before = next(old, None)
    if before is not None:
        raise RemovedError(f"{_source(before)} is gone")


def _keeps(old: Any, new: Any) -> bool:
    """Whether a JSON value has each member that another has, so that the two merged are the new one."""
    if not isinstance(old, dict):
        return True
    return isinstance(new, dict) and all(
        name in new and _keeps(value, new[name]) for name, value in old.items()
    )


def _document(entries: Iterator[str]) -> list[str]:
    """The first entries, as many as one request takes; all of them are looked at, for one may be gone."""
    document: list[str] = []
    size = 0
    for entry in entries:
        size += len(entry.encode()) + 1
        if size <= MAX_UPDATE_BYTES:
            document.append(entry)
    return document


def _source(entry: str) -> str:
    """The source-ref, which comes first in every entry that LabelLoop writes."""
    return entry.split('"', 4)[3]
