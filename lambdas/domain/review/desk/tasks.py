"""The table of review tasks: which images wait for a person, who has claimed them, and the answers.

One DynamoDB table, keyed by (`id`, `part`). A task's item holds its claims and its answers, and every write
of it is conditional on its `revision`: of two reviewers at once, one learns that the other was quicker.

`available_at` of an open task is when somebody can claim it: a claim moves it into the future, as a
message's visibility timeout does in SQS. So the index `by_state` gives the next tasks, oldest first, and a
claim that nobody renews ends by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.exceptions import ClientError

from lambdas.domain.review.desk.limits import State
from lambdas.domain.review.desk.task import (
    Answer,
    Claim,
    Route,
    Suggestion,
    Suggestions,
    Task,
    TaskBusyError,
    task_id,
)
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.dynamodb import batch_get, query_pages
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


INDEX = "by_state"
_ATTEMPTS = 30
"""Writers that can be at one task at once before one of them gives up."""


_TASK, _CURRENT = "task", "current"


@frozen
class OpenCounts:
    """The open tasks as one reviewer sees them."""

    open: int
    left: int
    """That the reviewer has claimed, or can claim just now."""
    skipped: int
    """That the reviewer has skipped."""


class ReviewTable:
    """The tasks in their table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    # One task

    def get(self, id: str) -> Task | None:
        item = self._get(id, _TASK)
        return _task(item) if item else None

    def get_many(self, ids: Sequence[str]) -> list[Task]:
        """The tasks with these ids, up to 100, in this order; those that are not there are left out."""
        items = batch_get(self.table, [{"id": id, "part": _TASK} for id in ids])
        tasks = {str(item["id"]): _task(item) for item in items}
        return [tasks[id] for id in ids if id in tasks]

    def current_of(self, sha256: str) -> Task | None:
        """The latest task of an image."""
        current = self._get(f"image#{sha256}", _CURRENT)
        return self.get(str(current["task"])) if current else None

    def take_needed(self, version: str, label: str, limit: int) -> bool:
        """Count an image that is asked about as versions cannot be compared without: False if there are as
        many as are needed of its label."""
        try:
            self.table.update_item(
                Key={"id": f"needed#{version}", "part": label},
                UpdateExpression="ADD asked :one",
                ConditionExpression="attribute_not_exists(asked) OR asked < :limit",
                ExpressionAttributeValues={":one": 1, ":limit": limit},
            )
        except self.table.meta.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def leave_needed(self, version: str, label: str) -> None:
        """Count an image no more that take_needed has counted: nobody is asked about it."""
        self.table.update_item(
            Key={"id": f"needed#{version}", "part": label},
            UpdateExpression="ADD asked :less",
            ExpressionAttributeValues={":less": -1},
        )

    def open_task(self, new: Task, *, again_before: str = "") -> Task | None:
        """Open a task for its image, unless it has one that is open, or one that was finished after
        `again_before`.

        Args:
            new: whose id is left to be made here.

        Returns:
            the task as it is kept, or None.
        """
        current = self._get(f"image#{new.image}", _CURRENT)
        if current:
            known = self.get(str(current["task"]))
            if known and (known.state == "open" or known.finished_at > again_before):
                return None
        round = int(current["round"]) + 1 if current else 1
        now = clock.now()
        task = replace(
            new,
            id=task_id(new.image, round),
            created_at=new.created_at or now,
            available_at=new.created_at or now,
            revision=1,
        )
        # First the task, then the pointer to it: a task without one is opened again, and found there.
        if not self._put(as_item(task), Attr("id").not_exists()):
            task = self.get(task.id) or task
        unchanged = Attr("round").eq(current["round"]) if current else Attr("id").not_exists()
        pointer = {"id": f"image#{new.image}", "part": _CURRENT, "task": task.id, "round": round}
        return task if self._put(pointer, unchanged) else None

    def update(self, id: str, change: Callable[[Task], Task]) -> Task | None:
        """Put in the place of a task what `change` makes of it; called again whenever somebody else was
        quicker, and nothing is written if it changes nothing. None if there is no such task.

        Raises:
            TaskBusyError: too many others write it.
        """
        for _ in range(_ATTEMPTS):
            before = self.get(id)
            if before is None:
                return None
            after = change(before)
            if after == before:
                return before
            if (put := self.replace(before, after)) is not None:
                return put
        raise TaskBusyError(f"review task {id} is written by too many others at once; try again")

    def replace(self, before: Task, after: Task) -> Task | None:
        """Put a task in the place of what it was; None if somebody else was quicker: nothing is written."""
        after = replace(after, revision=before.revision + 1)
        return after if self._put(as_item(after), Attr("revision").eq(before.revision)) else None

    # Many tasks

    def next_open(self, now: str, reviewer: str, routes: Collection[Route]) -> Iterator[Task]:
        """Open tasks of these routes that somebody can claim and that the reviewer has neither answered
        nor skipped, oldest first. Whoever writes one just now may not be seen yet."""
        free = Key("state").eq("open") & Key("available_at").lte(now)
        return self._by_state(free, Attr("route").is_in(list(routes)) & ~Attr("seen").contains(reviewer))

    def claimed(self, now: str, reviewer: str = "") -> Iterator[Task]:
        """Open tasks that nobody else can claim; those only that the reviewer has claimed."""
        held = Attr("claimants").contains(reviewer) if reviewer else None
        return self._by_state(Key("state").eq("open") & Key("available_at").gt(now), held)

    def in_state(self, state: State, *, newest_first: bool = False) -> Iterator[Task]:
        return self._by_state(Key("state").eq(state), newest_first=newest_first)

    def page(
        self, state: State, *, limit: int, cursor: Mapping[str, Any] | None = None
    ) -> tuple[list[Task], dict[str, Any] | None]:
        """Up to `limit` tasks of a state, open ones oldest first, finished ones newest first, and where to
        go on; None if there are no more."""
        query: dict[str, Any] = {
            "IndexName": INDEX,
            "KeyConditionExpression": Key("state").eq(state),
            "ScanIndexForward": state == "open",
            "Limit": limit,
        }
        if cursor:
            query["ExclusiveStartKey"] = dict(cursor)
        page = self.table.query(**query)
        return [_task(item) for item in page["Items"]], page.get("LastEvaluatedKey")

    def answered_by(self, reviewer: str, routes: Collection[Route], *, searched: int) -> Iterator[Task]:
        """Tasks that the reviewer has answered: open ones, then those that are done, the newest first.

        Args:
            searched: of the tasks that are done, so many are looked through.
        """
        condition = Attr("seen").contains(reviewer) & Attr("route").is_in(list(routes))
        done = self._by_state(Key("state").eq("done"), condition, newest_first=True, searched=searched)
        for task in chain(self._by_state(Key("state").eq("open"), condition), done):
            if task.answer_of(reviewer):
                yield task

    def skipped_by(self, reviewer: str) -> Iterator[Task]:
        """Open tasks that the reviewer has skipped."""
        return self._by_state(Key("state").eq("open"), Attr("skipped").contains(reviewer))

    def open_counts(self, reviewer: str, routes: Collection[Route], now: str) -> OpenCounts:
        """The open tasks as this reviewer sees them."""
        query: dict[str, Any] = {
            "IndexName": INDEX,
            "KeyConditionExpression": Key("state").eq("open"),
            "ProjectionExpression": "available_at, #route, seen, skipped, claimants",
            "ExpressionAttributeNames": {"#route": "route"},
        }
        tasks = [item for page in query_pages(self.table, query) for item in page["Items"]]
        unseen = [
            item
            for item in tasks
            if item.get("route", "builtin") in routes and reviewer not in item.get("seen", ())
        ]
        return OpenCounts(
            open=len(tasks),
            left=sum(item["available_at"] <= now or reviewer in item.get("claimants", ()) for item in unseen),
            skipped=sum(reviewer in item.get("skipped", ()) for item in tasks),
        )

    def count(self, state: State, *, available_after: str = "", limit: int | None = None) -> int:
        """Tasks of a state, counted no further than to `limit`."""
        condition: ConditionBase = Key("state").eq(state)
        if available_after:
            condition &= Key("available_at").gt(available_after)
        query: dict[str, Any] = {
            "IndexName": INDEX,
            "KeyConditionExpression": condition,
            "Select": "COUNT",
        }
        if limit is not None:
            query["Limit"] = max(1, limit)
        count = 0
        for page in query_pages(self.table, query):
            count += int(page["Count"])
            if limit is not None and count >= limit:
                return limit
        return count

    def _by_state(
        self,
        condition: ConditionBase,
        wanted: ConditionBase | None = None,
        *,
        newest_first: bool = False,
        searched: int | None = None,
    ) -> Iterator[Task]:
        """Tasks that meet both conditions, among the `searched` first that meet the first, or a few more."""
        query: dict[str, Any] = {
            "IndexName": INDEX,
            "KeyConditionExpression": condition,
            "ScanIndexForward": not newest_first,
            "Limit": 100,
        }
        if wanted:
            query["FilterExpression"] = wanted
        looked_through = 0
        for page in query_pages(self.table, query):
            yield from (_task(item) for item in page["Items"])
            looked_through += page["ScannedCount"]
            if searched is not None and looked_through >= searched:
                return

    # Batches

    def put_batch(self, ids: Sequence[str]) -> str:
        """Tasks that one labeling job asks for together: the batch's id, the same for the same tasks."""
        name = "batch-" + hashlib.sha256("\0".join(sorted(ids)).encode()).hexdigest()[:20]
        self.table.put_item(Item={"id": f"batch#{name}", "part": "batch", "tasks": sorted(ids)})
        for id in ids:
            self.update(id, lambda task: replace(task, execution=name))
        return name

    def batch(self, name: str) -> list[Task]:
        """The tasks of a batch, whatever has become of them."""
        item = self._get(f"batch#{name}", "batch") or {}
        return [task for id in item.get("tasks", ()) if (task := self.get(str(id)))]

    # Items

    def _get(self, id: str, part: str) -> dict[str, Any] | None:
        return self.table.get_item(Key={"id": id, "part": part}, ConsistentRead=True).get("Item")

    def _put(self, item: dict[str, Any], condition: ConditionBase) -> bool:
        try:
            self.table.put_item(Item=item, ConditionExpression=condition)
        except ClientError as error:
            # A transaction that has the item just now will have changed it.
            if error.response["Error"]["Code"] not in (
                "ConditionalCheckFailedException",
                "TransactionConflictException",
            ):
                raise
            return False
        return True


