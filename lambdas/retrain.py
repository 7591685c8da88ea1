"""retrain: the steps of statemachines/retrain.asl.json, one handler for each.

Each handler is a Lambda function of its own, and imports its step when it is called: the other functions
would wait for the import at every cold start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock, polling
from lambdas.domain.shared.records import Outcome
from lambdas.domain.shared.state import FencedState
from lambdas.metrics import count, with_metrics
from lambdas.services import services, variable

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine

logger = Logger()


class Begun(TypedDict):
    run: str
    started_at: str


class OfRun(TypedDict):
    run: str
    redrives: NotRequired[int]
    """How often the execution was redriven. What is not required is missing in an execution that began before
    this function was deployed."""


class TakeLease(OfRun):
    trigger: str
    started_by: NotRequired[str]
    engine: NotRequired[str]
    started_at: str


class TakeSnapshot(OfRun):
    force: bool
    snapshot: NotRequired[str]
    """An earlier one that is trained on again; empty: a new one is made."""


class OfSnapshot(OfRun):
    snapshot: str


class Sync(OfSnapshot):
    since: NotRequired[str]
    """When the run began to wait for what the function looks at."""


class OfVersion(OfRun):
    version: str
    since: NotRequired[str]


class AwaitTraining(OfRun):
    version: str
    token: str
    """Lets the execution go on that waits for the training's end."""


class Evaluate(OfRun):
    version: str
    snapshot: str


class Report(TypedDict):
    run: str
    outcome: Outcome
    reason: str


def _fenced(event: OfRun) -> FencedState:
    """The loop's state as the run writes it: while it has its lease. One that was redriven takes it again."""
    loop_state = services().loop_state
    if event.get("redrives"):
        runs.resume_run(loop_state, event["run"])
    return loop_state.fenced(retrain=event["run"])


def _engine(loop_state: FencedState, event: OfRun) -> Engine:
    """The engine that the run trains with.

    Raises:
        EngineError: the deployment does not have it any more.
    """
    return services().engine.named(runs.engine_name(loop_state, runs.run_id(event["run"])))


def _waited(event: Sync | OfVersion) -> float:
    """Seconds since the run began to wait for what it looks at."""
    return clock.seconds_between(event["since"], clock.now()) if "since" in event else 0.0


@logger.inject_lambda_context
def wait_for_burst(event: Begun, context: LambdaContext) -> dict[str, Any]:
    """Whether the burst of uploads is over, and how long to wait if not."""
    from lambdas.domain.retrain import waiting

    s, queues = services(), variable("REGISTER_QUEUE_URLS").split()
    wait = waiting.wait_for_uploads(s.sqs, s.catalogue, queues, event["started_at"], s.tuning())
    return {"done": wait.done, "wait_seconds": wait.wait_seconds}


@logger.inject_lambda_context
def take_lease(event: TakeLease, context: LambdaContext) -> dict[str, Any]:
    """Whether this run may go on: no other is under way.

    It trains with the engine that is the usual one now, also if another setting is deployed meanwhile.
    """
    s = services()
    taken, reason = runs.begin_run(
        s.loop_state,
        event["run"],
        event["trigger"],
        event["started_at"],
        event.get("started_by", ""),
        is_redriven=bool(event.get("redrives")),
        engine=event.get("engine") or s.engine.name,
    )
    return {"taken": taken, "reason": reason}


@logger.inject_lambda_context
def count_open_reviews(event: Begun, context: LambdaContext) -> dict[str, Any]:
    """Whether people have answered what they were asked, and how long to wait if not."""
    from lambdas.domain.retrain import waiting

    s = services()
    wait = waiting.wait_for_reviews(s.reviews.count("open"), event["started_at"], clock.now(), s.tuning())
    return {"done": wait.done, "wait_seconds": wait.wait_seconds}


@logger.inject_lambda_context
def snapshot(event: TakeSnapshot, context: LambdaContext) -> dict[str, Any]:
    """Write the dataset snapshot, and say whether it holds something new to look at."""
    from lambdas.domain.retrain import dataset

    s, run = services(), runs.run_id(event["run"])
    taken = dataset.take_snapshot(
        s.catalogue,
        s.s3,
        _fenced(event),
        bucket=s.bucket,
        run_id=run,
        force=event["force"],
        given=event.get("snapshot", ""),
    )
    return {"id": taken.id, "enough": not taken.reason, "reason": taken.reason}


