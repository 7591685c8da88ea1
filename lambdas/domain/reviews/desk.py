"""What reviewers do at the desk: claim tasks, keep or give back their claims, skip, answer.

Nobody answers for another, and no answer that was acknowledged is lost: it is in the task's item before
anything follows from it (settling.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from lambdas.domain import clock
from lambdas.domain.reviews import answers
from lambdas.domain.reviews.tasks import Answer, ReviewTable, Seat, Task, finished

MAX_CLAIMS = 5
"""Claimed in one request; and of them a reviewer holds twice as many at most, so that nobody hoards."""
_LOOKED_AT = 200
"""Tasks looked at for one request."""
MORE_SKIPS = 2
"""Reviewers beyond those wanted who may skip a task before it is given back."""
MAX_REASON = 500


class DeskError(Exception):
    """A reviewer cannot do this; the message says why, and what to do."""

    status = 409
    code = "conflict"


class TaskNotFound(DeskError):
    status = 404
    code = "not_found"


class NotYours(DeskError):
    code = "not_yours"


class AlreadyDone(DeskError):
    code = "already_done"


class TaskGone(DeskError):
    status = 410
    code = "gone"


@dataclass(frozen=True)
class Reviewer:
    """Who asks: the subject of the token, and the name that people know."""

    sub: str
    name: str


def claim(table: ReviewTable, reviewer: Reviewer, count: int, claim_seconds: int) -> list[Task]:
    """Up to `count` tasks that are the reviewer's until the claim ends, oldest first.

    Tasks that the reviewer holds already are not among them.
    """
    now = clock.now()
    claimed: list[Task] = []
    held = len(held_by(table, reviewer, now))
    for task in islice(table.next_open(now), _LOOKED_AT):
        if len(claimed) >= min(count, MAX_CLAIMS, 2 * MAX_CLAIMS - held):
            break
        if task.seat_of(reviewer.sub, now):
            # It has seats for others too.
            held += 1
        elif _may_claim(task, reviewer, now) and (got := _sit_down(table, task.id, reviewer, claim_seconds)):
            claimed.append(got)
    return claimed


def held_by(table: ReviewTable, reviewer: Reviewer, now: str) -> list[Task]:
    """The tasks that the reviewer has claimed and that nobody else can sit down at."""
    return [task for task in table.taken(now) if task.seat_of(reviewer.sub, now)]


def renew(table: ReviewTable, id: str, reviewer: Reviewer, claim_seconds: int) -> Seat:
    """Begin the claim's time anew. A claim that has ended is taken up again if the seat is still free.

    Raises:
        DeskError: the task is another's, or nobody's any more.
    """
    task = _open_task(table, id)
    now = clock.now()
    if not task.seat_of(reviewer.sub, now) and not _may_claim(task, reviewer, now):
        raise _not_yours(task, reviewer)
    got = _sit_down(table, id, reviewer, claim_seconds)
    seat = got.seat_of(reviewer.sub, now) if got else None
    if seat is None:
        raise _not_yours(_open_task(table, id), reviewer)
    return seat


def release(table: ReviewTable, id: str, reviewer: Reviewer) -> None:
    """Give the claim back; nothing if there is none."""
    table.update(id, lambda task: _left(task, reviewer.sub) if task.state == "open" else task)


def skip(table: ReviewTable, id: str, reviewer: Reviewer, reason: str) -> Task:
    """The reviewer does not want this task, and does not get it again. When as many have skipped it as
    could have answered, and more, it is given back, or the answers that it has have to do.

    Raises:
        DeskError: the reviewer does not hold it.
    """

    def skipped(task: Task) -> Task:
        if task.state != "open" or reviewer.sub in task.skipped:
            return task
        if not task.seat_of(reviewer.sub, clock.now()):
            raise _not_yours(task, reviewer)
        told = f"{reviewer.name} skipped it: {reason.strip()}"[:MAX_REASON]
        task = replace(_left(task, reviewer.sub), skipped=(*task.skipped, reviewer.sub), why=told)
        if len(task.skipped) >= task.wanted + MORE_SKIPS:
            if task.answers:
                return _seated(replace(task, wanted=len(task.answers)))
            return finished(
                task, "given_back", f"declined by {len(task.skipped)} reviewers; the last: {told}"
            )
        return task

    _open_task(table, id)
    return _there(table.update(id, skipped), id)


def answer(
    table: ReviewTable, id: str, reviewer: Reviewer, body: Mapping[str, Any], labels: Collection[str]
) -> Task:
    """Put a reviewer's answer on record: the task with it. Sent again, it is acknowledged again.

    Raises:
        DeskError: the task is done, gone, or not the reviewer's.
        BadAnswer: the answer cannot be kept.
    """
    task = _there(table.get(id), id)
    if (known := task.answer_of(reviewer.sub)) is not None:
        given = answers.parse_answer(body, task, {*labels, *_labels_of(known)}, reviewer="", name="")
        if replace(given, reviewer=reviewer.sub).says_the_same(known):
            return task
        raise AlreadyDone("you have answered this task already")
    _check_open(task)
    if not task.seat_of(reviewer.sub, clock.now()) and not _may_claim(task, reviewer, clock.now()):
        raise _not_yours(task, reviewer)
    given = answers.parse_answer(body, task, labels, reviewer=reviewer.sub, name=reviewer.name)

    def answered(task: Task) -> Task:
        if (known := task.answer_of(reviewer.sub)) is not None:
            if not given.says_the_same(known):
                raise AlreadyDone("you have answered this task already")
            return task
        _check_open(task)
        now = clock.now()
        if not task.seat_of(reviewer.sub, now) and not _may_claim(task, reviewer, now):
            raise _not_yours(task, reviewer)
        return with_answers(_left(task, reviewer.sub), (given,))

    return _there(table.update(id, answered), id)


def with_answers(task: Task, given: tuple[Answer, ...]) -> Task:
    """The task with these answers, one of each reviewer; whoever's are there already stay as they are."""
    kept = {answer.reviewer: answer for answer in task.answers}
    for answer in given:
        kept.setdefault(answer.reviewer, answer)
    return _seated(replace(task, answers=tuple(kept.values())))


