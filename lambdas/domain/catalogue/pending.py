"""Pending annotations: those whose image has not been registered yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.dynamodb import batch_get, is_condition_failure, put_if

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
    """Keep an annotation for the image that it names, unless a later one is kept already.

    One that goes by two names is kept under both, and counted under the first.
    """
    first, also = pending.annotation.source_key, pending.annotation.also_key
    _put_pending(table, first, also, pending, {"status": PENDING, "changed_at": pending.at})
    if also:
        _put_pending(table, also, first, pending, {})


def _put_pending(
    table: Table, key: str, other: str, pending: PendingAnnotation, counted: Mapping[str, str]
) -> None:
    annotation = pending.annotation
    item = {
        "id": pending_id(key),
        "other": other,
        **counted,
        "bucket": annotation.source_bucket,
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


def get_pending(table: Table, keys: Sequence[str]) -> list[PendingAnnotation]:
    """The annotations that are kept for any of these keys, up to MAX_BATCH of them."""
    ids = {pending_id(key): key for key in keys}
    items = {ids[str(item["id"])]: item for item in batch_get(table, [{"id": id} for id in ids])}
    return [_pending(key, items[key]) for key in keys if key in items]


def _pending(key: str, item: dict[str, Any]) -> PendingAnnotation:
    size = [int(side) for side in item["image_size"]]
    annotation = Annotation(
        source_bucket=item["bucket"],
        source_key=key,
        also_key=item.get("other", ""),
        kind=item["kind"],
        labels=tuple(item["labels"]),
        boxes=tuple(images.box_of(box) for box in item["boxes"]),
        image_size=(size[0], size[1]) if size else None,
        requested_dataset_type=item["requested_dataset_type"],
    )
    return PendingAnnotation(annotation, item["order"], item["manifest_key"], int(item["line"]), item["at"])


def delete_pending(table: Table, pending: PendingAnnotation) -> None:
    """Delete a pending annotation under all its names, unless a later one has taken its place."""
    for key in (pending.annotation.source_key, pending.annotation.also_key):
        if key:
            _delete_pending(table, key, pending.order)


def _delete_pending(table: Table, key: str, order: str) -> None:
    try:
        table.delete_item(Key={"id": pending_id(key)}, ConditionExpression=Attr("order").eq(order))
    except ClientError as error:
        if not is_condition_failure(error):
            raise


def pending_id(key: str) -> str:
    """The id of what is kept for the image of this key.

    A registered image, whatever its suffix, is named one way.
    """
    named = images.IMAGE_KEY.fullmatch(key)
    return f"pending#images/{named[1]}" if named else f"pending#{key}"


def count_pending(table: Table) -> int:
    """How many pending annotations there are."""
    return images.count(table, Key("status").eq(PENDING))


def oldest_pending(table: Table, limit: int) -> list[str]:
    """The keys of the images that pending annotations name, the oldest annotation's first."""
    page = table.query(IndexName="by_status", KeyConditionExpression=Key("status").eq(PENDING), Limit=limit)
    return [str(item["id"]).partition("#")[2] for item in page["Items"]]
