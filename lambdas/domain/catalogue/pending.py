"""Pending annotations: those whose image has not been registered yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from lambdas.domain.catalogue.images import _WAITING, IMAGE_KEY, _box, _count
from lambdas.domain.catalogue.split_ledger import CatalogueError
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.dynamodb import is_condition_failure, put_if

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True)
class Pending:
    """An annotation that waits for its image."""

    annotation: Annotation
    order: str
    manifest_key: str
    line: int
    at: str


# Pending annotations


def put_pending(table: Table, pending: Pending) -> None:
    """Let an annotation wait for the image that it names, unless a later one waits already.

    One that goes by two names waits under both, and is counted under the first.
    """
    first, also = pending.annotation.source_key, pending.annotation.also_key
    _put_pending(table, first, also, pending, {"status": _WAITING, "changed_at": pending.at})
    if also:
        _put_pending(table, also, first, pending, {})


def _put_pending(table: Table, key: str, other: str, pending: Pending, counted: Mapping[str, str]) -> None:
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
        "split_wanted": annotation.split_wanted,
        "order": pending.order,
        "manifest_key": pending.manifest_key,
        "line": pending.line,
        "at": pending.at,
    }
    put_if(table, item, Attr("id").not_exists() | Attr("order").lte(pending.order))


def get_pendings(table: Table, keys: Sequence[str]) -> list[Pending]:
    """The annotations that wait for any of these keys.

    Raises:
        CatalogueError: DynamoDB is too busy to answer for every key; try again later.
    """
    ids = {pending_id(key): key for key in keys}
    found = table.meta.client.batch_get_item(
        RequestItems={table.name: {"Keys": [{"id": id} for id in ids], "ConsistentRead": True}}
    )
    if found.get("UnprocessedKeys"):
        raise CatalogueError("DynamoDB did not answer for every key; it is too busy")
    items = {ids[str(item["id"])]: item for item in found["Responses"].get(table.name, [])}
    return [_pending(key, items[key]) for key in keys if key in items]


def _pending(key: str, item: dict[str, Any]) -> Pending:
    size = [int(side) for side in item["image_size"]]
    annotation = Annotation(
        source_bucket=item["bucket"],
        source_key=key,
        also_key=item.get("other", ""),
        kind=item["kind"],
        labels=tuple(item["labels"]),
        boxes=tuple(_box(box) for box in item["boxes"]),
        image_size=(size[0], size[1]) if size else None,
        split_wanted=item["split_wanted"],
    )
    return Pending(annotation, item["order"], item["manifest_key"], int(item["line"]), item["at"])


def delete_pending(table: Table, pending: Pending) -> None:
    """Forget a pending annotation under all its names, unless a later one has taken its place."""
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
    """Of what waits for the image of this key; a registered image, whatever its suffix, is named one way."""
    named = IMAGE_KEY.fullmatch(key)
    return f"pending#images/{named[1]}" if named else f"pending#{key}"


def count_pending(table: Table) -> int:
    """Annotated images that have not come."""
    return _count(table, Key("status").eq(_WAITING))


def oldest_pending(table: Table, limit: int) -> list[str]:
    """Keys of annotated images that have not come, those that are waited for the longest."""
    page = table.query(IndexName="by_status", KeyConditionExpression=Key("status").eq(_WAITING), Limit=limit)
    return [str(item["id"]).partition("#")[2] for item in page["Items"]]
