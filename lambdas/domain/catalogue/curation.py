"""Curation: people find, exclude, restore and relabel single images of the catalogue, and undo that.

Every change is on record with who made it, and counts for the next training as an upload does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import history, snapshot_rows, sources, split_ledger
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError, StaleLabelsError
from lambdas.domain.catalogue.history import PastLabels
from lambdas.domain.catalogue.images import STATUSES, CatalogueImage, Change, Status
from lambdas.domain.shared import clock, manifests
from lambdas.domain.shared.annotation import Annotation, Box, DatasetType, Kind

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


# Finding


def find(
    table: Table,
    *,
    label: str | None = None,
    status: Status | None = None,
    source: str | None = None,
    dataset_type: DatasetType | None = None,
    limit: int | None = None,
) -> Iterator[CatalogueImage]:
    """Find the images of which all of this is true, those of each status in the order of their hashes.

    An exact source is looked up. Everything else reads images until `limit` are found: a status, those of
    that status, and nothing, all of them. A dataset type reads the split ledger first.

    Args:
        label: a label on it, image-level or of a box.
        source: a key that it came under, or a part of one.
        limit: how many at most; None: all.
    """
    images = _by_source(table, source) if source else None
    if images is None:
        images = (image for each in ([status] if status else STATUSES) for image in _images(table, each))
    matching: Iterator[CatalogueImage] = (
        image
        for image in images
        if (status is None or image.status == status)
        and (label is None or label in image.label_names)
        and (source is None or any(source in key for key in image.sources))
    )
    if dataset_type is not None:
        matching = _in_dataset(table, matching, dataset_type)
    return islice(matching, limit)


def labels_not_in_use(table: Table, labels: Iterable[str]) -> set[str]:
    """Those of the labels that no labelled image has. Reads images until every label was seen."""
    missing = set(labels)
    rows = snapshot_rows.labelled(table)
    while missing and (row := next(rows, None)):
        missing -= set(row.labels)
    return missing


def _by_source(table: Table, source: str) -> Iterator[CatalogueImage] | None:
    """The image that came under just this key last; None if none did."""
    hashes = sources.images_of(table, source)
    image = catalogue_images.get_image(table, hashes[0]) if hashes else None
    # Of an image that came under very many keys, not all are remembered.
    return iter([image]) if image and source in image.sources else None


def _images(table: Table, status: Status) -> Iterator[CatalogueImage]:
    """The images of a status, got in batches: the index holds but their keys."""
    ids = catalogue_images.ids(table, status)
    while batch := list(islice(ids, catalogue_images.MAX_BATCH)):
        yield from catalogue_images.get_images(table, batch)


def _in_dataset(
    table: Table, images: Iterator[CatalogueImage], dataset_type: DatasetType
) -> Iterator[CatalogueImage]:
    ledger = split_ledger.Ledger.read(table)
    return (image for image in images if ledger.dataset_type_of(image.sha256) == dataset_type)


# Changing


def exclude(table: Table, sha256: str, by: str, seen: str = "") -> Change:
    """Take an image out of every later snapshot; it keeps its labels, and its dataset type.

    Args:
        seen: `changed_at` of the image that the change was decided on; empty: whatever it is by now.

    Raises:
        StaleLabelsError: somebody else has changed it since it was seen.
        CatalogueError: there is no such image.
    """
    return _update(table, sha256, lambda image: excluded(image, by), seen)


def excluded(image: CatalogueImage, by: str) -> CatalogueImage:
    """The image as `exclude` makes it."""
    return image if image.status == "excluded" else replace(image, status="excluded", changed_by=by)


def restore(table: Table, sha256: str, by: str, seen: str = "") -> Change:
    """Take an excluded image back, with the labels that it has; nothing if it was not excluded.

    Args:
        seen: as `exclude` has it.

    Raises:
        StaleLabelsError: somebody else has changed it since it was seen.
        CatalogueError: there is no such image.
    """

    def restored(image: CatalogueImage) -> CatalogueImage:
        if image.status != "excluded":
            return image
        return replace(image, status=_status(image), changed_by=by)

    return _update(table, sha256, restored, seen)


def relabel(  # noqa: PLR0917 an image, what is on it, and who says so
    table: Table,
    sha256: str,
    kind: Kind,
    labels: tuple[str, ...],
    boxes: tuple[Box, ...],
    by: str,
    seen: str = "",
) -> Change:
    """Say what is on an image: later annotations change it again, folders no longer do.

    An excluded image stays excluded.

    Args:
        labels: image-level labels; empty of a detection.
        boxes: in pixels; they have to fit the image (manifests.check_fits). Empty of a classification.
        seen: as `exclude` has it.

    Raises:
        StaleLabelsError: somebody else has changed it since it was seen.
        CatalogueError: there is no such image.
    """
    return _update(table, sha256, lambda image: relabelled(image, kind, labels, boxes, by), seen)


def relabelled(
    image: CatalogueImage, kind: Kind, labels: tuple[str, ...], boxes: tuple[Box, ...], by: str
) -> CatalogueImage:
    """The image as `relabel` makes it."""
    relabelled = replace(
        image,
        conflict_reason="",
        kind=kind if labels or boxes else None,
        labels=tuple(sorted(set(labels))),
        boxes=boxes,
        label_origin="person",
        annotation_order=max(f"{clock.now()}#", image.annotation_order),
        changed_by=by,
    )
    return relabelled if image.status == "excluded" else replace(relabelled, status=_status(relabelled))


def marked_empty(image: CatalogueImage, kind: Kind, by: str) -> CatalogueImage:
    """The image with nothing on it that has a label, so that nobody needs to look at it again.

    Snapshots leave it out, and count it. An excluded image stays excluded.
    """
    empty = relabelled(image, kind, (), (), by)
    return replace(empty, kind=kind, status=catalogue_images.unless_excluded(image, "labelled"))


def mark_empty(table: Table, sha256: str, kind: Kind, by: str, seen: str = "") -> Change:
    """Say that nothing on an image has a label, as `marked_empty` does.

    Args:
        seen: as `exclude` has it.

    Raises:
        StaleLabelsError: somebody else has changed it since it was seen.
        CatalogueError: there is no such image.
    """
    return _update(table, sha256, lambda image: marked_empty(image, kind, by), seen)


def rename(  # noqa: PLR0917 an image, what is on it, and who says so
    table: Table, sha256: str, old: str, new: str, by: str, seen: str = ""
) -> Change:
    """Give an image another label in the place of one that it has; boxes stay where they are.

    Args:
        seen: as `exclude` has it.

    Raises:
        StaleLabelsError: somebody else has changed it since it was seen, or it does not have the label.
        CatalogueError: there is no such image.
    """

    def changed(image: CatalogueImage) -> CatalogueImage:
        if new in image.label_names and old not in image.label_names:
            return image
        if old not in image.label_names:
            raise StaleLabelsError(f"{image.id} does not have the label {old}")
        return renamed(image, old, new, by)

    return _update(table, sha256, changed, seen)


def renamed(image: CatalogueImage, old: str, new: str, by: str) -> CatalogueImage:
    """The image as `rename` makes it; itself without the old label."""
    if old not in image.label_names or image.kind is None:
        return image
    names = tuple(new if label == old else label for label in image.labels)
    boxes = (replace(box, label=new) if box.label == old else box for box in image.boxes)
    # Two boxes of labels that are one now may be of one object.
    return relabelled(image, image.kind, names, tuple(dict.fromkeys(boxes)), by)


def correction(
    table: Table, sha256: str, before: str | Box | None, after: str | Box | None, by: str
) -> Change:
    """An image with one label or box in the place of another; the others stay. Nothing is written.

    Args:
        before: None adds `after`.
        after: None takes `before` away.

    Raises:
        StaleLabelsError: the image does not have `before`.
        CatalogueError: there is no such image, or `after` cannot be on it.
    """
    image = _changeable(catalogue_images.get_image(table, sha256), sha256)
    return Change(image, _corrected(image, before, after, by))


def _corrected(
    image: CatalogueImage, before: str | Box | None, after: str | Box | None, by: str
) -> CatalogueImage:
    kind: Kind = "detection" if isinstance(after if before is None else before, Box) else "classification"
    held: list[str | Box] = [*(image.boxes if kind == "detection" else image.labels)]
    if after is not None and after in held and before not in held:
        return image
    if image.kind != kind or (before is not None and before not in held):
        raise StaleLabelsError(f"{image.id} is labelled otherwise by now")
    place = len(held) if before is None else held.index(before)
    held[place : place + 1] = [] if after is None else [after]
    labels = tuple(label for label in held if isinstance(label, str))
    boxes = tuple(box for box in held if isinstance(box, Box))
    annotation = Annotation("", image.key, kind, labels, boxes)
    if boxes and (problem := manifests.check_fits(annotation, image.width, image.height)):
        raise CatalogueError(problem[1])
    return relabelled(image, kind, labels, boxes, by) if held else marked_empty(image, kind, by)


def past_labels(table: Table, image: CatalogueImage) -> list[PastLabels]:
    """The labels that an image had before those that it has now, oldest first."""
    return history.read(table, image.sha256, image.revision)


def undo(  # noqa: PLR0917 an image, where to go back to, and who says so
    table: Table,
    sha256: str,
    by: str,
    revision: int | None = None,
    seen: str = "",
    names: Mapping[str, str] | None = None,
) -> Change:
    """Give an image the status and labels back that it had before their last change.

    It counts as a person's change, made now; undone again, it is taken back.

    Args:
        revision: of the state to go back to; None: the one before the image's own.
        names: what labels are called now that had other names: nobody may give those any more.
        seen: as `exclude` has it.

    Raises:
        StaleLabelsError: somebody else has changed it since it was seen.
        CatalogueError: there is no such image, or no such state on record.
    """
    return _update(
        table, sha256, lambda image: reverted(image, _past(table, image, revision), by, names or {}), seen
    )


def _past(table: Table, image: CatalogueImage, revision: int | None) -> PastLabels:
    states = past_labels(table, image)
    if not states:
        raise CatalogueError(f"{image.id} has no earlier labels on record")
    chosen = [state for state in states if revision in (None, state.revision)]
    if not chosen:
        known = ", ".join(str(state.revision) for state in states)
        raise CatalogueError(f"{image.id} has no state {revision} on record, but {known}")
    return chosen[-1]


def reverted(image: CatalogueImage, past: PastLabels, by: str, names: Mapping[str, str]) -> CatalogueImage:
    """The image as `undo` makes it."""
    labels = tuple(names.get(label, label) for label in past.labels)
    boxes = (replace(box, label=names.get(box.label, box.label)) for box in past.boxes)
    back = relabelled(image, past.kind or "detection", labels, tuple(dict.fromkeys(boxes)), by)
    return replace(back, status=past.status, kind=past.kind, conflict_reason=past.conflict_reason)


def _update(
    table: Table, sha256: str, change: Callable[[CatalogueImage], CatalogueImage], seen: str = ""
) -> Change:
    def changed(image: CatalogueImage | None) -> CatalogueImage:
        image = _changeable(image, sha256)
        if seen and image.changed_at != seen:
            return _again_or_stale(image, change)
        return change(image)

    return catalogue_images.update_image(table, sha256, changed)


def _changeable(image: CatalogueImage | None, sha256: str) -> CatalogueImage:
    if image is None:
        raise CatalogueError(f"there is no {catalogue_images.image_id(sha256)}")
    if image.is_original:
        raise CatalogueError(
            f"{image.id} is too large to be trained with, and its {len(image.tiles)} tiles are images of"
            " their own: change those, or upload an annotation of the whole image"
        )
    return image


def _again_or_stale(
    image: CatalogueImage, change: Callable[[CatalogueImage], CatalogueImage]
) -> CatalogueImage:
    """The image as it is, if the change was made already: its answer may have been lost on the way."""
    if catalogue_images.labelling(change(image)) == catalogue_images.labelling(image):
        return image
    who = image.changed_by or "an upload"
    raise StaleLabelsError(
        f"{who} changed this image on {clock.minute(image.changed_at)}, after you opened it: look at it again"
    )


def _status(image: CatalogueImage) -> Status:
    """The status of an image that is not excluded."""
    if image.conflict_reason:
        return "conflict"
    return "labelled" if image.kind else "unlabelled"
