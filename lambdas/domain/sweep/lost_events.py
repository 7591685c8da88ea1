"""Objects under incoming/ whose event was lost, sent to the queue again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.register import versions
from lambdas.domain.register.versions import Listed
from lambdas.domain.retrain import waiting
from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import get_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


MAX_AGE_SECONDS = 24 * 3600
"""An object older than this was tried again often enough: it is among the dead letters, with its alarm."""
MAX_RESENT = 1000
BUSY_MESSAGES = 100
"""With so many messages in the queue, what has not been registered is likely to wait there."""
_MEMORY = "lost-events"
_BATCH = 10


@dataclass(frozen=True)
class Resent:
    """What was found under incoming/."""

    keys: list[str]
    """Of the objects whose events were sent again."""
    stuck: int = 0
    """Objects that lie there for so long that nobody tries them again by itself."""


@dataclass(frozen=True)
class _Memory:
    """How far the sweeps before came.

    An event is sent again once an object has waited for the set time, for twice that, four times, and so on.
    So it is enough to know until when that was looked after, whatever the objects are.
    """

    until: str
    """Whatever was due before has been sent; empty if nothing ever was."""
    now: str
    """What is due before is being sent."""
    after: str = ""
    """The key at which the last sweep had sent as much as one may; empty if it came to the end."""


def resend_lost_events(  # noqa: PLR0917 clients, and what they are asked about
    s3: S3Client, sqs: SQSClient, catalogue: Table, bucket: str, queue_url: str, after_seconds: int
) -> Resent:
    """Send the events of object versions that lie under incoming/ for too long again.

    What is registered leaves incoming/, so there is little to list. An object that was only slow gets two
    events, which registration takes for one. A sweep sends as many as MAX_RESENT, and none while the queue is
    busy; the next goes on from there.
    """
    if waiting.count_unregistered(sqs, queue_url) >= BUSY_MESSAGES:
        return Resent([])
    memory = _remembered(catalogue)
    due: list[Listed] = []
    stuck, last = 0, ""
    for listed in _listed(s3, bucket, memory.after):
        if len(due) >= MAX_RESENT and listed.key != last:
            _remember(catalogue, _Memory(memory.until, memory.now, last))
            break
        last = listed.key
        age = clock.seconds_between(listed.version.at, memory.now)
        if age >= MAX_AGE_SECONDS:
            stuck += 1
        elif _times_due(listed, memory.now, after_seconds) > _times_due(listed, memory.until, after_seconds):
            due.append(listed)
    else:
        _remember(catalogue, _Memory(memory.now, ""))
    _send(sqs, queue_url, bucket, due)
    return Resent([listed.key for listed in due], stuck)


def _listed(s3: S3Client, bucket: str, after: str) -> Iterator[Listed]:
    marker: Any = {"KeyMarker": after} if after else {}
    for page in s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix="incoming/", **marker
    ):
        for listed in versions.in_page(page):
            if not listed.version.deleted and not listed.key.endswith("/"):
                yield listed


def _times_due(listed: Listed, moment: str, after_seconds: int) -> int:
    """How often the event of an object was due to be sent again until a moment (empty: never)."""
    age = clock.seconds_between(listed.version.at, moment) if moment else 0.0
    return int(age / max(1, after_seconds)).bit_length() if age > 0 else 0


def _remembered(catalogue: Table) -> _Memory:
    item = get_item(catalogue, _MEMORY) or {}
    return _Memory(item.get("until", ""), item.get("now") or clock.now(), item.get("after", ""))


def _remember(catalogue: Table, memory: _Memory) -> None:
    item = {"id": _MEMORY, "until": memory.until, "now": memory.now, "after": memory.after}
    catalogue.put_item(Item=item)


def _send(sqs: SQSClient, queue_url: str, bucket: str, due: Sequence[Listed]) -> None:
    for start in range(0, len(due), _BATCH):
        entries: Any = [
            {"Id": str(number), "MessageBody": _created(bucket, listed)}
            for number, listed in enumerate(due[start : start + _BATCH])
        ]
        sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)


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
