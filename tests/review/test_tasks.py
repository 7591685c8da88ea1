"""The table of tasks: what is kept comes back, and of many writers at once none undoes another."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.desk import Reviewer
from lambdas.domain.review.desk.task import (
    Answer,
    Claim,
    Suggestion,
    Suggestions,
    Task,
    TaskBusyError,
    finished,
    task_id,
)
from lambdas.domain.review.results.resolution import Resolver
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from tests.fixtures.reviews import (
    ANN,
    CLAIM_SECONDS,
    LABELS,
    CrashError,
    Reviews,
    dying,
    labelled,
    submit_answer,
)

EARLIER, LATER = "2020-01-01T00:00:00.000000Z", "9999-01-01T00:00:00.000000Z"


def test_all_of_a_task_comes_back_from_the_table(reviews: Reviews) -> None:
    full = Task(
        id="",
        image="a" * 64,
        key="images/a.jpg",
        width=100,
        height=80,
        kind="detection",
        reason="sample",
        why="why",
        route="a2i",
        wanted=3,
        claims=(Claim("sub-b", "Ben", LATER),),
        answers=(
            Answer("sub-a", "Ann", "labelled", (Box("cat", 1, 2, 3, 4),), ("indoors",), "r", 1.25, EARLIER),
            Answer("sub-c", "Cas", "unusable"),
        ),
        skipped=("sub-d",),
        suggestions=Suggestions((Suggestion("cat", 71.123, 1, 2, 3, 4),), (Suggestion("indoors", 50.0),)),
        suggested_by="v1",
        created_at=EARLIER,
        available_at=EARLIER,
        token="t",
        execution="batch-1",
    )
    opened = reviews.table.open_task(full)
    assert opened == replace(full, id=task_id(full.image, 1), revision=1)
    assert reviews.table.get(opened.id) == opened == reviews.table.current_of(full.image)


def test_an_image_has_one_open_task(reviews: Reviews) -> None:
    first = reviews.task()
    assert reviews.table.open_task(first) is None
    assert [task.id for task in reviews.table.in_state("open")] == [first.id]


def test_an_image_is_asked_about_again_only_when_its_last_task_is_old_enough(reviews: Reviews) -> None:
    first = reviews.task()
    ended = reviews.table.update(first.id, lambda task: finished(task, "given_back", "nobody came"))
    assert ended is not None
    assert reviews.table.open_task(first, again_before=EARLIER) is None
    second = reviews.table.open_task(first, again_before=ended.finished_at)
    assert second is not None
    assert (second.id, second.state, second.answers) == (task_id(first.image, 2), "open", ())
    assert reviews.read(first).state == "given_back"
    assert reviews.table.current_of(first.image) == second


def test_a_task_without_its_pointer_is_found_and_opened_again(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = reviews.image("a")
    new = Task("", image.sha256, image.key, image.width, image.height, "detection")
    with dying(monkeypatch, reviews, 1), pytest.raises(CrashError):
        reviews.table.open_task(new)
    assert reviews.table.current_of(image.sha256) is None
    opened = reviews.table.open_task(new)
    assert opened is not None
    assert [task.id for task in reviews.table.in_state("open")] == [opened.id]
    assert reviews.table.open_task(new) is None


def test_a_change_that_changes_nothing_is_not_written(reviews: Reviews) -> None:
    task = reviews.task()
    assert reviews.table.update(task.id, lambda task: task) == task
    assert reviews.read(task).revision == task.revision
    assert reviews.table.update("nobody-1", lambda task: task) is None


def test_whoever_is_slower_changes_what_the_quicker_left(reviews: Reviews) -> None:
    task = reviews.task()
    calls: list[int] = []

    def slow(now: Task) -> Task:
        calls.append(now.revision)
        if len(calls) == 1:
            reviews.table.update(task.id, lambda other: replace(other, why="quicker"))
        return replace(now, token="slower")

    after = reviews.table.update(task.id, slow)
    assert after is not None
    assert (after.why, after.token, calls) == ("quicker", "slower", [1, 2])


@pytest.mark.long
def test_a_task_that_is_written_all_the_time_is_an_error_and_no_loss(reviews: Reviews) -> None:
    task = reviews.task()

    def beaten(now: Task) -> Task:
        reviews.table.update(task.id, lambda other: replace(other, why=f"{other.revision}"))
        return replace(now, token="never")

    with pytest.raises(TaskBusyError, match=task.id):
        reviews.table.update(task.id, beaten)
    assert reviews.read(task).token == ""


def test_tasks_come_oldest_first_and_finished_ones_newest_first(reviews: Reviews) -> None:
    tasks = [reviews.task(f"{n}", created_at=f"2020-01-0{n}T00:00:00.000000Z") for n in (3, 1, 2)]
    by_age = [tasks[1].id, tasks[2].id, tasks[0].id]
    assert [task.id for task in reviews.table.next_open(clock.now(), ANN.sub, desk.ON_THE_DESK)] == by_age
    for id in by_age:
        reviews.table.update(id, lambda task: finished(task, "deleted"))
    assert [task.id for task in reviews.table.in_state("deleted", newest_first=True)] == by_age[::-1]


def test_pages_go_through_all_tasks_once(reviews: Reviews) -> None:
    opened = {reviews.task(f"{n}").id for n in range(5)}
    listed: list[str] = []
    cursor = None
    pages = 0
    while pages == 0 or cursor:
        page, cursor = reviews.table.page("open", limit=2, cursor=cursor)
        assert len(page) <= 2
        listed += [task.id for task in page]
        pages += 1
    assert Counter(listed) == Counter(opened)


def test_tasks_are_counted_no_further_than_asked(reviews: Reviews) -> None:
    for n in range(5):
        reviews.task(f"{n}", created_at=f"2020-01-0{n + 1}T00:00:00.000000Z")
    assert [reviews.table.count("open", limit=limit) for limit in (None, 3, 9)] == [5, 3, 5]
    assert reviews.table.count("open", available_after="2020-01-02T12:00:00.000000Z") == 3
    assert reviews.table.count("done") == 0


def test_a_batch_has_the_same_name_whoever_puts_it(reviews: Reviews) -> None:
    tasks = [reviews.task(name) for name in ("a", "b")]
    ids = [task.id for task in tasks]
    name = reviews.table.put_batch(ids)
    assert reviews.table.put_batch(ids[::-1]) == name
    assert {task.id for task in reviews.table.batch(name)} == set(ids)
    assert {task.execution for task in reviews.table.batch(name)} == {name}
    assert reviews.table.batch("batch-of-nobody") == []


@pytest.mark.long
@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_many_openers_at_once_one_opens(reviews: Reviews) -> None:
    image = reviews.image("a")
    new = Task("", image.sha256, image.key, image.width, image.height, "detection")
    tables = [reviews.own_resolver().table for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        opened = [task for task in threads.map(lambda table: table.open_task(new), tables) if task]
    assert len({task.id for task in opened}) == 1
    assert len(list(reviews.table.in_state("open"))) == 1


@pytest.mark.long
@pytest.mark.usefixtures("one_call_at_a_time")
def test_ten_reviewers_at_once_answer_each_of_twenty_tasks_once(reviews: Reviews) -> None:
    tasks = [reviews.task(f"{n}", token=f"token-{n}") for n in range(20)]
    people = [Reviewer(f"sub-{n}", f"Reviewer {n}") for n in range(10)]
    resolvers = [reviews.own_resolver() for _ in people]
    with ThreadPoolExecutor(len(people)) as threads:
        answered = list(threads.map(answer_everything, people, resolvers))

    ids = [task.id for task in tasks]
    assert Counter(id for ids_of_one in answered for id in ids_of_one) == Counter(ids)
    done = [reviews.read(task) for task in tasks]
    assert {(task.state, task.outcome, len(task.answers), task.token) for task in done} == {
        ("done", "labelled", 1, "")
    }
    assert Counter(dict(reviews.executions.outcomes)) == Counter(
        {f"token-{n}": "labelled" for n in range(20)}
    )
    assert len(reviews.executions.outcomes) == 20
    for task, image in [(task, reviews.image_of(task)) for task in done]:
        assert image.status == "labelled"
        assert image.boxes == task.answers[0].boxes
        assert image.changed_by == f"review by {task.answers[0].name}"
    for who, ids_answered in zip(people, answered, strict=True):
        assert int(reviews.counted(f"reviewer#{who.sub}").get("answered", 0)) == len(ids_answered)
    assert catalogue_images.count_changed_since(reviews.world.catalogue, "", 1000) == 20


def answer_everything(who: Reviewer, resolver: Resolver) -> list[str]:
    """Until there is nothing to claim: what was answered."""
    answered: list[str] = []
    while claimed := desk.claim(resolver.table, who, 2, CLAIM_SECONDS):
        for task in claimed:
            box = {"label": "cat", "left": len(answered), "top": 0, "width": 20, "height": 20}
            submit_answer(resolver.table, task.id, who, labelled(box), LABELS)
            resolver.resolve(task.id)
            answered.append(task.id)
    return answered
