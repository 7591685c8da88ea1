"""batch: the steps of statemachines/batch.asl.json, one handler for each, and its workers."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any, Literal, TypedDict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.batch import control, ending, start
from lambdas.domain.batch.control import Order
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.review import proposals
from lambdas.domain.shared import clock, polling
from lambdas.domain.shared.records import BatchState
from lambdas.services import services, tiling, variable

logger = Logger()
_RESERVE_SECONDS = 60
"""Of a worker's time, for the requests under way and for writing what was answered."""


class OfBatch(TypedDict):
    batch: str
    execution: str
    """Its ARN."""


class TakeHold(OfBatch):
    order: dict[str, Any]
    """The execution's input."""


class Wake(OfBatch):
    since: str
    """When it began to wait for its version."""


class AnswerPart(OfBatch):
    part: str
    """Key of the part of the input."""


class Merge(OfBatch):
    missing: int
    """Images without an answer after the round before; -1: there was none."""
    idle_rounds: int


class Summarise(OfBatch):
    """Of a batch that was ended before its end."""

    ended: Literal[True]


class Release(OfBatch):
    since: str


class Finish(OfBatch):
    state: BatchState
    reason: str


@logger.inject_lambda_context
def take_hold(event: TakeHold, context: LambdaContext) -> dict[str, Any]:
    """Begin a batch, or go on with it: choose the model version that answers, and hold that."""
    s = services()
    known = {member.name for member in fields(Order)}
    order = Order(**{name: value for name, value in event["order"].items() if name in known})
    batch = start.take_hold(
        s.s3, s.loop_state, s.bucket, order, event["execution"], tuning=s.tuning(), is_alive=_is_alive
    )
    return {"version": batch.version, "bucket": s.bucket}


def _is_alive(execution_arn: str) -> bool:
    return control.is_running(services().stepfunctions, execution_arn)


@logger.inject_lambda_context
def wake(event: Wake, context: LambdaContext) -> dict[str, Any]:
    """Bring the batch's version to run; call again until it does."""
    s, tuning = services(), services().tuning()
    awake = start.wake(s.engine, s.loop_state, event["batch"], event["execution"], tuning=tuning)
    waited = clock.seconds_between(event["since"], clock.now())
    return {
        "runs": awake.runs,
        "workers": awake.workers,
        "wait_seconds": polling.next_look(waited, tuning.poll_seconds),
    }


@logger.inject_lambda_context
def answer_part(event: AnswerPart, context: LambdaContext) -> dict[str, Any]:
    """Ask the batch's version about the images of one part of the input."""
    # Here, as the other functions of this file have no use for it.
    from lambdas.domain.batch.proposing import Proposer
    from lambdas.domain.batch.worker import Worker

    s, tuning = services(), services().tuning()
    batch = start.own_batch(s.loop_state, event["batch"], event["execution"])
    version = s.loop_state.version(batch.version)
    if version is None:
        raise start.VersionUnavailableError(f"{batch.version} is not on record any more")
    worker = Worker(
        detector=s.detector,
        s3=s.s3,
        loop_state=s.loop_state,
        bucket=s.bucket,
        version=version,
        question=proposals.question(tuning),
        propose=Proposer(s.sqs, s.s3, s.loop_state, s.bucket, variable("REVIEW_QUEUE_URL"), batch, tuning),
        tiling=tiling(tuning),
        deadline=time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS,
    )
    part = worker.answer_part(batch.id, event["part"])
    logger.info("answered", extra={"part": event["part"], "images": part.images, "asked": part.asked})
    return {"images": part.images, "asked": part.asked}


@logger.inject_lambda_context
def merge(event: Merge | Summarise, context: LambdaContext) -> dict[str, Any]:
    """Bring the results together, and see whether images have no answer yet."""
    s = services()
    if "ended" in event:
        done = ending.summarise(s.s3, s.loop_state, s.bucket, event["batch"], event["execution"])
        return {"summarised": done}
    merged = ending.merge(
        s.s3,
        s.loop_state,
        s.bucket,
        event["batch"],
        event["execution"],
        missing_before=event["missing"],
        idle_rounds=event["idle_rounds"],
    )
    return {
        "complete": merged.complete,
        "again": merged.again,
        "missing": merged.missing,
        "idle_rounds": merged.idle_rounds,
    }


@logger.inject_lambda_context
def release(event: Release, context: LambdaContext) -> dict[str, Any]:
    """Let go of the batch's version, and stop it if it is of use to nobody; call again until that is done."""
    s, tuning = services(), services().tuning()
    done = ending.release(s.engine, s.loop_state, event["batch"], event["execution"], tuning=tuning)
    waited = clock.seconds_between(event["since"], clock.now())
    return {"done": done, "wait_seconds": polling.next_look(waited, tuning.poll_seconds)}


@logger.inject_lambda_context
def finish(event: Finish, context: LambdaContext) -> dict[str, Any]:
    """Record how the batch has ended, and tell people."""
    s = services()
    notifier = Notifier(
        s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS")
    )
    reason = ending.finish(
        s.loop_state,
        notifier,
        event["batch"],
        event["execution"],
        state=event["state"],
        reason=event["reason"],
    )
    return {"state": event["state"], "reason": reason}
