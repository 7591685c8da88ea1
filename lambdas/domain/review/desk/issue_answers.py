"""Answers of people about label issues: the label is wrong, or it is right.

A label that is wrong is mended in the catalogue, where the image's history keeps what it was. Every answer is
an item of the table of tasks (`id` label_issues): nobody is asked about the same again. Label and answer are
written together, or neither: of two people who answer at once, the second is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.conditions import Key

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError, StaleLabelsError
from lambdas.domain.catalogue.images import Change
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.dynamodb import TRANSACTION_ATTEMPTS, query_pages, wait_after, write_all
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.review.desk.tasks import ReviewTable

_ID = "label_issues"
Verdict = Literal["accepted", "rejected", "undone"]


@frozen
class LabelOrBox:
    """A label on an image: a box in pixels, or of the whole image."""

    label: str
    box: Box | None = None


@frozen
class IssueAnswer:
    """What somebody has answered about a label issue."""

    issue: str
    """Its id, the same for the same label issue of another version."""
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


def answers(table: ReviewTable) -> dict[str, IssueAnswer]:
    """Every answer that holds, by the label issue's id."""
    query = {"KeyConditionExpression": Key("id").eq(_ID), "ConsistentRead": True}
    every = (_answer(item) for page in query_pages(table.table, query) for item in page["Items"])
    return {answer.issue: answer for answer in every if answer.verdict != "undone"}


def answer(table: ReviewTable, catalogue: Table, given: IssueAnswer) -> IssueAnswer:
    """Keep an answer and, if the label is wrong, mend it; twice it is mended once.

    Raises:
        ApiError: the image is labelled otherwise by now, or there is none.
    """
    for attempt in range(TRANSACTION_ATTEMPTS):
        known = _read(table, given.issue)
        if known and known.verdict == given.verdict:
            return known
        if known and known.verdict == "accepted":
            raise ApiError(409, "already_done", "the label was mended already; take that back first")
        mended = _mended(catalogue, given, given.by) if given.verdict == "accepted" else None
        if written := _write(table, catalogue, known, given, mended):
            return written
        wait_after(attempt)
    raise _busy()


def take_back(
    table: ReviewTable,
    catalogue: Table,
    issue: str,
    by: str,
    names: Mapping[str, str],
    *,
    anyones: bool = False,
) -> IssueAnswer:
    """Forget a person's answer, and give the image its label back; what else was mended on it stays.

    Args:
        names: what labels are called now that had other names.
        anyones: whether they may take back what somebody else has answered.

    Raises:
        ApiError: there is no such answer, it is somebody else's, or the label was changed again since.
    """
    for attempt in range(TRANSACTION_ATTEMPTS):
        known = _read(table, issue)
        if known is None or known.verdict == "undone":
            raise ApiError(404, "not_found", "there is no answer to take back")
        if known.by != by and not anyones:
            raise ApiError(409, "conflict", f"{known.by} had answered before you; nothing is changed")
        now = under_present_names(known, names)
        back = replace(now, before=now.after, after=now.before)
        mended = _mended(catalogue, back, by) if known.verdict == "accepted" else None
        if written := _write(table, catalogue, known, replace(known, verdict="undone", by=by), mended):
            return written
        wait_after(attempt)
    raise _busy()


def under_present_names(given: IssueAnswer, names: Mapping[str, str]) -> IssueAnswer:
    """The answer with the names that labels have now."""
    return replace(given, before=_renamed(given.before, names), after=_renamed(given.after, names))


def _renamed(thing: LabelOrBox | None, names: Mapping[str, str]) -> LabelOrBox | None:
    if thing is None or thing.label not in names:
        return thing
    name = names[thing.label]
    return LabelOrBox(name, replace(thing.box, label=name) if thing.box else None)


def _busy() -> ApiError:
    return ApiError(409, "conflict", "others answer about this image at this moment; try again in a moment")


def _mended(catalogue: Table, given: IssueAnswer, by: str) -> Change:
    """The answer's image with one label in the place of another."""
    try:
        return curation.correction(
            catalogue, given.image, _as_label(given.before), _as_label(given.after), by
        )
    except StaleLabelsError as error:
        raise ApiError(409, "conflict", f"{error}; nothing is changed") from error
    except CatalogueError as error:
        raise ApiError(422, "bad_answer", str(error)) from error


def _as_label(thing: LabelOrBox | None) -> str | Box | None:
    return None if thing is None else thing.box or thing.label


def _read(table: ReviewTable, issue: str) -> IssueAnswer | None:
    item: Any = table.table.get_item(Key={"id": _ID, "part": issue}, ConsistentRead=True).get("Item")
    return _answer(item) if item else None


def _write(
    table: ReviewTable, catalogue: Table, known: IssueAnswer | None, given: IssueAnswer, mended: Change | None
) -> IssueAnswer | None:
    """Keep an answer in the place of the one that is known, together with the image that is mended: None if
    somebody else was quicker."""
    kept = replace(given, at=clock.now())
    labels = {"before": _written(kept.before), "after": _written(kept.after)}
    item: Any = {**vars(kept), **labels, "id": _ID, "part": kept.issue}
    del item["issue"]
    put: dict[str, Any] = {
        "TableName": table.table.name,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(id)",
    }
    if known:
        put["ConditionExpression"] = "#at = :at AND verdict = :verdict"
        put["ExpressionAttributeNames"] = {"#at": "at"}
        put["ExpressionAttributeValues"] = {":at": known.at, ":verdict": known.verdict}
    learnt: list[dict[str, Any]] = []
    if mended and mended.before:
        learnt = catalogue_images.put_requests(catalogue, mended.before, mended.after)
    if write_all(table.table, [{"Put": put}, *learnt]):
        return None
    if mended and mended.before:
        catalogue_images.forget_labels(catalogue, mended.before, mended.after)
    return kept


def _written(thing: LabelOrBox | None) -> dict[str, Any] | None:
    if thing is None:
        return None
    return {"label": thing.label, "box": asdict(thing.box) if thing.box else None}


def _answer(item: Any) -> IssueAnswer:
    labels = {name: _label_or_box(item[name]) for name in ("before", "after")}
    rest = {name: value for name, value in item.items() if name not in ("id", "part", *labels)}
    members: Any = {**rest, **labels}
    return IssueAnswer(issue=item["part"], **members)


def _label_or_box(written: Any) -> LabelOrBox | None:
    if written is None:
        return None
    box = written["box"]
    return LabelOrBox(written["label"], catalogue_images.box_of(box) if box else None)
