"""From a trained version to the one that serves, with one model left running whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.rekognition import custom_labels
from lambdas.domain.rekognition.custom_labels import BUSY, CustomLabelsError, Version
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.records import Champion, ModelVersion, Outcome, Run, VersionState
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_sqs import SQSClient


def version_named(rekognition: RekognitionClient, project_arn: str, name: str) -> Version:
    """The version of that name.

    Raises:
        CustomLabelsError: the project has none.
    """
    version = custom_labels.describe_version(rekognition, project_arn, name)
    if version is None:
        raise CustomLabelsError(f"the project has no model version {name}")
    return version


def start_challenger(
    rekognition: RekognitionClient, loop_state: LoopState, project_arn: str, name: str, inference_units: int
) -> Version:
    """Begin to start a version that is to be tested beside the champion."""
    version = version_named(rekognition, project_arn, name)
    custom_labels.start(rekognition, version, inference_units)
    loop_state.update_version(ModelVersion(name, state="challenger", started_at=clock.now()))
    return version


def promote(rekognition: RekognitionClient, loop_state: LoopState, project_arn: str, name: str) -> str:
    """Make a version the champion and retire the one before it: what changed, in words."""
    version = version_named(rekognition, project_arn, name)
    champion, reason = switch(loop_state, version)
    loop_state.update_version(ModelVersion(name, state="champion", promoted_at=champion.since))
    if champion.previous_version_name:
        retired = ModelVersion(champion.previous_version_name, state="retired", retired_at=clock.now())
        loop_state.update_version(retired)
    return reason


def switch(loop_state: LoopState, version: Version) -> tuple[Champion, str]:
    """Make `version` the champion in one write: the champion, and what changed in words.

    Doing it again changes nothing, so that a retried step cannot lose the previous champion.
    """
    old = loop_state.champion()
    if old and old.version_arn == version.arn:
        return old, f"{version.name} serves"
    new = loop_state.switch_champion(old, version.arn, version.name)
    instead = f" instead of {old.version_name}" if old else ""
    return new, f"{version.name} serves{instead}"


def stop_all_but_champion(
    rekognition: RekognitionClient, project_arn: str, champion: Champion | None
) -> list[Version]:
    """Stop every running version that does not serve: those that are still not stopped.

    A version that is starting cannot be stopped before it runs, so it is among those.
    """
    serving = champion.version_arn if champion else ""
    pending = [v for v in custom_labels.versions(rekognition, project_arn) if v.status in BUSY]
    pending = [version for version in pending if version.arn != serving]
    for version in pending:
        try:
            custom_labels.stop(rekognition, version)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
    return pending


def stop_other_versions(
    rekognition: RekognitionClient, loop_state: LoopState, project_arn: str, holder: str
) -> bool:
    """At the end of a promotion stop every version but the champion: whether they have stopped.

    A promotion that never had the lease has started nothing, and what runs is another's.

    Args:
        holder: the promotion's execution.
    """
    lease = loop_state.lease("promote")
    if lease is None or lease.holder != holder:
        return True
    return not stop_all_but_champion(rekognition, project_arn, loop_state.champion())


def finish_promotion(
    loop_state: LoopState,
    sqs: SQSClient,
    *,
    holder: str,
    name: str,
    run: str,
    outcome: Outcome,
    reason: str,
    tuning: Callable[[], Tuning],
    dead_letters_url: str,
    queue_url: str,
) -> str:
    """Record how a promotion ended, give its lease back, and let images that waited have the champion.

    Args:
        holder: the promotion's execution.
        run: the execution of the run that it belongs to; empty for a rollback.
        tuning: reads the settings, which are needed for a run's promotion only.
        dead_letters_url, queue_url: of detections.

    Returns:
        The reason, readable.
    """
    version = loop_state.version(name)
    reason = runs.readable(reason)
    _record_end(loop_state, name, version, outcome, reason)
    if run and version:
        running = clock.seconds_between(version.started_at, clock.now()) if version.started_at else 0
        cost = pricing.inference_usd(running, tuning().inference_units)
        loop_state.update_run(Run(runs.run_id(run), verdicts=version.verdicts, promotion_usd=cost))
    loop_state.release_lease("promote", holder)
    if outcome == "promoted":
        redrive(sqs, dead_letters_url, queue_url)
    return reason


def _record_end(
    loop_state: LoopState, name: str, version: ModelVersion | None, outcome: Outcome, reason: str
) -> None:
    champion = loop_state.champion()
    if champion and champion.version_name == name:
        loop_state.update_version(ModelVersion(name, state="champion"))
    elif outcome != "promoted" and version and version.state == "challenger":
        state: VersionState = "rejected" if outcome == "rejected" else "failed"
        loop_state.update_version(ModelVersion(name, state=state, reason=reason))


def redrive(sqs: SQSClient, dead_letters_url: str, queue_url: str, *, limit: int = 1000) -> int:
    """Give images that found no champion another chance, now that there is one: how many.

    A message is deleted from the dead letters only once the queue has it; twice is better than never.
    """
    moved = 0
    while moved < limit:
        messages = sqs.receive_message(QueueUrl=dead_letters_url, MaxNumberOfMessages=10).get("Messages", [])
        if not messages:
            break
        for message in messages:
            sqs.send_message(QueueUrl=queue_url, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
        moved += len(messages)
    return moved
