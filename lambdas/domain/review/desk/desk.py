"""What reviewers do at the desk: claim tasks, renew or release their claims, skip, answer.

Nobody answers for another, and no answer that was acknowledged is lost: it is in the task's item before
anything follows from it (results/resolution.py).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain, islice

from lambdas.domain.review.desk import answers
from lambdas.domain.review.desk.answers import Submission
from lambdas.domain.review.desk.drafts import Draft
from lambdas.domain.review.desk.limits import MAX_CLAIMS
from lambdas.domain.review.desk.task import Answer, Claim, Route, Task, finished
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.reasons import MAX_REASON

ON_THE_DESK: tuple[Route, ...] = ("builtin",)
"""Other routes ask people elsewhere; on the embedded stack the desk is their worker portal too
(worker_portal.py)."""
_NEVER = "9999-12-31T23:59:59.999999Z"
_AT_ONCE = 50
"""Tasks among which reviewers who get in each other's way choose by chance."""
MAX_CORRECTIONS = 20
"""Corrections of answers to one task: all of them are in its item."""
_SEARCHED = 2000
"""Tasks that are done among which a reviewer's own answers are looked for, the newest first."""
MORE_SKIPS = 2
"""Reviewers beyond those wanted who may skip a task before it is given back."""


class DeskError(ApiError):
    """A reviewer cannot do this; the message says why, and what to do."""

    status = 409
    code = "conflict"

    def __init__(self, message: str) -> None:
        super().__init__(self.status, self.code, message)


class TaskNotFoundError(DeskError):
    status = 404
    code = "not_found"


class NotClaimedError(DeskError):
    code = "not_yours"


class TaskFinishedError(DeskError):
    code = "already_done"


class TaskElsewhereError(DeskError):
    code = "elsewhere"


class TaskGoneError(DeskError):
    status = 410
    code = "gone"


@frozen
class Reviewer:
    """Who asks: the subject of the token, and the name that people know."""

    sub: str
    name: str


def claim(
    table: ReviewTable,
    reviewer: Reviewer,
    count: int,
    claim_seconds: int,
    *,
    routes: Collection[Route] = ON_THE_DESK,
    held: Collection[str] = (),
    order: Sequence[str] = (),
    draft: Draft = lambda task: task,
) -> list[Task]:
    """Up to `count` tasks that are the reviewer's until the claim ends: those that were assigned to them or
    that they claimed before, then the oldest. In the places of unlabelled images' tasks those of the order
    come, as long as there are any.

    Args:
        held: ids of tasks that the reviewer has at hand, which are not among them. What was claimed by a
            page that is closed, or whose answer did not arrive, comes again.
        order: ids of tasks about unlabelled images, the first ones to be asked about.
        draft: gives the tasks their drafts.
    """
    now = clock.now()
    claimed: list[Task] = []
    at_hand = 0
    next_open = table.next_open(now, reviewer.sub, routes)
    free = _ScatteredTasks(
        _ordered(table, next_open, order, reviewer, routes=routes, now=now) if order else next_open
    )
    for task in chain(held_by(table, reviewer, now), free):
        own_claim = task.claim_of(reviewer.sub, now)
        if len(claimed) >= min(count, MAX_CLAIMS, 2 * MAX_CLAIMS - at_hand):
            break
        if task.id in held:
            # A task that others may claim too is among the free ones.
            at_hand += 1 if own_claim else 0
        elif own_claim or _may_claim(task, reviewer, now):
            own = table.replace(task, _claimed(draft(task), reviewer, claim_seconds))
            if own is None:
                free.scatter()
            else:
                claimed.append(own)
    return claimed


def _ordered(
    table: ReviewTable,
    oldest_first: Iterator[Task],
    order: Sequence[str],
    reviewer: Reviewer,
    *,
    routes: Collection[Route],
    now: str,
) -> Iterator[Task]:
    """The tasks with those of the order in the places of tasks about unlabelled images, whose turn comes
    after these. Like the others, those can be claimed: what the reviewer holds is none of them."""
    chosen = (
        task
        for task in table.get_many(order[:_AT_ONCE])
        if task.state == "open" and task.available_at <= now
        if task.route in routes and reviewer.sub not in task.seen_by
    )
    given: set[str] = set()
    passed: list[Task] = []
    for task in oldest_first:
        if task.id in given:
            continue
        first = next(chosen, None) if task.reason == "unlabelled" else None
        if first and first.id != task.id:
            given.add(first.id)
            passed.append(task)
        yield first or task
    yield from chosen
    yield from (task for task in passed if task.id not in given)


