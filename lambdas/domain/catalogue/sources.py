"""Sources: which registered image an incoming key turned out to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from lambdas.domain.shared.dynamodb import get_item, put_if

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def put_source(table: Table, incoming_key: str, sha256: str, sequencer: str) -> None:
    """Record which image a key was, unless a later upload to that key has been noted already.

    Args:
        sequencer: of the S3 event; orders the events of one key
            (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
    """
    item = {"id": f"source#{incoming_key}", "image": sha256, "sequencer": sequencer}
    put_if(table, item, Attr("id").not_exists() | Attr("sequencer").lte(sequencer))


def get_source(table: Table, incoming_key: str) -> str | None:
    """SHA-256 of the image that came under this key."""
    item = get_item(table, f"source#{incoming_key}")
    return str(item["image"]) if item else None
