"""What a crash left behind: leases that nobody holds, models that run for nobody, runs without an end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.promote import promotion
from lambdas.domain.rekognition.custom_labels import Version
from lambdas.domain.retrain import runs
from lambdas.domain.shared.records import LeaseName, Run
from lambdas.domain.shared.state import CLOSED, TAKEN_OVER, LeaseLostError, LoopState

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_stepfunctions import SFNClient


@dataclass
class Swept:
    """What was put right."""

    leases: list[str] = field(default_factory=list)
    stopped: list[Version] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    """Records of runs that ended without completing them."""


def sweep(
    rekognition: RekognitionClient, stepfunctions: SFNClient, loop_state: LoopState, project_arn: str
) -> Swept:
    """Give dead leases back, complete the records of runs that crashed, stop what runs for nobody.

    Outside a promotion at most the champion runs. While one is under way its state machine takes care of
    that itself.
    """
    swept = Swept()
    _release_if_dead(stepfunctions, loop_state, "retrain", swept, _complete_run(loop_state, swept))
    _release_if_dead(stepfunctions, loop_state, "promote", swept, _end_promotion(loop_state))

    def may_stop(version: Version) -> bool:
        # In this order: a promotion that ended in between has its champion in the second answer.
        return loop_state.lease("promote") is None and not promotion.serves(loop_state, version)

    swept.stopped = promotion.stop_versions(rekognition, project_arn, may_stop)
    return swept


def _release_if_dead(
    stepfunctions: SFNClient,
    loop_state: LoopState,
    name: LeaseName,
    swept: Swept,
    end: Callable[[str, str, str], None],
) -> None:
    """Take the lease from an execution that has ended, record its end, and give the lease back."""
    lease = loop_state.lease(name)
    if lease is None or lease.holder == CLOSED:
        return
    execution_arn = lease.holder.removeprefix(TAKEN_OVER)
    ended, why = _ended(stepfunctions, execution_arn)
    if not ended:
        return
    # Another sweep may be at it, and be ahead.
    with suppress(LeaseLostError):
        end(execution_arn, loop_state.take_over(lease), why)
        swept.leases.append(name)


def _ended(stepfunctions: SFNClient, execution_arn: str) -> tuple[bool, str]:
    try:
        execution = stepfunctions.describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return True, "its execution is gone"
        raise
    status = execution["status"]
    return status not in ("RUNNING", "PENDING_REDRIVE"), execution.get(
        "cause"
    ) or f"the execution {status.lower()}"


def _complete_run(loop_state: LoopState, swept: Swept) -> Callable[[str, str, str], None]:
    def complete(execution_arn: str, holder: str, why: str) -> None:
        run = runs.end_run(loop_state, execution_arn, outcome="failed", reason=why, steps=[], holder=holder)
        loop_state.release_lease("retrain", holder)
        swept.runs.append(run)

    return complete


def _end_promotion(loop_state: LoopState) -> Callable[[str, str, str], None]:
    def end(execution_arn: str, holder: str, why: str) -> None:
        fenced, champion = loop_state.fenced(promote=holder), loop_state.champion()
        for version in loop_state.versions():
            settled = promotion.settle(version, champion, "failed", runs.readable(why))
            if settled and settled.state != version.state:
                fenced.update_version(settled)
        fenced.end_promotion(None)

    return end
