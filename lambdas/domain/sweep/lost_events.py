"""Objects under incoming/ whose event was lost, sent to the queue again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


MAX_AGE_SECONDS = 24 * 3600
"""An object older than this was tried again often enough: it is among the dead letters, with its alarm."""
MAX_RESENT = 1000


def resend_lost_events(
    s3: S3Client, sqs: SQSClient, bucket: str, queue_url: str, resend_event_after_seconds: int
) -> list[str]:
    """Queue again what lies under incoming/ for too long: its keys.

    What is registered leaves incoming/, so there is little to list. An object that was only slow gets two
    events, which registration takes for one.
    """
    now = datetime.now(UTC)
    keys = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="incoming/"):
        for item in page.get("Contents", []):
            age = (now - item["LastModified"]).total_seconds()
            if resend_event_after_seconds < age < MAX_AGE_SECONDS and not item["Key"].endswith("/"):
                keys.append(item["Key"])
                sqs.send_message(QueueUrl=queue_url, MessageBody=_created(bucket, item["Key"], item["Size"]))
            if len(keys) == MAX_RESENT:
                return keys
    return keys


def _created(bucket: str, key: str, size: int) -> str:
    """The "Object Created" event that should have come; registration looks the rest up.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": size}, "reason": "lost event"}
    return json.dumps({"source": "labelloop", "detail-type": "Object Created", "detail": detail})
