"""Snapshot rows: what a snapshot needs of an image, in one attribute of its catalogue item.

A snapshot reads every labelled image. Decoding boxes out of DynamoDB's nested maps would take most of its
time, so the row holds the manifest entry as it is written, all but the bucket's name, behind what else is
needed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key

from lambdas.domain.shared.annotation import Kind, RequestedDatasetType

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

INDEX = "by_status_and_id"
ATTRIBUTE = "row"
"""The only attribute that the index has beside its keys."""

SAMPLE = 200
"""Labelled images of which the usual kind is found out."""

ENTRY_BUCKET = "bucket"
"""The bucket that the entry of a row names."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a snapshot needs of a labelled image; width and height in pixels."""

    key: str
    width: int
    height: int
    perceptual_hash: str
    changed_at: str
    kind: Kind
    labels: tuple[str, ...]
    """Every label on the image, sorted, whichever its kind."""
    requested_dataset_type: RequestedDatasetType
    entry: str
    """Its line of a manifest, with another bucket."""
    is_tile: bool = False
    """Whether it is a part of a larger image, whose perceptual hash it has."""
    label_origin: str = ""
    """Where its labels come from: a folder, an annotation file, a person; empty: that is not on record."""
    labelled_by: str = ""
    """The person whose labels they are, or several who were asked together; empty if it was none."""

    @property
    def sha256(self) -> str:
        return self.key[self.key.index("/") + 1 : self.key.index(".")]

    def manifest_line(self, bucket: str) -> str:
        """The image's line of a manifest, naming this bucket."""
        return self.entry.replace(f"//{ENTRY_BUCKET}/", f"//{bucket}/", 1) + "\n"

    def encode(self) -> str:
        """The row as its catalogue item holds it: a line of JSON, and the manifest entry as it is."""
        head = (
            self.key,
            self.width,
            self.height,
            self.perceptual_hash,
            self.changed_at,
            self.kind,
            self.labels,
            self.requested_dataset_type,
            self.is_tile,
            self.label_origin,
            self.labelled_by,
        )
        return json.dumps(head, ensure_ascii=False, separators=(",", ":")) + "\n" + self.entry


def decode(text: str) -> Row:
    """The row that `Row.encode` made this text of."""
    head, _, entry = text.partition("\n")
    # Rows that were written before they had it do not say whose the labels are.
    key, width, height, hash, changed_at, kind, labels, dataset_type, is_tile, *whose = json.loads(head)
    origin, labelled_by = whose or ("", "")
    return Row(
        key,
        width,
        height,
        hash,
        changed_at,
        kind,
        tuple(labels),
        dataset_type,
        entry,
        is_tile,
        origin,
        labelled_by,
    )


def usual_kind(table: Table) -> Kind | None:
    """What most labelled images have: boxes, or labels of the whole image; None without labelled images.

    It is found out from the first SAMPLE images in the order of their hashes, so by chance.
    """
    kinds = Counter(row.kind for row in islice(labelled(table), SAMPLE))
    return max(("detection", "classification"), key=lambda kind: kinds[kind]) if kinds else None


def labelled(table: Table) -> Iterator[Row]:
    """The row of every labelled image, in the order of their hashes.

    Unlike `dynamodb.query_pages`, it asks for a page while the one before it is read: waiting for DynamoDB
    and decoding take about as long, and a snapshot of 250,000 images reads hundreds of pages.
    """
    query: dict[str, Any] = {
        "TableName": table.name,
        "IndexName": INDEX,
        "KeyConditionExpression": Key("status").eq("labelled"),
        "ProjectionExpression": "#row",
        "ExpressionAttributeNames": {"#row": ATTRIBUTE},
    }
    # A client, unlike a resource, may be used by several threads.
    ask = table.meta.client.query
    with ThreadPoolExecutor(1) as ahead:
        next_page = ahead.submit(ask, **query)
        while True:
            page = next_page.result()
            if more := page.get("LastEvaluatedKey"):
                next_page = ahead.submit(ask, **query, ExclusiveStartKey=more)
            yield from (decode(str(item[ATTRIBUTE])) for item in page["Items"])
            if not more:
                return
