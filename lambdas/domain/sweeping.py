"""What a crash left behind: leases nobody holds any more, and models that run for nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain import promotion, retraining
from lambdas.domain.custom_labels import Version
from lambdas.domain.records import CLOSED, LeaseName, Records

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_stepfunctions import SFNClient


@dataclass
class Swept:
    """What was put right."""

    leases: list[str] = field(default_factory=list)
    stopped: list[Version] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Records of runs that ended without completing them."""


def sweep(
    rekognition: RekognitionClient, stepfunctions: SFNClient, records: Records, project_arn: str
) -> Swept:
    """Give dead leases back, complete the records of runs that crashed, stop what runs for nobody.

    Outside a promotion at most the champion runs. While one is under way its state machine takes care of
    that itself.
    """
    swept = Swept()
    _release_if_dead(stepfunctions, records, "retrain", swept, _complete_run(records, swept))
    _release_if_dead(stepfunctions, records, "promote", swept, _fail_promotion(records))
    if records.lease("promote") is None:
        swept.stopped = promotion.stop_all_but_champion(rekognition, project_arn, records.champion())
    return swept


def _release_if_dead(
    stepfunctions: SFNClient,
    records: Records,
    name: LeaseName,
    swept: Swept,
    settle: Callable[[str, str], None],
) -> None:
    lease = records.lease(name)
    if lease is None or lease.holder == CLOSED:
        return
    ended, why = _ended(stepfunctions, lease.holder)
    if not ended:
        return
    settle(lease.holder, why)
    records.release_lease(name, lease.holder)
    swept.leases.append(name)


def _ended(stepfunctions: SFNClient, execution_arn: str) -> tuple[bool, str]:
    try:
        found = stepfunctions.describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return True, "its execution is gone"
        raise
    status = found["status"]
    return status not in ("RUNNING", "PENDING_REDRIVE"), found.get(
        "cause"
    ) or f"the execution {status.lower()}"


def _complete_run(records: Records, swept: Swept) -> Callable[[str, str], None]:
    def complete(execution_arn: str, why: str) -> None:
        swept.runs.append(retraining.end_run(records, execution_arn, outcome="failed", reason=why, steps=[]))

    return complete


def _fail_promotion(records: Records) -> Callable[[str, str], None]:
    def fail(execution_arn: str, why: str) -> None:
        champion = records.champion()
        for version in records.versions():
            if version.get("state") == "challenger" and (
                champion is None or version.get("arn") != champion.version_arn
            ):
                records.note_version(version["id"], state="failed", reason=retraining.readable(why))

    return fail
