"""The history of an image's labels: what it had before each change of them, in an item of its own.

What is recorded is a state that the image was in, under the revision that it had then. That is a fact,
whoever writes it down and however often, so it is written just before the change: whatever stops between the
two writes, no state is lost, and one that is still the image's own is not shown as past.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.shared.annotation import Box, Kind
from lambdas.domain.shared.dynamodb import get_item, put_if
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.catalogue.images import Origin, Status

MAX_STATES = 20
MAX_BYTES = 300 * 1024
"""Of all states of an image; an item of DynamoDB has up to 400 KB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
_ATTEMPTS = 20


@frozen
class PastLabels:
    """The labels that an image had, and how it came to them. Boxes in pixels."""

    revision: int
    """The image's revision while it had them; names the state."""
    status: Status
    kind: Kind | None = None
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    origin: Origin = ""
    conflict_reason: str = ""
    changed_at: str = ""
    """Since when it had them."""
    changed_by: str = ""
    """Who gave them, if it was a person."""


def record(table: Table, sha256: str, state: PastLabels) -> None:
    """Record a state that the image is in, and is about to leave. Recording it twice records it once.

    Raises:
        CatalogueError: too many others record states of this image; try again later.
    """
    for _ in range(_ATTEMPTS):
        item = get_item(table, history_id(sha256))
        newest = int(item["newest"]) if item else -1
        if newest >= state.revision:
            return
        states = _bounded([*(item["states"] if item else ()), _written(state)])
        new = {"id": history_id(sha256), "newest": state.revision, "states": states}
        if put_if(table, new, Attr("newest").eq(newest) if item else Attr("id").not_exists()):
            return
    raise CatalogueError(f"{history_id(sha256)}: written by too many others at once")


def read(table: Table, sha256: str, revision: int) -> list[PastLabels]:
    """The states that the image was in before this revision, oldest first; the last MAX_STATES at most."""
    item = get_item(table, history_id(sha256))
    states = [_state(json.loads(str(text))) for text in (item["states"] if item else ())]
    return [state for state in states if state.revision < revision]


def history_id(sha256: str) -> str:
    """The id of the item with an image's history."""
    return f"history#{sha256}"


def _written(state: PastLabels) -> str:
    members = {name: value for name, value in asdict(state).items() if value not in ("", None, ())}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def _bounded(states: list[str]) -> list[str]:
    """The newest of the states, as many as are kept."""
    kept = states[-MAX_STATES:]
    while len(kept) > 1 and sum(len(state.encode()) for state in kept) > MAX_BYTES:
        kept = kept[1:]
    return kept


def _state(members: dict[str, Any]) -> PastLabels:
    members["labels"] = tuple(members.get("labels", ()))
    members["boxes"] = tuple(Box(**box) for box in members.get("boxes", ()))
    return PastLabels(**members)
