"""Label entries: which images have a label, found by the label without reading any others.

An image has an entry for each of its labels, in the indexes that know images by their status; where those
have their status an entry names its label. Entries are written before the image is, and deleted after it: so
no label of an image is ever without its entry. An entry that a crash left behind shows by its image, which is
read anyway when a label is looked up. `revision` is the image's that the entry was written for: who took a
label away deletes no entry that somebody else has written since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lambdas.domain.shared.dynamodb import delete_if, put_if

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

PREFIX = "label#"
_DIGITS = 32
"""Hexadecimal, of the label's hash: a sort key of an index has no room for every label."""


def partition(label: str) -> str:
    """What stands where images have their status."""
    return PREFIX + hashlib.sha256(label.encode()).hexdigest()[:_DIGITS]


def entry_id(label: str, sha256: str) -> str:
    """The id of an image's entry; entries of a label are in the order of their images' hashes."""
    return f"{partition(label)}#{sha256}"


def sha256_of(id: str) -> str:
    """The image that an entry of this id is about."""
    return id.rpartition("#")[2]


def entry(label: str, sha256: str, changed_at: str, revision: int) -> dict[str, Any]:
    """The entry as the table holds it."""
    return {
        "id": entry_id(label, sha256),
        "status": partition(label),
        "changed_at": changed_at,
        "revision": revision,
    }


def put(table: Table, sha256: str, labels: Iterable[str], changed_at: str, revision: int) -> None:
    """Write the entries of an image that is about to have these labels.

    Args:
        revision: that the image is about to have.
    """
    for label in labels:
        item = entry(label, sha256, changed_at, revision)
        put_if(table, item, Attr("id").not_exists() | Attr("revision").lt(revision))


def delete(table: Table, sha256: str, labels: Iterable[str], revision: int) -> None:
    """Delete the entries of labels that an image does not have since this revision of it."""
    for label in labels:
        delete_if(table, {"id": entry_id(label, sha256)}, Attr("revision").lte(revision))
