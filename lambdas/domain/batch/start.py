"""The beginning of a batch: which model version answers, that it is held, and that it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lambdas.domain.batch import estimate, files
from lambdas.domain.batch.control import Order
from lambdas.domain.costs import budget
from lambdas.domain.engines.port import STARTABLE, LimitReachedError, NotYetError, Version
from lambdas.domain.promote.promotion import OverBudgetError
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Batch, Hold, ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine


_DESCRIBED_LATE_SECONDS = 120
"""How long after its start a version may be described as it was before."""


class BatchRefusedError(RuntimeError):
    """A batch cannot begin; the message says what helps."""


class BatchLostError(RuntimeError):
    """The batch is not this execution's any more: it was ended, or another execution goes on with it."""


class VersionUnavailableError(RuntimeError):
    """The batch's model version cannot be brought to run."""


@frozen
class Awake:
    """Whether the batch's version runs by now, and how many workers may ask it at a time."""

    runs: bool
    waits_for: str = ""
    workers: int = 1


def take_hold(
    s3: S3Client,
    loop_state: LoopState,
    bucket: str,
    order: Order,
    execution_arn: str,
    *,
    tuning: Tuning,
    is_alive: Callable[[str], bool],
) -> Batch:
    """Begin a batch, or go on with it: choose its version and hold that. Called twice it does the same.

    Args:
        is_alive: whether an execution, by its ARN, goes on.

    Raises:
        BatchRefusedError: it is under way, or done; its input is not complete; or there is no such version.
    """
    before = loop_state.batch(files.check_name(order.batch))
    if before and before.execution_arn == execution_arn and before.is_live:
        return before
    if before and before.is_live and is_alive(before.execution_arn):
        raise BatchRefusedError(f"batch {before.id} is under way already: `labelloop batch show {before.id}`")
    if before and before.state == "done":
        raise BatchRefusedError(f"batch {before.id} is done: `labelloop batch results {before.id}`")
    batch = _begun(loop_state, order, before, execution_arn)
    _check_input(s3, bucket, batch)
    units = batch.units or tuning.min_inference_units
    hold = Hold(batch.id, batch.version, batch.version_arn, execution_arn, clock.now(), units)
    if not loop_state.begin_batch(batch, hold, before):
        raise BatchRefusedError(f"batch {batch.id} was started twice at once; the other one goes on")
    return batch


def _begun(loop_state: LoopState, order: Order, before: Batch | None, execution_arn: str) -> Batch:
    """The batch as this execution begins it: what its order does not say is as it was before."""
    old = before or Batch(order.batch)
    version = _version(loop_state, old.version or order.version)
    return Batch(
        id=order.batch,
        source=old.source or order.source,
        created_by=old.created_by or order.created_by,
        version=version.id,
        version_arn=version.arn or "",
        state="waking",
        total=old.total or order.total,
        answered=old.answered,
        failed=old.failed,
        units=order.units or old.units,
        # Of an execution that was killed: what it has started may run still, and is to be stopped.
        started_units=old.started_units if old.is_live else 0,
        review_limit=order.review_limit or old.review_limit,
        proposed=old.proposed,
        coco=order.coco or old.coco,
        created_at=old.created_at or clock.now(),
        started_at=clock.now(),
        execution_arn=execution_arn,
    )


def _version(loop_state: LoopState, name: str) -> ModelVersion:
    champion = loop_state.champion()
    if not name and champion is None:
        raise BatchRefusedError(
            "no model version has been promoted yet; name one with --model-version, of `labelloop versions`"
        )
    version = loop_state.version(name or (champion.version_name if champion else ""))
    if version is None or not version.arn or version.deleted_at:
        raise BatchRefusedError(
            f"there is no model version {name} to ask: `labelloop versions` lists those that there are"
        )
    return version


