"""What follows from answers, also when others write at the same moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.review.desk.desk import Reviewer
from lambdas.domain.review.desk.task import Task, TaskBusyError
from lambdas.domain.review.results.resolution import needs_resolving
from tests.fixtures.reviews import (
    ANN,
    BEN,
    CAS,
    CAT,
    LABELS,
    CrashError,
    Reviews,
    before_each_transaction,
    dying,
    labelled,
    submit_answer,
)
from tests.fixtures.sleeping import sleeps

DOG = {"label": "dog", "left": 50, "top": 40, "width": 30, "height": 20}


def answered(reviews: Reviews, task: Task, who: Reviewer = ANN, *boxes: dict[str, Any]) -> Task:
    return submit_answer(reviews.table, task.id, who, labelled(*boxes), LABELS)


def relabelled(reviews: Reviews, task: Task, label: str) -> None:
    curation.relabel(reviews.world.catalogue, task.image, "classification", (label,), (), "somebody else")


def test_an_answer_is_in_the_catalogue_and_in_the_books(reviews: Reviews) -> None:
    task = answered(reviews, reviews.task(token="waits"))
    done = reviews.resolver().resolve_task(task)
    assert (done.state, done.outcome, done.token) == ("done", "labelled", "")
    assert [box.label for box in reviews.image_of(task).boxes] == ["cat"]
    assert reviews.executions.outcomes == [("waits", "labelled")]
    assert reviews.counted(f"reviewer#{ANN.sub}")["answered"] == 1
    assert reviews.read(task) == done


def test_settled_twice_is_counted_once(reviews: Reviews) -> None:
    task = answered(reviews, reviews.task(token="waits"))
    first = reviews.resolver().resolve_task(task)
    image = reviews.image_of(task)
    assert reviews.resolver().resolve_task(task) == first
    assert reviews.image_of(task) == image
    assert reviews.counted(f"reviewer#{ANN.sub}")["answered"] == 1
    assert len(reviews.executions.outcomes) == 1


@pytest.mark.parametrize("writes", range(4))
def test_a_crash_at_any_write_is_made_up_for(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    task = answered(reviews, reviews.task(token="waits"))
    with dying(monkeypatch, reviews, writes):
        try:
            reviews.resolver().resolve_task(task)
        except CrashError:
            assert needs_resolving(reviews.read(task))
    if needs_resolving(reviews.read(task)):
        reviews.resolver().resolve(task.id)
    assert not needs_resolving(reviews.read(task))
    assert reviews.read(task).state == "done"
    assert reviews.image_of(task).label_names == ("cat",)
    assert reviews.counted(f"reviewer#{ANN.sub}")["answered"] == 1
    assert reviews.executions.waiting == set()


def test_an_image_that_somebody_else_writes_just_then_is_read_again(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = answered(reviews, reviews.task())
    before_each_transaction(
        monkeypatch, lambda times: relabelled(reviews, task, "dog") if times == 0 else None
    )
    assert reviews.resolver().resolve_task(task).state == "done"
    assert reviews.image_of(task).label_names == ("cat",)
    assert reviews.counted(f"reviewer#{ANN.sub}")["answered"] == 1


@pytest.mark.long
def test_an_image_that_is_written_all_the_time_is_an_error_and_no_loss(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = answered(reviews, reviews.task())
    sleeps(monkeypatch)
    with monkeypatch.context() as busy:
        before_each_transaction(busy, lambda times: relabelled(reviews, task, "cat" if times % 2 else "dog"))
        with pytest.raises(TaskBusyError, match=task.id):
            reviews.resolver().resolve_task(task)
    assert needs_resolving(reviews.read(task))
    assert reviews.resolver().resolve(task.id) == reviews.read(task)
    assert reviews.read(task).state == "done"


def test_a_result_of_fewer_answers_does_not_close_a_task_that_has_more(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It times out while the second answer comes: that one counts too."""
    task = answered(reviews, reviews.task(wanted=2, token="waits"), ANN, CAT)
    before_each_transaction(
        monkeypatch, lambda times: void(answered(reviews, task, BEN, CAT)) if times == 0 else None
    )
    reviews.resolver(review_workers_per_task=2).give_back(task.id, "nobody answered in time")
    now = reviews.read(task)
    assert (now.state, len(now.answers)) == ("done", 2)
    assert reviews.counted(f"reviewer#{BEN.sub}")["answered"] == 1
    assert reviews.image_of(task).changed_by == "review by Ann, Ben"


def void(_: object) -> None:
    return None


