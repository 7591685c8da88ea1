"""What people do with images of the dataset from the console: look at them, correct them, exclude them, ask.

All of it goes through the catalogue's curation, as `labelloop images` and the desk do, with the same history.
Whoever changes an image says which state of it they saw; who comes second is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import curation, snapshot_rows, split_ledger
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError, StaleLabelsError
from lambdas.domain.catalogue.history import PastLabels
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.review.desk import answers
from lambdas.domain.shared.annotation import Box, DatasetType, Kind
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.review.desk.task import Task
    from lambdas.domain.review.desk.tasks import ReviewTable
    from lambdas.domain.review.task_opening import Opener


@frozen
class Opened:
    """An image with all that is known of it."""

    image: CatalogueImage
    dataset_type: DatasetType | None
    history: tuple[PastLabels, ...]
    """Oldest first."""
    task: Task | None
    """The open review task of it."""
    kind: Kind
    """What is corrected on it: what it has, or what most images have."""


@frozen
class Outcome:
    """What became of a change of several images."""

    images: tuple[CatalogueImage, ...]
    """As they are now; those that were changed, or needed no change."""
    problems: tuple[tuple[str, str], ...]
    """SHA-256 of each other one, and why it stays as it is."""


def open_image(table: Table, reviews: ReviewTable, sha256: str) -> Opened:
    """An image with all that is known of it.

    Raises:
        ApiError: there is none.
    """
    image = _get(table, sha256)
    newest = reviews.current_of(sha256)
    return Opened(
        image=image,
        dataset_type=split_ledger.dataset_type_of(table, sha256),
        history=tuple(curation.past_labels(table, image)),
        task=newest if newest and newest.state == "open" else None,
        kind=image.kind or snapshot_rows.usual_kind(table) or "detection",
    )


def correct(
    table: Table,
    sha256: str,
    kind: Kind,
    boxes: tuple[Box, ...],
    labels: tuple[str, ...],
    *,
    usable: Collection[str],
    by: str,
    seen: str,
) -> CatalogueImage:
    """Say what is on an image: the image as it is then. Without boxes and labels, that there is nothing.

    Args:
        usable: labels that may be used, beside those that it has.
        seen: `changed_at` of the image that was corrected.

    Raises:
        ApiError: there is no such image, somebody else has changed it, or that cannot be on it.
    """
    image = _get(table, sha256)
    if image.kind not in (None, kind) and (image.boxes or image.labels):
        what = "boxes" if image.kind == "detection" else "labels of the whole image"
        raise answers.InvalidAnswerError("kind", f"the image has {what}, which this would drop")
    answers.check_content(
        boxes, labels, kind=kind, size=(image.width, image.height), usable={*usable, *image.label_names}
    )
    if boxes or labels:
        return _changed(lambda: curation.relabel(table, sha256, kind, labels, boxes, by, seen))
    return _changed(lambda: curation.mark_empty(table, sha256, kind, by, seen))


def undo(
    table: Table, sha256: str, revision: int | None, *, names: Mapping[str, str], by: str, seen: str
) -> CatalogueImage:
    """Give an image the labels back that it had before: the image as it is then.

    Args:
        revision: of the state to go back to; None: the one before its own.
        names: what labels are called now that had other names.

    Raises:
        ApiError: there is no such image or state, or somebody else has changed the image.
    """
    _get(table, sha256)
    return _changed(lambda: curation.undo(table, sha256, by, revision, seen, names))


def exclude(table: Table, seen: Iterable[tuple[str, str]], *, excluded: bool, by: str) -> Outcome:
    """Exclude images, or take excluded ones back.

    Args:
        seen: SHA-256 of each, with its `changed_at` as it was seen.
    """
    change = curation.exclude if excluded else curation.restore
    return _each(seen, lambda sha256, at: change(table, sha256, by, at))


def relabel(
    table: Table,
    seen: Iterable[tuple[str, str]],
    before: str,
    after: str,
    *,
    usable: Collection[str],
    by: str,
) -> Outcome:
    """Give images another label in the place of one that they have.

    Raises:
        ApiError: the new label is none that may be used.
    """
    answers.check_content((), (after,), kind="classification", size=(1, 1), usable=usable)
    return _each(seen, lambda sha256, at: curation.rename(table, sha256, before, after, by, at))


def send_to_review(table: Table, opener: Opener, hashes: Iterable[str], by: str) -> Outcome:
    """Open a review task for each of the images, with the labels that it has."""
    images, problems = list[CatalogueImage](), list[tuple[str, str]]()
    for sha256 in dict.fromkeys(hashes):
        try:
            image = _get(table, sha256)
            opener.open_again(image, by)
        except ApiError as error:
            problems.append((sha256, str(error)))
        else:
            images.append(image)
    return Outcome(tuple(images), tuple(problems))


def _each(seen: Iterable[tuple[str, str]], change: Callable[[str, str], catalogue_images.Change]) -> Outcome:
    images, problems = list[CatalogueImage](), list[tuple[str, str]]()
    for sha256, at in dict(seen).items():
        try:
            images.append(change(sha256, at).after)
        except CatalogueError as error:
            problems.append((sha256, str(error)))
    return Outcome(tuple(images), tuple(problems))


def _get(table: Table, sha256: str) -> CatalogueImage:
    image = catalogue_images.get_image(table, sha256)
    if image is None:
        raise ApiError(404, "not_found", f"there is no image {sha256[:80]}")
    return image


def _changed(change: Callable[[], catalogue_images.Change]) -> CatalogueImage:
    try:
        return change().after
    except StaleLabelsError as error:
        raise ApiError(409, "changed", str(error)) from error
    except CatalogueError as error:
        raise ApiError(409, "conflict", str(error)) from error
