"""What follows from a task's answers: they come to a result, the catalogue learns it, the books are kept, the
execution goes on.

Every step can be taken twice, and by anybody: whatever a crash leaves undone, the sweeper has done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain import curation
from lambdas.domain.reviews import consolidation, precision
from lambdas.domain.reviews.consolidation import Consolidated, Disagreement
from lambdas.domain.reviews.precision import Precision
from lambdas.domain.reviews.tasks import ReviewTable, Task, as_item, finished
from lambdas.domain.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_stepfunctions import SFNClient

_ENDED = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""Errors of an execution that waits no longer:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html"""


@dataclass(frozen=True)
class Reviewed:
    """What one reviewer has done. Agreement: with what held, of tasks that others answered too; None before
    there is one."""

    reviewer: str
    name: str
    answered: int
    skipped: int
    compared: int
    agreement: float | None
    seconds_per_answer: float | None


def settle(
    table: ReviewTable, catalogue: Table, stepfunctions: SFNClient, id: str, tuning: Tuning
) -> Task | None:
    """Do all that follows from what is on record of a task: the task, None if there is none."""
    task = table.get(id)
    if task and task.state == "open" and len(task.answers) >= task.wanted:
        task = _consolidated(table, catalogue, task, tuning)
    if task and task.state != "open" and task.token:
        task = _tell(table, stepfunctions, task)
    return task


def _consolidated(table: ReviewTable, catalogue: Table, task: Task, tuning: Tuning) -> Task | None:
    most = consolidation.most_answers(tuning.review_answers)
    final = len(task.answers) >= max(most, 1)
    result = consolidation.consolidate(task.answers, final=final, iou=tuning.review_iou)
    if isinstance(result, Disagreement):
        return table.update(task.id, lambda now: _one_more(now, task, result.why))
    _put_into_catalogue(catalogue, task, result)
    _close(table, task, result, tuning)
    return table.get(task.id)


def _one_more(now: Task, seen: Task, why: str) -> Task:
    if now.state != "open" or now.wanted > len(seen.answers):
        return now
    return replace(now, wanted=len(seen.answers) + 1, why=why, available_at=now.created_at)


def _put_into_catalogue(catalogue: Table, task: Task, result: Consolidated) -> None:
    names = ", ".join(sorted({answer.name for answer in task.answers}))
    by = f"review by {names}"
    if result.verdict == "unusable":
        curation.withdraw(catalogue, task.image, f"{by}: {result.reason or 'unusable'}")
    elif result.verdict == "nothing":
        curation.found_nothing(catalogue, task.image, task.kind, by)
    else:
        curation.relabel(catalogue, task.image, task.kind, result.labels, result.boxes, by)


def _close(table: ReviewTable, task: Task, result: Consolidated, tuning: Tuning) -> None:
    """The task is done and the books are kept in one transaction, so that nothing is counted twice."""
    done = replace(finished(task, "done", outcome=result.verdict), settled=True, revision=task.revision + 1)
    put: dict[str, Any] = {
        "TableName": table.table.name,
        "Item": as_item(done),
        "ConditionExpression": "revision = :seen",
        "ExpressionAttributeValues": {":seen": task.revision},
    }
    counts = [*_of_reviewers(task, result, tuning), *_of_model(task, result, tuning)]
    updates = [{"Update": _add(table.table.name, *count)} for count in counts]
    try:
        table.table.meta.client.transact_write_items(TransactItems=[{"Put": put}, *updates])  # type: ignore[list-item]
    except ClientError as error:
        # Somebody else was quicker, or gave the task another answer: it is settled anew from what is there.
        if error.response["Error"]["Code"] not in (
            "TransactionCanceledException",
            "TransactionConflictException",
        ):
            raise


def _of_reviewers(
    task: Task, result: Consolidated, tuning: Tuning
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for answer in task.answers:
        counted: dict[str, Any] = {"answered": 1, "seconds": answer.seconds, f"on {answer.at[:10]}": 1}
        if len(task.answers) > 1:
            agreed = consolidation.agreement(answer, result, tuning.review_iou)
            counted |= {"compared": 1, "agreed": round(agreed, 4)}
        yield f"reviewer#{answer.reviewer}", "stats", counted


def _of_model(task: Task, result: Consolidated, tuning: Tuning) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Only a random sample tells how right the model is."""
    if task.reason != "sample" or not task.suggested_by or result.verdict == "unusable":
        return
    judged = precision.tally(task.suggestions, result, tuning.review_iou)
    parts = {"confirmed": judged.confirmed, "false": judged.false, "missed": judged.missed}
    yield (
        f"precision#{task.suggested_by}",
        "all",
        {"images": 1, **{name: counter.total() for name, counter in parts.items()}},
    )


def _add(table_name: str, id: str, part: str, counted: dict[str, Any]) -> dict[str, Any]:
    names = {f"#{number}": name for number, name in enumerate(counted)}
    values = {f":{number}": Decimal(str(value)) for number, value in enumerate(counted.values())}
    return {
        "TableName": table_name,
        "Key": {"id": id, "part": part},
        "UpdateExpression": "ADD " + ", ".join(f"#{n} :{n}" for n in range(len(counted))),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
    }


def _tell(table: ReviewTable, stepfunctions: SFNClient, task: Task) -> Task | None:
    """Let the execution that waits for the task go on."""
    try:
        if task.state == "done":
            output = json.dumps({"task": task.id, "outcome": task.outcome})
            stepfunctions.send_task_success(taskToken=task.token, output=output)
        else:
            stepfunctions.send_task_failure(taskToken=task.token, error="GivenBack", cause=task.why[:32_000])
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ENDED:
            raise
    return table.update(task.id, lambda now: replace(now, token=""))


# The books


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


def reviewers(table: ReviewTable, ids: Iterable[tuple[str, str]]) -> list[Reviewed]:
    """What each of these reviewers, by subject and name, has done."""
    return [_reviewed(sub, name, reviewed_by(table, sub)) for sub, name in ids]


def _reviewed(sub: str, name: str, item: dict[str, Any]) -> Reviewed:
    answered, compared = int(item.get("answered", 0)), int(item.get("compared", 0))
    return Reviewed(
        reviewer=sub,
        name=str(item.get("name", name)),
        answered=answered,
        skipped=int(item.get("skipped", 0)),
        compared=compared,
        agreement=float(item.get("agreed", 0)) / compared if compared else None,
        seconds_per_answer=float(item.get("seconds", 0)) / answered if answered else None,
    )


def precision_of(table: ReviewTable, version: str) -> Precision:
    """How right a model version has been in production, as far as samples tell."""
    item = table.table.get_item(Key={"id": f"precision#{version}", "part": "all"}).get("Item", {})
    counts = (int(item.get(name, 0)) for name in ("confirmed", "false", "missed", "images"))
    return Precision(*counts)


def needs_settling(task: Task) -> bool:
    """Whether a crash left something undone."""
    if task.state == "open":
        return len(task.answers) >= task.wanted
    return bool(task.token)