class _ScatteredTasks:
    """Tasks in their order; once somebody else took one, in any order. Whoever asks at the same moment sees
    the same tasks, and would be in the way again."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self._tasks = tasks
        self._next: list[Task] = []
        self._in_any_order = False

    def __iter__(self) -> Iterator[Task]:
        return self

    def __next__(self) -> Task:
        if not self._next:
            self._next = list(islice(self._tasks, _AT_ONCE))[::-1]
            self._shuffle()
        if not self._next:
            raise StopIteration
        return self._next.pop()

    def scatter(self) -> None:
        self._in_any_order = True
        self._shuffle()

    def _shuffle(self) -> None:
        if self._in_any_order:
            random.shuffle(self._next)


def held_by(table: ReviewTable, reviewer: Reviewer, now: str) -> list[Task]:
    """The tasks that the reviewer has claimed and that nobody else can claim."""
    return [task for task in table.claimed(now, reviewer.sub) if task.claim_of(reviewer.sub, now)]


def renew(
    table: ReviewTable,
    id: str,
    reviewer: Reviewer,
    claim_seconds: int,
    *,
    routes: Collection[Route] = ON_THE_DESK,
) -> Claim:
    """Begin the claim's time anew. A claim that has ended is taken up again if nobody else has the task.

    Raises:
        DeskError: the task is another's, or nobody's any more.
    """
    task = _open_task(table, id)
    _check_route(task, routes)
    now = clock.now()
    if not task.claim_of(reviewer.sub, now) and not _may_claim(task, reviewer, now):
        raise _not_yours(task, reviewer)
    renewed = _claim_again(table, id, reviewer, claim_seconds)
    own_claim = renewed.claim_of(reviewer.sub, now) if renewed else None
    if own_claim is None:
        raise _not_yours(_open_task(table, id), reviewer)
    return own_claim


def release(table: ReviewTable, id: str, reviewer: Reviewer, until: str = "") -> None:
    """Give the claim back; nothing if there is none.

    Args:
        until: the end of the claim that is meant, if it matters: one that the reviewer has begun anew since
            stays.
    """

    def released(task: Task) -> Task:
        own_claim = task.claim_of(reviewer.sub, clock.now())
        if task.state != "open" or own_claim is None or until not in {"", own_claim.until}:
            return task
        return _without_claim(task, reviewer.sub)

    table.update(id, released)


def skip(table: ReviewTable, id: str, reviewer: Reviewer, reason: str) -> tuple[Task, bool]:
    """Leave the task to others for good: the reviewer does not get it again. When as many have skipped it as
    could have answered, and more, it is given back, or the answers that it has have to do.

    Returns:
        the task, and whether it was skipped now: a request that is sent again changes nothing.

    Raises:
        DeskError: the reviewer does not hold it.
    """
    now = False

    def skipped(task: Task) -> Task:
        nonlocal now
        now = False
        if reviewer.sub in task.skipped:
            return task
        _check_open(task)
        if not task.claim_of(reviewer.sub, clock.now()):
            raise _not_yours(task, reviewer)
        now = True
        why = f"{reviewer.name} skipped it: {reason.strip()}"[:MAX_REASON]
        task = replace(_without_claim(task, reviewer.sub), skipped=(*task.skipped, reviewer.sub), why=why)
        if len(task.skipped) >= task.wanted + MORE_SKIPS:
            if task.answers:
                return _with_availability(replace(task, wanted=len(task.answers), declined=True))
            return finished(task, "given_back", f"declined by {len(task.skipped)} reviewers; the last: {why}")
        return task

    return _there(table.update(id, skipped), id), now


def take_back_skips(table: ReviewTable, reviewer: Reviewer) -> int:
    """Make the open tasks that the reviewer has skipped theirs to claim again: how many."""

    def taken_back(task: Task) -> Task:
        if task.state != "open":
            return task
        skipped = tuple(sub for sub in task.skipped if sub != reviewer.sub)
        return _with_availability(replace(task, skipped=skipped))

    ids = [task.id for task in table.skipped_by(reviewer.sub)]
    for id in ids:
        table.update(id, taken_back)
    return len(ids)


def answer(
    table: ReviewTable, id: str, reviewer: Reviewer, submission: Submission, labels: Collection[str]
) -> Task:
    """Record a reviewer's answer: the task with it. Sent again, it is acknowledged again.

    Raises:
        DeskError: the task is done, gone, or not the reviewer's.
        InvalidAnswerError: the answer cannot be kept.
    """

    def answered(task: Task) -> Task:
        if (known := task.answer_of(reviewer.sub)) is not None:
            # A label that it names may have been retired since.
            repeated = _checked(submission, task, reviewer, {*labels, *_labels_of(known)})
            if not repeated.says_the_same(known):
                raise TaskFinishedError("you have answered this task already")
            return task
        given = check_answer(task, reviewer, submission, labels, routes=ON_THE_DESK)
        return with_answers(_without_claim(task, reviewer.sub), (given,))

    return _there(table.update(id, answered), id)


def check_answer(
    task: Task,
    reviewer: Reviewer,
    submission: Submission,
    labels: Collection[str],
    *,
    routes: Collection[Route],
) -> Answer:
    """The answer that a reviewer's submission is, if they may give it.

    Raises:
        DeskError: the task is done, gone, of another route, or not the reviewer's.
        InvalidAnswerError: the answer cannot be kept.
    """
    _check_open(task)
    _check_route(task, routes)
    now = clock.now()
    if not task.claim_of(reviewer.sub, now) and not _may_claim(task, reviewer, now):
        raise _not_yours(task, reviewer)
    return _checked(submission, task, reviewer, labels)


def check_correction(
    task: Task, known: Answer, reviewer: Reviewer, submission: Submission, labels: Collection[str]
) -> Answer:
    """The answer that a reviewer's correction of an earlier one is. Its seconds are those of both.

    Raises:
        DeskError: the task is gone, of another route, or was corrected too often.
        InvalidAnswerError: the answer cannot be kept.
    """
    if task.state not in ("open", "done"):
        _check_open(task)
    _check_route(task, ON_THE_DESK)
    if len(task.superseded) >= MAX_CORRECTIONS:
        raise DeskError(
            f"answers to this image were corrected {MAX_CORRECTIONS} times: ask an administrator to reopen it"
        )
    # A label that the answer names may have been retired since.
    corrected = _checked(submission, task, reviewer, {*labels, *_labels_of(known)})
    return replace(corrected, seconds=round(known.seconds + corrected.seconds, 3))


def with_correction(task: Task, corrected: Answer) -> Task:
    """The task with a reviewer's answer in the place of the one before, which stays on record."""
    superseded = tuple(answer for answer in task.answers if answer.reviewer == corrected.reviewer)
    kept = tuple(corrected if answer.reviewer == corrected.reviewer else answer for answer in task.answers)
    return replace(task, answers=kept, superseded=(*task.superseded, *superseded))


