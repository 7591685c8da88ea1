"""promote: the steps of statemachines/promote.asl.json, one handler for each."""

from __future__ import annotations

from typing import Any, TypedDict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.promote import promotion, shadow, shadow_gate
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.records import ModelVersion, Outcome, Run, VersionState
from lambdas.services import services, variable

logger = Logger()


class OfHolder(TypedDict):
    holder: str


class OfVersion(TypedDict):
    version: str


class ShadowEvaluate(TypedDict):
    version: str
    run: str
    rollback: bool


class Switch(TypedDict):
    version: str
    run: str


class Finish(TypedDict):
    holder: str
    version: str
    run: str
    outcome: Outcome
    reason: str


@logger.inject_lambda_context
def take_lease(event: OfHolder, context: LambdaContext) -> dict[str, Any]:
    """Whether this promotion may go on: no other is under way."""
    s = services()
    lease = s.loop_state.take_lease("promote", event["holder"])
    return {"taken": lease.holder == event["holder"], "wait_seconds": s.tuning().poll_seconds}


@logger.inject_lambda_context
def start(event: OfVersion, context: LambdaContext) -> dict[str, Any]:
    """Begin to start the challenger."""
    s = services()
    version = promotion.version_named(s.rekognition, s.project_arn, event["version"])
    custom_labels.start(s.rekognition, version, s.tuning().inference_units)
    challenger = ModelVersion(version.name, state="challenger", started_at=clock.now())
    s.loop_state.update_version(challenger)
    return {"version": version.name}


@logger.inject_lambda_context
def watch_start(event: OfVersion, context: LambdaContext) -> dict[str, Any]:
    """Whether the challenger runs by now."""
    s = services()
    version = promotion.version_named(s.rekognition, s.project_arn, event["version"])
    message = version.message or version.status
    return {"status": version.status, "message": message, "wait_seconds": s.tuning().poll_seconds}


@logger.inject_lambda_context
def shadow_evaluate(event: ShadowEvaluate, context: LambdaContext) -> dict[str, Any]:
    """Gate 2: real detections of challenger and champion on the same test images."""
    s = services()
    tuning = s.tuning()
    challenger = promotion.version_named(s.rekognition, s.project_arn, event["version"])
    record = s.loop_state.version(challenger.name)
    if record is None:
        raise custom_labels.CustomLabelsError(
            f"{challenger.name} was not trained by a run of this deployment: no snapshot to test it on"
        )
    champion = s.loop_state.champion()
    tests = shadow.shadow_images(s.s3, s.bucket, str(record.snapshot), tuning.shadow_test_images)
    found = shadow.evaluate(s.rekognition, s.s3, challenger.arn, tests)
    rival = None
    if champion and champion.version_arn != challenger.arn:
        rival = shadow.evaluate_champion(s.rekognition, s.s3, champion.version_arn, tests)
    verdict = (
        shadow_gate.judge_rollback(found) if event["rollback"] else shadow_gate.judge(found, rival, tuning)
    )
    judged = ModelVersion(challenger.name, shadow=found, verdicts=(*record.verdicts, verdict))
    s.loop_state.update_version(judged)
    return {"passed": verdict.passed, "reason": "; ".join(verdict.reasons)}


@logger.inject_lambda_context
def switch(event: Switch, context: LambdaContext) -> dict[str, Any]:
    """Make the challenger the champion, in one write."""
    s = services()
    version = promotion.version_named(s.rekognition, s.project_arn, event["version"])
    champion, reason = promotion.switch(s.loop_state, version)
    s.loop_state.update_version(ModelVersion(version.name, state="champion", promoted_at=champion.since))
    if champion.previous_version_name:
        retired = ModelVersion(champion.previous_version_name, state="retired", retired_at=clock.now())
        s.loop_state.update_version(retired)
    return {"reason": reason, "wait_seconds": s.tuning().drain_seconds}


@logger.inject_lambda_context
def stop_other_versions(event: OfHolder, context: LambdaContext) -> dict[str, Any]:
    """Stop every version but the champion; call again until they have stopped.

    A promotion that never had the lease has started nothing, and what runs is another's.
    """
    s = services()
    lease = s.loop_state.lease("promote")
    if lease is None or lease.holder != event["holder"]:
        return {"ready": True, "wait_seconds": 0}
    pending = promotion.stop_all_but_champion(s.rekognition, s.project_arn, s.loop_state.champion())
    return {"ready": not pending, "wait_seconds": s.tuning().poll_seconds}


@logger.inject_lambda_context
def finish(event: Finish, context: LambdaContext) -> dict[str, Any]:
    """Record the verdict, give the lease back, and let images that waited for a champion have it."""
    s = services()
    record = s.loop_state.version(event["version"])
    reason = runs.readable(event["reason"])
    champion = s.loop_state.champion()
    if champion and champion.version_name == event["version"]:
        s.loop_state.update_version(ModelVersion(event["version"], state="champion"))
    elif event["outcome"] != "promoted" and record and record.state == "challenger":
        state: VersionState = "rejected" if event["outcome"] == "rejected" else "failed"
        s.loop_state.update_version(ModelVersion(event["version"], state=state, reason=reason))
    if event["run"] and record:
        running = clock.seconds_between(record.started_at, clock.now()) if record.started_at else 0
        run = Run(
            runs.run_id(event["run"]),
            verdicts=record.verdicts,
            promotion_usd=pricing.inference_usd(running, s.tuning().inference_units),
        )
        s.loop_state.update_run(run)
    s.loop_state.release_lease("promote", event["holder"])
    if event["outcome"] == "promoted":
        promotion.redrive(s.sqs, variable("DETECT_DEAD_LETTERS_URL"), variable("DETECT_QUEUE_URL"))
    return {"outcome": event["outcome"], "reason": reason}
