"""Reviewers correct what they have answered: what becomes of the task, its image, and what was counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import curation
from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.desk import DeskError, Reviewer, TaskElsewhereError, TaskGoneError
from lambdas.domain.review.desk.task import Suggestion, Suggestions, Task
from lambdas.domain.review.results import correction
from lambdas.domain.review.results.correction import CorrectionError
from lambdas.domain.shared.annotation import MAX_LABELS_PER_IMAGE
from tests.fixtures.reviews import (
    ANN,
    BEN,
    CAS,
    CAT,
    LABELS,
    Reviews,
    before_each_transaction,
    labelled,
    submission,
    submit_answer,
)

DOG = {"label": "dog", "left": 50, "top": 40, "width": 30, "height": 20}
NOTHING: dict[str, Any] = {"verdict": "nothing"}
UNUSABLE: dict[str, Any] = {"verdict": "unusable", "reason": "blurred"}


def done(reviews: Reviews, body: dict[str, Any], **task: Any) -> Task:
    return reviews.resolver().resolve_task(
        submit_answer(reviews.table, reviews.task(**task).id, ANN, body, LABELS)
    )


def corrected(reviews: Reviews, task: Task, body: dict[str, Any], who: Reviewer = ANN) -> Task:
    return correction.correct(reviews.resolver(), task.id, who, submission(body), LABELS)


def labels_of(reviews: Reviews, task: Task) -> list[str]:
    return [box.label for box in reviews.image_of(task).boxes]


def test_a_correction_of_a_task_that_is_done_relabels_its_image(reviews: Reviews) -> None:
    task = done(reviews, labelled(CAT, seconds=4))
    before = reviews.image_of(task)
    after = corrected(reviews, task, labelled(CAT, DOG, seconds=3))
    image = reviews.image_of(task)
    assert labels_of(reviews, task) == ["cat", "dog"]
    assert image.annotation_order > before.annotation_order
    assert (image.changed_by, image.label_origin) == ("review by Ann", "person")
    assert reviews.read(task) == after
    assert [len(answer.boxes) for answer in (*after.superseded, *after.answers)] == [1, 2]
    assert after.superseded[0].at < after.answers[0].at
    counted = reviews.counted(f"reviewer#{ANN.sub}")
    assert (counted["answered"], counted["corrected"], counted["seconds"]) == (1, 1, 7)


def test_the_same_correction_sent_again_changes_nothing(reviews: Reviews) -> None:
    task = done(reviews, labelled(CAT))
    first = corrected(reviews, task, labelled(DOG))
    items = reviews.items()
    assert corrected(reviews, task, labelled(DOG)) == first
    assert reviews.items() == items


@pytest.mark.parametrize(
    ("first", "second", "status", "labels"),
    [
        (labelled(CAT), NOTHING, "labelled", []),
        (NOTHING, labelled(CAT), "labelled", ["cat"]),
        (labelled(CAT), UNUSABLE, "excluded", ["cat"]),
        (UNUSABLE, labelled(DOG), "labelled", ["dog"]),
        (UNUSABLE, NOTHING, "labelled", []),
    ],
)
def test_every_verdict_is_corrected_to_every_other(
    first: dict[str, Any], second: dict[str, Any], status: str, labels: list[str], reviews: Reviews
) -> None:
    task = done(reviews, first)
    after = corrected(reviews, task, second)
    assert (after.state, after.outcome) == ("done", second["verdict"])
    assert (reviews.image_of(task).status, labels_of(reviews, task)) == (status, labels)
    back = corrected(reviews, task, first)
    assert (back.outcome, len(back.superseded)) == (first["verdict"], 2)


def test_labels_that_somebody_changed_since_are_not_corrected_over(reviews: Reviews) -> None:
    task = done(reviews, labelled(CAT))
    curation.relabel(reviews.world.catalogue, task.image, "classification", ("fox",), (), "somebody else")
    items = reviews.items()
    with pytest.raises(CorrectionError, match="changed after the review"):
        corrected(reviews, task, labelled(DOG))
    assert reviews.image_of(task).labels == ("fox",)
    assert reviews.items() == items


def test_an_image_that_was_excluded_since_stays_so(reviews: Reviews) -> None:
    task = done(reviews, labelled(CAT))
    curation.exclude(reviews.world.catalogue, task.image, "somebody else")
    corrected(reviews, task, labelled(DOG))
    assert (reviews.image_of(task).status, labels_of(reviews, task)) == ("excluded", ["dog"])


def test_somebody_who_relabels_at_the_same_moment_is_not_overwritten(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = done(reviews, labelled(CAT))

    def late(times: int) -> None:
        curation.relabel(reviews.world.catalogue, task.image, "classification", ("fox",), (), "late")

    before_each_transaction(monkeypatch, late)
    with pytest.raises(CorrectionError):
        corrected(reviews, task, labelled(DOG))
    assert reviews.image_of(task).labels == ("fox",)
    assert reviews.read(task).superseded == ()


def test_as_many_labels_as_an_image_may_have_are_replaced_by_as_many_others(reviews: Reviews) -> None:
    names = [f"{kind} {number}" for kind in ("old", "new") for number in range(MAX_LABELS_PER_IMAGE)]
    old, new = (
        [{**CAT, "label": name} for name in each]
        for each in (names[:MAX_LABELS_PER_IMAGE], names[MAX_LABELS_PER_IMAGE:])
    )
    task = reviews.task(reason="sample", suggested_by="v1", source="detect")
    submit_answer(reviews.table, task.id, ANN, labelled(*old), names)
    reviews.resolver().resolve(task.id)
    correction.correct(reviews.resolver(), task.id, ANN, submission(labelled(*new)), names)
    assert sorted(labels_of(reviews, task)) == sorted(names[MAX_LABELS_PER_IMAGE:])
    items = reviews.world.catalogue.scan()["Items"]
    entries = [item for item in items if str(item["id"]).startswith("label#")]
    assert len(entries) == MAX_LABELS_PER_IMAGE, "of none that it does not have any more"


def test_an_answer_that_never_arrived_is_given_by_its_correction(reviews: Reviews) -> None:
    task = reviews.task()
    answered = corrected(reviews, task, labelled(CAT))
    assert [answer.reviewer for answer in answered.answers] == [ANN.sub]
    assert answered.superseded == ()


def test_while_others_are_asked_only_the_answer_changes(reviews: Reviews) -> None:
    task = reviews.task(wanted=2)
    submit_answer(reviews.table, task.id, ANN, labelled(CAT), LABELS)
    after = corrected(reviews, task, labelled(DOG))
    assert (after.state, [box.label for box in after.answers[0].boxes]) == ("open", ["dog"])
    assert reviews.image_of(task).status == "unlabelled"


def test_of_several_answers_the_result_and_the_agreement_are_made_anew(reviews: Reviews) -> None:
    task = reviews.task(wanted=3)
    for who, boxes in ((ANN, (CAT, DOG)), (BEN, (CAT, DOG)), (CAS, (CAT,))):
        submit_answer(reviews.table, task.id, who, labelled(*boxes), LABELS)
    task = reviews.resolver().resolve_task(reviews.read(task))
    assert labels_of(reviews, task) == ["cat", "dog"]
    agreed = {who.sub: float(reviews.counted(f"reviewer#{who.sub}")["agreed"]) for who in (ANN, BEN, CAS)}
    corrected(reviews, task, labelled(CAT))
    assert labels_of(reviews, task) == ["cat"]
    after = {who.sub: float(reviews.counted(f"reviewer#{who.sub}")["agreed"]) for who in (ANN, BEN, CAS)}
    assert (agreed[ANN.sub], after[ANN.sub]) == (1, 1)
    assert after[BEN.sub] < agreed[BEN.sub]
    assert after[CAS.sub] > agreed[CAS.sub]
    assert reviews.counted(f"reviewer#{BEN.sub}")["answered"] == 1


def test_a_correction_that_leaves_no_result_is_refused(reviews: Reviews) -> None:
    task = reviews.task(wanted=2)
    for who in (ANN, BEN):
        submit_answer(reviews.table, task.id, who, labelled(CAT), LABELS)
    task = reviews.resolver().resolve_task(reviews.read(task))
    items = reviews.items()
    with pytest.raises(CorrectionError, match="no result any more"):
        corrected(reviews, task, labelled(DOG))
    assert reviews.items() == items


def test_how_right_the_model_is_is_counted_anew(reviews: Reviews) -> None:
    cat = Suggestion("cat", 99, CAT["left"], CAT["top"], CAT["width"], CAT["height"])
    seen = Suggestions(boxes=(cat,))
    task = done(reviews, NOTHING, reason="sample", suggested_by="v1", suggestions=seen)
    counted = reviews.counted("precision#v1", "all")
    assert (counted["confirmed"], counted["false"], counted["images"]) == (0, 1, 1)
    corrected(reviews, task, labelled(CAT))
    counted = reviews.counted("precision#v1", "all")
    assert (counted["confirmed"], counted["false"], counted["images"]) == (1, 0, 1)


def test_what_cannot_be_corrected(reviews: Reviews) -> None:
    task = done(reviews, labelled(CAT))
    with pytest.raises(desk.TaskFinishedError):
        corrected(reviews, task, labelled(DOG), BEN)
    table = reviews.table
    table.update(task.id, lambda now: replace(now, superseded=now.answers * desk.MAX_CORRECTIONS))
    with pytest.raises(DeskError, match="20 times"):
        corrected(reviews, task, labelled(DOG))
    table.update(task.id, lambda now: replace(now, superseded=(), state="given_back"))
    with pytest.raises(TaskGoneError):
        corrected(reviews, task, labelled(DOG))
    table.update(task.id, lambda now: replace(now, state="done", route="a2i"))
    with pytest.raises(TaskElsewhereError):
        corrected(reviews, task, labelled(DOG))


def test_own_answers_are_listed_newest_first(reviews: Reviews) -> None:
    first, second, waits = done(reviews, labelled(CAT), name="b"), done(reviews, NOTHING, name="c"), None
    waits = reviews.task("d", wanted=2)
    submit_answer(reviews.table, waits.id, ANN, labelled(DOG), LABELS)
    other = reviews.task("e")
    submit_answer(reviews.table, other.id, BEN, labelled(DOG), LABELS)
    skipped = reviews.task("f")
    desk.renew(reviews.table, skipped.id, ANN, 60)
    desk.skip(reviews.table, skipped.id, ANN, "no")
    listed = desk.own_answers(reviews.table, ANN, desk.ON_THE_DESK, 50)
    assert [task.id for task in listed] == [waits.id, second.id, first.id]
    assert len(desk.own_answers(reviews.table, ANN, desk.ON_THE_DESK, 2)) == 2
