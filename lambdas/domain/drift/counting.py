"""Counts observations, ten minutes at a time, into an item for each day and version.

Ten minutes are counted once they are over, in the transaction that also moves the head past them: whoever
counts them at the same time, or again, changes nothing.
"""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from lambdas.domain.drift.counts import Counts, merged
from lambdas.domain.drift.observations import KEPT_DAYS, SLOT, Observations, slot_of, slot_start
from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import cancellation_reasons, query_pages

GRACE = timedelta(minutes=5)
"""After which all observations of ten minutes are there: no function takes as long to write one."""
MAX_SLOTS = 2 * 24 * 6
"""That one call counts; the next goes on from there."""
_HEAD: Mapping[str, str] = {"id": "head", "part": "head"}


@dataclass(frozen=True)
class _Day:
    version: str
    day: str
    thresholds: str

    @property
    def key(self) -> dict[str, str]:
        return {"id": f"version#{self.version}", "part": f"day#{self.day}#{self.thresholds}"}


def count_arrivals(observations: Observations, now: str) -> int:
    """Count all ten minutes that are over: how many images those are."""
    counted = 0
    until = slot_of(clock.to_iso(clock.parse(now) - GRACE))
    head = slot = _next_slot(observations, now)
    for _ in range(MAX_SLOTS):
        if slot >= until:
            break
        days = _of_slot(observations, slot)
        slot = slot_of(clock.to_iso(clock.parse(slot_start(slot)) + SLOT))
        if not days:
            # The head moves past ten minutes without images with the next that have some.
            continue
        if not _write(observations, head, slot, days):
            return counted
        head = slot
        counted += sum(counts.images for counts in days.values())
    if slot > head:
        _write(observations, head, slot, {})
    return counted


def counts_of(observations: Observations, version: str, since_day: str = "") -> dict[tuple[str, str], Counts]:
    """What was counted of a version, oldest day first.

    Args:
        since_day: the first day that is wanted, such as 2026-11-28.

    Returns:
        by day and thresholds.
    """
    key = Key("id").eq(f"version#{version}") & Key("part").between(f"day#{since_day}", "day#~")
    pages = query_pages(observations.table, {"KeyConditionExpression": key})
    days: dict[tuple[str, str], Counts] = {}
    for item in (item for page in pages for item in page["Items"]):
        _, day, thresholds = str(item["part"]).split("#")
        days[day, thresholds] = _read(item)
    return days


def _next_slot(observations: Observations, now: str) -> str:
    """The first ten minutes that are not counted; at most as long ago as observations are kept."""
    item = observations.table.get_item(Key=dict(_HEAD), ConsistentRead=True).get("Item")
    if item:
        oldest = slot_of(clock.to_iso(clock.parse(now) - timedelta(days=KEPT_DAYS)))
        return max(str(item["until"]), oldest)
    return slot_of(clock.to_iso(clock.parse(now) - timedelta(days=1)))


def _of_slot(observations: Observations, slot: str) -> dict[_Day, Counts]:
    days: defaultdict[_Day, Counts] = defaultdict(Counts)
    for seen in observations.of_slot(slot):
        days[_Day(seen.version, slot[:10], seen.thresholds)].add_observation(seen)
    return dict(days)


def _write(observations: Observations, head: str, following: str, days: Mapping[_Day, Counts]) -> bool:
    """Add to the days and move the head: False if somebody else has moved it since it was read."""
    table = observations.table
    puts: list[Any] = []
    for day, counts in days.items():
        known = table.get_item(Key=day.key, ConsistentRead=True).get("Item")
        item = day.key | _item(merged([_read(known), counts]) if known else counts)
        puts.append({"Put": {"TableName": table.name, "Item": item}})
    moved: Any = {
        "TableName": table.name,
        "Item": {**_HEAD, "until": following},
        "ConditionExpression": "attribute_not_exists(#until) OR #until <= :head",
        "ExpressionAttributeNames": {"#until": "until"},
        "ExpressionAttributeValues": {":head": head},
    }
    try:
        # The days that were read change with the head alone.
        table.meta.client.transact_write_items(TransactItems=[*puts, {"Put": moved}])
    except ClientError as error:
        cancellation_reasons(error)
        return False
    return True


def _item(counts: Counts) -> dict[str, Any]:
    return {"counts": zlib.compress(json.dumps(counts.as_document()).encode())}


def _read(item: Mapping[str, Any]) -> Counts:
    return Counts.of_document(json.loads(zlib.decompress(bytes(item["counts"]))))
