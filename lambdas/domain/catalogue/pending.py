"""Pending annotations: those whose image has not been registered yet.

Those that name their image by its content are kept here. Those that name a key of incoming/ are kept in its
history (sources.py). Both are counted by their status.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from lambdas.domain.catalogue import images
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.dynamodb import delete_if, put_if

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

PENDING = "pending"
"""Stands where images have their status, so that the index counts these annotations."""


@dataclass(frozen=True)
class PendingAnnotation:
    """An annotation whose image has not been registered yet."""

    annotation: Annotation
    order: str
    """Which one it is of several about one image; a later one is greater."""
    manifest_key: str
    line: int
    at: str


def put_pending(table: Table, pending: PendingAnnotation) -> None:
    """Keep an annotation for the image that it names by content, unless a later one is kept already."""
    annotation = pending.annotation
    item = {
        "id": pending_id(annotation.source_key),
        "status": PENDING,
        "changed_at": pending.at,
        "bucket": annotation.source_bucket,
        "key": annotation.source_key,
        "kind": annotation.kind,
        "labels": list(annotation.labels),
        "boxes": [asdict(box) for box in annotation.boxes],
        "image_size": list(annotation.image_size or ()),
        "requested_dataset_type": annotation.requested_dataset_type,
        "order": pending.order,
        "manifest_key": pending.manifest_key,
        "line": pending.line,
        "at": pending.at,
    }
    put_if(table, item, Attr("id").not_exists() | Attr("order").lte(pending.order))


def of_item(item: dict[str, Any]) -> PendingAnnotation:
    """The annotation that an item holds."""
    size = [int(side) for side in item["image_size"]]
    annotation = Annotation(
        source_bucket=item["bucket"],
        source_key=item["key"],
        kind=item["kind"],
        labels=tuple(item["labels"]),
        boxes=tuple(images.box_of(box) for box in item["boxes"]),
        image_size=(size[0], size[1]) if size else None,
        requested_dataset_type=item["requested_dataset_type"],
    )
    return PendingAnnotation(annotation, item["order"], item["manifest_key"], int(item["line"]), item["at"])


def delete_pending(table: Table, pending: PendingAnnotation) -> None:
    """Delete a pending annotation, unless a later one has taken its place."""
    key = {"id": pending_id(pending.annotation.source_key)}
    delete_if(table, key, Attr("order").eq(pending.order))


def pending_id(key: str) -> str:
    """The id of what is kept for the registered image of this key, whatever its suffix."""
    return f"pending#{key.rpartition('.')[0]}"


def count_pending(table: Table) -> int:
    """How many pending annotations there are."""
    return images.count(table, Key("status").eq(PENDING))


def oldest_pending(table: Table, limit: int) -> list[str]:
    """The keys of the images that pending annotations name, the oldest annotation's first."""
    page = table.query(IndexName="by_status", KeyConditionExpression=Key("status").eq(PENDING), Limit=limit)
    return [str(item["key"]) for item in page["Items"]]
