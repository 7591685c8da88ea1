"""retrain: the steps of statemachines/retrain.asl.json, one handler for each."""

from __future__ import annotations

from typing import Any, TypedDict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.rekognition import custom_labels, dataset_sync
from lambdas.domain.report import of_snapshot
from lambdas.domain.retrain import evaluation_gate, notification, requests, runs
from lambdas.domain.retrain import steps as retrain_steps
from lambdas.domain.retrain import waiting as retrain_waiting
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import ModelVersion, Outcome, Run
from lambdas.domain.snapshot import snapshots
from lambdas.services import services, variable

logger = Logger()


class Begun(TypedDict):
    run: str
    started_at: str


class TakeLease(TypedDict):
    run: str
    trigger: str
    started_at: str


class TakeSnapshot(TypedDict):
    run: str
    force: bool


class OfSnapshot(TypedDict):
    run: str
    snapshot: str


class OfVersion(TypedDict):
    run: str
    version: str


class Evaluate(TypedDict):
    run: str
    version: str
    snapshot: str


class Report(TypedDict):
    run: str
    outcome: Outcome
    reason: str


@logger.inject_lambda_context
def wait_for_burst(event: Begun, context: LambdaContext) -> dict[str, Any]:
    """Whether the burst of uploads is over, and how long to wait if not."""
    s = services()
    # First what waits: what is registered in between is seen as a change.
    waiting = retrain_waiting.count_unregistered(s.sqs, variable("REGISTER_QUEUE_URL"))
    newest = catalogue_images.newest_change(s.catalogue, "labelled")
    burst = retrain_waiting.wait_for_burst(newest, waiting, event["started_at"], clock.now(), s.tuning())
    return {"done": burst.done, "wait_seconds": burst.wait_seconds}


@logger.inject_lambda_context
def take_lease(event: TakeLease, context: LambdaContext) -> dict[str, Any]:
    """Whether this run may go on: no other is under way."""
    taken, reason = runs.begin_run(services().loop_state, event["run"], event["trigger"], event["started_at"])
    return {"taken": taken, "reason": reason}


@logger.inject_lambda_context
def snapshot(event: TakeSnapshot, context: LambdaContext) -> dict[str, Any]:
    """Write the dataset snapshot, and say whether it holds something new to look at."""
    s = services()
    made = snapshots.make(s.catalogue, s.s3, s.bucket)
    reason = ""
    if not made.train_images + made.test_images:
        reason = "no image has a label yet"
    elif not event["force"] and snapshots.is_trained(s.loop_state, made):
        reason = f"nothing has changed since snapshot {made.id} was trained"
    run = Run(runs.run_id(event["run"]), cutoff=made.cutoff, snapshot=made.id, images=made.summary())
    s.loop_state.update_run(run)
    return {"id": made.id, "enough": not reason, "reason": reason}


@logger.inject_lambda_context
def check_data(event: OfSnapshot, context: LambdaContext) -> dict[str, Any]:
    """Make the snapshot's data-set report, and say whether a training would be wasted."""
    s = services()
    made = snapshots.read(s.s3, s.bucket, event["snapshot"])
    region = s.s3.meta.region_name
    tuning = s.tuning()
    report = of_snapshot.check(s.catalogue, s.s3, s.bucket, made, tuning=tuning, region=region)
    reason = of_snapshot.why_not_train(report, s.bucket, made, tuning)
    run = Run(runs.run_id(event["run"]), data_report=report.verdict, stopped=bool(reason))
    s.loop_state.update_run(run)
    return {"worth": not reason, "reason": reason}


@logger.inject_lambda_context
def sync_datasets(event: OfSnapshot, context: LambdaContext) -> dict[str, Any]:
    """Bring the project's datasets a step closer to the snapshot; call again until ready."""
    s = services()
    datasets = dataset_sync.Datasets(s.rekognition, s.s3, s.loop_state, s.project_arn, s.bucket)
    step = datasets.sync(event["snapshot"])
    run = runs.run_id(event["run"])
    if step.ready:
        s.loop_state.update_run(Run(run, flagged_entries=datasets.flagged()))
    elif step.error:
        s.loop_state.update_run(Run(run, stopped=True))
    return {"ready": step.ready, "error": step.error, "wait_seconds": s.tuning().poll_seconds}