def _check_input(s3: S3Client, bucket: str, batch: Batch) -> None:
    """Raise BatchRefusedError unless all parts of the input are there."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=files.input_prefix(batch.id))
    parts = sum(page["KeyCount"] for page in pages)
    expected = -(-batch.total // files.PART_LINES)
    if not parts or parts != expected:
        raise BatchRefusedError(
            f"the input of batch {batch.id} is not complete: {parts} of {expected} parts lie under"
            f" {files.input_prefix(batch.id)}; run `labelloop batch create` with its name and source again"
        )


def wake(
    engine: Engine,
    loop_state: LoopState,
    name: str,
    execution_arn: str,
    *,
    tuning: Tuning,
) -> Awake:
    """Bring the batch's version to run, and look whether it does; call again until it does.

    A version that runs already keeps its inference units: to change them it would have to be stopped.
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html

    Raises:
        BatchLostError: the batch is not this execution's any more.
        VersionUnavailableError: the version is gone, or cannot be started.
        OverBudgetError: the month's budget does not let it be started.
        InferenceUnitsError: the account may not have so many inference units.
    """
    batch = own_batch(loop_state, name, execution_arn)
    version = engine.describe_version(batch.version)
    if version is None:
        raise VersionUnavailableError(
            f"Rekognition has no model version {batch.version} any more, which answered for the first"
            f" {batch.answered} images; create a batch of another name to have another version answer for all"
        )
    if version.status == "RUNNING":
        units = max(version.inference_units, version.max_inference_units)
        noted = {"state": "running", "waits_for": "", "start_asked_at": ""}
        loop_state.update_batch(name, execution_arn, **noted, **_beginning(batch, version))
        return Awake(True, workers=estimate.workers(units))
    waits_for = _started(engine, loop_state, batch, version, tuning)
    loop_state.update_batch(name, execution_arn, state="waking", waits_for=waits_for)
    return Awake(False, waits_for)


def _beginning(batch: Batch, version: Version) -> dict[str, Any]:
    """When its workers begin, and with what, for the rate that they come to. Called again it stays."""
    if batch.asks_since:
        return {}
    # With units that come and go by themselves nobody knows how many there were.
    is_fixed = version.max_inference_units <= version.inference_units
    return {
        "asks_since": clock.now(),
        "asks_units": version.inference_units if is_fixed else 0,
        "answered_before": batch.answered,
    }


def own_batch(loop_state: LoopState, name: str, execution_arn: str) -> Batch:
    """The batch, which this execution works on.

    Raises:
        BatchLostError: it does not, or not any more.
    """
    batch = loop_state.batch(name)
    if batch is None or batch.execution_arn != execution_arn or not batch.is_live:
        raise BatchLostError(f"batch {name} is not this execution's any more")
    return batch


def _started(engine: Engine, loop_state: LoopState, batch: Batch, version: Version, tuning: Tuning) -> str:
    """Start the version if it can be started now: what is waited for."""
    if version.status not in STARTABLE:
        return f"{version.name}, which is {version.status}"
    if version.status == "FAILED" and batch.start_asked_at:
        if clock.seconds_between(batch.start_asked_at, clock.now()) < _DESCRIBED_LATE_SECONDS:
            return f"{version.name} to start"
        raise VersionUnavailableError(
            f"{version.name} could not be started: {version.message or version.status};"
            f" `labelloop batch resume {batch.id}` tries it again"
        )
    units = batch.units or tuning.min_inference_units
    _check_budget(loop_state, version, units, tuning)
    holder = loop_state.take_for_serving(batch.execution_arn.rsplit(":", 1)[-1])
    if holder is None:
        return "the promotion under way to end"
    try:
        # First, so that whoever comes after a crash knows whose units these are.
        _note_start(loop_state, batch, units, clock.now())
        engine.start_version(version, units, max(units, tuning.max_inference_units))
    except NotYetError as error:
        # Nothing was started, so what is described as failed has failed before.
        _note_start(loop_state, batch, batch.started_units, "")
        return error.waits_for if isinstance(error, LimitReachedError) else str(error)
    finally:
        loop_state.release_lease("promote", holder)
    return f"{version.name} to start"


def _note_start(loop_state: LoopState, batch: Batch, units: int, asked_at: str) -> None:
    noted = {"started_units": units, "start_asked_at": asked_at}
    if not loop_state.update_batch(batch.id, batch.execution_arn, **noted):
        raise BatchLostError(f"batch {batch.id} is not this execution's any more")


def _check_budget(loop_state: LoopState, version: Version, units: int, tuning: Tuning) -> None:
    hour = pricing.prices(version.arn.split(":")[3], tuning).inference_usd(3600, units)
    verdict = budget.check(loop_state, tuning, clock.now(), adds_usd=hour)
    if not verdict.allowed:
        raise OverBudgetError(f"{version.name} was not started: {verdict.reason}")
