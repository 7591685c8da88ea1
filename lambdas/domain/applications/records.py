"""What applications asked and were answered, how often they ask, and which idempotency keys they have used.

The table's items are keyed by (`application`, `id`), and are all forgotten in time (`expires_at`):

- a detection: `id` is 32 hexadecimal digits that begin with the time, so that they are in the order of time;
- `rate#<minute>`: the requests that were counted in a minute, kept for a day;
- `key#<hash>`: the detection that an idempotency key stands for. It is written before the champion is asked,
  and deleted if nothing comes of it.

Under `#callers` each of those who have ever asked has an item, so that they are known without reading all of
their detections.

DynamoDB deletes what has expired within days, so that it is left out here at once.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
"""

from __future__ import annotations

import hashlib
import json
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import delete_if, is_condition_failure, put_if, query_pages
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ID_DIGITS = 32
_TIME_DIGITS = 12
_AFTER_EVERY_ID = "g"
WINDOW_SECONDS = 60
"""In which requests are counted."""
DAY_SECONDS = 24 * 3600
_CALLERS = "#callers"
"""Names of applications begin with a letter."""
CLAIM_SECONDS = 35
"""After which a request that has left no detection behind was killed: longer than the function may run."""


@frozen
class Detection:
    """What an application was answered about an image."""

    application: str
    id: str
    at: str
    model_version: str
    key: str
    """Where the image lies in the data bucket."""
    version_id: str
    """Of that object; empty if the bucket gave none."""
    width: int
    """Of the image upright, in pixels."""
    height: int
    labels: tuple[dict[str, Any], ...]
    """As Detector.detect_labels returns them, each with its `class_id`."""
    feedback: str = ""
    """What the application says of it: `wrong`, or nothing."""
    note: str = ""
    """What it adds to that."""
    expires_at: int = 0
    """When it is forgotten, in seconds since 1970."""


@frozen
class Use:
    """How many requests an application has made, an image in tiles counted as many."""

    last_hour: int
    last_day: int
    full_minutes: int
    """Minutes of the last day in which it made as many as it may: what came beyond was refused."""


@frozen
class Claim:
    """That an idempotency key was used before: for which request, and for which detection."""

    detection: str
    digest: str
    """Of the request."""
    claimed_at: int
    """Seconds since 1970."""


def new_id(now: float) -> str:
    """An id for a detection: later ones are greater."""
    return f"{int(now * 1000):0{_TIME_DIGITS}x}{secrets.token_hex((ID_DIGITS - _TIME_DIGITS) // 2)}"


def is_id(text: str) -> bool:
    """Whether a detection could have this id."""
    return len(text) == ID_DIGITS and all(character in "0123456789abcdef" for character in text)


