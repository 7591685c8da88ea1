"""Images under detect/ that get another chance: those that found no champion, and dead letters.

An image that finds no champion is no failure. It waits in the loop's state (LoopState.keep_waiting), where it
costs nothing, is never forgotten and uses up none of the deliveries of its message. `send_waiting` brings it
back to the queue. What fails in another way becomes a dead letter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.shared import clock
from lambdas.domain.shared.records import WaitingImage
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import MessageTypeDef

MESSAGES = 10
"""Of one request: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
_POLL_SECONDS = 2
_RENEWED_AFTER = timedelta(days=7)
_FIRST_WAIT = timedelta(minutes=10)
_LONGEST_WAIT = timedelta(days=1)
COUNT, _TIME = "redriven", "redriven_at"
"""Attributes of a message: how often it was sent again, and when that was last."""


def send_waiting(
    loop_state: LoopState, sqs: SQSClient, queue_url: str, bucket: str, *, seconds: float = 30
) -> int:
    """Bring images that waited for a champion to the queue, oldest first, now that one serves: how many.

    Call it when Rekognition says that the champion runs. An image is forgotten only once the queue has it;
    twice is better than never. One that finds the champion asleep again, or without time, waits as before,
    and is not sent a second time by the same call.

    Args:
        queue_url: of detection.
        seconds: after which to leave the rest to the next time.
    """
    sent: set[str] = set()
    until = time.monotonic() + seconds
    while time.monotonic() < until and (images := loop_state.waiting_images(MESSAGES)):
        if any(image.id in sent for image in images):
            break
        entries: Any = [
            {"Id": str(number), "MessageBody": _event(bucket, image)} for number, image in enumerate(images)
        ]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        arrived = [images[int(entry["Id"])] for entry in answer.get("Successful", [])]
        loop_state.end_waiting(arrived)
        sent |= {image.id for image in arrived}
        if len(arrived) < len(images):
            break
    return len(sent)


def _event(bucket: str, image: WaitingImage) -> str:
    """The "Object Created" event that told of the image."""
    version = {"version-id": image.version_id} if image.version_id else {}
    detail = {"bucket": {"name": bucket}, "object": {"key": image.key, **version}, "reason": "waited"}
    event = {"source": "labelloop", "time": image.arrived_at, "detail": detail, "failures": image.failures}
    return json.dumps(event)


def redrive(sqs: SQSClient, dead_letters_url: str, queue_url: str, *, seconds: float = 30) -> int:
    """Give images that could not be answered another chance, now that a champion serves: how many.

    A message remembers how often it was sent again, and waits twice as long each time, up to a day: one that
    cannot be answered keeps no queue busy. It is deleted from the dead letters only once the queue has it;
    twice is better than never.

    A task of SQS that moves messages (StartMessageMoveTask) would take all of them at once, each time.

    Args:
        seconds: after which to leave the rest to the next time.
    """
    moved = 0
    for messages in _receive(sqs, dead_letters_url, seconds):
        due = [message for message in messages if _is_due(message)]
        moved += _move(sqs, due, dead_letters_url, queue_url, _remembered)
    return moved


def renew(sqs: SQSClient, dead_letters_url: str, *, seconds: float = 30) -> int:
    """Send dead letters that have lain there for a week to their queue anew, while nobody can answer: how
    many.

    A queue forgets a message 14 days after it was sent first:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html
    """
    renewed = 0
    for messages in _receive(sqs, dead_letters_url, seconds):
        old = [message for message in messages if _age(message) > _RENEWED_AFTER]
        renewed += _move(sqs, old, dead_letters_url, dead_letters_url, _attributes)
    return renewed


def _receive(sqs: SQSClient, url: str, seconds: float) -> Iterator[list[MessageTypeDef]]:
    """Messages of a queue until it has none left that are visible, or the time is over.

    An answer without messages says little: a poll that does not wait asks some of the servers only, and of
    few messages it may find none. How many there are is approximate, but settles.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and _count_visible(sqs, url):
        yield sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=MESSAGES,
            WaitTimeSeconds=_POLL_SECONDS,
            MessageAttributeNames=[COUNT, _TIME],
            AttributeNames=["SentTimestamp"],
        ).get("Messages", [])


def _count_visible(sqs: SQSClient, url: str) -> int:
    name: QueueAttributeNameType = "ApproximateNumberOfMessages"
    return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def _move(
    sqs: SQSClient,
    messages: list[MessageTypeDef],
    dead_letters_url: str,
    queue_url: str,
    attributes: Callable[[MessageTypeDef], Any],
) -> int:
    """Send the messages again, and delete those that the queue has: how many.

    Args:
        attributes: those of a message once it is sent again.
    """
    if not messages:
        return 0
    entries: Any = [
        {"Id": str(number), "MessageBody": message["Body"], "MessageAttributes": attributes(message)}
        for number, message in enumerate(messages)
    ]
    sent = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries).get("Successful", [])
    handles: Any = [
        {"Id": entry["Id"], "ReceiptHandle": messages[int(entry["Id"])]["ReceiptHandle"]} for entry in sent
    ]
    if handles:
        sqs.delete_message_batch(QueueUrl=dead_letters_url, Entries=handles)
    return len(handles)


def _attributes(message: MessageTypeDef) -> Any:
    return message.get("MessageAttributes", {})


def _count(message: MessageTypeDef) -> int:
    return int(_attributes(message).get(COUNT, {}).get("StringValue", 0))


def _age(message: MessageTypeDef) -> timedelta:
    """Since it was sent, to whichever queue that was."""
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    return clock.parse(clock.now()) - sent


def _is_due(message: MessageTypeDef) -> bool:
    """Whether it has waited long enough since it was sent again."""
    count = _count(message)
    if not count:
        return True
    since = _attributes(message)[_TIME]["StringValue"]
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(count - 1, 10))
    return clock.seconds_between(since, clock.now()) >= wait.total_seconds()


def _remembered(message: MessageTypeDef) -> dict[str, dict[str, str]]:
    return {
        COUNT: {"DataType": "Number", "StringValue": str(_count(message) + 1)},
        _TIME: {"DataType": "String", "StringValue": clock.now()},
    }
