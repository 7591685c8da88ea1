"""How right the model is: what reviewers say against what it saw, and the interval that holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.results import precision
from lambdas.domain.review.results.consolidation import Consolidated
from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.annotation import Box
from tests.fixtures.workforce_tasks import suggested


@given(st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    confirmed, detections = counts
    measured = Precision(confirmed, detections - confirmed, 0, 1, 1)
    assert measured.interval is not None
    assert measured.value is not None
    low, high = measured.interval
    assert 0 <= low <= measured.value + 1e-12
    assert measured.value - 1e-12 <= high <= 1


def test_nothing_is_known_before_there_is_a_detection() -> None:
    assert (Precision(0, 0, 3, 3).value, Precision(0, 0, 3, 3).interval) == (None, None)


def test_detections_are_confirmed_false_or_missed() -> None:
    seen = suggested(("cat", 0, 0, 20, 20), ("cat", 0, 0, 20, 20), ("dog", 50, 50, 20, 20))
    result = Consolidated("labelled", (Box("cat", 1, 1, 20, 20), Box("cow", 50, 50, 20, 20)))
    judged = precision.tally(seen, result, 0.5)
    assert judged.confirmed == {"cat": 1}
    assert judged.false == {"cat": 1, "dog": 1}
    assert judged.missed == {"cow": 1}


def test_labels_of_the_whole_image_count_too() -> None:
    judged = precision.tally(
        suggested(labels=("cat", "dog")), Consolidated("labelled", (), ("cat", "cow")), 0.5
    )
    assert (judged.confirmed, judged.false, judged.missed) == ({"cat": 1}, {"dog": 1}, {"cow": 1})


def test_nothing_makes_every_detection_false_and_unusable_judges_none() -> None:
    seen = suggested(("cat", 0, 0, 20, 20))
    assert precision.tally(seen, Consolidated("nothing"), 0.5).false == {"cat": 1}
    judged = precision.tally(seen, Consolidated("unusable"), 0.5)
    assert not (judged.confirmed or judged.false or judged.missed)


def judged(*images: tuple[int, int]) -> Precision:
    """What is known after reviews of images: of each its detections, and those confirmed."""
    total = Precision()
    for detections, confirmed in images:
        squares = (detections**2, confirmed**2, detections * confirmed)
        total += Precision(confirmed, detections - confirmed, 0, 1, 1, *squares)
    return total


def width(measured: Precision) -> float:
    assert measured.interval is not None
    return measured.interval[1] - measured.interval[0]


def test_detections_that_are_wrong_together_tell_less_than_those_of_as_many_images() -> None:
    together, apart = judged(*[(5, 5)] * 8, (5, 0), (5, 0)), judged(*[(5, 4)] * 10)
    assert (together.value, apart.value) == (0.8, 0.8)
    assert together.design_effect > 4.5
    assert apart.design_effect == 1
    assert width(together) > 1.8 * width(apart)


def test_without_an_error_the_detections_of_an_image_are_taken_for_alike() -> None:
    """Nothing says yet how alike they are."""
    assert width(judged(*[(5, 5)] * 100)) == pytest.approx(width(judged(*[(1, 1)] * 100)), rel=0.03)


def test_counts_without_squares_are_taken_as_they_are() -> None:
    assert (Precision(9, 1, 0, 5) + judged((2, 2))).design_effect == 1


def test_each_kind_counts_by_how_many_detections_came_of_it() -> None:
    sure, unsure = judged(*[(1, 1)] * 90, *[(1, 0)] * 10), judged(*[(1, 1)] * 50, *[(1, 0)] * 50)
    estimate = precision.weighted([(sure, 900), (unsure, 100)])
    assert estimate is not None
    assert round(estimate.value, 6) == 0.86
    assert sure.interval is not None
    assert 0.9 * width(sure) < estimate.high - estimate.low < width(sure)
    alone = precision.weighted([(sure, 900), (unsure, 0)])
    assert alone is not None
    assert (alone.low, alone.high) == sure.interval


def test_nothing_is_said_of_all_while_one_kind_was_never_judged() -> None:
    assert precision.weighted([(judged((1, 1)), 900), (Precision(), 1)]) is None
    assert precision.weighted([]) is None


def test_what_the_thresholds_left_out_is_no_answer() -> None:
    seen = suggested(("cat", 0, 0, 20, 20), ("dog", 50, 50, 20, 20))
    left_out = replace(seen, boxes=(seen.boxes[0], replace(seen.boxes[1], left_out=True)))
    found_both = Consolidated("labelled", (Box("cat", 0, 0, 20, 20), Box("dog", 50, 50, 20, 20)))
    judged = precision.tally(left_out, found_both, 0.5)
    assert (judged.confirmed, judged.false, judged.missed) == ({"cat": 1}, {}, {"dog": 1})


def task_of(reason: Any, source: Any = "detect") -> Task:
    seen = suggested(("cat", 0, 0, 20, 20), ("dog#1", 50, 50, 20, 20))
    return Task(
        "a-1",
        "a",
        "detect/a.jpg",
        100,
        80,
        "detection",
        reason=reason,
        source=source,
        suggestions=seen,
        suggested_by="v1",
        created_at="2026-11-28T10:00:00.000000Z",
    )


@pytest.mark.parametrize(
    ("reason", "source", "parts"),
    [
        (
            "sample",
            "detect",
            {
                "all",
                "day#2026-11-28#detect#sure",
                "label#detect#sure#cat",
                "label#detect#sure#dog#1",
            },
        ),
        (
            "low_confidence",
            "clips",
            {"day#2026-11-28#clips#unsure", "label#clips#unsure#cat", "label#clips#unsure#dog#1"},
        ),
        ("sample", "", {"all"}),
        ("low_confidence", "", set()),
        ("requested", "detect", set()),
        ("needed", "detect", set()),
    ],
)
def test_images_are_counted_apart_by_why_they_are_reviewed(reason: str, source: str, parts: set[str]) -> None:
    result = Consolidated("labelled", (Box("cat", 0, 0, 20, 20),))
    counted = precision.counts(task_of(reason, source), result, 0.5)
    assert {part for _, part in counted} == parts
    assert all(id == "precision#v1" for id, _ in counted)
    assert precision.counts(task_of(reason, source), Consolidated("unusable"), 0.5) == {}


def test_a_result_fits_a_transaction_with_that_which_it_corrects() -> None:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""

    def counted(letter: str) -> dict[tuple[str, str], dict[str, int]]:
        labels = [f"{letter}{number}" for number in range(250)]
        task = replace(task_of("sample"), suggestions=suggested(labels=tuple(labels)))
        return precision.counts(task, Consolidated("labelled", (), tuple(labels)), 0.5)

    assert counted("a")["precision#v1", "all"]["confirmed"] == 250
    reviewers, task, image = 9, 1, 1
    assert len({*counted("a"), *counted("b")}) + reviewers + task + image <= 100