def own_answers(table: ReviewTable, reviewer: Reviewer, routes: Collection[Route], limit: int) -> list[Task]:
    """The tasks that the reviewer has answered last, the newest answer first."""
    tasks = list(table.answered_by(reviewer.sub, routes, searched=_SEARCHED))

    def answered_at(task: Task) -> str:
        known = task.answer_of(reviewer.sub)
        return known.at if known else ""

    return sorted(tasks, key=answered_at, reverse=True)[:limit]


def _checked(submission: Submission, task: Task, reviewer: Reviewer, labels: Collection[str]) -> Answer:
    return answers.check_submission(submission, task, labels, reviewer=reviewer.sub, name=reviewer.name)


def hand_on(table: ReviewTable, id: str, reviewer: Reviewer) -> Task:
    """Mark the task as answered by the reviewer elsewhere: the claim is kept until the answer arrives."""

    def handed_on(task: Task) -> Task:
        if task.state != "open" or reviewer.sub in task.seen_by:
            return task
        answered = Claim(reviewer.sub, reviewer.name, "", "handed_on")
        return _with_availability(
            replace(task, claims=(*_without_claim(task, reviewer.sub).claims, answered))
        )

    return _there(table.update(id, handed_on), id)


def with_answers(task: Task, given: tuple[Answer, ...]) -> Task:
    """The task with these answers, one of each reviewer; whoever's are there already stay as they are."""
    kept = {answer.reviewer: answer for answer in task.answers}
    for answer in given:
        kept.setdefault(answer.reviewer, answer)
    claims = tuple(claim for claim in task.claims if claim.reviewer not in kept)
    return _with_availability(replace(task, answers=tuple(kept.values()), claims=claims))


