"""Batches of SQS messages, of which those that fail are delivered again alone, after a delay that grows.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
Powertools' batch utility does the same, and imports asyncio and every event source's data classes for it: a
fifth of what a cold start of these functions takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from aws_lambda_powertools import Logger

from lambdas.services import services, variable

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import ChangeMessageVisibilityBatchRequestEntryTypeDef

logger = Logger(child=True)

_BATCH = 10
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html"""


class FailedMessage(TypedDict):
    itemIdentifier: str


class BatchResponse(TypedDict):
    batchItemFailures: list[FailedMessage]


def handle_each(event: dict[str, Any], handle: Callable[[str], object]) -> BatchResponse:
    """Hand the body of each message of the event to `handle`: which messages failed."""
    return handle_each_message(event, lambda message: handle(message["body"]))


def handle_each_message(
    event: dict[str, Any], handle: Callable[[Mapping[str, Any]], object]
) -> BatchResponse:
    """Hand each message of the event to `handle`: which messages failed."""
    failed: list[Mapping[str, Any]] = []
    for message in event["Records"]:
        try:
            handle(message)
        except Exception:
            logger.exception(
                "the message failed, and will be delivered again",
                extra={"message_id": message["messageId"], "deliveries": _deliveries(message)},
            )
            failed.append(message)
    _hide_for_a_while(failed)
    return {"batchItemFailures": [{"itemIdentifier": message["messageId"]} for message in failed]}


def failures_before(message: Mapping[str, Any]) -> int:
    """How often the message has failed before, as the dead letter that it was too."""
    redriven = int(message.get("messageAttributes", {}).get("redriven", {}).get("stringValue", 0))
    return _deliveries(message) - 1 + (int(variable("MAX_RECEIVES")) * redriven if redriven else 0)


def delay_seconds(deliveries: int, first: int, most: int) -> int:
    """How long a message that failed is hidden: twice as long after each delivery.

    Args:
        most: deliveries, after which it becomes a dead letter at once.
    """
    return int(first * 2 ** (deliveries - 1)) if deliveries < most else 0


def _hide_for_a_while(failed: Sequence[Mapping[str, Any]]) -> None:
    """Have the messages delivered again after their delay.

    Otherwise they would stay hidden for the queue's visibility timeout, which has to be a multiple of the
    function's: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html . That is what
    happens, too, if the delay cannot be set.
    """
    try:
        first, most = int(variable("RETRY_SECONDS")), int(variable("MAX_RECEIVES"))
        for start in range(0, len(failed), _BATCH):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "ReceiptHandle": message["receiptHandle"],
                    "VisibilityTimeout": delay_seconds(_deliveries(message), first, most),
                }
                for number, message in enumerate(failed[start : start + _BATCH])
            ]
            answer = services().sqs.change_message_visibility_batch(
                QueueUrl=variable("QUEUE_URL"), Entries=entries
            )
            if refused := answer.get("Failed"):
                logger.error("messages stay hidden for longer", extra={"refused": refused})
    except Exception:
        logger.exception("messages stay hidden for longer")


def _deliveries(message: Mapping[str, Any]) -> int:
    """How often the message was delivered, this time included."""
    return max(1, int(message.get("attributes", {}).get("ApproximateReceiveCount", 1)))
