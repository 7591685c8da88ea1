"""What should be, and what is: leases, model versions and the champion compared with who really runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import MAX_UNDESCRIBED_SECONDS, Version
from lambdas.domain.engines.versions import by_name
from lambdas.domain.promote import promotion
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Champion, Lease, LeaseName, ModelVersion, PendingApproval, Serving
from lambdas.domain.shared.state import (
    CLOSED,
    SERVE,
    TAKEN_OVER,
    LoopState,
    is_abandoned,
    is_promotion,
)

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine

LEASES: tuple[LeaseName, ...] = ("retrain", "promote")
FALLS_ASLEEP_SECONDS = 600
"""In which a champion that was put to sleep is stopped: the drain, and some turns of the step serve."""
_UNSETTLED = ("training", "trained", "challenger")
_UNJUDGED = "its run ended before a gate judged it"


@frozen
class Difference:
    """Something that is not as it should be, and the sweeper puts right or raises an alarm about."""

    kind: Literal["lease", "champion", "running", "version"]
    subject: str
    """The lease's or the version's name."""
    text: str
    """A sentence without a full stop."""


@frozen
class Ended:
    """A lease whose holder's execution has ended, and why that did."""

    lease: Lease
    execution: str
    why: str
    is_stopped: bool = False
    """Whether somebody has stopped it."""


def differences(engine: Engine, stepfunctions: SFNClient, loop_state: LoopState) -> list[Difference]:
    """Everything that differs; nothing of a deployment that is being destroyed."""
    promotes = loop_state.lease("promote")
    if promotes and promotes.holder == CLOSED:
        return []
    ended = [lease for name in LEASES if (lease := ended_lease(stepfunctions, loop_state, name))]
    different = [Difference("lease", dead.lease.id, _of_lease(dead)) for dead in ended]
    versions = by_name(engine, (record.id for record in loop_state.versions()))
    champion = loop_state.champion()
    if not is_promotion(promotes) or any(dead.lease.id == "promote" for dead in ended):
        different += champion_differs(champion, loop_state.serving(), versions)
        held = {hold.version_arn for hold in loop_state.holds()}
        different += _running_for_nobody(champion, held, versions.values())
    different += [
        Difference(
            "version", pending.id, f"{pending.id} waits for approval, and its promotion has ended: {why}"
        )
        for pending, why in dead_approvals(stepfunctions, loop_state)
    ]
    different += [
        Difference("version", before.id, f"{before.id} is recorded as {before.state}; {after.reason or ''}")
        for before, after in unsettled(loop_state, versions)
    ]
    return different


def ended_lease(stepfunctions: SFNClient, loop_state: LoopState, name: LeaseName) -> Ended | None:
    """The lease, if it is held by an execution that has ended."""
    lease = loop_state.lease(name)
    if lease is None or lease.holder == CLOSED:
        return None
    execution = lease.holder.removeprefix(TAKEN_OVER)
    if execution.startswith(SERVE):
        why = "its function was killed" if lease.holder != execution or is_abandoned(lease) else None
        return None if why is None else Ended(lease, execution, why)
    end = _end_of(stepfunctions, execution)
    return None if end is None else Ended(lease, execution, end.why, end.status == "ABORTED")


def dead_approvals(stepfunctions: SFNClient, loop_state: LoopState) -> Iterator[tuple[PendingApproval, str]]:
    """What is asked about versions whose promotion has ended, and why that did."""
    for pending in loop_state.approvals():
        why = why_ended(stepfunctions, pending.execution)
        if why is not None:
            yield pending, why


@frozen
class _End:
    """How an execution has ended, by Step Functions' word, and why."""

    status: str
    why: str


def why_ended(stepfunctions: SFNClient, execution_arn: str) -> str | None:
    """Why an execution has ended; None if it goes on."""
    end = _end_of(stepfunctions, execution_arn)
    return end.why if end else None


