"""Leases that nobody living holds, and runs that ended without completing their record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from lambdas.domain.promote import promotion
from lambdas.domain.retrain import runs, steps
from lambdas.domain.shared.records import LeaseName, ModelVersion, Run
from lambdas.domain.shared.state import FencedState, LeaseLostError, LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.sweep.differences import Ended, ended_lease

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine

_BY_FORCE = ("FAILED", "TIMED_OUT", "ABORTED")


def give_back_run(
    engine: Engine,
    stepfunctions: SFNClient,
    loop_state: LoopState,
    tuning: Callable[[], Tuning] = Tuning,
) -> list[Run]:
    """Complete the record of the run that has ended with its lease, and give that back: its record.

    Where somebody has stopped the run its training is ended, too, if its engine can do that. What a run has
    left that broke down is gone on with by the next one of its snapshot.
    """
    completed: list[Run] = []

    def complete(ended: Ended, holder: str) -> None:
        if ended.is_stopped:
            _cancel_training(engine, loop_state.fenced(retrain=holder), ended)
        spent = steps.spent(stepfunctions, ended.execution)
        run = runs.end_run(
            loop_state,
            ended.execution,
            outcome="failed",
            reason=ended.why,
            steps=spent,
            holder=holder,
            tuning=tuning,
        )
        loop_state.release_lease("retrain", holder)
        completed.append(run)

    _take_over(stepfunctions, loop_state, "retrain", complete)
    return completed


def _cancel_training(engine: Engine, loop_state: FencedState, ended: Ended) -> None:
    run = loop_state.run(runs.run_id(ended.execution))
    version = engine.describe_version(run.version) if run and run.version else None
    if version and version.status == "TRAINING_IN_PROGRESS" and engine.cancel_training(version):
        reason = f"its training was stopped with its run: {runs.readable(ended.why)}"
        loop_state.update_version(ModelVersion(version.name, state="failed", reason=reason))


def give_back_promotion(stepfunctions: SFNClient, loop_state: LoopState) -> bool:
    """Settle the version of a promotion that has ended with its lease, and free that: whether one has."""

    def settle(ended: Ended, holder: str) -> None:
        fenced, champion = loop_state.fenced(promote=holder), loop_state.champion()
        # Those are another promotion's, or are settled once nobody is asked about them any more.
        asked = {pending.id for pending in loop_state.approvals()}
        for version in loop_state.versions():
            if version.id in asked:
                continue
            settled = promotion.settle(version, champion, "failed", runs.readable(ended.why))
            if settled and settled.state != version.state:
                fenced.update_version(settled)
        fenced.end_promotion(None)

    return _take_over(stepfunctions, loop_state, "promote", settle)


def end_unbegun_runs(
    stepfunctions: SFNClient, loop_state: LoopState, machine_arn: str, execution_arn: str = ""
) -> list[Run]:
    """Complete the records of runs that were ended by force before they had the lease.

    The next automatic run is one of them if somebody stopped it while it waited for uploads: its name cannot
    be used again, and no run would start by itself any more.

    Args:
        machine_arn: the state machine that runs are executions of.
        execution_arn: an execution that is known to have ended.
    """
    executions_arn = machine_arn.replace(":stateMachine:", ":execution:")
    candidates = {execution_arn} if execution_arn.startswith(f"{executions_arn}:") else set()
    if loop_state.known_progress().ticket:
        candidates.add(f"{executions_arn}:{loop_state.known_progress().next_run}")
    return [
        runs.end_run(loop_state, arn, outcome="failed", reason=why, steps=steps.spent(stepfunctions, arn))
        for arn in sorted(candidates)
        if _is_unrecorded(loop_state, arn) and (why := _why_by_force(stepfunctions, arn)) is not None
    ]


def _is_unrecorded(loop_state: LoopState, execution_arn: str) -> bool:
    record = loop_state.run(runs.run_id(execution_arn))
    return record is None or record.outcome is None


def _why_by_force(stepfunctions: SFNClient, execution_arn: str) -> str | None:
    try:
        execution = stepfunctions.describe_execution(executionArn=execution_arn)
    except stepfunctions.exceptions.ExecutionDoesNotExist:
        return None
    if execution["status"] not in _BY_FORCE:
        return None
    return execution.get("cause") or f"the execution {execution['status'].lower()}"


def _take_over(
    stepfunctions: SFNClient, loop_state: LoopState, name: LeaseName, end: Callable[[Ended, str], None]
) -> bool:
    """Take the lease from an execution that has ended, record its end, and give it back: whether one has."""
    ended = ended_lease(stepfunctions, loop_state, name)
    if ended is None:
        return False
    # Another sweep may be at it, and be ahead.
    with suppress(LeaseLostError):
        end(ended, loop_state.take_over(ended.lease))
    return True
