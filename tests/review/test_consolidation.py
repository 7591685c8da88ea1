"""What several answers come to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.review.desk.limits import Verdict
from lambdas.domain.review.desk.task import Answer
from lambdas.domain.review.results import consolidation
from lambdas.domain.review.results.consolidation import Consolidated, Disagreement
from lambdas.domain.shared import boxes as shared_boxes
from lambdas.domain.shared.annotation import Box

CAT, DOG = Box("cat", 10, 10, 40, 40), Box("dog", 60, 10, 30, 30)


def answer_of(reviewer: str, *boxes: Box, verdict: Verdict = "labelled", **more: Any) -> Answer:
    return Answer(reviewer, reviewer.title(), verdict, boxes, **more)


def come_to(*answers: Answer, final: bool = False, iou: float = 0.5) -> Consolidated | Disagreement:
    """The same in whatever order they came."""
    (first, *others) = (
        consolidation.consolidate(order, final=final, iou=iou) for order in permutations(answers)
    )
    assert all(other == first for other in others)
    return first


def test_boxes_overlap_as_geometry_says() -> None:
    assert shared_boxes.iou(CAT, CAT) == 1
    assert shared_boxes.iou(CAT, Box("cat", 30, 10, 40, 40)) == pytest.approx(1 / 3)
    assert shared_boxes.iou(CAT, Box("cat", 50, 10, 40, 40)) == 0


def test_one_answer_is_what_holds() -> None:
    answer = answer_of("ann", CAT, reason="why")
    assert come_to(answer) == Consolidated("labelled", (CAT,), (), "why")


def test_boxes_of_one_object_come_to_their_mean() -> None:
    moved = Box("cat", 12, 14, 40, 40)
    assert come_to(answer_of("ann", CAT, DOG), answer_of("ben", moved, DOG)) == Consolidated(
        "labelled", (DOG, Box("cat", 11, 12, 40, 40))
    )


def test_an_object_that_only_a_minority_drew_is_left_out() -> None:
    assert come_to(answer_of("ann", CAT, DOG), answer_of("ben", CAT), answer_of("cas", CAT)) == Consolidated(
        "labelled", (CAT,)
    )


def test_an_object_that_one_of_two_drew_is_for_a_third_to_decide() -> None:
    more, less = answer_of("ann", CAT, DOG), answer_of("ben", CAT)
    assert isinstance(come_to(more, less), Disagreement)
    assert come_to(more, less, answer_of("cas", CAT)) == Consolidated("labelled", (CAT,))
    assert come_to(more, less, answer_of("cas", DOG, CAT)) == Consolidated("labelled", (CAT, DOG))


def test_an_object_that_half_of_them_drew_is_kept_when_nobody_else_is_asked() -> None:
    four = [
        answer_of("ann", CAT, DOG),
        answer_of("ben", CAT, DOG),
        answer_of("cas", CAT),
        answer_of("dot", CAT),
    ]
    assert isinstance(come_to(*four), Disagreement)
    assert come_to(*four, final=True) == Consolidated("labelled", (CAT, DOG))
    labels = [answer_of("ann", labels=("cat", "dog")), answer_of("ben", labels=("cat", "dog"))]
    labels += [answer_of(name, labels=("cat",)) for name in ("cas", "dot")]
    assert come_to(*labels, final=True) == Consolidated("labelled", (), ("cat", "dog"))


def test_what_only_one_of_several_answered_never_holds() -> None:
    assert come_to(answer_of("ann", CAT, DOG), answer_of("ben", CAT), final=True) == Consolidated(
        "labelled", (CAT,)
    )
    labels = come_to(answer_of("ann", labels=("cat", "dog")), answer_of("ben", labels=("cat",)), final=True)
    assert labels == Consolidated("labelled", (), ("cat",))
    nothing = answer_of("cas", verdict="nothing")
    assert isinstance(come_to(answer_of("ann", CAT), nothing, final=True), Disagreement)
    assert isinstance(
        come_to(answer_of("ann", CAT), answer_of("ben", DOG), nothing, final=True), Disagreement
    )


def test_boxes_with_different_labels_are_different_objects() -> None:
    renamed = Box("dog", CAT.left, CAT.top, CAT.width, CAT.height)
    assert isinstance(come_to(answer_of("ann", CAT), answer_of("ben", renamed)), Disagreement)
    assert come_to(
        answer_of("ann", CAT), answer_of("ben", renamed), answer_of("cas", CAT), final=True
    ) == Consolidated("labelled", (CAT,))


@pytest.mark.parametrize("final", [True, False])
def test_where_no_two_mean_the_same_there_is_no_result(final: bool) -> None:
    apart = [
        answer_of(name, Box("cat", left, 0, 10, 10)) for name, left in (("ann", 0), ("ben", 20), ("cas", 40))
    ]
    assert isinstance(come_to(*apart, final=final), Disagreement)


def test_labels_of_the_whole_image_need_a_majority() -> None:
    answers = [
        answer_of("ann", labels=("cat", "dog")),
        answer_of("ben", labels=("cat",)),
        answer_of("cas", labels=("cat",)),
    ]
    assert come_to(*answers, final=True) == Consolidated("labelled", (), ("cat",))


def test_the_majority_of_verdicts_holds() -> None:
    unusable = [answer_of(name, verdict="unusable", reason=f"{name} says dark") for name in ("ann", "ben")]
    result = come_to(*unusable, answer_of("cas", CAT))
    assert result == Consolidated("unusable", reason="ann says dark; ben says dark")
    disagreed = come_to(unusable[0], answer_of("cas", CAT))
    assert isinstance(disagreed, Disagreement)
    assert "1 unusable" in disagreed.why


def test_verdicts_with_as_many_votes_do_not_hang_on_who_was_first() -> None:
    nothing = [answer_of(name, verdict="nothing") for name in ("ann", "dot")]
    unusable = [answer_of(name, verdict="unusable") for name in ("ben", "eve")]
    drawn = [answer_of(name, CAT) for name in ("cas", "fay")]
    for more, less, held in (
        (drawn, nothing, Consolidated("labelled", (CAT,))),
        (nothing, unusable, Consolidated("nothing")),
    ):
        assert isinstance(come_to(*more, *less), Disagreement)
        assert come_to(*more, *less, final=True) == held
    assert isinstance(come_to(nothing[0], unusable[0], drawn[0], final=True), Disagreement)


@pytest.mark.parametrize(("wanted", "max_answers"), [(1, 1), (2, 3), (3, 5)])
def test_no_more_are_asked_than_twice_as_many_less_one(wanted: int, max_answers: int) -> None:
    assert consolidation.max_answers(wanted) == max_answers


def test_agreement_is_of_an_answer_with_the_result() -> None:
    result = Consolidated("labelled", (CAT, DOG))
    assert consolidation.agreement(answer_of("ann", CAT, DOG), result, 0.5) == 1
    assert consolidation.agreement(answer_of("ann", CAT), result, 0.5) == pytest.approx(2 / 3)
    assert consolidation.agreement(answer_of("ann", verdict="nothing"), result, 0.5) == 0
    labels = Consolidated("labelled", (), ("cat",))
    assert consolidation.agreement(answer_of("ann", labels=("cat", "dog")), labels, 0.5) == pytest.approx(
        2 / 3
    )


BOXES = st.lists(
    st.builds(Box, st.sampled_from(["cat", "dog"]), *[st.integers(0, 20)] * 2, *[st.integers(2, 30)] * 2),
    min_size=1,
    max_size=3,
    unique=True,
)


@pytest.mark.long
@given(st.lists(BOXES, min_size=2, max_size=4), st.booleans(), st.floats(0.1, 0.9), st.randoms())
def test_the_order_of_answers_decides_nothing(
    drawn: Sequence[Sequence[Box]], final: bool, iou: float, random: Any
) -> None:
    answers = [answer_of(f"reviewer {n}", *boxes) for n, boxes in enumerate(drawn)]
    shuffled = random.sample(answers, len(answers))
    result = consolidation.consolidate(answers, final=final, iou=iou)
    assert consolidation.consolidate(shuffled, final=final, iou=iou) == result
    if isinstance(result, Consolidated):
        assert result.boxes
        for box in result.boxes:
            assert sum(box.label in {kept.label for kept in boxes} for boxes in drawn) >= 2


@given(BOXES, st.integers(2, 5))
def test_reviewers_who_say_the_same_are_believed(boxes: list[Box], count: int) -> None:
    answers = [answer_of(f"reviewer {n}", *boxes) for n in range(count)]
    result = consolidation.consolidate(answers, final=False, iou=0.999)
    assert isinstance(result, Consolidated)
    assert set(result.boxes) == set(boxes)