class Records:
    """The table of detections."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # Detections

    def keep(self, detection: Detection) -> None:
        """Write a detection."""
        answer = json.dumps(detection.labels, separators=(",", ":")).encode()
        # Boxes of hundreds of objects would be an item too large, and as decimals slow to write.
        item = {**vars(detection), "labels": zlib.compress(answer, 1)}
        self._table.put_item(Item={name: value for name, value in item.items() if value not in ("", 0)})

    def get(self, application: str, id: str) -> Detection | None:
        """The detection of this id, if the application has one."""
        if not is_id(id):
            return None
        item: Any = self._table.get_item(Key={"application": application, "id": id}, ConsistentRead=True).get(
            "Item"
        )
        return _read(item) if item and int(item["expires_at"]) > clock.seconds() else None

    def between(self, application: str, since: str = "", until: str = "") -> Iterator[Detection]:
        """The detections of an application, newest first.

        Args:
            since, until: times as of clock.now(); empty: whenever.
        """
        first = _first_id(since) if since else "0"
        last = _first_id(until) if until else _AFTER_EVERY_ID
        query = {
            "KeyConditionExpression": Key("application").eq(application) & Key("id").between(first, last),
            "ScanIndexForward": False,
        }
        for page in query_pages(self._table, query):
            yield from (_read(item) for item in page["Items"] if int(item["expires_at"]) > clock.seconds())

    def note_caller(self, application: str, now: float, expires_at: int) -> None:
        """Record that an application asks for detections."""
        self._table.put_item(
            Item={"application": _CALLERS, "id": application, "asked_at": int(now), "expires_at": expires_at}
        )

    def callers(self) -> dict[str, int]:
        """Whoever has asked for a detection that is not forgotten yet, by name.

        Returns:
            when each has asked last, to the minute, in seconds since 1970.
        """
        query = {"KeyConditionExpression": Key("application").eq(_CALLERS), "ConsistentRead": True}
        pages = query_pages(self._table, query)
        return {str(item["id"]): int(item["asked_at"]) for page in pages for item in page["Items"]}

    def note_feedback(self, detection: Detection, feedback: str, note: str) -> None:
        """Record what the application says of a detection, unless that is forgotten by now."""
        try:
            self._table.update_item(
                Key={"application": detection.application, "id": detection.id},
                UpdateExpression="SET feedback = :feedback, note = :note",
                ConditionExpression="attribute_exists(id)",
                ExpressionAttributeValues={":feedback": feedback, ":note": note},
            )
        except ClientError as error:
            if not is_condition_failure(error):
                raise

    # Rates

    def add_requests(self, application: str, minute: int, number: int) -> int:
        """Add to the requests that an application has made in a minute: how many those are now.

        Args:
            minute: its number since 1970.
        """
        updated = self._table.update_item(
            Key={"application": application, "id": f"rate#{minute}"},
            UpdateExpression="SET expires_at = :expires_at ADD requests :number",
            ExpressionAttributeValues={
                ":expires_at": (minute + 2) * WINDOW_SECONDS + DAY_SECONDS,
                ":number": number,
            },
            ReturnValues="UPDATED_NEW",
        )
        requests: Any = updated["Attributes"]["requests"]
        return int(requests)

    def use(self, application: str, rate: int, now: float) -> Use:
        """How much an application has asked in the last day.

        Args:
            rate: requests a minute that it may make.
        """
        window = int(now // WINDOW_SECONDS)
        first = window - DAY_SECONDS // WINDOW_SECONDS + 1
        query = {
            "KeyConditionExpression": Key("application").eq(application)
            & Key("id").between(f"rate#{first}", f"rate#{window}"),
            "ProjectionExpression": "id, requests",
        }
        items = [item for page in query_pages(self._table, query) for item in page["Items"]]
        counts: dict[int, int] = {
            int(str(item["id"]).partition("#")[2]): int(item["requests"]) for item in items
        }
        return Use(
            last_hour=sum(count for minute, count in counts.items() if minute > window - 60),
            last_day=sum(counts.values()),
            full_minutes=sum(count >= rate for count in counts.values()),
        )

    # Idempotency keys

    def claim(
        self, application: str, key: str, claim: Claim, expires_at: int, *, since: int = 0
    ) -> Claim | None:
        """Take an idempotency key for a request: None if it is this request's now, else who has it.

        Args:
            since: when the application was added, in seconds since 1970. What was claimed before is nobody's.
        """
        item = {"application": application, "id": _key_id(key), "expires_at": expires_at, **asdict(claim)}
        # One that has expired is nobody's, deleted or not.
        is_free = Attr("id").not_exists() | Attr("expires_at").lte(claim.claimed_at)
        is_free |= Attr("claimed_at").lt(since)
        if put_if(self._table, item, is_free):
            return None
        taken: Any = self._table.get_item(
            Key={"application": application, "id": item["id"]}, ConsistentRead=True
        ).get("Item")
        if taken is None:
            # Given back meanwhile.
            return self.claim(application, key, claim, expires_at, since=since)
        earlier = Claim(taken["detection"], taken["digest"], int(taken["claimed_at"]))
        if self._was_killed(application, earlier, claim.claimed_at) and put_if(
            self._table, item, Attr("detection").eq(earlier.detection)
        ):
            return None
        return earlier

    def _was_killed(self, application: str, claim: Claim, now: int) -> bool:
        """Whether a request has a key that it left no detection for, long after it came."""
        return now - claim.claimed_at > CLAIM_SECONDS and self.get(application, claim.detection) is None

    def release(self, application: str, key: str, detection_id: str) -> None:
        """Give an idempotency key back that this request has taken and nothing came of."""
        delete_if(
            self._table,
            {"application": application, "id": _key_id(key)},
            Attr("detection").eq(detection_id),
        )


def _read(item: Any) -> Detection:
    values: Any = {field.name: item[field.name] for field in fields(Detection) if field.name in item}
    for name in ("width", "height", "expires_at"):
        values[name] = int(values[name])
    values["labels"] = tuple(json.loads(zlib.decompress(bytes(values["labels"]))))
    values.setdefault("version_id", "")
    return Detection(**values)


def _first_id(time: str) -> str:
    """Before the ids of all detections from this time on."""
    return f"{int(clock.parse(time).timestamp() * 1000):0{_TIME_DIGITS}x}"


def _key_id(key: str) -> str:
    return f"key#{hashlib.sha256(key.encode()).hexdigest()}"
