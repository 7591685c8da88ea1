"""The desk: whose a task is, for how long, and what everybody else is told."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

import pytest

from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.desk import (
    DeskError,
    NotClaimedError,
    Reviewer,
    TaskElsewhereError,
    TaskFinishedError,
    TaskGoneError,
    TaskNotFoundError,
)
from lambdas.domain.review.desk.limits import MAX_CLAIMS
from lambdas.domain.review.desk.task import Answer, Task, finished
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.review.results.resolution import needs_resolving
from lambdas.domain.review.workforce.worker_portal import Portal
from lambdas.domain.shared import clock
from tests.fixtures.reviews import ANN, BEN, CAS, CLAIM_SECONDS, DOT, LABELS, Reviews, labelled, submit_answer

Act = Callable[[Reviews, str, Reviewer], Any]
ACTS: dict[str, Act] = {
    "answer": lambda reviews, id, who: submit_answer(reviews.table, id, who, labelled(), LABELS),
    "renew": lambda reviews, id, who: desk.renew(reviews.table, id, who, CLAIM_SECONDS),
    "skip": lambda reviews, id, who: desk.skip(reviews.table, id, who, "dull"),
}


def claim(reviews: Reviews, who: Reviewer, count: int = 1, held: Collection[str] = ()) -> list[Task]:
    return desk.claim(reviews.table, who, count, CLAIM_SECONDS, held=held)


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    moment = clock.to_iso(clock.parse(clock.now()) + timedelta(seconds=seconds))
    monkeypatch.setattr(clock, "now", lambda: moment)


@pytest.mark.long
def test_a_claim_that_was_begun_anew_is_not_given_back_by_the_page_before(reviews: Reviews) -> None:
    """A page that is loaded anew gives its claims back and takes them up again, in any order."""
    task = reviews.task()
    (before,) = claim(reviews, ANN)
    now = desk.renew(reviews.table, task.id, ANN, CLAIM_SECONDS)
    desk.release(reviews.table, task.id, ANN, before.claims[0].until)
    assert reviews.read(task).claims == (now,)
    desk.release(reviews.table, task.id, ANN, now.until)
    assert reviews.read(task).claims == ()


def test_the_oldest_tasks_are_claimed_first_and_are_nobody_else_s(reviews: Reviews) -> None:
    tasks = [reviews.task(f"{n}") for n in range(3)]
    assert [task.id for task in claim(reviews, ANN, 2)] == [tasks[0].id, tasks[1].id]
    assert [task.id for task in claim(reviews, BEN, 2)] == [tasks[2].id]
    assert claim(reviews, CAS) == []


@pytest.mark.parametrize("wanted", [1, 2])
def test_nobody_hoards(reviews: Reviews, wanted: int) -> None:
    for n in range(15):
        reviews.task(f"{n}", wanted=wanted)
    held: list[str] = []
    for more in (MAX_CLAIMS, MAX_CLAIMS, 0):
        got = [task.id for task in claim(reviews, ANN, 99, held)]
        assert len(got) == more
        held += got
    assert len(set(held)) == len(held)
    others = [task.id for task in claim(reviews, BEN, 99)]
    assert len(others) == MAX_CLAIMS
    assert set(others).isdisjoint(held) == (wanted == 1)


@pytest.mark.parametrize("wanted", [1, 2])
def test_what_a_page_has_claimed_that_is_closed_comes_again(reviews: Reviews, wanted: int) -> None:
    """Its reviewer has three claims, of which a page knows one."""
    tasks = [reviews.task(f"{n}", wanted=wanted).id for n in range(5)]
    assert [task.id for task in claim(reviews, ANN, 3)] == tasks[:3]
    assert [task.id for task in claim(reviews, ANN, 4, [tasks[1]])] == [tasks[0], *tasks[2:]]


def test_what_was_assigned_is_claimed_first(reviews: Reviews) -> None:
    tasks = [reviews.task(f"{n}") for n in range(3)]
    desk.reassign(reviews.table, tasks[2].id, ANN, CLAIM_SECONDS)
    assert [task.id for task in claim(reviews, BEN, 3)] == [tasks[0].id, tasks[1].id]
    for task in tasks[:2]:
        desk.release(reviews.table, task.id, BEN)
    assert [task.id for task in claim(reviews, ANN, 2)] == [tasks[2].id, tasks[0].id]


def test_reviewers_who_ask_at_the_same_moment_all_get_tasks(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else takes the first that Ann sees; she gets others, and nobody gets hers."""
    for n in range(20):
        reviews.task(f"{n}")
    replaced = ReviewTable.replace
    quicker: list[str] = []

    def beaten_once(table: ReviewTable, before: Task, after: Task) -> Task | None:
        if not quicker:
            quicker.append(before.id)
            assert [task.id for task in claim(reviews, BEN)] == quicker
        return replaced(table, before, after)

    monkeypatch.setattr(ReviewTable, "replace", beaten_once)
    got = [task.id for task in claim(reviews, ANN, 5)]
    assert len(set(got)) == 5
    assert quicker[0] not in got
    assert {task.id for task in desk.held_by(reviews.table, ANN, clock.now())} == set(got)
    assert {task.id for task in desk.held_by(reviews.table, BEN, clock.now())} == set(quicker)


