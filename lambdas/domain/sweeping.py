"""What a crash left behind: leases nobody holds, models that run for nobody, images whose event was lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain import promotion, retraining
from lambdas.domain.custom_labels import Version
from lambdas.domain.records import CLOSED, LeaseName, Records

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient


@dataclass
class Swept:
    """What was put right."""

    leases: list[str] = field(default_factory=list)
    stopped: list[Version] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Records of runs that ended without completing them."""


def sweep(
    rekognition: RekognitionClient, stepfunctions: SFNClient, records: Records, project_arn: str
) -> Swept:
    """Give dead leases back, complete the records of runs that crashed, stop what runs for nobody.

    Outside a promotion at most the champion runs. While one is under way its state machine takes care of
    that itself.
    """
    swept = Swept()
    _release_if_dead(stepfunctions, records, "retrain", swept, _complete_run(records, swept))
    _release_if_dead(stepfunctions, records, "promote", swept, _fail_promotion(records))
    if records.lease("promote") is None:
        swept.stopped = promotion.stop_all_but_champion(rekognition, project_arn, records.champion())
    return swept


def _release_if_dead(
    stepfunctions: SFNClient,
    records: Records,
    name: LeaseName,
    swept: Swept,
    settle: Callable[[str, str], None],
) -> None:
    lease = records.lease(name)
    if lease is None or lease.holder == CLOSED:
        return
    ended, why = _ended(stepfunctions, lease.holder)
    if not ended:
        return
    settle(lease.holder, why)
    records.release_lease(name, lease.holder)
    swept.leases.append(name)


def _ended(stepfunctions: SFNClient, execution_arn: str) -> tuple[bool, str]:
    try:
        found = stepfunctions.describe_execution(executionArn=execution_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return True, "its execution is gone"
        raise
    status = found["status"]
    return status not in ("RUNNING", "PENDING_REDRIVE"), found.get(
        "cause"
    ) or f"the execution {status.lower()}"


def _complete_run(records: Records, swept: Swept) -> Callable[[str, str], None]:
    def complete(execution_arn: str, why: str) -> None:
        swept.runs.append(retraining.end_run(records, execution_arn, outcome="failed", reason=why, steps=[]))

    return complete


def _fail_promotion(records: Records) -> Callable[[str, str], None]:
    def fail(execution_arn: str, why: str) -> None:
        champion = records.champion()
        for version in records.versions():
            if version.get("state") == "challenger" and (
                champion is None or version.get("arn") != champion.version_arn
            ):
                records.note_version(version["id"], state="failed", reason=retraining.readable(why))

    return fail


FORGET_SECONDS = 24 * 3600
"""An object older than this was tried again often enough: it is among the dead letters, with its alarm."""
RESEND_LIMIT = 1000


def resend_lost_events(
    s3: S3Client, sqs: SQSClient, bucket: str, queue_url: str, lost_event_seconds: int
) -> list[str]:
    """Queue again what lies under incoming/ for too long: its keys.

    What is registered leaves incoming/, so there is little to list. An object that was only slow gets two
    events, which registration takes for one.
    """
    now = datetime.now(UTC)
    keys = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="incoming/"):
        for found in page.get("Contents", []):
            age = (now - found["LastModified"]).total_seconds()
            if lost_event_seconds < age < FORGET_SECONDS and not found["Key"].endswith("/"):
                keys.append(found["Key"])
                sqs.send_message(
                    QueueUrl=queue_url, MessageBody=_created(bucket, found["Key"], found["Size"])
                )
            if len(keys) == RESEND_LIMIT:
                return keys
    return keys


def _created(bucket: str, key: str, size: int) -> str:
    """The "Object Created" event that should have come; registration looks the rest up.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": size}, "reason": "lost event"}
    return json.dumps({"source": "labelloop", "detail-type": "Object Created", "detail": detail})
