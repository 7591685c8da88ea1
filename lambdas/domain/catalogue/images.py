"""The catalogue: every image once, by its content, in one DynamoDB table.

Beside the images the table knows which image an incoming key turned out to be (`source#`, sources.py), the
annotations of images that have not come yet (`pending#`, pending.py), the labels that an image had before
(`history#`, history.py), and the split ledger (`split#`, split_ledger.py). Delivery is at least once and
concurrent, so every write is conditional: whoever writes an image item has to move its `revision`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Attr, ConditionBase, Key

from lambdas.domain.catalogue import history, label_entries, snapshot_rows
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.snapshot_rows import Row
from lambdas.domain.images.files import Format
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box, Kind, RequestedDatasetType
from lambdas.domain.shared.dynamodb import batch_get, get_item, put_if, query_pages
from lambdas.domain.shared.manifests import classification_entry, detection_entry, entry_line

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.images.files import ImageFacts

Status = Literal["unlabelled", "labelled", "conflict", "excluded", "uncut", "original"]
STATUSES: tuple[Status, ...] = ("unlabelled", "labelled", "conflict", "excluded")
"""Of images that can be trained with. An original, which is too large for that, is `uncut` until there are
tiles of it as its labels ask for: those are trained with (lambdas/domain/register/originals.py)."""
Origin = Literal["", "folder", "annotation", "person"]
ORIGINALS = "originals/"
IMAGE_KEY = re.compile(r"images/([0-9a-f]{64})\.(?:jpg|png)")

_ATTEMPTS = 50
"""Writers that can be at one image at once before one of them gives up, to be delivered again."""
MAX_BATCH = 100
"""Items that one BatchGetItem gets:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""


@dataclass(frozen=True)
class CatalogueImage:
    """A registered image. Width, height and boxes in pixels."""

    sha256: str
    key: str
    width: int
    height: int
    format: Format
    bytes: int
    registered_at: str
    perceptual_hash: str = ""
    """16 hex digits, alike for images that look alike (lambdas/domain/images/perceptual_hash.py)."""
    sources: frozenset[str] = frozenset()
    """Incoming keys that it came under; the first MAX_SOURCES of them."""
    folder_labels: frozenset[str] = frozenset()
    """Labels of the folders that it was found in, whatever its labels are."""
    status: Status = "unlabelled"
    """An excluded image keeps its labels, to be restored with."""
    conflict_reason: str = ""
    kind: Kind | None = None
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    label_origin: Origin = ""
    annotation_order: str = ""
    """Which annotation it was labelled by; a later one is greater. Empty if by none."""
    changed_at: str = ""
    changed_by: str = ""
    """Who last excluded, restored or relabelled it by hand."""
    requested_dataset_type: RequestedDatasetType = ""
    """The dataset that somebody asked for; empty if nobody did."""
    origin: str = ""
    """Of a tile: its original's SHA-256, `#`, and left, top, width and height of what it shows of it."""
    tiles: tuple[str, ...] = ()
    """Of an original: the content hashes of its tiles."""
    revision: int = 0

    @property
    def is_original(self) -> bool:
        """Whether it is too large to be trained with, and is cut into tiles."""
        return self.key.startswith(ORIGINALS)

    @property
    def id(self) -> str:
        return image_id(self.sha256)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Every label on the image, sorted, whichever its kind."""
        return tuple(sorted({box.label for box in self.boxes} | set(self.labels)))

    def manifest_entry(self, bucket: str) -> dict[str, Any]:
        """The image's manifest entry; only of a labelled image."""
        if self.kind == "detection":
            return detection_entry(
                bucket,
                self.key,
                width=self.width,
                height=self.height,
                boxes=self.boxes,
                changed_at=self.changed_at,
            )
        if self.kind == "classification":
            return classification_entry(bucket, self.key, self.labels, self.changed_at)
        raise CatalogueError(f"{self.id} is {self.status}: it has no manifest entry")

    def row(self) -> Row:
        """What a snapshot needs of it; only of a labelled image."""
        entry = entry_line(self.manifest_entry(snapshot_rows.ENTRY_BUCKET))
        return Row(
            key=self.key,
            width=self.width,
            height=self.height,
            perceptual_hash=self.perceptual_hash,
            changed_at=self.changed_at,
            kind=self.kind or "detection",
            labels=self.label_names,
            requested_dataset_type=self.requested_dataset_type,
            is_tile=bool(self.origin),
            label_origin=self.label_origin,
            labelled_by=self.changed_by.removeprefix(BY_REVIEW) if self.label_origin == "person" else "",
            entry=entry,
        )


