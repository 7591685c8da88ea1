"""Precision, recall and F1 of known predictions, and every prediction's verdict against the figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning import (
    Box,
    Example,
    Prediction,
    Task,
    measure,
)
from learning.metrics import Judged, judge


def seen(label: str, confidence: float, box: Box | None = None) -> Prediction:
    return Prediction(label, confidence, replace(box, label=label) if box else None)


NUT = Box("nut", 0, 0, 10, 10)
BESIDE = Box("nut", 3, 0, 10, 10)
AWAY = Box("nut", 50, 50, 10, 10)


def shows(*labels: str) -> Example:
    return Example(Path("x"), labels)


def boxes(*placed: Box) -> Example:
    return Example(Path("x"), boxes=placed)


# Figures


def test_detection_figures_of_known_predictions() -> None:
    here, there, away = Box("nut", 0, 0, 10, 10), Box("nut", 50, 0, 10, 10), Box("nut", 200, 200, 10, 10)
    examples = [Example(Path("a"), boxes=(here, there)), Example(Path("b"), boxes=(here,))]
    predictions = [
        # The second on the same nut is wrong, and so is the one beside everything.
        [seen("nut", 90, here), seen("nut", 80, here), seen("nut", 30, away)],
        [seen("nut", 70, here), seen("bolt", 99, here)],
    ]
    evaluation = measure("detection", examples, predictions)
    (nut,) = evaluation.labels
    assert nut.label == "nut" and nut.test_images == 2
    assert nut.precision == pytest.approx(2 / 3) and nut.recall == pytest.approx(2 / 3)
    assert nut.f1 == pytest.approx(2 / 3)
    assert nut.assumed_threshold == pytest.approx(0.5)
    assert (evaluation.f1, evaluation.precision, evaluation.recall) == (nut.f1, nut.precision, nut.recall)


def test_a_box_counts_from_half_overlap() -> None:
    examples = [Example(Path("a"), boxes=(Box("nut", 0, 0, 10, 10),))]
    enough, too_little = Box("nut", 0, 0, 10, 5), Box("nut", 0, 0, 10, 4.9)
    assert measure("detection", examples, [[seen("nut", 50, enough)]]).f1 == 1
    missed = measure("detection", examples, [[seen("nut", 50, too_little)]])
    assert (missed.f1, missed.labels[0].assumed_threshold) == (0, 1)


def test_the_threshold_lies_between_the_last_right_and_the_next_wrong() -> None:
    examples = [Example(Path("a"), ("x",)), Example(Path("b"), ("y",)), Example(Path("c"), ("x",))]
    predictions = [[seen("x", 80)], [seen("x", 40), seen("y", 60)], [seen("x", 60)]]
    x, y = measure("classification", examples, predictions).labels
    assert (x.f1, x.precision, x.recall, x.assumed_threshold, x.test_images) == (1, 1, 1, 0.5, 2)
    assert (y.f1, y.assumed_threshold, y.test_images) == (1, 0.3, 1)


def test_predictions_of_equal_confidence_stand_or_fall_together() -> None:
    examples = [Example(Path("a"), ("x",)), Example(Path("b"), ("y",))]
    x, y = measure("classification", examples, [[seen("x", 50)], [seen("x", 50), seen("y", 70)]]).labels
    assert (x.precision, x.recall) == (0.5, 1)
    assert y.f1 == 1


def test_a_label_that_no_test_image_shows_is_left_out() -> None:
    examples = [Example(Path("a"), ("x",))]
    evaluation = measure("classification", examples, [[seen("x", 90), seen("z", 10)]])
    assert [label.label for label in evaluation.labels] == ["x"]
    assert evaluation.f1 == 1


def test_a_label_that_is_never_predicted_counts_as_nothing() -> None:
    examples = [Example(Path("a"), ("x",)), Example(Path("b"), ("y",))]
    evaluation = measure("classification", examples, [[seen("x", 90)], []])
    assert evaluation.f1 == 0.5
    assert evaluation.labels[1] == replace(
        evaluation.labels[1], f1=0, precision=0, recall=0, assumed_threshold=1
    )


def test_evaluation_needs_a_label() -> None:
    with pytest.raises(ValueError, match="No test example shows a label"):
        measure("detection", [Example(Path("a"))], [[]])


def test_the_overall_figures_of_the_documented_example() -> None:
    # 381 of 388 CAPs right, 227 of 236 WATCHes: the labels' figures and their means are the documented ones.
    examples = [shows("CAP")] * 390 + [shows("WATCH")] * 234
    guesses = ["CAP"] * 381 + ["WATCH"] * 9 + ["CAP"] * 7 + ["WATCH"] * 227
    evaluation = measure("classification", examples, [[seen(guess, 60)] for guess in guesses])
    cap, watch = evaluation.labels
    assert (cap.f1, watch.f1) == pytest.approx((0.9794344473007711, 0.9659574468085106))
    assert (cap.precision, watch.precision) == pytest.approx((0.9819587628865979, 0.961864406779661))
    assert (evaluation.f1, evaluation.precision, evaluation.recall) == pytest.approx(
        (0.9726959470546408, 0.9719115848331294, 0.9735042735042735)
    )


# Verdicts


def test_a_box_is_matched_once_and_what_is_not_matched_is_listed() -> None:
    judged = judge("detection", boxes(NUT, AWAY), [seen("nut", 60, BESIDE), seen("nut", 90, NUT)])
    assert judged == [
        Judged("nut", 90, True, NUT),
        Judged("nut", 60, False, BESIDE),
        Judged("nut", 0.0, True, AWAY, predicted=False),
    ]


def test_a_prediction_takes_the_box_that_it_overlaps_most() -> None:
    (first, second) = judge("detection", boxes(BESIDE, NUT), [seen("nut", 90, NUT), seen("nut", 80, NUT)])
    # The second one is left with the neighbour, which it overlaps by 7/13.
    assert (first.right, second.right) == (True, True)


def test_labels_that_are_not_predicted_are_listed() -> None:
    assert judge("classification", shows("x", "y"), [seen("x", 80), seen("z", 10)]) == [
        Judged("x", 80, True, None),
        Judged("z", 10, False, None),
        Judged("y", 0.0, True, None, predicted=False),
    ]


def test_many_boxes_are_matched_like_few() -> None:
    grid = [Box("nut", 20 * column, 20 * row, 10, 10) for row in range(7) for column in range(7)]
    moved = [seen("nut", 50 + number, Box("nut", b.left + 2, b.top, 10, 10)) for number, b in enumerate(grid)]
    judged = judge("detection", boxes(*grid), [*moved, seen("nut", 10, AWAY)])
    assert sum(verdict.right for verdict in judged) == 49
    assert [verdict.right for verdict in judged if verdict.box == AWAY] == [False]
    assert all(verdict.predicted for verdict in judged)


PLACES = st.builds(
    Box,
    st.sampled_from(["nut", "bolt"]),
    st.integers(0, 3).map(lambda n: 4.0 * n),
    st.just(0.0),
    st.just(10.0),
    st.just(10.0),
)


SEEN = st.builds(
    lambda box, confidence: Prediction(box.label, confidence, box),
    PLACES,
    st.integers(1, 6).map(lambda n: 15.0 * n),
)


@pytest.mark.long
@settings(max_examples=150)
@given(
    st.sampled_from(["detection", "classification"]),
    st.lists(st.tuples(st.lists(PLACES, max_size=4), st.lists(SEEN, max_size=5)), min_size=1, max_size=4),
)
def test_the_verdicts_come_to_the_figures(
    task: Task, images: list[tuple[list[Box], list[Prediction]]]
) -> None:
    examples = [Example(Path("x"), tuple({box.label for box in here}), tuple(here)) for here, _ in images]
    predictions = [
        list({(p.label if task == "classification" else n): p for n, p in enumerate(ps)}.values())
        for _, ps in images
    ]
    if not any(here for here, _ in images):
        return
    for figures in measure(task, examples, predictions).labels:
        judged = [
            verdict
            for example, seen_here in zip(examples, predictions, strict=True)
            for verdict in judge(task, example, seen_here)
            if verdict.label == figures.label
        ]
        above = [verdict for verdict in judged if verdict.confidence >= 100 * figures.assumed_threshold]
        right = sum(verdict.right for verdict in above)
        truths = sum(verdict.right for verdict in judged)
        assert figures.recall == pytest.approx(right / truths)
        assert figures.precision == pytest.approx(right / len(above) if above else 0.0)
