"""From a trained version to the one that serves, with one model left running whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.rekognition import custom_labels
from lambdas.domain.rekognition.custom_labels import BUSY, CustomLabelsError, Version
from lambdas.domain.shared.records import Champion
from lambdas.domain.shared.state import LoopState

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


def redrive(sqs: SQSClient, dead_letters_url: str, queue_url: str, *, limit: int = 1000) -> int:
    """Give images that found no champion another chance, now that there is one: how many.

    A message is deleted from the dead letters only once the queue has it; twice is better than never.
    """
    moved = 0
    while moved < limit:
        found = sqs.receive_message(QueueUrl=dead_letters_url, MaxNumberOfMessages=10).get("Messages", [])
        if not found:
            break
        for message in found:
            sqs.send_message(QueueUrl=queue_url, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"])
        moved += len(found)
    return moved