BY_REVIEW = "review by "
"""Begins what is on record of who has labelled an image, where reviewers have."""


@dataclass(frozen=True)
class Change:
    """An image before and after an update."""

    before: CatalogueImage | None
    after: CatalogueImage

    @property
    def labels_changed(self) -> bool:
        """Whether there is more, less or something else to train with."""
        return labelling(self.before) != labelling(self.after)


def image_id(sha256: str) -> str:
    """The id of the image's item."""
    return f"image#{sha256}"


def unless_excluded(image: CatalogueImage, status: Status) -> Status:
    """The status that labels give an image; one that a person excluded stays so until it is restored.

    An original that has other labels is to be cut anew.
    """
    if image.is_original and status != "conflict":
        return "uncut"
    return "excluded" if image.status == "excluded" else status


# Images


def new_image(facts: ImageFacts, key: str) -> CatalogueImage:
    """An image as it is when nobody has labelled it yet; an original by its key."""
    return CatalogueImage(
        sha256=facts.sha256,
        key=key,
        status="uncut" if key.startswith(ORIGINALS) else "unlabelled",
        width=facts.width,
        height=facts.height,
        format=facts.format,
        bytes=facts.bytes,
        registered_at=clock.now(),
        perceptual_hash=facts.perceptual_hash,
    )


def get_image(table: Table, sha256: str) -> CatalogueImage | None:
    """The image with this hash; None if it is not registered."""
    item = get_item(table, image_id(sha256))
    return _image(item) if item else None


def get_images(table: Table, ids: Sequence[str]) -> list[CatalogueImage]:
    """The images with these ids, up to MAX_BATCH, in this order; those that are not there are left out."""
    if not ids:
        return []
    images = {str(item["id"]): _image(item) for item in batch_get(table, [{"id": id} for id in ids])}
    return [images[id] for id in ids if id in images]


def with_keys(table: Table, ids: Sequence[str], wanted: Callable[[Iterable[str]], bool]) -> list[str]:
    """Which of these ids, up to MAX_BATCH, are of images whose keys are wanted, those that they came under
    included. Nothing else of the images is read."""
    if not ids:
        return []
    attributes = {"#key": "key", "#sources": "sources"}
    items = batch_get(
        table,
        [{"id": id} for id in ids],
        ProjectionExpression="id, #key, #sources",
        ExpressionAttributeNames=attributes,
    )
    return [str(item["id"]) for item in items if wanted((*item.get("sources", ()), str(item.get("key", ""))))]


def update_image(
    table: Table,
    sha256: str,
    change: Callable[[CatalogueImage | None], CatalogueImage],
    *,
    probably_new: bool = False,
    read: CatalogueImage | None = None,
) -> Change:
    """Replace an image (None: none yet) by what `change` makes of it.

    `change` is called again whenever somebody else was quicker, and nothing is written if it changes
    nothing. `changed_at` moves if, and only if, status or labels did; then its history has those before.

    Args:
        probably_new: try first without reading; what is there already is read then.
        read: the image as it was read just before; tried first, and `change` has to make nothing of it only
            if it makes nothing of any later state.

    Raises:
        CatalogueError: too many others write this image; try again later.
    """
    for attempt in range(_ATTEMPTS):
        is_known = attempt == 0 and (probably_new or read is not None)
        before = read if is_known else get_image(table, sha256)
        after = change(before)
        if after == before:
            return Change(before, after)
        after = _prepared(table, before, after)
        unchanged = Attr("revision").eq(before.revision) if before else Attr("id").not_exists()
        if put_if(table, as_item(after), unchanged):
            label_entries.delete(table, sha256, _labels_gone(before, after), after.revision)
            return Change(before, after)
    raise CatalogueError(f"{image_id(sha256)}: written by too many others at once")


