"""Browsing: pages of the catalogue's images, by label, status or dataset without reading the others.

| what is wanted | what gives its images | in the order of |
| --- | --- | --- |
| near-duplicates of an image | the split ledger, which has perceptual hashes | content hash |
| a label | the label's entries (label_entries.py) | the last change |
| a status | the index by status | the last change |
| a dataset | the split ledger | content hash |
| nothing of these | the index by status, all statuses merged | the last change |

Of several the first counts, and what it gives is read and compared with the rest. With a dataset it comes by
content hash, so that a page reads few parts of the ledger. What no index knows is compared as well: what set
the labels, the size, a part of a key. So a page may have fewer images than fit, or none, though there are
more: it reads MAX_READ images at most, and says how many it has.
"""

from __future__ import annotations

import base64
import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from boto3.dynamodb.conditions import ConditionBase, Key

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import label_entries, snapshot_rows, sources
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage, Status
from lambdas.domain.catalogue.split_ledger import BUCKETS, Ledger
from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.shared.dynamodb import query_pages
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ImageSize = Literal["small", "medium", "large"]
SetBy = Literal["folder", "annotation", "person"]
PAGE = 100
MAX_READ = 1000
"""Images that are read for a page."""
MAX_COUNTED = 10_000
NEAR = 4
"""Bits of a perceptual hash in which near-duplicates may differ, as for the split."""
SIDES: Mapping[ImageSize, tuple[int, int]] = {
    "small": (0, 640),
    "medium": (641, 1920),
    "large": (1921, 1_000_000),
}
"""Pixels of the longer side, from and to."""