def _end_of(stepfunctions: SFNClient, execution_arn: str) -> _End | None:
    try:
        execution = stepfunctions.describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return _End("", "its execution is gone")
        raise
    status = execution["status"]
    if status in ("RUNNING", "PENDING_REDRIVE"):
        return None
    return _End(status, execution.get("cause") or f"the execution {status.lower()}")


def is_serving(champion: Champion | None, versions: Mapping[str, Version]) -> bool:
    """Whether there is a champion, and it runs."""
    version = versions.get(champion.version_name) if champion else None
    return version is not None and version.status == "RUNNING"


def champion_differs(
    champion: Champion | None, serving: Serving, versions: Mapping[str, Version]
) -> list[Difference]:
    """That the champion does not run and should, or runs and should not; nothing if it is as it should be."""
    if champion is None:
        return []
    name, version = champion.version_name, versions.get(champion.version_name)
    status = f"{version.status} {version.message}".strip() if version else "Rekognition has no such version"
    if serving.state == "awake" or version is None:
        if version and version.status in ("RUNNING", "STARTING"):
            return []
        return [Difference("champion", name, f"{name} is the champion and does not serve: {status}")]
    if version.status != "RUNNING" or version.is_always_on or _falls_asleep(serving):
        return []
    return [Difference("champion", name, f"{name} is {status} and costs money, though it is to sleep")]


def _falls_asleep(serving: Serving) -> bool:
    """Whether so little time has passed since it was put to sleep that it may well run still."""
    return 0 <= clock.seconds_between(serving.since, clock.now()) < FALLS_ASLEEP_SECONDS


def unsettled(
    loop_state: LoopState, versions: Mapping[str, Version]
) -> Iterator[tuple[ModelVersion, ModelVersion]]:
    """Versions that nobody works on any more, as they are on record and as they should be."""
    promotes, trains, champion = (
        loop_state.lease("promote"),
        loop_state.lease("retrain"),
        loop_state.champion(),
    )
    if promotes:
        # Its version is the challenger, or is about to be.
        return
    run = runs.run_id(trains.holder) if trains else ""
    for record in loop_state.versions():
        if record.state in _UNSETTLED and (not run or record.run != run):
            after = _settled(record, versions.get(record.id), champion)
            if after and after.state != record.state:
                yield record, after


def _settled(record: ModelVersion, version: Version | None, champion: Champion | None) -> ModelVersion | None:
    """What a version has become, by Rekognition's own answer; None while nobody knows."""
    if version is None and record.state == "training" and _is_new(record):
        return None
    if version is None or version.status == "DELETING":
        return ModelVersion(record.id, state="failed", reason="Rekognition has no such version")
    if version.status == "TRAINING_IN_PROGRESS":
        return None
    if version.status == "TRAINING_FAILED":
        return ModelVersion(record.id, state="failed", reason=version.message or version.status)
    if record.state == "training":
        return ModelVersion(record.id, state="trained", arn=version.arn, f1=version.f1, reason=_UNJUDGED)
    return promotion.settle(record, champion, "failed", "its promotion ended before it was judged")


def _is_new(record: ModelVersion) -> bool:
    """Whether the version was begun so lately that Rekognition need not describe it yet."""
    if not record.created_at:
        return False
    return clock.seconds_between(record.created_at, clock.now()) < MAX_UNDESCRIBED_SECONDS


def _running_for_nobody(
    champion: Champion | None, held: set[str], versions: Iterable[Version]
) -> Iterator[Difference]:
    needed = held | ({champion.version_arn} if champion else set())
    for version in versions:
        if version.is_busy and version.arn not in needed:
            text = f"{version.name} is {version.status}, costs money and is not the champion"
            yield Difference("running", version.name, text)


def _of_lease(ended: Ended) -> str:
    return f"{runs.run_id(ended.execution)} has the lease of {ended.lease.id} and has ended: {ended.why}"
