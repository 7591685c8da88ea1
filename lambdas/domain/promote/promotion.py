"""From a trained version to the one that serves, with one model left running whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.domain.costs import budget, ledger
from lambdas.domain.engines.port import BUSY, STARTABLE, EngineError, LimitReachedError, NotYetError, Version
from lambdas.domain.promote.redrive import send_waiting
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Champion, ModelVersion, Outcome, Run
from lambdas.domain.shared.state import FencedState, LeaseLostError, LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from lambdas.domain.engines.port import Engine


logger = Logger(child=True)

_DESCRIBED_LATE_SECONDS = 120
"""How long after its start a version may be described as it was before."""
_FAILED_LATE_SECONDS = 10
"""The same of one that has failed, which may be what came of the start as well."""


class OverBudgetError(RuntimeError):
    """No version is started, as the month's budget is used up."""


def version_named(engine: Engine, name: str) -> Version:
    """The version of that name.

    Raises:
        EngineError: the project has none.
    """
    version = engine.describe_version(name)
    if version is None:
        raise EngineError(f"the project has no model version {name}")
    return version


def start_challenger(
    engine: Engine,
    loop_state: FencedState,
    *,
    name: str,
    run: str,
    tuning: Tuning,
) -> str:
    """Begin to start a version that is to be tested beside the champion: what that waits for, or nothing.

    It waits where a quota of the account is used up; call it again then.

    Args:
        run: the execution of the run that the promotion belongs to; empty for a rollback.

    Raises:
        OverBudgetError: the month's budget is used up; the version stays as it is.
        LeaseLostError: the promotion has ended meanwhile; what was started is stopped again.
    """
    version = version_named(engine, name)
    verdict = budget.check(loop_state, tuning, clock.now())
    if not verdict.allowed and version.status not in BUSY:
        raise OverBudgetError(
            f"{name} was not started: {verdict.reason}; `labelloop rollback {name}` promotes it then"
        )
    # First, so that the sweeper knows what to settle if this stops in between.
    loop_state.update_version(ModelVersion(name, state="challenger", started_at=clock.now()))
    waits_for = ""
    try:
        engine.start_version(version, tuning.min_inference_units, tuning.max_inference_units)
    except NotYetError as error:
        waits_for = error.waits_for if isinstance(error, LimitReachedError) else str(error)
    try:
        if run:
            loop_state.update_run(Run(runs.run_id(run), waits_for=waits_for))
        loop_state.check()
    except LeaseLostError:
        # Whoever has the lease now stops what is not its own; without anybody nobody would before a sweep.
        if loop_state.lease("promote") is None and not is_needed(loop_state, version):
            started = replace(version, status="STARTING")
            _stop(engine, started)
        raise
    return waits_for


def started_challenger(engine: Engine, loop_state: LoopState, name: str) -> Version:
    """A challenger that was begun to be started, as Rekognition describes it; starting for a while, if it is
    described as it was before that.

    Raises:
        EngineError: the project has none of that name.
    """
    version, record = version_named(engine, name), loop_state.version(name)
    if record and record.started_at and version.status in STARTABLE:
        late = _FAILED_LATE_SECONDS if version.status == "FAILED" else _DESCRIBED_LATE_SECONDS
        if clock.seconds_between(record.started_at, clock.now()) < late:
            return replace(version, status="STARTING")
    return version


def serves(loop_state: LoopState, version: Version) -> bool:
    """Whether the version is the champion now."""
    champion = loop_state.champion()
    return champion is not None and champion.version_arn == version.arn


def is_needed(loop_state: LoopState, version: Version) -> bool:
    """Whether the version is to go on running: it is the champion, or a batch asks it."""
    return serves(loop_state, version) or loop_state.hold_on(version.arn) is not None


def champion_starts(engine: Engine, loop_state: LoopState) -> bool:
    """Whether the champion is on its way to run."""
    champion = loop_state.champion()
    if champion is None:
        return False
    version = engine.describe_version(champion.version_name)
    return version is not None and version.status == "STARTING"


@frozen
class StartStatus:
    """How the start of a challenger stands: RUNNING, STARTING, or another status if it came to nothing."""

    status: str
    message: str


def look_at_start(
    engine: Engine,
    loop_state: FencedState,
    *,
    name: str,
    rollback: bool,
    waited_seconds: float,
    tuning: Tuning,
) -> StartStatus:
    """Whether a challenger runs by now, and the champion if it is starting to be compared with.

    Neither is waited for without end: a challenger that starts for longer than `start_timeout_seconds` has
    failed, and without a champion that does the promotion goes on.

    Raises:
        EngineError: the project has no version of that name.
        LeaseLostError: the promotion has ended meanwhile.
    """
    loop_state.check()
    version = started_challenger(engine, loop_state, name)
    is_late = waited_seconds > tuning.start_timeout_seconds
    if version.status == "STARTING" and is_late:
        took = clock.duration(waited_seconds)
        return StartStatus("TIMED_OUT", f"it is STARTING still after {took} (start_timeout_seconds)")
    if version.status != "RUNNING" or rollback or not champion_starts(engine, loop_state):
        return StartStatus(version.status, version.message or version.status)
    if is_late:
        return StartStatus("RUNNING", "the champion does not start in time")
    return StartStatus("STARTING", "the champion starts")