def reassign(table: ReviewTable, id: str, reviewer: Reviewer | None, claim_seconds: int) -> Task:
    """End every claim on the task and, if a reviewer is named, claim it for them.

    Raises:
        DeskError: the task is not open, not on the desk, or the reviewer has answered it.
    """

    def reassigned(task: Task) -> Task:
        _check_open(task)
        _check_route(task, ON_THE_DESK)
        task = replace(task, claims=())
        if reviewer is None:
            return _with_availability(task)
        if task.answer_of(reviewer.sub):
            raise TaskFinishedError(f"{reviewer.name} has answered this task already")
        skipped = tuple(sub for sub in task.skipped if sub != reviewer.sub)
        assigned = Claim(reviewer.sub, reviewer.name, _until(claim_seconds))
        return _with_availability(replace(task, claims=(assigned,), skipped=skipped))

    return _there(table.update(id, reassigned), id)


def delete(table: ReviewTable, id: str, by: str) -> Task:
    """Delete a task; its image stays as it is, and visible.

    Raises:
        DeskError: it is done.
    """

    def deleted(task: Task) -> Task:
        if task.state == "done":
            raise TaskFinishedError(
                "the task is done: its answers are in the catalogue; relabel the image instead"
            )
        return task if task.state == "deleted" else finished(task, "deleted", f"deleted by {by}")

    return _there(table.update(id, deleted), id)


# Claims


def _claim_again(table: ReviewTable, id: str, reviewer: Reviewer, claim_seconds: int) -> Task | None:
    """The task with a new claim of the reviewer; None if somebody else was quicker."""

    def claimed(task: Task) -> Task:
        now = clock.now()
        if task.state != "open" or not (task.claim_of(reviewer.sub, now) or _may_claim(task, reviewer, now)):
            return task
        return _claimed(task, reviewer, claim_seconds)

    task = table.update(id, claimed)
    return task if task and task.claim_of(reviewer.sub, clock.now()) else None


def _claimed(task: Task, reviewer: Reviewer, claim_seconds: int) -> Task:
    others = tuple(claim for claim in task.active_claims(clock.now()) if claim.reviewer != reviewer.sub)
    own = Claim(reviewer.sub, reviewer.name, _until(claim_seconds))
    return _with_availability(replace(task, claims=(*others, own)))


def _may_claim(task: Task, reviewer: Reviewer, now: str) -> bool:
    if task.route not in ON_THE_DESK and not (task.token or task.execution):
        # No worker was asked yet.
        return False
    return task.state == "open" and task.free_claims(now) > 0 and reviewer.sub not in task.seen_by


def _without_claim(task: Task, reviewer: str) -> Task:
    return _with_availability(
        replace(task, claims=tuple(claim for claim in task.claims if claim.reviewer != reviewer))
    )


def _with_availability(task: Task) -> Task:
    """The task with the moment from which somebody can claim it."""
    now = clock.now()
    if task.free_claims(now) > 0:
        return replace(task, available_at=task.created_at)
    ends = [claim.until for claim in task.active_claims(now) if claim.kind != "handed_on"]
    return replace(task, available_at=min(ends, default=_NEVER))


def _until(claim_seconds: int) -> str:
    return clock.to_iso(clock.parse(clock.now()) + timedelta(seconds=claim_seconds))


# Errors


def _open_task(table: ReviewTable, id: str) -> Task:
    task = _there(table.get(id), id)
    _check_open(task)
    return task


def _there(task: Task | None, id: str) -> Task:
    if task is None:
        raise TaskNotFoundError(f"there is no review task {id[:60]}")
    return task


def _check_open(task: Task) -> None:
    if task.state == "done":
        raise TaskFinishedError("this task is done; go on to the next")
    if task.state != "open":
        raise TaskGoneError(f"this task was deleted or given back: {task.why}")


def _check_route(task: Task, routes: Collection[Route]) -> None:
    if task.route not in routes:
        raise TaskElsewhereError(
            f"the workers of {task.route} are asked about this image; who gets it is theirs"
        )


def _not_yours(task: Task, reviewer: Reviewer) -> DeskError:
    if reviewer.sub in task.skipped:
        return NotClaimedError("you have skipped this task")
    if reviewer.sub in task.seen_by:
        return NotClaimedError("you have answered this task already")
    names = ", ".join(claim.name for claim in task.active_claims(clock.now()))
    return NotClaimedError(f"{names or 'somebody else'} has this task; claim another")


def _labels_of(answer: Answer) -> set[str]:
    return {box.label for box in answer.boxes} | set(answer.labels)