@pytest.mark.long
def test_tasks_that_the_reviewer_has_answered_do_not_hide_the_others(reviews: Reviews) -> None:
    """Far more of them than one page of the queue holds."""
    given = (Answer(ANN.sub, ANN.name, "nothing"),)
    for n in range(150):
        task = reviews.task(f"{n}", wanted=2)
        reviews.table.update(task.id, lambda now: desk.with_answers(now, given))
    left = reviews.task("left", wanted=2)
    assert [task.id for task in claim(reviews, ANN, 5)] == [left.id]


def test_other_routes_are_not_on_the_desk(reviews: Reviews) -> None:
    asked = {
        "a2i": reviews.task("a", route="a2i", token="t"),
        "groundtruth": reviews.task("b", route="groundtruth", execution="batch-1"),
        "builtin": reviews.task("c"),
    }
    assert [task.id for task in claim(reviews, ANN, 5)] == [asked["builtin"].id]
    before = reviews.items()
    for route in ("a2i", "groundtruth"):
        with pytest.raises(TaskElsewhereError, match=route):
            desk.reassign(reviews.table, asked[route].id, ANN, CLAIM_SECONDS)
        for act in ("renew", "answer"):
            with pytest.raises(TaskElsewhereError, match=route):
                ACTS[act](reviews, asked[route].id, ANN)
    assert reviews.items() == before


def test_tasks_of_workers_are_claimed_where_the_desk_is_their_portal(reviews: Reviews) -> None:
    routes = Portal.routes
    asked = [reviews.task("a", route="a2i", token="t"), reviews.task("b", route="groundtruth", execution="j")]
    for route in ("a2i", "groundtruth"):
        reviews.task(f"not asked yet: {route}", route=route)
    got = desk.claim(reviews.table, BEN, 5, CLAIM_SECONDS, routes=routes)
    assert [task.id for task in got] == [task.id for task in asked]
    assert desk.renew(reviews.table, asked[0].id, BEN, CLAIM_SECONDS, routes=routes).reviewer == BEN.sub