def test_a_task_whose_image_is_gone_is_given_back(reviews: Reviews) -> None:
    task = answered(reviews, reviews.task(token="waits"))
    reviews.world.catalogue.delete_item(Key={"id": catalogue_images.image_id(task.image)})
    resolved = reviews.resolver().resolve_task(task)
    assert resolved.state == "given_back"
    assert task.image in resolved.why
    assert catalogue_images.get_image(reviews.world.catalogue, task.image) is None
    ((token, outcome),) = reviews.executions.outcomes
    assert (token, outcome.partition(":")[0]) == ("waits", "GivenBack")


def test_an_excluded_image_stays_excluded(reviews: Reviews) -> None:
    task = answered(reviews, reviews.task())
    curation.exclude(reviews.world.catalogue, task.image, "somebody else")
    reviews.resolver().resolve_task(task)
    assert reviews.image_of(task).status == "excluded"
    assert reviews.image_of(task).label_names == ("cat",)


def test_two_who_disagree_are_followed_by_a_third(reviews: Reviews) -> None:
    resolver = reviews.resolver(review_workers_per_task=2)
    task = reviews.task(wanted=2, token="waits")
    resolver.resolve_task(answered(reviews, task, ANN, CAT, DOG))
    asked = resolver.resolve_task(answered(reviews, task, BEN, CAT))
    assert (asked.state, asked.wanted) == ("open", 3)
    assert "do not agree on 1 of 2" in asked.why
    assert reviews.image_of(task).status == "unlabelled"
    done = resolver.resolve_task(answered(reviews, task, CAS, CAT))
    assert (done.state, [box.label for box in reviews.image_of(task).boxes]) == ("done", ["cat"])
    agreed = {who.name: reviews.counted(f"reviewer#{who.sub}") for who in (ANN, BEN, CAS)}
    assert {name: int(counted["compared"]) for name, counted in agreed.items()} == dict.fromkeys(agreed, 1)
    assert agreed["Ann"]["agreed"] < agreed["Ben"]["agreed"] == agreed["Cas"]["agreed"] == 1


def test_answers_that_come_to_nothing_leave_the_image_waiting(reviews: Reviews) -> None:
    resolver = reviews.resolver(review_workers_per_task=2)
    task = reviews.task(wanted=2, token="waits")
    for who, left in ((ANN, 0), (BEN, 30), (CAS, 60)):
        resolver.resolve_task(answered(reviews, task, who, {**CAT, "left": left}))
    now = reviews.read(task)
    assert (now.state, len(now.answers)) == ("given_back", 3)
    assert "do not agree on any label" in now.why
    assert reviews.image_of(task).status == "unlabelled"
    assert reviews.executions.waiting == set()
    assert not needs_resolving(now)


def test_a_task_is_given_back_with_its_reason_once(reviews: Reviews) -> None:
    task = reviews.task(token="waits")
    for _ in range(2):
        resolved = reviews.resolver().give_back(task.id, "nobody answered in time")
        assert resolved == replace(reviews.read(task), token="")
    assert (reviews.read(task).state, reviews.read(task).why) == ("given_back", "nobody answered in time")
    assert reviews.executions.outcomes == [("waits", "GivenBack: nobody answered in time")]
    assert reviews.resolver().give_back("nobody-1", "why") is None


def test_an_execution_that_waits_no_longer_does_not_matter(reviews: Reviews) -> None:
    task = answered(reviews, reviews.task(token="waits"))
    reviews.executions.waiting.clear()
    assert reviews.resolver().resolve_task(task).token == ""


def test_what_an_empty_or_unusable_image_leads_to(reviews: Reviews) -> None:
    empty, dark = reviews.task("empty"), reviews.task("dark")
    for task, body in ((empty, {"verdict": "nothing"}), (dark, {"verdict": "unusable", "reason": "dark"})):
        reviews.resolver().resolve_task(submit_answer(reviews.table, task.id, ANN, body, LABELS))
    images: dict[str, CatalogueImage] = {
        "empty": reviews.image_of(empty),
        "dark": reviews.image_of(dark),
    }
    assert (images["empty"].status, images["empty"].label_names) == ("labelled", ())
    assert (images["dark"].status, images["dark"].changed_by) == ("excluded", "review by Ann: dark")


@pytest.mark.parametrize(("reason", "dataset_type"), [("needed", "TEST"), ("sample", "")])
def test_what_is_needed_to_compare_versions_becomes_a_test_image(
    reason: Any, dataset_type: str, reviews: Reviews
) -> None:
    task = answered(reviews, reviews.task(reason=reason), ANN, CAT)
    reviews.resolver().resolve(task.id)
    image = reviews.image_of(task)
    assert [box.label for box in image.boxes] == ["cat"]
    assert image.requested_dataset_type == dataset_type
