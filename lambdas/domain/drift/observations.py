"""What is kept of each image that the champion has answered for: how its answer looks, for some days.

It is one small item, written once: the image's name is its key, so that an event that comes twice, or a
function that is called again, changes nothing. The index `by_slot` gives those of ten minutes, to be counted
once they are over (counting.py).
"""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Attr, Key

from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import from_item, put_if, query_pages, to_item
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.detect.champion import Thresholds

INDEX = "by_slot"
KEPT_DAYS = 8
"""How long an observation is kept: longer than anybody leaves the function that counts them broken."""
_SLOT_DIGITS = len("2026-11-28T23:1")
SLOT = timedelta(minutes=10)
_PART = "image"

Source = Literal["detect", "applications"]
"""Images under detect/, and of applications. Frames of a clip are all alike, and what a batch holds a person
has chosen: neither tells what arrives."""


@frozen
class Observation:
    """How the champion's answer about one image looks."""

    name: str
    """Hexadecimal digits that stand for the image."""
    at: str
    version: str
    source: Source
    key: str
    """Where the image lies in the data bucket."""
    version_id: str
    is_unsure: bool
    """Whether its answer is proposed for review as the champion is unsure of it."""
    labels: Mapping[str, int]
    """Detections that count, by label."""
    confidence: float | None
    """Their mean in percent; None if there is no detection."""
    size: float | None
    """Mean share of the image's side that they take, from 0 to 1; None without boxes."""
    thresholds: str
    """Names the deployment's thresholds at that time: with others there are other detections."""

    @property
    def detections(self) -> int:
        return sum(self.labels.values())


@frozen
class Look:
    """How detections look that a version makes on one image."""

    labels: Mapping[str, int] = field(default_factory=dict)
    confidence: float | None = None
    size: float | None = None

    @property
    def detections(self) -> int:
        return sum(self.labels.values())


def look_of(labels: Sequence[Mapping[str, Any]]) -> Look:
    """How detections look, as Detector.detect_labels returns them."""
    confidences = [float(label["confidence"]) for label in labels]
    sizes = [
        math.sqrt(label["box"]["width"] * label["box"]["height"]) for label in labels if label.get("box")
    ]
    return Look(Counter(str(label["label"]) for label in labels), _mean(confidences), _mean(sizes))


def observation(
    labels: Sequence[Mapping[str, Any]],
    *,
    name: str,
    version: str,
    source: Source,
    key: str,
    version_id: str | None,
    is_unsure: bool,
    thresholds: Thresholds,
) -> Observation:
    """What is kept of an answer that was given now.

    Args:
        labels: those that count.
        thresholds: the deployment's.
    """
    look = look_of(labels)
    return Observation(
        name,
        clock.now(),
        version,
        source,
        key,
        version_id or "",
        is_unsure,
        look.labels,
        look.confidence,
        look.size,
        thresholds_name(thresholds),
    )


def thresholds_name(thresholds: Thresholds) -> str:
    """A short name of a deployment's thresholds."""
    # 70 is the same threshold as 70.0.
    given = sorted((label, float(percent)) for label, percent in thresholds.items())
    return f"{zlib.crc32(json.dumps(given).encode()):08x}"


def slot_of(at: str) -> str:
    """The ten minutes that a time lies in."""
    return at[:_SLOT_DIGITS]


def slot_start(slot: str) -> str:
    """When the ten minutes began."""
    return f"{slot}0:00.000000Z"


class Observations:
    """The table of observations."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def note(self, observation: Observation) -> None:
        """Keep an observation; one of an image that there is one of already changes nothing."""
        expires = clock.parse(observation.at) + timedelta(days=KEPT_DAYS)
        kept = {name: value for name, value in vars(observation).items() if value not in (None, "")}
        item = to_item(kept) | {
            "id": observation.name,
            "part": _PART,
            "slot": slot_of(observation.at),
            "expires_at": int(expires.timestamp()),
        }
        del item["name"]
        put_if(self.table, item, Attr("id").not_exists())

    def of_slot(self, slot: str) -> Iterator[Observation]:
        """All observations of ten minutes, in the order of their names."""
        query: dict[str, Any] = {"IndexName": INDEX, "KeyConditionExpression": Key("slot").eq(slot)}
        for page in query_pages(self.table, query):
            yield from (_read(from_item(item)) for item in page["Items"])


def _read(item: Mapping[str, Any]) -> Observation:
    absent: dict[str, Any] = {"confidence": None, "size": None, "version_id": ""}
    values = {member.name: item[member.name] for member in fields(Observation) if member.name in item}
    return Observation(**{**absent, **values, "name": item["id"]})


def _mean(numbers: Sequence[float]) -> float | None:
    return round(sum(numbers) / len(numbers), 4) if numbers else None