def test_an_answer_that_is_on_its_way_back_keeps_its_seat(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = reviews.task(wanted=2)
    claim(reviews, ANN)
    handed_on = desk.hand_on(reviews.table, task.id, ANN)
    assert desk.hand_on(reviews.table, task.id, ANN) == handed_on
    assert desk.held_by(reviews.table, ANN, clock.now()) == []
    later(monkeypatch, CLAIM_SECONDS + 1)
    assert claim(reviews, ANN) == []
    assert [task.id for task in claim(reviews, BEN)] == [task.id]
    assert claim(reviews, CAS) == []
    assert [claim.kind for claim in reviews.read(task).claims] == ["handed_on", "claimed"]


def test_a_claim_ends_by_itself(reviews: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    later(monkeypatch, CLAIM_SECONDS - 1)
    assert claim(reviews, BEN) == []
    later(monkeypatch, 2)
    assert [task.id for task in claim(reviews, BEN)] == [task.id]
    with pytest.raises(NotClaimedError, match="Ben has this task"):
        ACTS["answer"](reviews, task.id, ANN)


def test_a_renewed_claim_holds_longer(reviews: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    later(monkeypatch, CLAIM_SECONDS - 1)
    renewed = desk.renew(reviews.table, task.id, ANN, CLAIM_SECONDS)
    later(monkeypatch, CLAIM_SECONDS - 1)
    assert renewed.until > clock.now()
    assert claim(reviews, BEN) == []


def test_a_claim_that_has_ended_is_taken_up_again_and_answered(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [reviews.task(name) for name in ("a", "b")]
    claim(reviews, ANN, 2)
    later(monkeypatch, CLAIM_SECONDS + 1)
    assert desk.renew(reviews.table, tasks[0].id, ANN, CLAIM_SECONDS).reviewer == ANN.sub
    assert ACTS["answer"](reviews, tasks[1].id, ANN).answer_of(ANN.sub)
    assert [task.id for task in desk.held_by(reviews.table, ANN, clock.now())] == [tasks[0].id]


def test_a_claim_that_is_given_back_is_the_next_one_s(reviews: Reviews) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    desk.release(reviews.table, task.id, ANN)
    desk.release(reviews.table, task.id, ANN)
    desk.release(reviews.table, "nobody-1", ANN)
    assert [task.id for task in claim(reviews, BEN)] == [task.id]
    desk.release(reviews.table, task.id, ANN)
    assert reviews.read(task).claim_of(BEN.sub, clock.now())


# Errors


@pytest.mark.parametrize("act", ACTS)
def test_somebody_else_s_task_is_refused(reviews: Reviews, act: str) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    before = reviews.items()
    with pytest.raises(NotClaimedError, match="Ann has this task") as refused:
        ACTS[act](reviews, task.id, BEN)
    assert (refused.value.status, refused.value.code) == (409, "not_yours")
    assert reviews.items() == before


@pytest.mark.parametrize("act", ["answer", "renew"])
@pytest.mark.parametrize(
    ("state", "error", "status"),
    [("done", TaskFinishedError, 409), ("deleted", TaskGoneError, 410), ("given_back", TaskGoneError, 410)],
)
def test_a_task_that_has_ended_is_refused(
    reviews: Reviews, act: str, state: Any, error: type[DeskError], status: int
) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    reviews.table.update(task.id, lambda task: finished(task, state, "somebody said so"))
    before = reviews.items()
    with pytest.raises(error) as refused:
        ACTS[act](reviews, task.id, ANN)
    assert refused.value.status == status
    assert reviews.items() == before


@pytest.mark.parametrize("act", ACTS)
def test_a_task_that_is_not_there_is_refused(reviews: Reviews, act: str) -> None:
    with pytest.raises(TaskNotFoundError, match="no review task nobody-1"):
        ACTS[act](reviews, "nobody-1", ANN)
    assert reviews.items() == []


# Answers


def test_the_same_answer_sent_again_is_acknowledged_and_kept_once(reviews: Reviews) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    first = ACTS["answer"](reviews, task.id, ANN)
    reviews.resolver().resolve(task.id)
    before = reviews.items()
    again = submit_answer(reviews.table, task.id, ANN, labelled(seconds=9), LABELS - {"cat"})
    reviews.resolver().resolve(task.id)
    assert again.answers == first.answers
    assert reviews.items() == before
    assert reviews.counted(f"reviewer#{ANN.sub}")["answered"] == 1


def test_another_answer_after_the_first_is_refused(reviews: Reviews) -> None:
    task = reviews.task(wanted=2)
    ACTS["answer"](reviews, task.id, ANN)
    before = reviews.items()
    with pytest.raises(TaskFinishedError, match="answered this task already"):
        submit_answer(reviews.table, task.id, ANN, {"verdict": "nothing"}, LABELS)
    assert claim(reviews, ANN) == []
    assert reviews.items() == before


def test_of_a_reviewer_only_one_answer_is_kept(reviews: Reviews) -> None:
    given = (Answer("w", "W", "nothing"), Answer("w", "W", "unusable"), Answer("x", "X", "nothing"))
    kept = desk.with_answers(reviews.task(wanted=3), given)
    assert kept.answers == (given[0], given[2])
    assert desk.with_answers(kept, given).answers == kept.answers


# Skipping


def test_a_task_that_enough_have_skipped_is_given_back(reviews: Reviews) -> None:
    task = reviews.task()
    for number, who in enumerate((ANN, BEN, CAS), 1):
        assert reviews.read(task).state == "open"
        claim(reviews, who)
        skipped, now = desk.skip(reviews.table, task.id, who, " too dark ")
        assert (skipped.skipped[-1], now) == (who.sub, True)
        assert len(reviews.read(task).skipped) == number
    ended = reviews.read(task)
    assert ended.state == "given_back"
    assert ended.why == "declined by 3 reviewers; the last: Cas skipped it: too dark"


def test_who_has_skipped_a_task_does_not_get_it_again(reviews: Reviews) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    ACTS["skip"](reviews, task.id, ANN)
    before = reviews.items()
    assert claim(reviews, ANN) == []
    again, now = ACTS["skip"](reviews, task.id, ANN)
    assert (again.skipped, now) == ((ANN.sub,), False)
    with pytest.raises(NotClaimedError, match="you have skipped"):
        ACTS["answer"](reviews, task.id, ANN)
    assert reviews.items() == before


def test_the_skip_that_ended_a_task_is_acknowledged_again(reviews: Reviews) -> None:
    task = reviews.task()
    for who in (ANN, BEN, CAS):
        claim(reviews, who)
        ended, _ = ACTS["skip"](reviews, task.id, who)
    before = reviews.items()
    assert ACTS["skip"](reviews, task.id, CAS) == (ended, False)
    assert reviews.items() == before


def test_answers_that_disagree_are_final_once_everybody_else_skips(reviews: Reviews) -> None:
    """They come to what they come to, and nobody is asked again and again."""
    resolver = reviews.resolver(review_workers_per_task=2)
    task = reviews.task(wanted=2, token="waits")
    for who, left in ((ANN, 0), (BEN, 50)):
        given = labelled({"label": "cat", "left": left, "top": 0, "width": 20, "height": 20})
        resolver.resolve_task(submit_answer(reviews.table, task.id, who, given, LABELS))
    assert (reviews.read(task).state, reviews.read(task).wanted) == ("open", 3)
    for number in range(3 + desk.MORE_SKIPS):
        assert reviews.read(task).wanted == 3
        who = Reviewer(f"skips-{number}", f"{number}")
        claim(reviews, who)
        ACTS["skip"](reviews, task.id, who)
    assert needs_resolving(reviews.read(task))
    resolved = resolver.resolve(task.id)
    assert resolved is not None
    assert (resolved.state, len(resolved.answers)) == ("given_back", 2)
    assert "do not agree" in resolved.why
    assert reviews.executions.waiting == set()


def test_an_answer_is_not_lost_because_everybody_else_skips(reviews: Reviews) -> None:
    task = reviews.task(wanted=2)
    ACTS["answer"](reviews, task.id, ANN)
    for number in range(2 + desk.MORE_SKIPS):
        who = Reviewer(f"skips-{number}", f"{number}")
        claim(reviews, who)
        ACTS["skip"](reviews, task.id, who)
    reviews.resolver(review_workers_per_task=2).resolve(task.id)
    assert (reviews.read(task).state, reviews.image_of(task).status) == ("done", "labelled")


# Administrators


def test_a_task_is_reassigned_also_to_somebody_who_skipped_it(reviews: Reviews) -> None:
    task = reviews.task()
    claim(reviews, BEN)
    ACTS["skip"](reviews, task.id, BEN)
    claim(reviews, ANN)
    desk.reassign(reviews.table, task.id, BEN, CLAIM_SECONDS)
    with pytest.raises(NotClaimedError, match="Ben has this task"):
        ACTS["answer"](reviews, task.id, ANN)
    assert ACTS["answer"](reviews, task.id, BEN).answer_of(BEN.sub)
    with pytest.raises(TaskFinishedError, match="Ben has answered"):
        desk.reassign(reviews.table, task.id, BEN, CLAIM_SECONDS)


def test_a_task_that_is_reassigned_to_nobody_is_everybody_s(reviews: Reviews) -> None:
    task = reviews.task()
    claim(reviews, ANN)
    desk.reassign(reviews.table, task.id, None, CLAIM_SECONDS)
    assert [task.id for task in claim(reviews, DOT)] == [task.id]


def test_a_deleted_task_leaves_its_image_as_it_is(reviews: Reviews) -> None:
    task = reviews.task()
    image = reviews.image_of(task)
    assert desk.delete(reviews.table, task.id, "Dot").why == "deleted by Dot"
    assert desk.delete(reviews.table, task.id, "Cas").why == "deleted by Dot"
    assert reviews.image_of(task) == image
    done = reviews.task("b")
    reviews.table.update(done.id, lambda task: finished(task, "done"))
    with pytest.raises(TaskFinishedError, match="relabel the image"):
        desk.delete(reviews.table, done.id, "Dot")
