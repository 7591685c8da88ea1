"""`labelloop train` and `labelloop rollback`: the state machines started by hand, and followed."""

from __future__ import annotations

import json
from typing import Any

from boto3.dynamodb.conditions import Key

from cli import following, formatting, history
from cli.deployment import Deployment, DeploymentError
from cli.following import FollowedPromotion, FollowedRun
from cli.output import CommandError
from cli.user import user
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending
from lambdas.domain.console import approval, control
from lambdas.domain.costs import forecast
from lambdas.domain.engines.port import EngineError, engine_of
from lambdas.domain.retrain import holds, runs, waiting
from lambdas.domain.shared import clock, pricing, records
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import ApprovalDecision
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots

EXIT_CODES = {"promoted": 0, "rejected": 3, "trained": 0, "skipped": 3, "failed": 1}


def train(deployment: Deployment, *, force: bool, engine: str = "") -> tuple[FollowedRun, bool]:
    """The run that was started, or the one that is under way already: then False comes with it.

    Args:
        engine: what is to train; empty: the deployment's usual engine.

    Raises:
        CommandError: there are too few labelled images, and none is being registered; the budget does not
            allow a training; or the deployment lacks the engine, or another one trains just now.
    """
    _check_engine(deployment, engine)
    if run := following.under_way(deployment):
        _check_same_engine(deployment, run.id, engine)
        return run, False
    _check_enough(deployment)
    _check_budget(deployment)
    given: dict[str, Any] = {"trigger": "manual", "started_by": user()}
    given |= {"force": True} if force else {}
    given |= {"engine": engine} if engine else {}
    arn = deployment.stepfunctions.start_execution(
        stateMachineArn=deployment.retrain_machine_arn,
        name=runs.execution_name("manual"),
        input=json.dumps(given),
    )["executionArn"]
    return FollowedRun(deployment, arn), True


def reproduce(deployment: Deployment, name: str, *, promote: bool) -> tuple[str, FollowedRun]:
    """The full name of a version, and the run that trains its snapshot again.

    Args:
        promote: let the gates promote the new version, as they would that of any other run.

    Raises:
        CommandError: the version's snapshot is not known or gone, a run is under way, or the budget does not
            allow a training.
    """
    version = history.version(deployment, name)
    if not version.trained_on:
        raise CommandError(f"{version.id} was not trained by this deployment: its snapshot is not known")
    try:
        snapshots.read(deployment.s3, deployment.bucket, version.trained_on)
    except deployment.s3.exceptions.NoSuchKey as error:
        where = f"s3://{deployment.bucket}/datasets/{version.trained_on}/"
        raise CommandError(f"the snapshot that {version.id} was trained with is gone: {where}") from error
    if run := following.under_way(deployment):
        raise CommandError(f"run {run.id} is under way: reproduce {version.id} once it has ended")
    _check_budget(deployment)
    given: dict[str, Any] = {
        "trigger": "manual",
        "started_by": user(),
        "snapshot": version.trained_on,
        "promotes": promote,
    }
    if version.arn:
        # Also where the usual engine is another one since.
        given["engine"] = engine_of(version.arn)
        _check_engine(deployment, given["engine"])
    arn = deployment.stepfunctions.start_execution(
        stateMachineArn=deployment.retrain_machine_arn,
        name=runs.execution_name("reproduce"),
        input=json.dumps(given),
    )["executionArn"]
    return version.id, FollowedRun(deployment, arn)


def _check_engine(deployment: Deployment, engine: str) -> None:
    try:
        deployment.engine.named(engine)
    except EngineError as error:
        raise CommandError(str(error)) from error


def _check_same_engine(deployment: Deployment, run: str, engine: str) -> None:
    """Refuse to follow a run that trains with another engine than the one that is asked for."""
    under_way = runs.engine_name(deployment.loop_state, run)
    if engine and deployment.engine.named(under_way) != deployment.engine.named(engine):
        raise CommandError(
            f"run {run} is under way with another engine than {engine}: start this one once it has ended"
        )


