"""Images under detect/ that get another chance: those that found no champion, and dead letters.

An image that finds no champion is no failure. It waits in the loop's state (LoopState.keep_waiting), where it
costs nothing, is never forgotten and uses up none of the deliveries of its message. `send_waiting` brings it
back to the queue. What fails in another way becomes a dead letter.
"""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.shared import clock
from lambdas.domain.shared.records import WaitingImage
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

MESSAGES = 10
"""Of one request: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
_FIRST_WAIT = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(days=1)
_COUNT, _TIME = "redriven", "redriven_at"


def send_waiting(
    loop_state: LoopState, sqs: SQSClient, queue_url: str, bucket: str, *, seconds: float = 30
) -> int:
    """Bring images that waited for a champion to the queue, oldest first, now that one serves: how many.

    Call it when Rekognition says that the champion runs. An image is forgotten only once the queue has it;
    twice is better than never. One that finds the champion asleep again waits as before.

    Args:
        queue_url: of detection.
        seconds: after which to leave the rest to the next time.
    """
    sent, until = 0, time.monotonic() + seconds
    while time.monotonic() < until and (images := loop_state.waiting_images(MESSAGES)):
        entries: Any = [
            {"Id": str(number), "MessageBody": _event(bucket, image)} for number, image in enumerate(images)
        ]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        arrived = [images[int(entry["Id"])] for entry in answer.get("Successful", [])]
        loop_state.end_waiting(arrived)
        sent += len(arrived)
        if len(arrived) < len(images):
            break
    return sent


def _event(bucket: str, image: WaitingImage) -> str:
    """The "Object Created" event that told of the image."""
    version = {"version-id": image.version_id} if image.version_id else {}
    detail = {"bucket": {"name": bucket}, "object": {"key": image.key, **version}, "reason": "waited"}
    return json.dumps({"source": "labelloop", "time": image.arrived_at, "detail": detail})


def redrive(sqs: SQSClient, dead_letters_url: str, queue_url: str, *, seconds: float = 30) -> int:
    """Give images that found no champion another chance, now that there is one: how many.

    A message remembers how often it was sent again, and waits twice as long each time, up to a day: one that
    cannot be answered keeps no queue busy. It is deleted from the dead letters only once the queue has it;
    twice is better than never.

    Args:
        seconds: after which to leave the rest to the next time.
    """
    moved, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        messages = sqs.receive_message(
            QueueUrl=dead_letters_url, MaxNumberOfMessages=MESSAGES, MessageAttributeNames=[_COUNT, _TIME]
        ).get("Messages", [])
        if not messages:
            break
        moved += _move(
            sqs, [message for message in messages if _is_due(message)], dead_letters_url, queue_url
        )
    return moved


def _move(sqs: SQSClient, messages: list[MessageTypeDef], dead_letters_url: str, queue_url: str) -> int:
    """Send the messages again, and delete those that the queue has: how many."""
    if not messages:
        return 0
    entries: Any = [
        {"Id": str(number), "MessageBody": message["Body"], "MessageAttributes": _remembered(message)}
        for number, message in enumerate(messages)
    ]
    sent = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries).get("Successful", [])
    handles: Any = [
        {"Id": entry["Id"], "ReceiptHandle": messages[int(entry["Id"])]["ReceiptHandle"]} for entry in sent
    ]
    if handles:
        sqs.delete_message_batch(QueueUrl=dead_letters_url, Entries=handles)
    return len(handles)


def _count(message: MessageTypeDef) -> int:
    return int(message.get("MessageAttributes", {}).get(_COUNT, {}).get("StringValue", 0))


def _is_due(message: MessageTypeDef) -> bool:
    """Whether it has waited long enough since it was sent again."""
    count = _count(message)
    if not count:
        return True
    since = message.get("MessageAttributes", {})[_TIME]["StringValue"]
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(count - 1, 10))
    return clock.seconds_between(since, clock.now()) >= wait.total_seconds()


def _remembered(message: MessageTypeDef) -> dict[str, dict[str, str]]:
    return {
        _COUNT: {"DataType": "Number", "StringValue": str(_count(message) + 1)},
        _TIME: {"DataType": "String", "StringValue": clock.now()},
    }
