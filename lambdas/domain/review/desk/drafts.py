"""Drafts: what a head on frozen features makes of an image that no model version was asked about.

The head is fitted elsewhere (lambdas/domain/drafts/fitting.py), within seconds of each answer, and lies in
the table of review tasks with the order in which unlabelled images are asked about. Here tasks get their
drafts when they are claimed, so that these are the newest, without the packages that the fitting needs.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from operator import mul
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Attr

from lambdas.domain.review.desk.task import Suggestion, Suggestions, Task
from lambdas.domain.shared.dynamodb import from_item, put_if, to_item
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MIN_CONFIDENCE = 60.0
"""Percent, from which on a label is drafted. Of an image of which nothing is as sure there is no draft."""
MAX_LABELS = 100
"""Of a head, the most frequent ones: its item is as large as 256 KB then, of 400 that DynamoDB takes."""
By = Literal["embeddings", "detections", "chance", ""]
_ID = "drafts"
_HEAD, _ORDER, _CURVE = "head", "order", "curve"
Draft = Callable[[Task], Task]
"""Gives a task its draft, or leaves it as it is."""


@frozen
class DraftHead:
    """A head as it is kept. The weights of all labels follow one another, as 16-bit floats."""

    trunk: str
    """Name of the trunk that the features are of; empty where there is none."""
    images: int
    """That it is fitted to."""
    fitted_at: str
    """When it was begun to be fitted."""
    exclusive: bool = False
    labels: tuple[str, ...] = ()
    """Those that it can draft."""
    bias: tuple[float, ...] = ()
    slope: float = 0.0
    offset: float = 0.0
    weights: bytes = b""

    @cached_property
    def rows(self) -> list[tuple[float, ...]]:
        """The weights of each label."""
        length = len(self.weights) // max(1, len(self.labels))
        return [_floats(self.weights[length * n : length * (n + 1)]) for n in range(len(self.labels))]

    def suggestions(self, features: bytes) -> tuple[Suggestion, ...]:
        """The labels that an image with these features has, as far as the head is sure; the surest first."""
        image = _floats(features)
        seen = []
        for label, row, bias in zip(self.labels, self.rows, self.bias, strict=True):
            score = sum(map(mul, image, row)) + bias
            exponent = max(-500.0, min(500.0, self.slope * score + self.offset))
            seen.append(Suggestion(label, round(100 / (1 + math.exp(-exponent)), 1)))
        sure = sorted((one for one in seen if one.confidence >= MIN_CONFIDENCE), key=_surest_first)
        return tuple(sure[:1] if self.exclusive else sure)


def _floats(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // 2}e", packed)


def _surest_first(suggestion: Suggestion) -> tuple[float, str]:
    return -suggestion.confidence, suggestion.label


@frozen
class Order:
    """In which order unlabelled images are asked about: tasks by their ids, the first ones of all."""

    tasks: tuple[str, ...] = ()
    by: By = ""
    """What it is of; empty before there is any."""


def drafting(
    head: DraftHead | None, features_of: Callable[[str], bytes | None], usable: Collection[str]
) -> Draft:
    """What gives tasks their drafts by a head, and the features of images by their hashes.

    Args:
        usable: labels that an answer may have: images may have one that was retired, or has another name now.
    """

    def draft(task: Task) -> Task:
        if head is None or not head.labels or not _is_to_be_drafted(task):
            return task
        features = features_of(task.image)
        drafted = head.suggestions(features) if features else ()
        labels = tuple(one for one in drafted if one.label in usable)
        return replace(
            task, suggestions=Suggestions(labels=labels), drafted_from=head.images if labels else 0
        )

    return draft


def _is_to_be_drafted(task: Task) -> bool:
    """Whether nobody has seen the task yet, and there is nothing else to begin with."""
    begun = task.suggestions != Suggestions() and not task.drafted_from
    return task.kind == "classification" and not (
        task.suggested_by or begun or task.answers or task.unanswered_claims
    )


# Items


def head_of(table: Table) -> DraftHead | None:
    """The newest head; None before there was one."""
    item = _get(table, _HEAD)
    if item is None:
        return None
    values: dict[str, Any] = from_item({name: item[name] for name in DraftHead.__dataclass_fields__})
    for number in ("slope", "offset"):
        values[number] = float(values[number])
    values["labels"] = tuple(values["labels"])
    values["bias"] = tuple(float(one) for one in values["bias"])
    values["weights"] = bytes(values["weights"])
    return DraftHead(**values)


def put_head(table: Table, head: DraftHead) -> None:
    """Keep a head in the place of the one before, unless that was begun to be fitted after it."""
    item = {**to_item({**asdict(head), "weights": ""}), "weights": head.weights}
    is_older = Attr("id").not_exists() | Attr("fitted_at").lte(head.fitted_at)
    put_if(table, {"id": _ID, "part": _HEAD, **item}, is_older)


def order_of(table: Table) -> Order:
    """The order as it was made last."""
    item = _get(table, _ORDER) or {}
    return Order(tuple(item.get("tasks", ())), item.get("by", ""))


def put_order(table: Table, tasks: Sequence[str], by: By) -> None:
    """Keep an order in the place of the one before."""
    table.put_item(Item={"id": _ID, "part": _ORDER, "tasks": list(tasks), "by": by})


def curve_of(table: Table) -> dict[str, Any] | None:
    """The learning curve as it was drawn last; None before there was one."""
    item = _get(table, _CURVE)
    return (
        from_item({name: value for name, value in item.items() if name not in ("id", "part", "digest")})
        if item
        else None
    )


def curve_digest(table: Table) -> str:
    """What stands for the images that the learning curve was drawn of; empty before there was one."""
    return str((_get(table, _CURVE) or {}).get("digest", ""))


def put_curve(table: Table, curve: Mapping[str, Any], digest: str) -> None:
    """Keep a learning curve in the place of the one before.

    Args:
        digest: stands for its images.
    """
    table.put_item(Item={"id": _ID, "part": _CURVE, "digest": digest, **to_item(dict(curve))})


def _get(table: Table, part: str) -> dict[str, Any] | None:
    return table.get_item(Key={"id": _ID, "part": part}, ConsistentRead=True).get("Item")
