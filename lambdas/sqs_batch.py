"""Batches of SQS messages, of which those that fail are delivered again alone.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
Powertools' batch utility does the same, and imports asyncio and every event source's data classes for it: a
fifth of what a cold start of these functions takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from aws_lambda_powertools import Logger

logger = Logger(child=True)


class FailedMessage(TypedDict):
    itemIdentifier: str


class BatchResponse(TypedDict):
    batchItemFailures: list[FailedMessage]


def handle_each(event: dict[str, Any], handle: Callable[[str], object]) -> BatchResponse:
    """Hand the body of each message of the event to `handle`: which messages failed."""
    failed: list[FailedMessage] = []
    for message in event["Records"]:
        try:
            handle(message["body"])
        except Exception:
            id = message["messageId"]
            logger.exception("the message failed, and will be delivered again", extra={"message_id": id})
            failed.append({"itemIdentifier": id})
    return {"batchItemFailures": failed}
