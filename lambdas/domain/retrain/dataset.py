"""A run's dataset: the snapshot that it takes, and the report on it before money is spent on a training.

Apart from the other steps, as its imports take longer than all of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.report import of_snapshot
from lambdas.domain.shared.records import Run
from lambdas.domain.shared.state import FencedState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class TakenSnapshot:
    """A run's snapshot, and why it is not worth a report and a training; empty if it is."""

    id: str
    reason: str


def take_snapshot(
    catalogue: Table, s3: S3Client, loop_state: FencedState, *, bucket: str, run_id: str, force: bool
) -> TakenSnapshot:
    """Write the dataset snapshot of a run.

    Args:
        force: also go on if the snapshot has been trained on already.
    """
    snapshot = snapshots.make(catalogue, s3, bucket)
    reason = ""
    if not snapshot.train_images + snapshot.test_images:
        reason = "no image has a label yet"
    elif not force:
        reason = snapshots.why_trained(s3, bucket, loop_state, snapshot)
    run = Run(run_id, cutoff=snapshot.cutoff, snapshot=snapshot.id, images=snapshot.summary())
    loop_state.update_run(run)
    return TakenSnapshot(snapshot.id, reason)


def check_snapshot(  # noqa: PLR0917 clients, and what to check
    catalogue: Table,
    s3: S3Client,
    loop_state: FencedState,
    bucket: str,
    run_id: str,
    snapshot_id: str,
    tuning: Tuning,
) -> str:
    """Make the snapshot's report: why a training would be wasted, empty if it would not."""
    snapshot = snapshots.read(s3, bucket, snapshot_id)
    region = s3.meta.region_name
    report = of_snapshot.check(catalogue, s3, bucket, snapshot, tuning=tuning, region=region)
    reason = of_snapshot.why_not_train(report, bucket, snapshot, tuning)
    loop_state.update_run(Run(run_id, data_report=report.verdict, stopped=bool(reason)))
    return reason
