"""The sweeper's part: heartbeats, lost events, broken executions; one bad task harms no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lambdas import sweep
from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.task import Answer
from lambdas.domain.review.workforce import a2i, ground_truth
from lambdas.domain.shared import clock
from lambdas.domain.sweep import reviews as sweep_reviews
from lambdas.domain.sweep.reviews import Reconciled
from tests.fixtures.deployment import context
from tests.fixtures.reviews import CAT, Reviews, client_error
from tests.fixtures.workforce import DEPLOYMENT, Workers


@pytest.fixture
def workers(reviews: Reviews, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(reviews, tmp_path)
    yield made
    made.bench.service.close()


def reconciled(workers: Workers, **changed: Any) -> Reconciled:
    reviews = workers.reviews
    return sweep_reviews.reconcile(workers.routes(**changed), reviews.opener(), reviews.world.catalogue)


def later(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    moment = clock.to_iso(clock.parse(clock.now()) + timedelta(seconds=seconds))
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_open_tasks_have_their_heartbeats(workers: Workers) -> None:
    for name in "abc":
        workers.reviews.task(name, token=name)
    workers.asked("d")
    assert reconciled(workers) == Reconciled()
    assert sorted(workers.reviews.executions.heartbeats) == ["a", "b", "c", "d"]


def test_a_task_whose_execution_has_ended_is_given_back(workers: Workers) -> None:
    task = workers.reviews.task(token="t")
    workers.reviews.executions.waiting.clear()
    assert reconciled(workers) == Reconciled(given_back=1)
    assert workers.reviews.read(task).why == "its execution has ended"


def test_one_task_that_cannot_be_tended_keeps_no_other_from_it(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [workers.reviews.task(name, token=name) for name in ("first", "second", "third")]
    beat = workers.reviews.executions.send_task_heartbeat

    def broken(*, taskToken: str) -> dict[str, Any]:
        if taskToken == "first":
            raise client_error("InternalServerError")
        return beat(taskToken=taskToken)

    monkeypatch.setattr(workers.reviews.executions, "send_task_heartbeat", broken)
    assert reconciled(workers) == Reconciled(failed=1)
    assert sorted(workers.reviews.executions.heartbeats) == ["second", "third"]
    assert {workers.reviews.read(task).state for task in tasks} == {"open"}


def test_the_sweep_goes_on_and_tells_of_what_it_could_not_tend(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviews.task(token="t")
    monkeypatch.setenv("CONSOLE_ADDRESS", "https://console")
    reviews.executions.failures.append("InternalServerError")
    result = sweep.handle({}, context())
    assert result["reviews"] == {"failed": 1}
    assert "requested_run" in result


def test_what_a_crash_left_undone_is_done(workers: Workers) -> None:
    answered = workers.reviews.task("answered", token="t")
    given = (Answer("sub", "Ann", "nothing", at=clock.now()),)
    workers.reviews.table.update(answered.id, lambda now: desk.with_answers(now, given))
    untold = workers.reviews.task("untold", token="u")
    desk.delete(workers.reviews.table, untold.id, "Ann")
    assert reconciled(workers) == Reconciled(resolved=2)
    assert workers.reviews.read(answered).state == "done"
    assert sorted(workers.reviews.executions.outcomes) == [
        ("t", "nothing"),
        ("u", "GivenBack: deleted by Ann"),
    ]


def test_a_task_whose_image_was_labelled_meanwhile_is_deleted(workers: Workers) -> None:
    task = workers.reviews.task(token="t")
    image = workers.reviews.image_of(task)
    changed = curation.relabelled(image, "classification", ("cat",), (), "somebody")
    catalogue_images.update_image(workers.reviews.world.catalogue, image.sha256, lambda _: changed)
    assert reconciled(workers) == Reconciled(deleted=1)
    assert workers.reviews.read(task).why == "the image is labelled by now"


def test_an_execution_that_never_began_is_started_and_one_that_broke_is_not(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = workers.reviews.task()
    assert reconciled(workers) == Reconciled()
    later(monkeypatch, 301)
    assert reconciled(workers) == Reconciled(started=1)
    workers.reviews.executions.ended.add(task.id)
    assert reconciled(workers) == Reconciled(given_back=1)
    assert "broke before it waited" in workers.reviews.read(task).why


# A2I


def test_an_answer_whose_event_was_lost_is_taken(workers: Workers) -> None:
    task = workers.asked()
    workers.bench.answer({"boxes": [CAT]})
    workers.bench.world.events.clear()
    assert reconciled(workers) == Reconciled(resolved=1)
    assert workers.reviews.image_of(task).status == "labelled"
    assert workers.reviews.executions.outcomes == [("a", "labelled")]


def test_a_loop_that_failed_unheard_gives_its_task_back(workers: Workers) -> None:
    task = workers.asked()
    a2i.stop_loop(workers.bench.a2i, DEPLOYMENT, task.id)
    workers.bench.world.events.clear()
    reconciled(workers)
    given_back = workers.reviews.read(task)
    assert (given_back.state, given_back.why) == ("given_back", f"human loop pets-{task.id} Stopped")


def test_loops_of_a_deployment_that_has_a2i_no_more_wait_for_their_time(workers: Workers) -> None:
    workers.asked()
    assert reconciled(workers, a2i=None, flow_definition_arn="") == Reconciled()
    assert workers.reviews.executions.heartbeats == ["a"]


# Ground Truth


def ended(workers: Workers, batch: str, status: str = "FAILED") -> None:
    workers.reviews.executions.statuses[batch] = status


def test_a_batch_whose_execution_goes_on_is_left_to_it(workers: Workers) -> None:
    _, tasks = workers.batch("a")
    workers.bench.answer({"boxes": [CAT]})
    assert reconciled(workers) == Reconciled()
    assert workers.reviews.read(tasks[0]).state == "open"


@pytest.mark.long
@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_a_batch_whose_execution_broke_is_read_once_its_job_has_ended(status: str, workers: Workers) -> None:
    batch, tasks = workers.batch("a", "b")
    ended(workers, batch, status)
    workers.bench.answer({"boxes": [CAT]})
    assert reconciled(workers) == Reconciled()
    assert {workers.reviews.read(task).state for task in tasks} == {"open"}
    ground_truth.stop_job(workers.bench.sagemaker, f"pets-{batch}")
    assert reconciled(workers) == Reconciled(resolved=1)
    assert {workers.reviews.read(task).state for task in tasks} == {"done", "given_back"}


def test_a_batch_without_a_job_is_given_back(workers: Workers) -> None:
    tasks = [workers.task(name, "groundtruth") for name in "ab"]
    batch = workers.reviews.table.put_batch([task.id for task in tasks])
    workers.reviews.executions.inputs[batch] = {}
    ended(workers, batch)
    assert reconciled(workers) == Reconciled(resolved=1)
    assert {workers.reviews.read(task).why for task in tasks} == {f"there is no labeling job pets-{batch}"}


def test_a_batch_that_was_never_asked_for_is_asked_for(workers: Workers) -> None:
    task = workers.task("a", "groundtruth")
    batch = workers.reviews.table.put_batch([task.id])
    assert reconciled(workers) == Reconciled(started=1)
    assert workers.reviews.executions.inputs[batch]["route"] == "groundtruth"


# What is asked in batches


def test_a_collection_asks_about_many_images_at_once_and_the_champion_about_none(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.domain.review.task_opening._MAX_JOB_IMAGES", 2)
    for number in range(5):
        workers.reviews.image(f"{number}")
    opener = workers.reviews.opener(review_route="groundtruth", review_kind="detection")
    asked: list[Any] = []
    assert opener.collect(asked.append) == 5
    assert asked == []
    batches = [workers.reviews.table.batch(name) for name in workers.reviews.executions.inputs]
    assert sorted(len(batch) for batch in batches) == [1, 2, 2]
    assert len({task.id for batch in batches for task in batch}) == 5
    assert opener.collect(lambda _: None) == 0
    assert len(workers.reviews.executions.inputs) == 3


def test_tasks_that_were_opened_one_by_one_are_asked_for_together(workers: Workers) -> None:
    opener = workers.reviews.opener(review_route="groundtruth")
    for number in range(3):
        assert opener.open(workers.reviews.image(f"{number}"), "requested", "detection", None)
    classified = opener.open(workers.reviews.image("c"), "requested", "classification", None)
    assert classified is not None
    assert workers.reviews.executions.inputs == {}
    opener.collect(lambda _: None)
    batches = [workers.reviews.table.batch(name) for name in workers.reviews.executions.inputs]
    assert sorted(len(batch) for batch in batches) == [1, 3]
    assert all(len({task.kind for task in batch}) == 1 for batch in batches)