def as_item(task: Task) -> dict[str, Any]:
    """The task as the table holds it."""
    item = {name: value for name, value in asdict(task).items() if value not in ("", ())}
    # For queries: DynamoDB's filters do not look into the members of a list.
    claimants = sorted(claim.reviewer for claim in task.unanswered_claims)
    return {**_plain(item), "part": _TASK, "seen": sorted(task.seen_by), "claimants": claimants}


def _plain(value: Any) -> Any:
    """DynamoDB takes decimals for floats, and lists for tuples."""
    if isinstance(value, float):
        return Decimal(str(round(value, 3)))
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return value


def _task(item: Mapping[str, Any]) -> Task:
    values = {name: item[name] for name in Task.__dataclass_fields__ if name in item}
    for number in ("width", "height", "wanted", "revision"):
        values[number] = int(values.get(number, 1))
    values["drafted_from"] = int(values.get("drafted_from", 0))
    values["claims"] = tuple(Claim(**claim) for claim in values.get("claims", ()))
    values["answers"] = tuple(_answer(answer) for answer in values.get("answers", ()))
    values["superseded"] = tuple(_answer(answer) for answer in values.get("superseded", ()))
    values["skipped"] = tuple(values.get("skipped", ()))
    suggested = values.get("suggestions", {})
    values["suggestions"] = Suggestions(
        boxes=tuple(_suggestion(box) for box in suggested.get("boxes", ())),
        labels=tuple(_suggestion(label) for label in suggested.get("labels", ())),
    )
    return Task(**values)


def _answer(item: Mapping[str, Any]) -> Answer:
    values: dict[str, Any] = {
        **item,
        "boxes": tuple(_box(box) for box in item.get("boxes", ())),
        "labels": tuple(item.get("labels", ())),
        "seconds": float(item.get("seconds", 0)),
    }
    return Answer(**values)


def _box(item: Mapping[str, Any]) -> Box:
    return Box(item["label"], *(int(item[side]) for side in ("left", "top", "width", "height")))


def _suggestion(item: Mapping[str, Any]) -> Suggestion:
    left, top, width, height = (int(item[side]) for side in ("left", "top", "width", "height"))
    is_left_out = bool(item.get("left_out"))
    return Suggestion(item["label"], float(item["confidence"]), left, top, width, height, is_left_out)
