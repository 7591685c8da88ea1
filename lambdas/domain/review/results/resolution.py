"""Resolves tasks: the catalogue learns the result of the answers, all is counted, the execution goes on.

Every step can be taken twice, and by anybody: whatever a crash leaves undone, the sweeper has done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.review.desk.task import Task, TaskBusyError, finished
from lambdas.domain.review.desk.tasks import ReviewTable, as_item
from lambdas.domain.review.results import consolidation, draft_precision, precision
from lambdas.domain.review.results.consolidation import Consolidated, Disagreement
from lambdas.domain.review.results.reviewer_statistics import add_request
from lambdas.domain.shared.dynamodb import TRANSACTION_ATTEMPTS, UNMET, wait_after, write_all
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.task_tokens import ENDED
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_stepfunctions import SFNClient


@frozen
class Resolver:
    """Does what follows from answers, as the settings say."""

    table: ReviewTable
    catalogue: Table
    stepfunctions: SFNClient
    tuning: Tuning

    def resolve(self, id: str, *, final: bool = False) -> Task | None:
        """Do all that follows from a task's answers: the task, None if there is none.

        Args:
            final: nobody else will answer: what is there has to do.
        """
        task = self.table.get(id)
        return self.resolve_task(task, final=final) if task else None

    def resolve_task(self, task: Task, *, final: bool = False) -> Task:
        """Do all that follows from the answers of a task as it was just read or written."""
        if task.state == "open" and task.answers and (final or len(task.answers) >= task.wanted):
            task = self._consolidate(task, final)
        return self._end_execution(task) if task.state != "open" and task.token else task

    def give_back(self, id: str, why: str) -> Task | None:
        """Give back an open task that nobody else will answer: the task.

        Answers that are there decide; without any, its image waits for the next task, and says why.
        """
        task = self.resolve(id, final=True)
        if task is None or task.state != "open":
            return task

        def given_back(now: Task) -> Task:
            return finished(now, "given_back", why) if now.state == "open" and not now.answers else now

        self.table.update(id, given_back)
        return self.resolve(id, final=True)

    def _consolidate(self, task: Task, final: bool) -> Task:
        max_answers = consolidation.max_answers(self.tuning.review_workers_per_task)
        final = final or task.declined or len(task.answers) >= max_answers
        result = consolidation.consolidate(task.answers, final=final, iou=self.tuning.review_iou)
        if isinstance(result, Disagreement):
            further = _no_result if final else _one_more
            return self.table.update(task.id, lambda now: further(now, task, result.why)) or task
        return self._close(task, result)

    def _close(self, task: Task, result: Consolidated) -> Task:
        """The catalogue learns the result, the task is done and all is counted, in one transaction:
        nothing is counted twice, and no older result follows a newer one."""
        iou = self.tuning.review_iou
        updates = [
            {"Update": add_request(self.table.table.name, id, part, counted)}
            for (id, part), counted in counts(task, result, iou).items()
        ]
        for attempt in range(TRANSACTION_ATTEMPTS):
            image = catalogue_images.get_image(self.catalogue, task.image)
            after = relabelled(image, task, result) if image else None
            done, learnt = _done(task, result), list[dict[str, Any]]()
            if image and after:
                learnt = catalogue_images.put_requests(self.catalogue, image, after)
            else:
                done = replace(done, state="given_back", why=f"image {task.image} is not in the catalogue")
            parts = [put_request(self.table, task, done), *learnt, *updates]
            reasons = write_all(self.table.table, parts)
            if not reasons:
                if image and after:
                    catalogue_images.forget_labels(self.catalogue, image, after)
                return done
            if reasons[0] == UNMET:
                # By another answer, or by somebody who resolved this one.
                return self.table.get(task.id) or task
            wait_after(attempt)
        raise TaskBusyError(f"the result of review task {task.id} meets too many others; try again")

    def _end_execution(self, task: Task) -> Task:
        """Let the execution that waits for the task go on."""
        try:
            if task.state == "done":
                output = json.dumps({"task": task.id, "outcome": task.outcome})
                self.stepfunctions.send_task_success(taskToken=task.token, output=output)
            else:
                self.stepfunctions.send_task_failure(
                    taskToken=task.token, error="GivenBack", cause=task.why[:32_000]
                )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ENDED:
                raise
        ended = self.table.replace(task, replace(task, token=""))
        return ended or self.table.update(task.id, lambda now: replace(now, token="")) or task


def needs_resolving(task: Task) -> bool:
    """Whether a crash left something undone."""
    if task.state == "open":
        return len(task.answers) >= task.wanted
    return bool(task.token)


def _one_more(now: Task, seen: Task, why: str) -> Task:
    if now.state != "open" or now.wanted > len(seen.answers):
        return now
    return replace(now, wanted=len(seen.answers) + 1, why=why, available_at=now.created_at)


def _no_result(now: Task, seen: Task, why: str) -> Task:
    """Its image waits, and is asked about anew."""
    if now.state != "open" or len(now.answers) > len(seen.answers):
        return now
    return finished(now, "given_back", why)


def _done(task: Task, result: Consolidated) -> Task:
    return replace(finished(task, "done", outcome=result.verdict), revision=task.revision + 1)


def put_request(table: ReviewTable, before: Task, after: Task) -> dict[str, Any]:
    """The Put of a transaction that replaces a task, unless somebody else was quicker."""
    return {
        "Put": {
            "TableName": table.table.name,
            "Item": as_item(after),
            "ConditionExpression": "revision = :seen",
            "ExpressionAttributeValues": {":seen": before.revision},
        }
    }


def relabelled(image: CatalogueImage, task: Task, result: Consolidated) -> CatalogueImage:
    """The image as the result of a task makes it."""
    by = catalogue_images.BY_REVIEW + ", ".join(sorted({answer.name for answer in task.answers}))
    if result.verdict == "unusable":
        return curation.excluded(image, f"{by}: {result.reason or 'unusable'}")
    if task.reason == "needed" and not image.requested_dataset_type:
        # Asked for to compare versions with, which one that has learned from it would not tell.
        image = replace(image, requested_dataset_type="TEST")
    if result.verdict == "nothing":
        return curation.marked_empty(image, task.kind, by)
    return curation.relabelled(image, task.kind, result.labels, result.boxes, by)


def counts(task: Task, result: Consolidated, iou: float) -> dict[tuple[str, str], dict[str, Any]]:
    """What is counted of a result, by the key of the item that it is added to."""
    of_reviewers = {(id, part): values for id, part, values in _of_reviewers(task, result, iou)}
    of_drafts = draft_precision.counts(task, result, iou)
    return {**of_reviewers, **precision.counts(task, result, iou), **of_drafts}


def _of_reviewers(task: Task, result: Consolidated, iou: float) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for answer in task.answers:
        counted: dict[str, Any] = {"answered": 1, "seconds": answer.seconds, f"on {answer.at[:10]}": 1}
        if len(task.answers) > 1:
            agreed = consolidation.agreement(answer, result, iou)
            counted |= {"compared": 1, "agreed": round(agreed, 4)}
        yield f"reviewer#{answer.reviewer}", "stats", counted