def _check_enough(deployment: Deployment) -> None:
    """Refuse a run that would be skipped after some minutes, for want of images."""
    catalogue, needed = deployment.catalogue, deployment.tuning().min_training_images
    labelled = catalogue_images.count(catalogue, Key("status").eq("labelled"), max(1, needed))
    if labelled >= max(1, needed) or waiting.count_unregistered(
        deployment.sqs, deployment.register_queue_urls
    ):
        return
    others = {
        "unlabelled": catalogue_images.count(catalogue, Key("status").eq("unlabelled")),
        "in conflict": catalogue_images.count(catalogue, Key("status").eq("conflict")),
        "named by annotations and not there": pending.count_pending(catalogue),
    }
    counts = ", ".join(f"{count} {name}" for name, count in others.items() if count) or "no others"
    raise CommandError(
        f"nothing was started: {formatting.count(labelled, 'labelled image')}, and a training needs"
        f" {max(1, needed)} (min_training_images); {counts}. Import labelled images with `labelloop import`,"
        f" or label them at {deployment.console_address}"
    )


def _check_budget(deployment: Deployment) -> None:
    """Refuse a run that the budget would not let train."""
    state, tuning = deployment.loop_state, deployment.tuning()
    adds_usd = state.known_progress().needs_usd
    reason = holds.why_held(state, tuning, clock.now(), adds_usd=adds_usd, started_by_hand=True)
    if reason:
        raise CommandError(f"nothing was started: {reason}. `labelloop costs` shows what cost how much")


def forecast_words(deployment: Deployment, tuning: Tuning, engine: str = "") -> str:
    """What a training is going to cost, with as many images as the last one.

    Args:
        engine: that trains; empty: the usual one.
    """
    prices = pricing.prices(deployment.project_arn.split(":")[3], tuning)
    serverless = (engine or deployment.engine.name) == "serverless"
    runs, units = deployment.loop_state.runs(), tuning.min_inference_units
    return _as_on_aws(deployment, forecast.training(runs, None, prices, units, serverless=serverless).text)


def serving_words(deployment: Deployment, tuning: Tuning, asked: str = "") -> str:
    """What the champion is going to cost, by what a person has just asked for or else by its policy."""
    prices = pricing.prices(deployment.project_arn.split(":")[3], tuning)
    champion = deployment.loop_state.champion()
    version = deployment.engine.describe_version(champion.version_name) if champion else None
    if version and version.is_always_on:
        return _as_on_aws(deployment, "nothing at rest; each detection costs the time of a function")
    return _as_on_aws(deployment, forecast.serving_words(tuning, prices, asked))


def _as_on_aws(deployment: Deployment, words: str) -> str:
    """Words about time and money; of the embedded stack with the remark that they are about AWS."""
    return f"{words} (on AWS; here nothing is billed)" if deployment.is_embedded else words


def overtaking(deployment: Deployment, record: records.Run) -> FollowedRun | None:
    """The run under way that took the lease before the one of this record could; None if none did.

    Images that were dropped start a run, too, and both wait until the last of them is registered.
    """
    overtaken = record.outcome == "skipped" and record.snapshot is None
    return following.under_way(deployment) if overtaken else None


def rollback(deployment: Deployment, name: str) -> tuple[str, FollowedPromotion]:
    """The version's full name and the promotion that goes back to it.

    Raises:
        DeploymentError: there is no such version, it serves already, or cannot be started. A champion that
            was stopped can be gone back to: that starts it.
    """
    version = history.version(deployment, name).id
    try:
        arn = control.begin_rollback(
            deployment.engine,
            deployment.stepfunctions,
            deployment.loop_state,
            machine_arn=deployment.promote_machine_arn,
            version=version,
            by=user(),
        )
    except ApiError as error:
        raise DeploymentError(f"{error}; `labelloop versions` shows the others") from error
    return version, FollowedPromotion(deployment, arn)


def decide(deployment: Deployment, name: str, decision: ApprovalDecision, why: str) -> dict[str, str]:
    """Approve or decline a version that waits for it: what was decided about which.

    Raises:
        DeploymentError: there is no such version, or it does not wait (any more).
    """
    version = history.version(deployment, name).id
    try:
        approval.answer(
            deployment.engine,
            deployment.stepfunctions,
            deployment.loop_state,
            version,
            decision,
            by=user(),
            why=why,
        )
    except ApiError as error:
        raise DeploymentError(str(error)) from error
    return {"version": version, "decision": decision, "by": user(), "why": why}


def verdict(promotion: FollowedPromotion) -> dict[str, Any]:
    """How a promotion that has ended came out: outcome and reason."""
    outcome, reason = control.end_of(promotion.execution.description)
    return {"outcome": outcome, "reason": reason}


def exit_code(outcome: str) -> int:
    """0 promoted, 3 rejected or skipped, 1 anything else."""
    return EXIT_CODES.get(outcome, 1)