def put_requests(table: Table, before: CatalogueImage, after: CatalogueImage) -> list[dict[str, Any]]:
    """The same update as a part of a transaction, which fails if somebody else was quicker; none if it
    changes nothing. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html

    The history has the labels before as soon as this returns: they are a fact, whatever the transaction does.
    After it `forget_labels` has to follow: a transaction has no room for the entries of as many labels as an
    image may have.
    """
    if after == before:
        return []
    after = _prepared(table, before, after)
    put = {
        "Put": {
            "TableName": table.name,
            "Item": as_item(after),
            "ConditionExpression": "revision = :seen",
            "ExpressionAttributeValues": {":seen": before.revision},
        }
    }
    return [put]


def forget_labels(table: Table, before: CatalogueImage, after: CatalogueImage) -> None:
    """Delete the entries of labels that a transaction by `put_requests` has taken away."""
    label_entries.delete(table, after.sha256, _labels_gone(before, after), before.revision + 1)


def _prepared(table: Table, before: CatalogueImage | None, after: CatalogueImage) -> CatalogueImage:
    """The image as it is to be written, with all written that has to be there before it."""
    _record_past(table, before, after)
    after = _stamped(before, after)
    if labelling(before) != labelling(after):
        label_entries.put(table, after.sha256, after.label_names, after.changed_at, after.revision)
    return after


def _labels_gone(before: CatalogueImage | None, after: CatalogueImage) -> list[str]:
    return sorted(set(before.label_names) - set(after.label_names)) if before else []


def _stamped(before: CatalogueImage | None, after: CatalogueImage) -> CatalogueImage:
    if before is None or labelling(before) != labelling(after):
        after = replace(after, changed_at=clock.now())
    return replace(after, revision=after.revision + 1)


def _record_past(table: Table, before: CatalogueImage | None, after: CatalogueImage) -> None:
    """Record the labels that a change replaces, so that a person can have them back.

    That an image was unlabelled is recorded where a person changes it: that may be the wrong image. Where a
    file labels it, which is most of what happens, there is nothing that could be lost.
    """
    if before is None or labelling(before) == labelling(after):
        return
    of_file = after.label_origin in ("folder", "annotation")
    if before.status == "unlabelled" and not before.label_origin and of_file:
        return
    history.record(table, before.sha256, past_labels(before))


def past_labels(image: CatalogueImage) -> history.PastLabels:
    """The state that the image is in, as its history has it."""
    return history.PastLabels(
        revision=image.revision,
        status=image.status,
        kind=image.kind,
        labels=image.labels,
        boxes=image.boxes,
        origin=image.label_origin,
        conflict_reason=image.conflict_reason,
        changed_at=image.changed_at,
        changed_by=image.changed_by,
    )


def labelling(image: CatalogueImage | None) -> tuple[Any, ...]:
    """What decides whether, and as what, an image is trained on."""
    if image is None:
        return ("unlabelled", None, (), ())
    return (image.status, image.kind, image.labels, image.boxes)


def newest_change(table: Table, status: Status = "labelled") -> str | None:
    """When an image of this status last changed; None if there is no such image."""
    page = table.query(
        IndexName="by_status",
        KeyConditionExpression=Key("status").eq(status),
        ScanIndexForward=False,
        Limit=1,
    )
    return str(page["Items"][0]["changed_at"]) if page["Items"] else None


