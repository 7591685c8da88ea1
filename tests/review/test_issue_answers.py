"""Answers about label issues: mended, on record, taken back."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.review.desk import issue_answers
from lambdas.domain.review.desk.issue_answers import IssueAnswer, LabelOrBox, Verdict
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.errors import ApiError
from tests.fixtures.reviews import CrashError, Reviews, before_each_transaction, dying

CAT, DOG = Box("cat", 5, 6, 30, 20), Box("dog", 5, 6, 30, 20)
OTHER = Box("cow", 50, 50, 20, 20)


def labelled(box: Box | None) -> LabelOrBox | None:
    return LabelOrBox(box.label, box) if box else None


def given(image: str, before: Box | None, after: Box | None, verdict: str = "accepted") -> IssueAnswer:
    assert verdict in ("accepted", "rejected")
    return IssueAnswer("issue", image, labelled(before), labelled(after), "v7", verdict, "rita")


def image(reviews: Reviews, sha256: str) -> CatalogueImage:
    known = catalogue_images.get_image(reviews.world.catalogue, sha256)
    assert known is not None
    return known


def answer(reviews: Reviews, one: IssueAnswer) -> IssueAnswer:
    return issue_answers.answer(reviews.table, reviews.world.catalogue, one)


@pytest.mark.parametrize(
    ("before", "after", "boxes"),
    [(CAT, DOG, (DOG, OTHER)), (None, DOG, (CAT, OTHER, DOG)), (CAT, None, (OTHER,))],
    ids=["another label", "a missing box", "nothing there"],
)
def test_a_label_is_mended_and_given_back(
    before: Box | None, after: Box | None, boxes: tuple[Box, ...], reviews: Reviews
) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT, OTHER))
    first = answer(reviews, given(sha256, before, after))
    assert image(reviews, sha256).boxes == boxes
    assert image(reviews, sha256).changed_by == "rita"
    assert answer(reviews, given(sha256, before, after)) == first, "twice"
    assert issue_answers.answers(reviews.table) == {"issue": first}
    issue_answers.take_back(reviews.table, reviews.world.catalogue, "issue", "rita", {})
    assert set(image(reviews, sha256).boxes) == {CAT, OTHER}
    assert issue_answers.answers(reviews.table) == {}


def test_an_image_that_loses_its_last_box_is_one_of_nothing(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT,))
    answer(reviews, given(sha256, CAT, None))
    known = image(reviews, sha256)
    assert (known.status, known.kind, known.boxes) == ("labelled", "detection", ())


def test_a_label_of_a_whole_image(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", "cat")
    answered = IssueAnswer("s", sha256, LabelOrBox("cat"), LabelOrBox("dog"), "v7", "accepted", "rita")
    answer(reviews, answered)
    assert image(reviews, sha256).labels == ("dog",)


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
def test_of_two_who_answer_at_once_the_second_is_told(
    verdict: Verdict, reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on record is what has become of the label, whoever was quicker."""
    sha256 = reviews.world.image("a", boxes=(CAT,))
    ann = replace(given(sha256, CAT, DOG, "rejected" if verdict == "accepted" else "accepted"), by="ann")

    def act(times: int) -> None:
        if not times:
            answer(reviews, ann)

    before_each_transaction(monkeypatch, act)
    if ann.verdict == "accepted":
        with pytest.raises(ApiError, match="take that back first"):
            answer(reviews, given(sha256, CAT, DOG, verdict))
    else:
        assert answer(reviews, given(sha256, CAT, DOG, verdict)).by == "rita", "thought of again"
    (kept,) = issue_answers.answers(reviews.table).values()
    assert kept.verdict == "accepted"
    assert image(reviews, sha256).boxes == (DOG,)


@pytest.mark.parametrize("writes", range(4))
def test_a_crash_at_any_write_is_made_up_for(
    writes: int, reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT, OTHER))
    one = given(sha256, CAT, None)
    with dying(monkeypatch, reviews, writes), contextlib.suppress(CrashError):
        answer(reviews, one)
    answer(reviews, one)
    assert image(reviews, sha256).boxes == (OTHER,)
    with dying(monkeypatch, reviews, writes), contextlib.suppress(CrashError):
        issue_answers.take_back(reviews.table, reviews.world.catalogue, "issue", "rita", {})
    with contextlib.suppress(ApiError):
        issue_answers.take_back(reviews.table, reviews.world.catalogue, "issue", "rita", {})
    assert set(image(reviews, sha256).boxes) == {CAT, OTHER}
    assert issue_answers.answers(reviews.table) == {}


