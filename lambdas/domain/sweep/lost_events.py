"""Objects under incoming/ whose event was lost, sent to the queue again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.register import versions
from lambdas.domain.register.versions import Listed
from lambdas.domain.retrain import waiting
from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import get_item
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


STUCK_SECONDS = 24 * 3600
"""An object that lies there for longer does so in spite of its second event: that is among the dead letters,
with its alarm."""
QUEUES_KEEP_SECONDS = 14 * 24 * 3600
"""How long queues keep a message, dead letters from when it was sent first:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html"""
MAX_RESENT = 1000
_MEMORY = "lost-events"
_BATCH = 10


class UnsentError(RuntimeError):
    """Events could not be sent again; the next sweep tries all of them once more."""


@frozen
class Resent:
    """What was found under incoming/."""

    keys: list[str]
    """Of the objects whose events were sent again."""
    stuck: int = 0
    """Objects that lie there for a day, though their events were sent again."""


@frozen
class _Memory:
    """How far the sweeps before came.

    An event is sent again once an object has waited for the set time, and whenever queues have forgotten the
    one before. So it is enough to know up to which moment of creation that was looked after, whatever the
    objects are.
    """

    until: str
    """Objects created before this moment have had what was due; empty if none ever had."""
    now: str
    """Those created before this moment are having it."""
    after: str = ""
    """The key at which the last sweep had sent as much as one may; empty if it came to the end."""


def resend_lost_events(  # noqa: PLR0917 clients, and what they are asked about
    s3: S3Client, sqs: SQSClient, catalogue: Table, bucket: str, queue_urls: Sequence[str], after_seconds: int
) -> Resent:
    """Send the events of object versions that lie under incoming/ for too long again.

    What is registered leaves incoming/, so there is little to list. An object that was only slow gets two
    events, which registration takes for one. A sweep sends as many as MAX_RESENT; the next goes on from
    there. It sends none while messages wait for a function, as the object's own is likely to be among them.

    Args:
        queue_urls: of events about objects that are not registered; those that are sent go to the first.
    """
    if waiting.unregistered(sqs, queue_urls).visible:
        return Resent([])
    memory = _remembered(catalogue, after_seconds)
    due: list[Listed] = []
    stuck, last, to_remember = 0, "", _Memory(memory.now, "")
    for listed in _listed(s3, bucket, memory.after):
        if len(due) >= MAX_RESENT and listed.key != last:
            to_remember = _Memory(memory.until, memory.now, last)
            break
        last = listed.key
        stuck += clock.seconds_between(listed.version.at, memory.now) >= STUCK_SECONDS
        if _times_due(listed, memory.now) > _times_due(listed, memory.until):
            due.append(listed)
    _send(sqs, queue_urls[0], bucket, due)
    # Last: what could not be sent is due in the next sweep as well.
    _remember(catalogue, to_remember)
    return Resent([listed.key for listed in due], stuck)


def _listed(s3: S3Client, bucket: str, after: str) -> Iterator[Listed]:
    marker: Any = {"KeyMarker": after} if after else {}
    for page in s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix="incoming/", **marker
    ):
        for listed in versions.in_page(page):
            if not listed.version.deleted and not listed.key.endswith("/"):
                yield listed


def _times_due(listed: Listed, moment: str) -> int:
    """How often the event of an object is to be sent again by the time that what was created at this moment
    has waited for long enough (empty: never)."""
    if not moment or listed.version.at > moment:
        return 0
    return 1 + int(clock.seconds_between(listed.version.at, moment) / QUEUES_KEEP_SECONDS)


def _remembered(catalogue: Table, after_seconds: int) -> _Memory:
    item = get_item(catalogue, _MEMORY) or {}
    until, now = item.get("until", ""), item.get("now") or _before(after_seconds)
    # Whoever makes the time longer turns it back.
    return _Memory(until, max(until, now), item.get("after", ""))


def _before(seconds: int) -> str:
    return clock.to_iso(clock.parse(clock.now()) - timedelta(seconds=seconds))


def _remember(catalogue: Table, memory: _Memory) -> None:
    item = {"id": _MEMORY, "until": memory.until, "now": memory.now, "after": memory.after}
    catalogue.put_item(Item=item)


def _send(sqs: SQSClient, queue_url: str, bucket: str, due: Sequence[Listed]) -> None:
    for start in range(0, len(due), _BATCH):
        entries: Any = [
            {"Id": str(number), "MessageBody": _created(bucket, listed)}
            for number, listed in enumerate(due[start : start + _BATCH])
        ]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        if failed := answer.get("Failed"):
            raise UnsentError(f"SQS did not take {len(failed)} events, the first: {failed[0]['Code']}")


def _created(bucket: str, listed: Listed) -> str:
    """The "Object Created" event that should have come; registration looks the rest up.

    It has no sequencer, which S3 tells in events alone.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    version = listed.version.version_id
    created = {"key": listed.key, "size": listed.size} | (
        {"version-id": version} if version != "null" else {}
    )
    detail = {"bucket": {"name": bucket}, "object": created, "reason": "lost event"}
    return json.dumps({"source": "labelloop", "detail-type": "Object Created", "detail": detail})