_ALL: tuple[Status, ...] = get_args(Status)
_LEDGER_WEIGHT = 200
"""As how many images a read of the ledger counts."""
_LEDGER_READS = (1, 4, 16, 25)
"""Parts of the ledger that are read at once, more each time: of a large catalogue one has a page."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHANGED_AT = re.compile(r"[0-9TZ:.-]{20,30}")
_ID = re.compile(r"(image|label)#[0-9a-f#]{64,97}")


class BadCursorError(CatalogueError):
    """A cursor that no page of these images gave."""


@frozen
class Wanted:
    """Which images are wanted; what is empty does not matter."""

    label: str = ""
    status: Status | Literal[""] = ""
    dataset_type: DatasetType | Literal[""] = ""
    set_by: SetBy | Literal[""] = ""
    """What its labels are from."""
    size: ImageSize | Literal[""] = ""
    text: str = ""
    """A part of a key that it came under, or its SHA-256."""
    near: str = ""
    """SHA-256 of an image whose near-duplicates are wanted, itself included."""
    before: str = ""
    """Last changed before then."""

    @property
    def by_hash(self) -> bool:
        """Whether the images come by content hash, and not by their last change."""
        return bool(self.near or self.dataset_type)


@frozen
class Page:
    """Images that are wanted, and where the next page begins."""

    images: tuple[CatalogueImage, ...]
    cursor: str
    """Empty after the last page."""
    read: int
    """Images that were read for it."""
    searched: float | None
    """Of images that come by content hash, the share that has been looked at up to here."""


@frozen
class _Candidate:
    """An image that may be wanted, or a read of the ledger that gave no further ones."""

    sha256: str
    position: Any
    """What the candidates after it are asked for with."""


def page(table: Table, wanted: Wanted, cursor: str = "", limit: int = PAGE) -> Page:
    """A page of the images that are wanted.

    Raises:
        BadCursorError: the cursor is of no page of these images.
        CatalogueError: there is no image whose near-duplicates are wanted.
    """
    exact = _exact(table, wanted.text)
    if exact is not None:
        return Page(tuple(image for image in exact if _matches(image, wanted, "")), "", len(exact), 1.0)
    candidates = _candidates(table, wanted, _position(cursor, wanted))
    images, read, last = list[CatalogueImage](), 0, _Candidate("", None)
    while len(images) < limit:
        batch = list(islice(candidates, catalogue_images.MAX_BATCH))
        if not batch:
            return Page(tuple(images), "", read, 1.0 if wanted.by_hash else None)
        for last, image in _read(table, batch, wanted):
            read += 1 if last.sha256 else _LEDGER_WEIGHT
            if image is not None:
                images.append(image)
            if len(images) == limit:
                break
        if read >= MAX_READ:
            break
    return Page(tuple(images), _cursor(last.position), read, _searched(last.position))


def count(table: Table, wanted: Wanted) -> int | None:
    """How many images are wanted, counted no further than to MAX_COUNTED; None where no index can tell."""
    if wanted != Wanted(label=wanted.label, status=wanted.status) or (wanted.label and wanted.status):
        return None
    number = 0
    for partition in _partitions(wanted):
        number += catalogue_images.count(table, Key("status").eq(partition), MAX_COUNTED - number)
        if number >= MAX_COUNTED:
            break
    return number


# Candidates


def _candidates(table: Table, wanted: Wanted, position: Any) -> Iterator[_Candidate]:
    if wanted.near:
        return _near(table, wanted.near, position)
    if not wanted.by_hash:
        return _by_change(table, _partitions(wanted), position, wanted.before)
    if wanted.label:
        return _entries_by_hash(table, wanted.label, position)
    if wanted.status and wanted.status != "labelled":
        after = catalogue_images.image_id(position) if position else ""
        ids = catalogue_images.ids(table, wanted.status, after=after)
        return (_at_hash(id.partition("#")[2]) for id in ids)
    return _in_dataset(table, wanted.dataset_type, position)


def _partitions(wanted: Wanted) -> tuple[str, ...]:
    if wanted.label:
        return (label_entries.partition(wanted.label),)
    return (wanted.status,) if wanted.status else _ALL


def _by_change(
    table: Table, partitions: Sequence[str], position: Mapping[str, list[str]] | None, before: str
) -> Iterator[_Candidate]:
    """Of several partitions of the index by status, the last changed first."""
    position = dict(position or {})
    streams = [_partition_by_change(table, name, position.get(name), before) for name in partitions]
    for changed_at, id, name in heapq.merge(*streams, reverse=True):
        position = {**position, name: [changed_at, id]}
        yield _Candidate(id.rpartition("#")[2], position)


def _partition_by_change(
    table: Table, name: str, after: list[str] | None, before: str
) -> Iterator[tuple[str, str, str]]:
    condition: ConditionBase = Key("status").eq(name)
    if before:
        condition &= Key("changed_at").lt(before)
    query: dict[str, Any] = {
        "IndexName": "by_status",
        "KeyConditionExpression": condition,
        "ProjectionExpression": "id, changed_at",
        "ScanIndexForward": False,
        "Limit": PAGE,
    }
    if after:
        query["ExclusiveStartKey"] = {"status": name, "changed_at": after[0], "id": after[1]}
    for each in query_pages(table, query):
        yield from ((str(item["changed_at"]), str(item["id"]), name) for item in each["Items"])


def _entries_by_hash(table: Table, label: str, after: str | None) -> Iterator[_Candidate]:
    condition: ConditionBase = Key("status").eq(label_entries.partition(label))
    if after:
        condition &= Key("id").gt(label_entries.entry_id(label, after))
    query: dict[str, Any] = {
        "IndexName": snapshot_rows.INDEX,
        "KeyConditionExpression": condition,
        "ProjectionExpression": "id",
    }
    for each in query_pages(table, query):
        yield from (_at_hash(label_entries.sha256_of(str(item["id"]))) for item in each["Items"])


def _in_dataset(table: Table, dataset_type: str, after: str | None) -> Iterator[_Candidate]:
    for bucket, ledger in _ledger_from(table, after):
        for assigned in ledger.bucket(bucket):
            if assigned.sha256 > (after or "") and assigned.dataset_type == dataset_type:
                yield _at_hash(assigned.sha256)


def _near(table: Table, sha256: str, after: str | None) -> Iterator[_Candidate]:
    """Images whose perceptual hash differs in few bits, as far as they were in a snapshot."""
    image = catalogue_images.get_image(table, sha256)
    if image is None:
        raise CatalogueError(f"there is no {catalogue_images.image_id(sha256[:80])}")
    if not image.perceptual_hash:
        raise CatalogueError("this image was registered before near-duplicates were told apart")
    own = int(image.perceptual_hash, 16)
    for bucket, ledger in _ledger_from(table, after):
        for assigned in ledger.bucket(bucket):
            if assigned.sha256 <= (after or "") or not assigned.perceptual_hash:
                continue
            if (int(assigned.perceptual_hash, 16) ^ own).bit_count() <= NEAR:
                yield _at_hash(assigned.sha256)
        # Where nothing is near, the page ends in time all the same.
        yield _Candidate("", f"{bucket}{'f' * 62}")


def _ledger_from(table: Table, after: str | None) -> Iterator[tuple[str, Ledger]]:
    """Every bucket from that of a hash on, read few at a time, more each time."""
    buckets = iter(BUCKETS[int(after[:2], 16) if after else 0 :])
    sizes = iter(_LEDGER_READS)
    size = _LEDGER_READS[0]
    while names := list(islice(buckets, size)):
        ledger = Ledger.read(table, names)
        yield from ((name, ledger) for name in names)
        size = next(sizes, size)


def _at_hash(sha256: str) -> _Candidate:
    return _Candidate(sha256, sha256)


# Comparing


def _read(
    table: Table, batch: Sequence[_Candidate], wanted: Wanted
) -> Iterator[tuple[_Candidate, CatalogueImage | None]]:
    """Each candidate with its image, if that is wanted."""
    hashes = [candidate.sha256 for candidate in batch if candidate.sha256]
    types: dict[str, str] = {}
    # What can be told without the images, first: they are what takes time.
    if wanted.dataset_type:
        types = _dataset_types(table, hashes)
        hashes = [sha256 for sha256 in hashes if types[sha256] == wanted.dataset_type]
    ids = [catalogue_images.image_id(sha256) for sha256 in dict.fromkeys(hashes)]
    if wanted.text:
        ids = catalogue_images.with_keys(table, ids, lambda keys: _has_text(keys, wanted.text))
    images = {image.sha256: image for image in catalogue_images.get_images(table, ids)}
    for candidate in batch:
        image = images.get(candidate.sha256)
        is_wanted = image is not None and _matches(image, wanted, types.get(candidate.sha256, ""))
        yield candidate, image if is_wanted else None


def _dataset_types(table: Table, hashes: Iterable[str]) -> dict[str, str]:
    hashes = sorted(hashes)
    ledger = Ledger.read(table, sorted({sha256[:2] for sha256 in hashes}))
    return {sha256: ledger.dataset_type_of(sha256) or "" for sha256 in hashes}


def _matches(image: CatalogueImage, wanted: Wanted, dataset_type: str) -> bool:
    low, high = SIDES[wanted.size] if wanted.size else (0, 1_000_000)
    return (
        (not wanted.status or image.status == wanted.status)
        and (not wanted.label or wanted.label in image.label_names)
        and (not wanted.dataset_type or dataset_type == wanted.dataset_type)
        and (not wanted.set_by or image.label_origin == wanted.set_by)
        and low <= max(image.width, image.height) <= high
        and _has_text((*image.sources, image.key), wanted.text)
        and (not wanted.before or image.changed_at < wanted.before)
    )


def _has_text(keys: Iterable[str], text: str) -> bool:
    return not text or any(text.lower() in key.lower() for key in keys)


def _exact(table: Table, text: str) -> list[CatalogueImage] | None:
    """The images of a whole key or SHA-256; None if the text is neither."""
    hashes = [text.lower()] if _SHA256.fullmatch(text.lower()) else []
    if not hashes and text.startswith("incoming/"):
        hashes = sources.images_of(table, text)
    return catalogue_images.get_images(table, [*map(catalogue_images.image_id, hashes)]) if hashes else None


# Cursors


def _cursor(position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode()


def _position(cursor: str, wanted: Wanted) -> Any:
    """What a cursor stands for; DynamoDB refuses others than it gave."""
    if not cursor:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, RecursionError):
        position = None
    if wanted.by_hash:
        fits = isinstance(position, str) and _SHA256.fullmatch(position) is not None
    else:
        fits = isinstance(position, dict) and all(
            name in _partitions(wanted) and _is_key(key) for name, key in position.items()
        )
    if not fits:
        raise BadCursorError("cursor is what the page before gave")
    return position


def _is_key(key: Any) -> bool:
    if not isinstance(key, list) or len(key) != 2 or not all(isinstance(part, str) for part in key):
        return False
    return bool(_CHANGED_AT.fullmatch(key[0]) and _ID.fullmatch(key[1]))


def _searched(position: Any) -> float | None:
    if not isinstance(position, str):
        return None
    return round((int(position[:4], 16) + 1) / 0x10000, 4)
