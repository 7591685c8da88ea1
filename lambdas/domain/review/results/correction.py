"""Corrections: reviewers answer again what they have answered, and the new answer supersedes the old one.

While the task is open nothing else follows. Once it is done its image was labelled by it: then the result is
made anew of all answers, and the image is relabelled by it in the same transaction, unless somebody else has
changed its labels since. What was counted is counted anew. The answer before stays on record, with its time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.answers import Submission
from lambdas.domain.review.desk.desk import DeskError, Reviewer, TaskGoneError
from lambdas.domain.review.desk.task import Task, TaskBusyError
from lambdas.domain.review.results import consolidation, resolution
from lambdas.domain.review.results.consolidation import Consolidated, Disagreement
from lambdas.domain.review.results.resolution import Resolver
from lambdas.domain.review.results.reviewer_statistics import add_request
from lambdas.domain.shared.dynamodb import TRANSACTION_ATTEMPTS, wait_after, write_all


class CorrectionError(DeskError):
    """A correction that would not change what its reviewer means to change; nothing was written."""


def correct(
    resolver: Resolver, id: str, reviewer: Reviewer, submission: Submission, labels: Collection[str]
) -> Task:
    """Put a reviewer's answer in the place of the one that they gave before: the task with it.

    An answer before that never arrived makes this the first one. Sent again, it is acknowledged again.

    Raises:
        DeskError: the task is gone or not the reviewer's, or its image was relabelled since.
        InvalidAnswerError: the answer cannot be kept.
    """
    for attempt in range(TRANSACTION_ATTEMPTS):
        task = resolver.table.get(id)
        known = task.answer_of(reviewer.sub) if task else None
        if task is None or known is None:
            return desk.answer(resolver.table, id, reviewer, submission, labels)
        answer = desk.check_correction(task, known, reviewer, submission, labels)
        if answer.says_the_same(known):
            return task
        corrected = desk.with_correction(task, answer)
        if task.state == "open":
            written = resolver.table.replace(task, corrected)
        else:
            written = _replace_result(resolver, task, corrected, reviewer)
        if written:
            return written
        wait_after(attempt)
    raise TaskBusyError(f"review task {id} is written by too many others at once; try again")


def _replace_result(resolver: Resolver, task: Task, corrected: Task, reviewer: Reviewer) -> Task | None:
    """The task that is done with another result, which its image has; None if somebody else was quicker."""
    before, after = _result(resolver, task), _result(resolver, corrected)
    image = catalogue_images.get_image(resolver.catalogue, task.image)
    if image is None:
        raise TaskGoneError("the image is not in the catalogue any more")
    if not _is_result_on(image, task, before):
        raise CorrectionError(
            "the labels of this image were changed after the review, so your correction was not taken:"
            " ask an administrator to reopen the task"
        )
    done = replace(corrected, outcome=after.verdict, revision=task.revision + 1)
    relabelled = resolution.relabelled(_restored(image, before), corrected, after)
    learnt = catalogue_images.put_requests(resolver.catalogue, image, relabelled)
    iou = resolver.tuning.review_iou
    counted = _difference(
        resolution.counts(task, before, iou), resolution.counts(corrected, after, iou), reviewer
    )
    updates = [
        {"Update": add_request(resolver.table.table.name, id, part, values)}
        for (id, part), values in counted.items()
    ]
    parts = [resolution.put_request(resolver.table, task, done), *learnt, *updates]
    if write_all(resolver.table.table, parts):
        return None
    catalogue_images.forget_labels(resolver.catalogue, image, relabelled)
    return done


def _result(resolver: Resolver, task: Task) -> Consolidated:
    result = consolidation.consolidate(task.answers, final=True, iou=resolver.tuning.review_iou)
    if isinstance(result, Disagreement):
        raise CorrectionError(f"with your correction there is no result any more, as {result.why}")
    return result


def _is_result_on(image: CatalogueImage, task: Task, result: Consolidated) -> bool:
    """Whether the image still has what the task's result gave it."""
    by_it = resolution.relabelled(image, task, result)
    if result.verdict == "unusable":
        # Whoever excludes an image that is excluded changes nothing, so it is the review's own.
        return image.status == "excluded"
    return catalogue_images.labelling(image) == catalogue_images.labelling(by_it)


def _restored(image: CatalogueImage, result: Consolidated) -> CatalogueImage:
    """The image without the exclusion of a result that is corrected."""
    return replace(image, status="unlabelled") if result.verdict == "unusable" else image


_Counts = Mapping[tuple[str, str], Mapping[str, Any]]


def _difference(before: _Counts, after: _Counts, reviewer: Reviewer) -> dict[tuple[str, str], dict[str, Any]]:
    """What has to be added to what was counted before; answers of a day are those of the first time."""
    changed: dict[tuple[str, str], dict[str, Any]] = {}
    for key in sorted({*before, *after}):
        old, new = before.get(key, {}), after.get(key, {})
        names = {name for name in {*old, *new} if not name.startswith("on ")}
        values = {name: round(new.get(name, 0) - old.get(name, 0), 4) for name in sorted(names)}
        changed[key] = {name: value for name, value in values.items() if value}
    own = (f"reviewer#{reviewer.sub}", "stats")
    changed[own] = {**changed.get(own, {}), "corrected": 1}
    return {key: values for key, values in changed.items() if values}
