"""Renames a label, or merges it into another one: its definition at once, its images step by step.

A label can be on more images than one request can write, so each request does a part and says where the next
one goes on. Every part can be taken twice. From the first one on nobody can choose the old label any more. It
stays as a retired one that says what it is called now, for models that know it and for images that come with
it later: then the renaming is taken again.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage, Status
from lambdas.domain.review.desk import labels
from lambdas.domain.review.desk.labels import InvalidLabelError, LabelDefinition
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import annotation
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_STATUSES: tuple[Status, ...] = ("labelled", "excluded")
"""An excluded image keeps its labels, to be restored with."""
MAX_SEARCHED = 1000
"""Images that one part looks at."""
MAX_RELABELLED = 100
"""Images that one part writes: two writes each, of some milliseconds."""
_CURSOR = re.compile(r"(labelled|excluded)(?::(image#[0-9a-f]{64}))?")


@frozen
class Renamed:
    """What one part of a renaming has done."""

    definition: LabelDefinition
    """Of the label as it is called now."""
    searched: int
    relabelled: int
    cursor: str
    """Where the next part goes on; empty after the last."""


def rename(
    table: ReviewTable, catalogue: Table, old: LabelDefinition, name: str, *, cursor: str, by: str
) -> Renamed:
    """Take one part of a renaming; the first one has no cursor.

    Args:
        old: the label as the desk offers it.
        name: what it is called from now on. If there is such a label, the two become one.
        by: who renames it.

    Raises:
        InvalidLabelError: the name cannot be kept.
        ApiError: the cursor is none.
    """
    try:
        new = annotation.clean_label(name)
    except ValueError as error:
        raise InvalidLabelError("name", str(error)) from error
    if new == old.label:
        raise InvalidLabelError("name", f"it is called {new} already")
    status, after = _read_cursor(cursor)
    definition = _define(table, old, new) if not cursor else labels.get(table, new)
    definition = definition or LabelDefinition(new, colour="")
    images = list(_images(catalogue, status, after))
    relabelled = 0
    for searched, image in enumerate(images, 1):
        if old.label in image.label_names:
            relabelled += _relabel(catalogue, image.sha256, old.label, new, by)
        if relabelled == MAX_RELABELLED and searched < len(images):
            return Renamed(definition, searched, relabelled, f"{status}:{image.id}")
    if len(images) == MAX_SEARCHED:
        return Renamed(definition, len(images), relabelled, f"{status}:{images[-1].id}")
    further = _STATUSES[_STATUSES.index(status) + 1 :]
    return Renamed(definition, len(images), relabelled, further[0] if further else "")


def _read_cursor(cursor: str) -> tuple[Status, str]:
    if not cursor:
        return _STATUSES[0], ""
    match = _CURSOR.fullmatch(cursor)
    if not match:
        raise ApiError(422, "bad_request", "cursor is what the part before gave", "cursor")
    return ("labelled" if match[1] == "labelled" else "excluded"), match[2] or ""


def _define(table: ReviewTable, old: LabelDefinition, new: str) -> LabelDefinition:
    """The definition of the new name: the old one's, if it has none. The old one is retired, and says so."""
    known, stored = labels.get(table, new), labels.get(table, old.label)
    key = stored.key if stored else ""
    if known is None:
        described = {"colour": old.colour, "instruction": old.instruction, "examples": old.examples}
        known = labels.put(table, new, described)
        labels.put(table, old.label, {"retired": True, "key": "", "renamed_to": new})
        return labels.put(table, new, {"key": key}) if key else known
    labels.put(table, old.label, {"retired": True, "key": "", "renamed_to": new})
    return labels.put(table, new, {"retired": False}) if known.retired else known


def _images(catalogue: Table, status: Status, after: str) -> list[CatalogueImage]:
    ids = list(islice(catalogue_images.ids(catalogue, status, after=after), MAX_SEARCHED))
    return [
        image
        for start in range(0, len(ids), catalogue_images.MAX_BATCH)
        for image in catalogue_images.get_images(catalogue, ids[start : start + catalogue_images.MAX_BATCH])
    ]


def _relabel(catalogue: Table, sha256: str, old: str, new: str, by: str) -> bool:
    """Give an image the new label in the place of the old one: whether it had that."""

    def renamed(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise ApiError(409, "conflict", f"image {sha256} is gone; begin again")
        return curation.renamed(image, old, new, f"{by}, who renamed {old} to {new}")

    change = catalogue_images.update_image(catalogue, sha256, renamed)
    return change.labels_changed
