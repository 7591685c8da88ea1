"""A run's dataset: the snapshot that it takes, and the report on it before money is spent on a training.

Apart from the other steps, as its imports take longer than all of theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from lambdas.domain.costs import forecast
from lambdas.domain.costs.forecast import Forecast
from lambdas.domain.report import of_snapshot
from lambdas.domain.retrain import holds
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Run, SnapshotSummary
from lambdas.domain.shared.state import FencedState, LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import EngineName


logger = Logger(child=True)


@frozen
class TakenSnapshot:
    """A run's snapshot, and why it is not worth a report and a training; empty if it is."""

    id: str
    reason: str


def take_snapshot(
    catalogue: Table,
    s3: S3Client,
    loop_state: FencedState,
    *,
    bucket: str,
    run_id: str,
    force: bool,
    given: str = "",
) -> TakenSnapshot:
    """Write the dataset snapshot of a run.

    Args:
        force: also go on if the snapshot has been trained on already.
        given: an earlier snapshot that is trained on again in place of a new one. What has changed since
            waits for the next run.

    Raises:
        botocore.exceptions.ClientError: NoSuchKey, if there is no such earlier snapshot.
    """
    if given:
        known = snapshots.read(s3, bucket, given)
        loop_state.update_run(Run(run_id, snapshot=given, images=known.summary()))
        return TakenSnapshot(given, "")
    snapshot = snapshots.make(catalogue, s3, bucket)
    reason = ""
    if not snapshot.train_images + snapshot.test_images:
        reason = "no image has a label yet"
    elif not force:
        begun = loop_state.run(run_id)
        # Whoever starts a run may want the other engine's version of the same images. By themselves runs
        # train them once.
        engine = (begun.engine or "") if begun and begun.trigger == "manual" else ""
        learns_from_backgrounds = begun is not None and begun.engine == "serverless"
        reason = snapshots.why_trained(
            s3, bucket, loop_state, snapshot, engine, learns_from_backgrounds=learns_from_backgrounds
        )
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
    engine: EngineName = "rekognition",
) -> str:
    """Make the snapshot's report: why no training is to begin, empty if one is.

    It would be wasted, or the budget does not allow it, or the last one was too short a time ago.
    """
    snapshot = snapshots.read(s3, bucket, snapshot_id)
    region = s3.meta.region_name
    report = of_snapshot.check(catalogue, s3, bucket, snapshot, tuning=tuning, region=region)
    reason = of_snapshot.why_not_train(report, bucket, snapshot, tuning)
    expected = _forecast(loop_state, snapshot.summary(), region, tuning, engine)
    checked = Run(
        run_id, data_report=report.verdict, stopped=bool(reason), forecast_usd=expected.usd, held=False
    )
    if not reason:
        run = loop_state.run(run_id)
        reason = holds.why_held(
            loop_state,
            tuning,
            clock.now(),
            adds_usd=expected.usd,
            started_by_hand=run is not None and run.trigger == "manual",
        )
        checked = replace(checked, held=bool(reason))
        logger.info("forecast", extra={"forecast": expected.text, "held": reason})
    loop_state.update_run(checked)
    return reason


def _forecast(
    loop_state: LoopState, images: SnapshotSummary, region: str, tuning: Tuning, engine: EngineName
) -> Forecast:
    prices, units = pricing.prices(region, tuning), tuning.min_inference_units
    return forecast.training(loop_state.runs(), images, prices, units, serverless=engine == "serverless")
