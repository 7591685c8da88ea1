"""Batches whose execution has ended without completing their record: each is ended, and lets go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.batch import control, ending
from lambdas.domain.promote import promotion
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared.records import BatchState, Hold
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.sweep.differences import why_ended

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine


def end_dead(
    engine: Engine,
    stepfunctions: SFNClient,
    loop_state: LoopState,
    notifier: Notifier,
    *,
    tuning: Tuning,
    summarise: Callable[[str, str], None],
) -> list[str]:
    """End the batches whose execution has ended, and give back what they held: their names.

    A version that is just starting is stopped by who stops what runs for nobody. The champion is nobody's
    but the batch's to stop where it has more units than it needs: such a batch is ended by a later sweep.

    Args:
        summarise: has the results so far of a batch brought together, by its name and execution.
    """
    ended: list[str] = []
    failures: list[Exception] = []
    for name, execution_arn in _at_work(loop_state):
        try:
            why = why_ended(stepfunctions, execution_arn)
            if why is None:
                continue
            is_released = ending.release(engine, loop_state, name, execution_arn, tuning=tuning)
            if not is_released and promotion.champion_starts(engine, loop_state):
                continue
            state = _state(stepfunctions, execution_arn)
            reason = f"cancelled {why}" if state == "cancelled" else why
            ending.finish(loop_state, notifier, name, execution_arn, state=state, reason=reason)
            summarise(name, execution_arn)
            ended.append(name)
        except Exception as error:  # noqa: BLE001 raised again once the other batches are ended
            failures.append(error)
    if failures:
        raise failures[0]
    return ended


def _at_work(loop_state: LoopState) -> list[tuple[str, str]]:
    """Batches that are on record as going on, each with its execution."""
    held: list[Hold] = loop_state.holds()
    live = {(batch.id, batch.execution_arn) for batch in loop_state.batches() if batch.is_live}
    return sorted(live | {(hold.id, hold.execution_arn) for hold in held})


def _state(stepfunctions: SFNClient, execution_arn: str) -> BatchState:
    """Cancelled if a person has stopped it, failed if it ended in another way."""
    try:
        execution = stepfunctions.describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return "failed"
        raise
    is_cancelled = execution["status"] == "ABORTED" and execution.get("error") == control.CANCELLED
    return "cancelled" if is_cancelled else "failed"