@logger.inject_lambda_context
def train(event: OfSnapshot, context: LambdaContext) -> dict[str, Any]:
    """Begin the training of a new model version from the project's datasets."""
    s = services()
    run = runs.run_id(event["run"])
    number = s.loop_state.version_number(run)
    version = custom_labels.train(
        s.rekognition,
        s.project_arn,
        f"v{number}-{event['snapshot']}",
        bucket=s.bucket,
        tags={"labelloop:snapshot": event["snapshot"], "labelloop:run": run},
    )
    s.loop_state.update_run(Run(run, version=version.name))
    training = ModelVersion(
        version.name,
        number=number,
        arn=version.arn,
        snapshot=event["snapshot"],
        run=run,
        created_at=clock.now(),
        state="training",
    )
    s.loop_state.update_version(training)
    return {"version": version.name}


@logger.inject_lambda_context
def watch_training(event: OfVersion, context: LambdaContext) -> dict[str, Any]:
    """How far the training is."""
    s = services()
    version = custom_labels.describe_version(s.rekognition, s.project_arn, event["version"])
    if version is None:
        raise custom_labels.CustomLabelsError(f"model version {event['version']} was deleted")
    if version.status == "TRAINING_FAILED":
        s.loop_state.update_version(ModelVersion(version.name, state="failed", reason=version.message))
    message = f"{version.name}: {version.message or version.status}"
    return {"status": version.status, "message": message, "wait_seconds": s.tuning().poll_seconds}


@logger.inject_lambda_context
def count_open_reviews(event: Begun, context: LambdaContext) -> dict[str, Any]:
    """Whether people have answered what they were asked, and how long to wait if not."""
    s = services()
    waiting = retrain_waiting.wait_for_reviews(
        s.reviews.count("open"), event["started_at"], clock.now(), s.tuning()
    )
    return {"done": waiting.done, "wait_seconds": waiting.wait_seconds}


@logger.inject_lambda_context
def evaluate(event: Evaluate, context: LambdaContext) -> dict[str, Any]:
    """Gate 1: is the version good enough to be started?"""
    s = services()
    version = custom_labels.describe_version(s.rekognition, s.project_arn, event["version"])
    if version is None:
        raise custom_labels.CustomLabelsError(f"model version {event['version']} was deleted")
    scores = custom_labels.scores(s.s3, version)
    made = snapshots.read(s.s3, s.bucket, event["snapshot"])
    verdict = evaluation_gate.judge(scores, made.test_labels, s.tuning())
    run = Run(
        runs.run_id(event["run"]),
        f1=scores.f1,
        labels=scores.labels,
        verdicts=(verdict,),
        billable_seconds=version.billable_seconds,
    )
    evaluated = ModelVersion(
        version.name,
        f1=scores.f1,
        labels=scores.labels,
        verdicts=(verdict,),
        state="trained" if verdict.passed else "rejected",
    )
    s.loop_state.update_run(run)
    s.loop_state.update_version(evaluated)
    return {"passed": verdict.passed, "reason": "; ".join(verdict.reasons)}


@logger.inject_lambda_context
def report(event: Report, context: LambdaContext) -> dict[str, Any]:
    """Complete the run's record, give its lease back, notify, start the next run if one is due."""
    s = services()
    history = s.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=event["run"], includeExecutionData=False
    )
    steps = retrain_steps.durations(entry for page in history for entry in page["events"])
    run = runs.end_run(
        s.loop_state, event["run"], outcome=event["outcome"], reason=event["reason"], steps=steps
    )
    notification.notify(
        s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS"), run
    )
    # A run that failed before its snapshot would fail again at once; the sweeper asks later.
    if run.snapshot:
        requests.request_run_if_due(
            s.catalogue, s.loop_state, s.stepfunctions, variable("RETRAIN_MACHINE_ARN"), s.tuning()
        )
    return {"run": run.id, "outcome": run.outcome}