def test_a_label_that_is_right_stays(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT,))
    before = image(reviews, sha256)
    answer(reviews, given(sha256, CAT, DOG, "rejected"))
    assert image(reviews, sha256) == before
    assert issue_answers.answers(reviews.table)["issue"].verdict == "rejected"
    answer(reviews, given(sha256, CAT, DOG))
    assert image(reviews, sha256).boxes == (DOG,), "thought of again"
    with pytest.raises(ApiError, match="take that back first"):
        answer(reviews, given(sha256, CAT, DOG, "rejected"))


def test_labels_that_somebody_has_changed_are_not_mended(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", boxes=(OTHER,))
    with pytest.raises(ApiError, match="labelled otherwise"):
        answer(reviews, given(sha256, CAT, DOG))
    with pytest.raises(ApiError, match="there is no"):
        answer(reviews, given("f" * 64, CAT, DOG))
    assert issue_answers.answers(reviews.table) == {}


def test_two_labels_of_an_image_are_given_back_in_any_order(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT, OTHER))
    calf = Box("calf", 50, 50, 20, 20)
    answer(reviews, given(sha256, CAT, DOG))
    answer(reviews, replace(given(sha256, OTHER, calf), issue="second"))
    for issue, boxes in (("issue", (CAT, calf)), ("second", (CAT, OTHER))):
        issue_answers.take_back(reviews.table, reviews.world.catalogue, issue, "rita", {})
        assert image(reviews, sha256).boxes == boxes


def test_a_label_that_was_renamed_meanwhile_is_given_back_by_its_new_name(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT,))
    answer(reviews, given(sha256, CAT, DOG))
    hound, tabby = replace(DOG, label="hound"), replace(CAT, label="tabby")
    curation.relabel(reviews.world.catalogue, sha256, "detection", (), (hound,), "ann")
    names = {"dog": "hound", "cat": "tabby"}
    issue_answers.take_back(reviews.table, reviews.world.catalogue, "issue", "rita", names)
    assert image(reviews, sha256).boxes == (tabby,)


def test_what_was_changed_since_is_not_given_back(reviews: Reviews) -> None:
    world = reviews.world
    sha256 = world.image("a", boxes=(CAT,))
    answer(reviews, given(sha256, CAT, DOG))
    curation.relabel(world.catalogue, sha256, "detection", (), (OTHER,), "ann")
    with pytest.raises(ApiError, match="labelled otherwise"):
        issue_answers.take_back(reviews.table, world.catalogue, "issue", "rita", {})
    assert image(reviews, sha256).boxes == (OTHER,)
    with pytest.raises(ApiError, match="no answer"):
        issue_answers.take_back(reviews.table, world.catalogue, "another", "rita", {})


@pytest.mark.parametrize("verdict", ["accepted", "rejected"])
def test_nobody_takes_back_what_somebody_else_has_answered(verdict: Verdict, reviews: Reviews) -> None:
    """Of two who gave the same answer the second is told that it is kept; it is the first one's."""
    sha256 = reviews.world.image("a", boxes=(CAT,))
    first = answer(reviews, given(sha256, CAT, DOG, verdict))
    assert answer(reviews, replace(given(sha256, CAT, DOG, verdict), by="ann")) == first
    before = image(reviews, sha256)
    with pytest.raises(ApiError, match="rita had answered before you") as refused:
        issue_answers.take_back(reviews.table, reviews.world.catalogue, "issue", "ann", {})
    assert refused.value.status == 409
    assert issue_answers.answers(reviews.table) == {"issue": first}
    assert image(reviews, sha256) == before
    issue_answers.take_back(reviews.table, reviews.world.catalogue, "issue", "ann", {}, anyones=True)
    assert issue_answers.answers(reviews.table) == {}


def test_a_box_that_cannot_be_on_the_image_is_refused(reviews: Reviews) -> None:
    sha256 = reviews.world.image("a", boxes=(CAT,))
    with pytest.raises(ApiError) as refused:
        answer(reviews, given(sha256, CAT, Box("dog", 90, 90, 30, 30)))
    assert refused.value.status == 422
    assert image(reviews, sha256).boxes == (CAT,)
