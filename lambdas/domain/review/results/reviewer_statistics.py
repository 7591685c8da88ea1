"""What each reviewer has answered, and how right each model version was in reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from boto3.dynamodb.conditions import Key

from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.review.results import production
from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.dynamodb import batch_get, query_pages
from lambdas.domain.shared.frozen import frozen


@frozen
class Reviewed:
    """What one reviewer has done.

    Agreement: with the results of tasks that others answered too; None before there is one.
    """

    reviewer: str
    name: str
    answered: int
    corrected: int
    skipped: int
    compared: int
    agreement: float | None
    seconds_per_answer: float | None


def add_request(table_name: str, id: str, part: str, counted: dict[str, Any]) -> dict[str, Any]:
    """The Update of a transaction that adds to what is counted."""
    names = {f"#{number}": name for number, name in enumerate(counted)}
    values = {f":{number}": Decimal(str(value)) for number, value in enumerate(counted.values())}
    return {
        "TableName": table_name,
        "Key": {"id": id, "part": part},
        "UpdateExpression": "ADD " + ", ".join(f"#{n} :{n}" for n in range(len(counted))),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


# Counting


def note_reviewer(table: ReviewTable, reviewer: str, name: str, *, skipped: int = 0) -> None:
    """Remember how a reviewer is called, and count what was skipped."""
    table.table.update_item(
        Key={"id": f"reviewer#{reviewer}", "part": "stats"},
        UpdateExpression="SET #name = :name ADD #skipped :skipped",
        ExpressionAttributeNames={"#name": "name", "#skipped": "skipped"},
        ExpressionAttributeValues={":name": name, ":skipped": skipped},
    )
    table.table.put_item(Item={"id": "reviewers", "part": reviewer, "name": name})


def reviewed_by(table: ReviewTable, reviewer: str) -> dict[str, Any]:
    """Everything that is counted of a reviewer."""
    return table.table.get_item(Key={"id": f"reviewer#{reviewer}", "part": "stats"}).get("Item", {})


def known_reviewers(table: ReviewTable) -> list[tuple[str, str]]:
    """Everybody who has been at the desk: subject and name."""
    query: dict[str, Any] = {"KeyConditionExpression": Key("id").eq("reviewers")}
    known = [
        (str(item["part"]), str(item["name"]))
        for page in query_pages(table.table, query)
        for item in page["Items"]
    ]
    return sorted(known, key=lambda reviewer: reviewer[1])


def reviewers(table: ReviewTable, ids: Iterable[tuple[str, str]]) -> list[Reviewed]:
    """What each of these reviewers, by subject and name, has done."""
    return [_reviewed(sub, name, reviewed_by(table, sub)) for sub, name in ids]


def _reviewed(sub: str, name: str, item: dict[str, Any]) -> Reviewed:
    answered, compared = int(item.get("answered", 0)), int(item.get("compared", 0))
    return Reviewed(
        reviewer=sub,
        name=str(item.get("name", name)),
        answered=answered,
        corrected=int(item.get("corrected", 0)),
        skipped=int(item.get("skipped", 0)),
        compared=compared,
        agreement=float(item.get("agreed", 0)) / compared if compared else None,
        seconds_per_answer=float(item.get("seconds", 0)) / answered if answered else None,
    )


def precisions_of(table: ReviewTable, versions: Sequence[str]) -> dict[str, Precision]:
    """How right model versions, up to 100, have been in production, as far as samples tell; by version."""
    keys = [{"id": f"precision#{version}", "part": "all"} for version in versions]
    items = {str(item["id"]): item for item in batch_get(table.table, keys)} if keys else {}
    return {version: production.of_item(items.get(f"precision#{version}", {})) for version in versions}