@logger.inject_lambda_context
def check_data(event: OfSnapshot, context: LambdaContext) -> dict[str, Any]:
    """Make the snapshot's dataset report, and say whether a training would be wasted."""
    from lambdas.domain.retrain import dataset

    s, run, loop_state = services(), runs.run_id(event["run"]), _fenced(event)
    engine = _engine(loop_state, event).name
    reason = dataset.check_snapshot(
        s.catalogue, s.s3, loop_state, s.bucket, run, event["snapshot"], s.tuning(), engine
    )
    return {"worth": not reason, "reason": reason}


@logger.inject_lambda_context
def sync_datasets(event: Sync, context: LambdaContext) -> dict[str, Any]:
    """Bring the project's datasets a step closer to the snapshot; call again until ready."""
    from lambdas.domain.retrain import training

    s, waited, loop_state = services(), _waited(event), _fenced(event)
    datasets = _engine(loop_state, event).datasets(s.s3, loop_state, s.bucket, waited)
    step = training.sync_datasets(datasets, loop_state, runs.run_id(event["run"]), event["snapshot"])
    wait_seconds = polling.next_look(waited, s.tuning().poll_seconds)
    return {"ready": step.ready, "error": step.error, "wait_seconds": wait_seconds}


@logger.inject_lambda_context
def train(event: Sync, context: LambdaContext) -> dict[str, Any]:
    """Begin the training of a model version from the project's datasets; call again until it has begun."""
    from lambdas.domain.retrain import training

    s, waited = services(), _waited(event)
    loop_state = _fenced(event)
    begun = training.begin_training(
        _engine(loop_state, event),
        loop_state,
        bucket=s.bucket,
        run_id=runs.run_id(event["run"]),
        snapshot_id=event["snapshot"],
        tuning=s.tuning(),
        waited_seconds=waited,
    )
    return {
        "version": begun.version,
        "begun": not (begun.waits_for or begun.held),
        "reason": begun.held,
        "wait_seconds": polling.next_look(waited, s.tuning().poll_seconds),
    }


@logger.inject_lambda_context
def watch_training(event: OfVersion, context: LambdaContext) -> dict[str, Any]:
    """How far the training is."""
    from lambdas.domain.retrain import training

    s, waited, loop_state = services(), _waited(event), _fenced(event)
    engine = _engine(loop_state, event)
    version = training.watch_training(engine, loop_state, event["version"], waited_seconds=waited)
    return {
        "status": version.status,
        "message": f"{version.name}: {version.training_in_words}",
        "announced": engine.announces_ends,
        "wait_seconds": polling.next_look(waited, s.tuning().poll_seconds),
    }


@logger.inject_lambda_context
def await_training(event: AwaitTraining, context: LambdaContext) -> None:
    """Let the execution go on with its token once the training has ended."""
    from lambdas.domain.retrain import awaited_training

    s, loop_state = services(), _fenced(event)
    engine = _engine(loop_state, event)
    awaited_training.wait_for_end(engine, s.stepfunctions, loop_state, event["version"], event["token"])


@logger.inject_lambda_context
def evaluate(event: Evaluate, context: LambdaContext) -> dict[str, Any]:
    """The evaluation gate: is the version good enough to be started?"""
    from lambdas.domain.retrain import evaluation

    s = services()
    verdict = evaluation.evaluate(
        s.engine,
        s.s3,
        _fenced(event),
        bucket=s.bucket,
        run_id=runs.run_id(event["run"]),
        name=event["version"],
        snapshot_id=event["snapshot"],
        tuning=s.tuning(),
    )
    return {"passed": verdict.passed, "reason": verdict.reason}


@logger.inject_lambda_context
def find_label_issues(event: Evaluate, context: LambdaContext) -> dict[str, Any]:
    """Look for labels that the version contradicts, and keep them for people to go through."""
    from lambdas.domain.retrain import label_check

    s = services()
    kept = label_check.find_label_issues(
        s.engine,
        s.s3,
        _fenced(event),
        bucket=s.bucket,
        name=event["version"],
        snapshot_id=event["snapshot"],
        tuning=s.tuning(),
    )
    return {"issues": len(kept.issues), "images": kept.images, "asked": kept.asked}


@logger.inject_lambda_context
@with_metrics
def report(event: Report, context: LambdaContext) -> dict[str, Any]:
    """Complete the run's record, give its lease back, notify, start the next run if one is due."""
    from lambdas.domain.retrain import finish
    from lambdas.domain.retrain.notification import Notifier

    s = services()
    run = finish.finish_run(
        s.catalogue,
        s.loop_state,
        s.stepfunctions,
        Notifier(s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS")),
        execution_arn=event["run"],
        outcome=event["outcome"],
        reason=event["reason"],
        machine_arn=variable("RETRAIN_MACHINE_ARN"),
        tuning=s.tuning,
    )
    count(f"Runs{str(run.outcome).capitalize()}")
    return {"run": run.id, "outcome": run.outcome}
