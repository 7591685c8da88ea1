"""What people say about labels that a version contradicts: that they are wrong, or right.

A label that is wrong is mended in the catalogue, where the image's history keeps what it was. Every answer is
an item of the table of tasks (`id` label_checks): nobody is asked about the same again.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Key

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError, StaleLabelsError
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.review.desk.tasks import ReviewTable

_ID = "label_checks"
Verdict = Literal["accepted", "rejected", "undone"]


@frozen
class LabelOrBox:
    """A label on an image: a box in pixels, or of the whole image."""

    label: str
    box: Box | None = None


@frozen
class LabelCheck:
    """What somebody said about a label that a version contradicts."""

    suspect: str
    """The accusation's id, the same for the same accusation of another version."""
    image: str
    """SHA-256."""
    before: LabelOrBox | None
    """As it was labelled; None where a label was missing."""
    after: LabelOrBox | None
    """As the version sees it; None where it sees nothing."""
    version: str
    verdict: Verdict
    by: str
    at: str = ""
    revision: int = 0
    """Of the image once it was mended."""


def checked(table: ReviewTable) -> dict[str, LabelCheck]:
    """Every answer that holds, by the accusation's id."""
    answer: Any = table.table.query(KeyConditionExpression=Key("id").eq(_ID))
    items = list(answer["Items"])
    while more := answer.get("LastEvaluatedKey"):
        answer = table.table.query(KeyConditionExpression=Key("id").eq(_ID), ExclusiveStartKey=more)
        items += answer["Items"]
    checks = (_check(item) for item in items)
    return {check.suspect: check for check in checks if check.verdict != "undone"}


def validate(check: LabelCheck, labels: set[str]) -> None:
    """Refuse a check that none can be.

    Args:
        labels: that an image may get.

    Raises:
        ApiError: the message says what is wrong.
    """
    said = [one for one in (check.before, check.after) if one]
    if not re.fullmatch("[0-9a-f]{24}", check.suspect):
        raise ApiError(404, "not_found", "there is no such accusation")
    if not said:
        raise ApiError(422, "bad_answer", "before and after cannot both be null", "after")
    if len({one.box is None for one in said}) > 1:
        raise ApiError(
            422, "bad_answer", "before and after are both boxes, or both of the whole image", "after"
        )
    if check.verdict == "accepted" and check.after and check.after.label not in labels:
        raise ApiError(
            422, "bad_answer", f"there is no label {check.after.label[:60]!r} to give", "after.label"
        )


def answer(table: ReviewTable, catalogue: Table, check: LabelCheck) -> LabelCheck:
    """Keep an answer and, if the label is wrong, mend it; twice it is mended once.

    Raises:
        ApiError: the image is labelled otherwise by now, or there is none.
    """
    known = _read(table, check.suspect)
    if known and known.verdict == check.verdict:
        return known
    if known and known.verdict == "accepted":
        raise ApiError(409, "already_done", "the label was mended already; take that back first")
    revision = 0
    if check.verdict == "accepted":
        revision = _mended(catalogue, check)
    return _write(table, check, revision)


def take_back(table: ReviewTable, catalogue: Table, suspect: str, by: str) -> LabelCheck:
    """Forget an answer, and give the image its label back.

    Raises:
        ApiError: there is no such answer, or the image was labelled otherwise since.
    """
    check = _read(table, suspect)
    if check is None or check.verdict == "undone":
        raise ApiError(404, "not_found", "there is no answer to take back")
    if check.verdict == "accepted":
        image = catalogue_images.get_image(catalogue, check.image)
        if image is None or image.revision != check.revision:
            raise ApiError(
                409,
                "conflict",
                "the image was labelled otherwise since; `labelloop images undo` knows its states",
            )
        curation.undo(catalogue, check.image, by)
    return _write(table, _with(check, verdict="undone", by=by), 0)


def _mended(catalogue: Table, check: LabelCheck) -> int:
    """Mend the label: the image's revision then."""
    before, after = _as_label(check.before), _as_label(check.after)
    try:
        return curation.correct(catalogue, check.image, before, after, check.by).after.revision
    except StaleLabelsError as error:
        raise ApiError(409, "conflict", f"{error}; nothing is changed") from error
    except CatalogueError as error:
        raise ApiError(422, "bad_answer", str(error)) from error


def _as_label(said: LabelOrBox | None) -> str | Box | None:
    return None if said is None else said.box or said.label


def _with(check: LabelCheck, **changes: Any) -> LabelCheck:
    return LabelCheck(**{**vars(check), **changes})


def _read(table: ReviewTable, suspect: str) -> LabelCheck | None:
    item: Any = table.table.get_item(Key={"id": _ID, "part": suspect}, ConsistentRead=True).get("Item")
    return _check(item) if item else None


def _write(table: ReviewTable, check: LabelCheck, revision: int) -> LabelCheck:
    kept = _with(check, at=clock.now(), revision=revision)
    said = {name: _written(said) for name, said in (("before", kept.before), ("after", kept.after))}
    item: Any = {**vars(kept), **said, "id": _ID, "part": kept.suspect}
    del item["suspect"]
    table.table.put_item(Item=item)
    return kept


def _written(said: LabelOrBox | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {"label": said.label, "box": asdict(said.box) if said.box else None}


def _check(item: Any) -> LabelCheck:
    said = {name: _said(item[name]) for name in ("before", "after")}
    rest = {name: value for name, value in item.items() if name not in ("id", "part", "revision", *said)}
    members: Any = {**rest, **said}
    return LabelCheck(suspect=item["part"], revision=int(item["revision"]), **members)


def _said(written: Any) -> LabelOrBox | None:
    if written is None:
        return None
    box = written["box"]
    return LabelOrBox(written["label"], catalogue_images.box_of(box) if box else None)
