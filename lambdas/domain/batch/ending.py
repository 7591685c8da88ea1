"""The end of a batch: its results merged, its units and its hold given back, its record completed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.domain.batch import coco, results
from lambdas.domain.batch.start import own_batch
from lambdas.domain.costs import ledger
from lambdas.domain.engines.port import Version
from lambdas.domain.promote import promotion
from lambdas.domain.retrain import runs
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import to_item
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Batch, BatchState
from lambdas.domain.shared.state import LoopState, is_promotion
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine

logger = Logger(child=True)

MIN_MEASURED = 300
"""Images from which on it counts how quickly they were answered: parts of the input for three workers."""
MAX_ROUNDS = 3
"""Rounds in a row that may pass without an answer more, before the batch fails."""


@frozen
class Merged:
    """What a round of the workers has left undone, and whether another one is worth it."""

    missing: int
    again: bool
    idle_rounds: int
    """Rounds in a row that brought no answer."""

    @property
    def complete(self) -> bool:
        return not self.missing


def merge(
    s3: S3Client,
    loop_state: LoopState,
    bucket: str,
    name: str,
    execution_arn: str,
    *,
    missing_before: int,
    idle_rounds: int,
) -> Merged:
    """Bring a batch's results together, and see what is missing.

    Args:
        missing_before: images without an answer after the last round; less than 0 before the first one.
        idle_rounds: rounds in a row before this one that brought no answer.

    Raises:
        BatchLostError: the batch is not this execution's any more.
    """
    batch = own_batch(loop_state, name, execution_arn)
    # Of the first round: those after it wait for single images.
    rate = batch.unit_rate or _unit_rate(batch)
    loop_state.update_batch(name, execution_arn, state="merging", unit_rate=to_item(rate))
    summary = results.merge(s3, bucket, name, total=batch.total, version=batch.version)
    counts = summary.counts
    if batch.coco and not summary.missing and batch.total <= coco.MAX_IMAGES:
        version = loop_state.version(batch.version)
        trained = [score.label for score in version.labels] if version else []
        numbers = loop_state.class_ids().numbers
        categories = coco.category_ids([*trained, *counts.labels], numbers)
        coco.upload(s3, bucket, name, results.lines(s3, bucket, name, batch.total), categories)
    loop_state.update_batch(name, execution_arn, answered=counts.lines, failed=counts.failed)
    is_idle = summary.missing >= missing_before >= 0
    idle = idle_rounds + 1 if is_idle else 0
    return Merged(summary.missing, again=bool(summary.missing) and idle < MAX_ROUNDS, idle_rounds=idle)


def _unit_rate(batch: Batch) -> float:
    """Images that an inference unit has answered in a second; 0 if they were too few to tell."""
    answered = batch.answered - batch.answered_before
    if not batch.asks_since or not batch.asks_units or answered < MIN_MEASURED:
        return 0.0
    seconds = clock.seconds_between(batch.asks_since, clock.now())
    return round(answered / max(seconds, 1.0) / batch.asks_units, 3)


def summarise(s3: S3Client, loop_state: LoopState, bucket: str, name: str, execution_arn: str) -> bool:
    """Bring together what a batch has that was ended before its end: whether that was done.

    It is not for one that another execution goes on with.
    """
    batch = loop_state.batch(name)
    if batch is None or batch.execution_arn != execution_arn or batch.is_live:
        return False
    counts = results.merge(s3, bucket, name, total=batch.total, version=batch.version).counts
    return loop_state.update_batch(name, execution_arn, answered=counts.lines, failed=counts.failed)


def release(
    engine: Engine,
    loop_state: LoopState,
    name: str,
    execution_arn: str,
    *,
    tuning: Tuning,
) -> bool:
    """Let go of a batch's version, and stop it unless somebody else has use of it: whether that is done.

    Call again until it is: a version that is starting cannot be stopped yet. The champion is the step serve's
    to stop; but if it has more units than that would start it with, it is stopped here, and started again by
    that step if it is to run.
    """
    loop_state.release_hold(name, execution_arn)
    batch = loop_state.batch(name)
    if batch is None or batch.execution_arn != execution_arn:
        return True
    version = engine.describe_version(batch.version)
    if version is None or not _is_to_stop(loop_state, batch, version, tuning):
        return True
    _book(engine, loop_state)
    try:
        engine.stop_version(version)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        return False
    return True


def _is_to_stop(loop_state: LoopState, batch: Batch, version: Version, tuning: Tuning) -> bool:
    if version.status not in ("RUNNING", "STARTING") or loop_state.hold_on(version.arn):
        return False
    if promotion.serves(loop_state, version):
        return batch.started_units > max(tuning.min_inference_units, 1)
    # A promotion under way stops at its end what is not its champion, and this may be its challenger.
    return not is_promotion(loop_state.lease("promote"))


def _book(engine: Engine, loop_state: LoopState) -> None:
    """Book what runs before it is stopped; that must keep nothing from being stopped."""
    try:
        ledger.observe(loop_state, engine.list_versions(), clock.now())
    except Exception:
        logger.exception("the ledger was not kept")


def finish(
    loop_state: LoopState,
    notifier: Notifier,
    name: str,
    execution_arn: str,
    *,
    state: BatchState,
    reason: str,
) -> str:
    """Record how a batch has ended, and tell people: the reason, readable.

    Nothing is recorded of an execution that was refused, or that another one has followed.
    """
    reason = runs.readable(reason)
    ended = {"state": state, "reason": reason, "waits_for": "", "ended_at": clock.now()}
    batch = loop_state.batch(name)
    if batch is None or batch.execution_arn != execution_arn or batch.ended_at:
        return reason
    # Before the record: whoever is killed in between tells people twice rather than not at all.
    _tell(notifier, replace(batch, state=state, reason=reason))
    loop_state.end_batch(name, execution_arn, **ended)
    return reason


def _tell(notifier: Notifier, batch: Batch) -> None:
    images = f"{batch.answered} of {batch.total} images have an answer, {batch.failed} of them a failure"
    more = {
        "done": f"`labelloop batch results {batch.id}` fetches what {batch.version} saw.",
        "failed": f"{batch.reason}. `labelloop batch resume {batch.id}` goes on with what has no answer.",
        "cancelled": f"{batch.reason}. `labelloop batch resume {batch.id}` goes on with what has no answer.",
    }
    notifier.warn(f"batch {batch.id} {batch.state}", f"{images}. {more[batch.state]}")