def reassign(table: ReviewTable, id: str, reviewer: Reviewer | None, claim_seconds: int) -> Task:
    """End every claim on the task and, if a reviewer is named, claim it for them.

    Raises:
        DeskError: the task is not open, or the reviewer has answered it.
    """

    def reassigned(task: Task) -> Task:
        _check_open(task)
        task = replace(task, seats=())
        if reviewer is None:
            return _seated(task)
        if task.answer_of(reviewer.sub):
            raise AlreadyDone(f"{reviewer.name} has answered this task already")
        skipped = tuple(sub for sub in task.skipped if sub != reviewer.sub)
        seat = Seat(reviewer.sub, reviewer.name, _until(claim_seconds))
        return _seated(replace(task, seats=(seat,), skipped=skipped))

    return _there(table.update(id, reassigned), id)


def delete(table: ReviewTable, id: str, by: str) -> Task:
    """Take a task from the desk; its image stays as it is, and visible.

    Raises:
        DeskError: it is done.
    """

    def deleted(task: Task) -> Task:
        if task.state == "done":
            raise AlreadyDone("the task is done: its answers are in the catalogue; relabel the image instead")
        return task if task.state == "deleted" else finished(task, "deleted", f"deleted by {by}")

    return _there(table.update(id, deleted), id)


# Seats


def _sit_down(table: ReviewTable, id: str, reviewer: Reviewer, claim_seconds: int) -> Task | None:
    """The task with a seat for the reviewer; None if somebody else was quicker."""

    def seated(task: Task) -> Task:
        now = clock.now()
        if task.state != "open" or not (task.seat_of(reviewer.sub, now) or _may_claim(task, reviewer, now)):
            return task
        others = tuple(seat for seat in task.taken(now) if seat.reviewer != reviewer.sub)
        return _seated(
            replace(task, seats=(*others, Seat(reviewer.sub, reviewer.name, _until(claim_seconds))))
        )

    task = table.update(id, seated)
    return task if task and task.seat_of(reviewer.sub, clock.now()) else None


def _may_claim(task: Task, reviewer: Reviewer, now: str) -> bool:
    return task.state == "open" and task.free_seats(now) > 0 and not task.seen_by(reviewer.sub)


def _left(task: Task, reviewer: str) -> Task:
    return _seated(replace(task, seats=tuple(seat for seat in task.seats if seat.reviewer != reviewer)))


def _seated(task: Task) -> Task:
    """With the moment from which somebody can sit down at it."""
    now = clock.now()
    if task.free_seats(now) > 0:
        return replace(task, available_at=task.created_at)
    ends = [seat.until for seat in task.taken(now)]
    return replace(task, available_at=min(ends) if ends else now)


def _until(claim_seconds: int) -> str:
    return clock.text(clock.parse(clock.now()) + timedelta(seconds=claim_seconds))


# Refusals


def _open_task(table: ReviewTable, id: str) -> Task:
    task = _there(table.get(id), id)
    _check_open(task)
    return task


def _there(task: Task | None, id: str) -> Task:
    if task is None:
        raise TaskNotFound(f"there is no review task {id[:60]}")
    return task


def _check_open(task: Task) -> None:
    if task.state == "done":
        raise AlreadyDone("this task is done; go on to the next")
    if task.state != "open":
        raise TaskGone(f"this task was withdrawn: {task.why}")


def _not_yours(task: Task, reviewer: Reviewer) -> DeskError:
    if reviewer.sub in task.skipped:
        return NotYours("you have skipped this task")
    names = ", ".join(seat.name for seat in task.taken(clock.now()))
    return NotYours(f"{names or 'somebody else'} has this task; claim another")


def _labels_of(answer: Answer) -> set[str]:
    return {box.label for box in answer.boxes} | set(answer.labels)
