"""promote: the steps of statemachines/promote.asl.json, one handler for each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.promote import approval, promotion
from lambdas.domain.retrain import runs
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared import clock, polling
from lambdas.domain.shared.records import ApprovalDecision, Outcome
from lambdas.domain.shared.state import FencedState
from lambdas.domain.shared.tuning import or_defaults
from lambdas.services import services, variable

if TYPE_CHECKING:
    from lambdas.domain.promote.shadow import Trial

logger = Logger()


class OfHolder(TypedDict):
    holder: str


class Waits(TypedDict):
    since: NotRequired[str]
    """When the promotion began to wait for what is looked at. Missing in an execution that began before this
    function was deployed."""


class TakeLease(OfHolder, Waits):
    run: NotRequired[str]
    """Missing in an execution that began before this function was deployed, as are its redrives."""
    redrives: NotRequired[int]
    """How often the run's execution was redriven."""


class OfVersion(OfHolder):
    version: str
    run: str


class Start(OfVersion, Waits):
    pass


class OfVersionOrRollback(OfVersion):
    rollback: bool


class WatchStart(OfVersionOrRollback, Waits):
    pass


class StopOtherVersions(OfHolder, Waits):
    pass


class AskApproval(OfVersion):
    seconds: int
    """Until the deadline."""
    token: str


class Decide(OfVersion):
    decision: ApprovalDecision | Literal[""]
    """Empty: the deadline has passed."""
    by: str
    why: str


class Finish(OfVersion):
    outcome: Outcome
    reason: str


def _fenced(event: OfVersion) -> FencedState:
    """The loop's state as the promotion writes it: while it has its lease, and its run has the run's."""
    return services().loop_state.fenced(promote=event["holder"], retrain=event["run"])


def _trial(event: OfVersionOrRollback) -> Trial:
    # Here, as the other functions of this file would wait for its import.
    from lambdas.domain.promote.shadow import Trial

    s = services()
    return Trial(
        s.engine,
        s.s3,
        _fenced(event),
        bucket=s.bucket,
        name=event["version"],
        rollback=event["rollback"],
        tuning=s.tuning(),
    )


def _waited(event: Waits) -> float:
    """Seconds that the promotion has waited for what is looked at."""
    return clock.seconds_between(event["since"], clock.now()) if "since" in event else 0.0


def _next_look(event: Waits) -> int:
    """Seconds until the next look at what the promotion waits for."""
    return polling.next_look(_waited(event), or_defaults(services().tuning).poll_seconds)


@logger.inject_lambda_context
def take_lease(event: TakeLease, context: LambdaContext) -> dict[str, Any]:
    """Whether this promotion may go on: no other is under way. Its run takes its own lease again if it was
    redriven."""
    s = services()
    if event.get("run") and event.get("redrives"):
        runs.resume_run(s.loop_state, event["run"])
    lease = s.loop_state.take_lease("promote", event["holder"])
    return {"taken": lease.holder == event["holder"], "wait_seconds": _next_look(event)}


@logger.inject_lambda_context
def start(event: Start, context: LambdaContext) -> dict[str, Any]:
    """Begin to start the challenger; call again until that has begun."""
    s, tuning = services(), services().tuning()
    waits_for = promotion.start_challenger(
        s.engine,
        _fenced(event),
        name=event["version"],
        run=event["run"],
        tuning=tuning,
    )
    return {"begun": not waits_for, "waits_for": waits_for, "wait_seconds": _next_look(event)}


@logger.inject_lambda_context
def wake_champion(event: OfVersionOrRollback, context: LambdaContext) -> dict[str, Any]:
    """Start a champion that sleeps, if the challenger cannot be compared with what it has answered before."""
    why = _trial(event).wake_champion()
    logger.info("champion", extra={"woken_for": why})
    return {"woken_for": why}


@logger.inject_lambda_context
def watch_start(event: WatchStart, context: LambdaContext) -> dict[str, Any]:
    """Whether the challenger runs by now, and the champion if it is starting to be compared with."""
    s = services()
    looked = promotion.look_at_start(
        s.engine,
        _fenced(event),
        name=event["version"],
        rollback=event["rollback"],
        waited_seconds=_waited(event),
        tuning=s.tuning(),
    )
    return {"status": looked.status, "message": looked.message, "wait_seconds": _next_look(event)}


@logger.inject_lambda_context
def shadow_evaluate(event: OfVersionOrRollback, context: LambdaContext) -> dict[str, Any]:
    """The shadow gate: detections of challenger and champion on the same test images."""
    verdict = replace(_trial(event), catalogue=services().catalogue).evaluate()
    asks = verdict.passed and not event["rollback"]
    approval_seconds = approval.seconds(services().tuning()) if asks else 0
    return {"passed": verdict.passed, "reason": verdict.reason, "approval_seconds": approval_seconds}


@logger.inject_lambda_context
def ask_approval(event: AskApproval, context: LambdaContext) -> dict[str, Any]:
    """Ask people whether a version may serve, and give the promotion's lease back until they have said."""
    s = services()
    approval.ask(
        s.loop_state,
        Notifier(s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS")),
        holder=event["holder"],
        name=event["version"],
        run=event["run"],
        token=event["token"],
        waits_seconds=event["seconds"],
    )
    return {}


@logger.inject_lambda_context
def decide(event: Decide, context: LambdaContext) -> dict[str, Any]:
    """Record what people have decided about a version, or what follows from the deadline."""
    s = services()
    decided = approval.decide(
        s.loop_state,
        holder=event["holder"],
        name=event["version"],
        run=event["run"],
        decision=event["decision"] or None,
        by=event["by"],
        why=event["why"],
        tuning=s.tuning(),
    )
    return {"approved": decided.approved, "reason": decided.reason}


@logger.inject_lambda_context
def switch(event: OfVersion, context: LambdaContext) -> dict[str, Any]:
    """Make the challenger the champion, in one write."""
    s = services()
    reason = promotion.promote(s.engine, _fenced(event), event["version"])
    return {"reason": reason, "wait_seconds": s.tuning().drain_seconds}


@logger.inject_lambda_context
def stop_other_versions(event: StopOtherVersions, context: LambdaContext) -> dict[str, Any]:
    """Stop every version but the champion; call again until they have stopped."""
    s = services()
    stopped = promotion.stop_other_versions(s.engine, s.loop_state, event["holder"], or_defaults(s.tuning))
    return {"ready": stopped, "wait_seconds": 0 if stopped else _next_look(event)}


@logger.inject_lambda_context
def finish(event: Finish, context: LambdaContext) -> dict[str, Any]:
    """Record the verdict, give the lease back, and let images that waited for a champion have it."""
    s = services()
    reason = promotion.finish_promotion(
        s.loop_state,
        s.sqs,
        holder=event["holder"],
        name=event["version"],
        run=event["run"],
        outcome=event["outcome"],
        reason=event["reason"],
        queue_url=variable("DETECT_QUEUE_URL"),
        bucket=s.bucket,
    )
    return {"outcome": event["outcome"], "reason": reason}