def promote(engine: Engine, loop_state: FencedState, name: str) -> str:
    """Make a version the champion and retire the one before it, in one write: what changed, in words.

    Doing it again changes nothing, so that a retried step cannot lose the previous champion.

    Raises:
        EngineError: the version has stopped since it was tested; the champion stays.
    """
    version = version_named(engine, name)
    old = loop_state.champion()
    if old and old.version_arn == version.arn:
        loop_state.check()
        return f"{name} serves"
    if version.status != "RUNNING":
        raise EngineError(f"{name} does not run any more: {version.status} {version.message}".strip())
    loop_state.switch_champion(old, version.arn, name)
    return f"{name} serves instead of {old.version_name}" if old else f"{name} serves"


def stop_versions(engine: Engine, may_stop: Callable[[Version], bool]) -> list[Version]:
    """Stop running versions: those that are still not stopped.

    A version that is starting cannot be stopped before it runs, so it is among those.

    Args:
        may_stop: whether a version is to be stopped; called right before, for what serves may have changed.
    """
    pending = [v for v in engine.list_versions() if v.is_busy and may_stop(v)]
    for version in pending:
        if may_stop(version):
            _stop(engine, version)
    return pending


def _stop(engine: Engine, version: Version) -> None:
    """Stop a version, if it is not just starting."""
    try:
        engine.stop_version(version)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise


def stop_other_versions(engine: Engine, loop_state: LoopState, holder: str, tuning: Tuning) -> bool:
    """At the end of a promotion stop every version but the champion: whether that is done.

    A promotion that does not have the lease, or not any more, has nothing to stop: what runs is another's.
    What starts cannot be stopped before it runs. For a start that hangs the promotion does not wait, as
    nobody looks after the champion meanwhile: the sweeper stops it once it runs.

    Args:
        holder: the promotion's execution.
    """

    def may_stop(version: Version) -> bool:
        lease = loop_state.lease("promote")
        return lease is not None and lease.holder == holder and not is_needed(loop_state, version)

    def hangs(version: Version) -> bool:
        record = loop_state.version(version.name) if version.status == "STARTING" else None
        since = record.started_at if record else None
        return bool(since) and clock.seconds_between(since, clock.now()) > tuning.start_timeout_seconds

    _book(engine, loop_state)
    return all(hangs(version) for version in stop_versions(engine, may_stop))


def _book(engine: Engine, loop_state: LoopState) -> None:
    """Book what runs before it is stopped: a challenger may have run for less than a minute.

    That must keep nothing from being stopped; the step serve keeps the books as well.
    """
    try:
        ledger.observe(loop_state, engine.list_versions(), clock.now())
    except Exception:
        logger.exception("the ledger was not kept")


def finish_promotion(
    loop_state: LoopState,
    sqs: SQSClient,
    *,
    holder: str,
    name: str,
    run: str,
    outcome: Outcome,
    reason: str,
    queue_url: str,
    bucket: str,
) -> str:
    """Record how a promotion ended, give its lease back, and let images that waited have the champion.

    Args:
        holder: the promotion's execution.
        run: the execution of the run that it belongs to; empty for a rollback.
        queue_url: of detections.
        bucket: of the images.

    Returns:
        The reason, readable.
    """
    version = loop_state.version(name)
    reason = runs.readable(reason)
    lease = loop_state.lease("promote")
    if lease and lease.holder == holder:
        if run and version:
            _record_verdicts(loop_state.fenced(promote=holder, retrain=run), run, version)
        settled = version and settle(version, loop_state.champion(), outcome, reason)
        loop_state.fenced(promote=holder).end_promotion(settled)
    if outcome == "promoted":
        send_waiting(loop_state, sqs, queue_url, bucket)
    return reason


def _record_verdicts(loop_state: FencedState, run: str, version: ModelVersion) -> None:
    """Record in the run what its promotion decided, unless the run has ended without it."""
    with suppress(LeaseLostError):
        loop_state.update_run(Run(runs.run_id(run), verdicts=version.verdicts))


def settle(
    version: ModelVersion, champion: Champion | None, outcome: Outcome, reason: str
) -> ModelVersion | None:
    """What has become of the version of a promotion that has ended; None: nothing.

    A promotion that failed says nothing about a version that has served before, or was rejected.
    """
    if champion and champion.version_name == version.id:
        return ModelVersion(version.id, state="champion")
    if version.state not in ("challenger", "pending") or outcome == "promoted":
        return None
    if outcome == "rejected":
        return ModelVersion(version.id, state="rejected", reason=reason)
    if version.promoted_at:
        return ModelVersion(version.id, state="retired")
    if not all(verdict.passed for verdict in version.verdicts):
        return ModelVersion(version.id, state="rejected")
    return ModelVersion(version.id, state="failed", reason=reason)
