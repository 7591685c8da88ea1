"""What a crash left behind: leases that nobody holds, models that run for nobody, runs without an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.promote import promotion
from lambdas.domain.rekognition.custom_labels import Version
from lambdas.domain.retrain import runs
from lambdas.domain.shared.records import LeaseName, ModelVersion, Run
from lambdas.domain.shared.state import CLOSED, LoopState

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
    _release_if_dead(stepfunctions, loop_state, "promote", swept, _fail_promotion(loop_state))
    if loop_state.lease("promote") is None:
        swept.stopped = promotion.stop_all_but_champion(rekognition, project_arn, loop_state.champion())
    return swept


def _release_if_dead(
    stepfunctions: SFNClient,
    loop_state: LoopState,
    name: LeaseName,
    swept: Swept,
    end: Callable[[str, str], None],
) -> None:
    lease = loop_state.lease(name)
    if lease is None or lease.holder == CLOSED:
        return
    ended, why = _ended(stepfunctions, lease.holder)
    if not ended:
        return
    end(lease.holder, why)
    loop_state.release_lease(name, lease.holder)
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


def _complete_run(loop_state: LoopState, swept: Swept) -> Callable[[str, str], None]:
    def complete(execution_arn: str, why: str) -> None:
        swept.runs.append(runs.end_run(loop_state, execution_arn, outcome="failed", reason=why, steps=[]))

    return complete


def _fail_promotion(loop_state: LoopState) -> Callable[[str, str], None]:
    def fail(execution_arn: str, why: str) -> None:
        champion = loop_state.champion()
        for version in loop_state.versions():
            serves = champion is not None and version.arn == champion.version_arn
            if version.state == "challenger" and not serves:
                failed = ModelVersion(version.id, state="failed", reason=runs.readable(why))
                loop_state.update_version(failed)

    return fail