def newest_ids(table: Table, status: Status, limit: int) -> list[str]:
    """The ids of the images of this status that changed last, the newest first."""
    query: dict[str, Any] = {
        "IndexName": "by_status",
        "KeyConditionExpression": Key("status").eq(status),
        "ScanIndexForward": False,
        "ProjectionExpression": "id",
        "Limit": limit,
    }
    newest: list[str] = []
    for page in query_pages(table, query):
        newest += [str(item["id"]) for item in page["Items"]]
        if len(newest) >= limit:
            break
    return newest[:limit]


def newest(table: Table, status: Status, limit: int) -> list[CatalogueImage]:
    """The images of this status that changed last, the newest first."""
    wanted = newest_ids(table, status, limit)
    batches = (wanted[start : start + MAX_BATCH] for start in range(0, len(wanted), MAX_BATCH))
    # The index may be a moment behind.
    known = {
        image.id: image for batch in batches for image in get_images(table, batch) if image.status == status
    }
    return [known[id] for id in wanted if id in known]


def count_changed_since(table: Table, moment: str, limit: int) -> int:
    """Images labelled, relabelled or excluded after `moment` (empty: ever), counted no further than to
    `limit`."""
    number = 0
    for status in ("labelled", "excluded"):
        condition: ConditionBase = Key("status").eq(status)
        if moment:
            condition &= Key("changed_at").gt(moment)
        if number < limit:
            number += count(table, condition, limit - number)
    return number


def count_by_status(table: Table) -> dict[Status, int]:
    """Images of each status; reads the whole index."""
    return {status: count(table, Key("status").eq(status)) for status in STATUSES}


def ids(table: Table, status: Status, *, after: str = "", beginning: str = "") -> Iterator[str]:
    """The ids of the images of this status, sorted: all, those after `after`, or those beginning so."""
    condition: ConditionBase = Key("status").eq(status)
    if beginning:
        condition &= Key("id").begins_with(beginning)
    elif after:
        condition &= Key("id").gt(after)
    query: dict[str, Any] = {
        "IndexName": snapshot_rows.INDEX,
        "KeyConditionExpression": condition,
        "ProjectionExpression": "id",
    }
    for page in query_pages(table, query):
        yield from (str(item["id"]) for item in page["Items"])


def count(table: Table, condition: ConditionBase, limit: int | None = None) -> int:
    """Items of the index by status that meet the condition, counted no further than to `limit`."""
    query: dict[str, Any] = {
        "IndexName": "by_status",
        "KeyConditionExpression": condition,
        "Select": "COUNT",
    }
    if limit is not None:
        query["Limit"] = max(1, limit)
    number = 0
    for page in query_pages(table, query):
        number += page["Count"]
        if limit is not None and number >= limit:
            return limit
    return number


# Items


def as_item(image: CatalogueImage) -> dict[str, Any]:
    """The image as the table holds it."""
    item = {name: value for name, value in asdict(image).items() if value not in ("", None, (), frozenset())}
    if image.status == "labelled":
        item[snapshot_rows.ATTRIBUTE] = image.row().encode()
    if image.tiles:
        item["tiles"] = list(image.tiles)
    item |= {"id": image.id, "labels": list(image.labels), "boxes": [asdict(box) for box in image.boxes]}
    for strings in ("sources", "folder_labels"):
        if strings in item:
            item[strings] = set(item[strings])
    return item


def _image(item: dict[str, Any]) -> CatalogueImage:
    values = {name: item[name] for name in CatalogueImage.__dataclass_fields__ if name in item}
    for number in ("width", "height", "bytes", "revision"):
        values[number] = int(values.get(number, 0))
    for strings in ("sources", "folder_labels"):
        values[strings] = frozenset(values.get(strings, ()))
    values["labels"] = tuple(values.get("labels", ()))
    values["tiles"] = tuple(values.get("tiles", ()))
    values["boxes"] = tuple(box_of(box) for box in values.get("boxes", ()))
    return CatalogueImage(**values)


def box_of(item: Mapping[str, Any]) -> Box:
    """The box that a map of an item holds."""
    return Box(
        label=item["label"],
        left=int(item["left"]),
        top=int(item["top"]),
        width=int(item["width"]),
        height=int(item["height"]),
    )
