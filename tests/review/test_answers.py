"""What reviewers send: whatever cannot be kept is refused by the name of its member, and changes nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.review.desk import answers, desk
from lambdas.domain.review.desk.answers import InvalidAnswerError
from lambdas.domain.review.desk.task import Answer
from lambdas.domain.shared.annotation import MAX_BOXES_PER_IMAGE, Box
from lambdas.domain.shared.errors import ApiError
from tests.fixtures.reviews import (
    ANN,
    CAT,
    CLAIM_SECONDS,
    LABELS,
    Reviews,
    labelled,
    submission,
    submit_answer,
)
from tests.fixtures.workforce_tasks import task

WIDTH, HEIGHT = 120, 80
MARKUP = "<img src=x onerror=alert(1)>"


def box(**changed: Any) -> dict[str, Any]:
    return {**CAT, **changed}


def parse(body: dict[str, Any], kind: str = "detection") -> Answer:
    return answers.check_submission(submission(body), task(kind=kind), LABELS, reviewer="sub", name="Ann")


BAD: list[tuple[str, dict[str, Any]]] = [
    ("verdict", {}),
    ("verdict", {"verdict": "maybe"}),
    ("verdict", {"verdict": ["labelled"]}),
    ("verdict", {"verdict": "labelled"}),
    ("verdict", {"verdict": "nothing", "boxes": [CAT]}),
    ("verdict", {"verdict": "unusable", "boxes": [CAT]}),
    ("labels", labelled(labels=["cat"])),
    ("boxes", {"verdict": "labelled", "boxes": CAT}),
    ("boxes", labelled(CAT, CAT)),
    ("boxes", {"verdict": "labelled", "boxes": [box(left=n % 50) for n in range(10_000)]}),
    ("boxes[0]", labelled(["cat", 1, 2, 3, 4])),  # pyrefly: ignore[bad-argument-type]
    ("boxes[0]", labelled({"label": "cat"})),
    ("boxes[0]", labelled(box(angle=3))),
    ("boxes[1]", labelled(CAT, box(left=WIDTH - 29))),
    ("boxes[0]", labelled(box(top=HEIGHT - 19))),
    ("boxes[0]", labelled(box(left=-1))),
    ("boxes[0]", labelled(box(top=-1))),
    ("boxes[0]", labelled(box(left=10**300))),
    ("boxes[0]", labelled(box(width=0))),
    ("boxes[0]", labelled(box(height=0))),
    ("boxes[0]", labelled(box(width=-3))),
    ("boxes[0].left", labelled(box(left=math.nan))),
    ("boxes[0].top", labelled(box(top=math.inf))),
    ("boxes[0].width", labelled(box(width=30.0))),
    ("boxes[0].height", labelled(box(height=True))),
    ("boxes[0].left", labelled(box(left="5"))),
    ("boxes[0].left", labelled(box(left=None))),
    ("boxes[0].label", labelled(box(label="cow"))),
    ("boxes[0].label", labelled(box(label=MARKUP))),
    ("boxes[0].label", labelled(box(label={"cat": 1}))),
    ("boxes[0].label", labelled(box(label="Cat"))),
    ("seconds", labelled(seconds=math.nan)),
    ("seconds", labelled(seconds=-1)),
    ("seconds", labelled(seconds=True)),
    ("seconds", labelled(seconds="3")),
    ("seconds", labelled(seconds=-(10**400))),
    ("reason", labelled(reason="x" * 501)),
    ("reason", labelled(reason=["x"])),
    ("reviewer", labelled(reviewer="somebody else")),
    ("__class__", {"__class__": 1}),
]


@pytest.mark.parametrize(("field", "body"), BAD)
def test_what_cannot_be_kept_names_its_member_and_changes_nothing(
    reviews: Reviews, field: str, body: dict[str, Any]
) -> None:
    asked = reviews.task()
    desk.claim(reviews.table, ANN, 1, CLAIM_SECONDS)
    before = reviews.items()
    with pytest.raises(ApiError) as refused:
        submit_answer(reviews.table, asked.id, ANN, body, LABELS)
    assert (refused.value.field, refused.value.status) == (field, 422)
    assert str(refused.value)
    assert reviews.items() == before


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("boxes", labelled()),
        ("labels", {"verdict": "labelled", "labels": "cat"}),
        ("labels", {"verdict": "labelled", "labels": [MARKUP]}),
        ("labels", {"verdict": "labelled", "labels": ["cat", 3]}),
        ("labels", {"verdict": "labelled", "labels": ["cat"] * 10_000}),
        ("verdict", {"verdict": "nothing", "labels": ["cat"]}),
    ],
)
def test_labels_of_a_whole_image_are_checked_too(field: str, body: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        parse(body, "classification")
    assert refused.value.field == field


def test_a_retired_label_is_refused(reviews: Reviews) -> None:
    asked = reviews.task()
    with pytest.raises(InvalidAnswerError, match="'cat'"):
        submit_answer(reviews.table, asked.id, ANN, labelled(), LABELS - {"cat"})


def test_the_message_of_an_error_is_short() -> None:
    with pytest.raises(ApiError) as refused:
        parse(labelled(box(label="x" * 100_000)))
    assert len(str(refused.value)) < 200


def test_what_can_be_kept_is_kept_as_it_is() -> None:
    whole = {"label": "dog", "left": 0, "top": 0, "width": WIDTH, "height": HEIGHT}
    answer = parse(labelled(CAT, whole, reason=" see the tail ", seconds=10**400))
    assert answer.boxes == (Box("cat", 5, 6, 30, 20), Box("dog", 0, 0, WIDTH, HEIGHT))
    assert (answer.verdict, answer.reason, answer.seconds) == (
        "labelled",
        "see the tail",
        answers.MAX_SECONDS,
    )
    assert parse({"verdict": "labelled", "labels": ["dog", "cat", "dog"]}, "classification").labels == (
        "cat",
        "dog",
    )
    assert parse({"verdict": "nothing"}).boxes == ()


def test_as_many_boxes_as_custom_labels_takes_are_kept() -> None:
    most = [box(left=n) for n in range(MAX_BOXES_PER_IMAGE)]
    assert len(parse(labelled(*most)).boxes) == MAX_BOXES_PER_IMAGE


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["cat"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SIDE = st.integers(-5, 130) | ANYTHING
BOXES = st.lists(
    st.fixed_dictionaries(
        {
            "label": st.sampled_from(["cat", "dog", "cow"]),
            "left": SIDE,
            "top": SIDE,
            "width": SIDE,
            "height": SIDE,
        }
    ),
    max_size=4,
)


@pytest.mark.long
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "verdict": st.sampled_from(["labelled", "nothing", "unusable"]) | ANYTHING,
            "boxes": BOXES | ANYTHING,
            "labels": ANYTHING,
            "reason": ANYTHING,
            "seconds": ANYTHING,
        },
    ),
    st.sampled_from(["detection", "classification"]),
)
def test_whatever_is_sent_is_a_sound_answer_or_refused(body: dict[str, Any], kind: str) -> None:
    try:
        answer = parse(body, kind)
    except ApiError as refused:
        assert refused.field.partition("[")[0] in {"verdict", "boxes", "labels", "reason", "seconds"}
        return
    assert all(type(side) is int for box in answer.boxes for side in (box.left, box.top))
    for box in answer.boxes:
        assert box.label in LABELS
        assert 0 <= box.left < box.left + box.width <= WIDTH
        assert 0 <= box.top < box.top + box.height <= HEIGHT
    assert set(answer.labels) <= LABELS
    assert (answer.verdict == "labelled") == bool(answer.boxes or answer.labels)
    assert 0 <= answer.seconds <= answers.MAX_SECONDS
