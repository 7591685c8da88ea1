"""Sources: what was uploaded under a key of incoming/, and which annotations name that key.

A key can be many images one after the other. Its history is one item; `lambdas/domain/register/matching.py`
says from it which upload each annotation is for. Keys are kept in one Unicode form (NFC), because names of
files often are in another than the names in annotations.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lambdas.domain.catalogue import pending
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.shared.annotation import Annotation, Box
from lambdas.domain.shared.dynamodb import batch_get, put_if

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MAX_HISTORY_BYTES = 350_000
"""An item has to stay below 400 KB, with its key."""
MAX_ID_BYTES = 1024
"""Of the sort key of an index:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""


@dataclass(frozen=True)
class Upload:
    """An object version that came under a key."""

    version_id: str
    at: str
    """Its LastModified, of which S3 gives whole seconds."""
    sequencer: str = ""
    """Of its event; empty if it had none. Orders the uploads to one key:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""
    rank: int = 0
    """Orders the uploads that were listed by S3; 0: it was not listed."""
    sha256: str = ""
    """Of the image that it is; empty until it is registered."""
    lost: bool = False
    """Whether it will never be an image: rejected, or deleted before it was registered."""


@dataclass(frozen=True)
class Reference:
    """An annotation that names a key."""

    order: str
    """Which one it is of several about one image; a later one is greater. Begins with its file's time."""
    says: str
    """A digest of what it says; the same for two that say the same."""
    manifest_key: str
    line: int
    names: tuple[str, ...]
    """The keys under which its image may have come; one counts only if nothing came under those before."""
    annotation: Annotation | None = None
    """Kept while it waits for its image."""
    unfit: bool = False
    """Whether it does not fit the image that it is for."""
    applied: bool = False
    """Whether its image came under a later one of its names."""


@dataclass(frozen=True)
class History:
    """What came under a key, and the annotations that name it. Both in no particular order."""

    key: str
    uploads: tuple[Upload, ...] = ()
    references: tuple[Reference, ...] = ()
    thinned_until: str = ""
    """The time of the newest upload that was left out for want of room; empty if none was."""
    revision: int = field(default=0, compare=False)

    @property
    def pending(self) -> list[Reference]:
        """The annotations that wait, counted under the first of their names."""
        return [
            each
            for each in self.references
            if each.annotation and each.names[0] == self.key and not each.applied
        ]


def normalised(key: str) -> str:
    """The key in the form that histories are kept under."""
    return unicodedata.normalize("NFC", key)


def source_id(key: str) -> str:
    """The id of a key's history; the hash of a key that is too long for an index."""
    id = f"source#{normalised(key)}"
    return id if len(id.encode()) <= MAX_ID_BYTES else f"source#{hashlib.sha256(id.encode()).hexdigest()}"


def get_histories(table: Table, keys: Sequence[str]) -> dict[str, History]:
    """The histories of up to MAX_BATCH keys, each by its normalised key; an empty one if there is none."""
    wanted = dict.fromkeys(map(normalised, keys))
    items = {item["id"]: item for item in batch_get(table, [{"id": source_id(key)} for key in wanted])}
    return {key: of_item(key, items.get(source_id(key))) for key in wanted}


def get_history(table: Table, key: str) -> History:
    """The history of a key as it is now."""
    return get_histories(table, [key])[normalised(key)]


def put_history(table: Table, history: History, at: str) -> bool:
    """Replace the history of a key, unless somebody else was quicker: whether it was written.

    Args:
        at: the present; since then its annotations count as pending, if any are.

    Raises:
        CatalogueError: it does not fit into an item.
    """
    document = zlib.compress(_text(history).encode())
    if len(document) > MAX_HISTORY_BYTES:
        raise CatalogueError(f"too many annotations wait for {history.key}")
    item: dict[str, Any] = {
        "id": source_id(history.key),
        "history": document,
        "revision": history.revision + 1,
    }
    if history.pending:
        item |= {"status": pending.PENDING, "changed_at": at, "key": history.key}
    unchanged = Attr("revision").eq(history.revision) if history.revision else Attr("id").not_exists()
    return put_if(table, item, unchanged)


def images_of(table: Table, key: str) -> list[str]:
    """The hashes of the images that came under this key, the last one first."""
    uploads = [each for each in get_history(table, key).uploads if each.sha256]
    uploads.sort(key=lambda each: (each.at, each.rank, each.sequencer), reverse=True)
    return list(dict.fromkeys(each.sha256 for each in uploads))


# Items


def _text(history: History) -> str:
    return json.dumps(
        {
            "uploads": [_without_defaults(asdict(upload)) for upload in history.uploads],
            "references": [_without_defaults(asdict(reference)) for reference in history.references],
            "thinned_until": history.thinned_until,
        }
    )


def _without_defaults(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None, False) or name == "line"}


def of_item(key: str, item: dict[str, Any] | None) -> History:
    """The history that an item holds; an empty one if there is none."""
    key = normalised(key)
    if item is None:
        return History(key)
    # A resource gives binary values in a wrapper of boto3's.
    document = json.loads(zlib.decompress(bytes(item["history"])))
    return History(
        key,
        tuple(Upload(**upload) for upload in document["uploads"]),
        tuple(_reference(reference) for reference in document["references"]),
        document["thinned_until"],
        int(item["revision"]),
    )


def _reference(values: dict[str, Any]) -> Reference:
    annotation = values.get("annotation")
    values |= {"names": tuple(values["names"]), "annotation": _annotation(annotation) if annotation else None}
    return Reference(**values)


def _annotation(values: dict[str, Any]) -> Annotation:
    size = values["image_size"]
    return Annotation(
        **values
        | {
            "labels": tuple(values["labels"]),
            "boxes": tuple(Box(**box) for box in values["boxes"]),
            "image_size": (size[0], size[1]) if size else None,
        }
    )
