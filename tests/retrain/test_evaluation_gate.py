"""The evaluation gate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.retrain.evaluation_gate import judge
from lambdas.domain.shared.comparison import Comparison
from lambdas.domain.shared.scores import LabelScore, Scores, Verdict
from lambdas.domain.shared.tuning import Tuning

TUNING = Tuning(min_f1=0.8, min_label_f1=0.5, min_test_images_per_label=2, shadow_test_images=40)


def scores(f1: float, **labels: float) -> Scores:
    return Scores(f1, tuple(LabelScore(label, value, value, value, 5) for label, value in labels.items()))


def test_a_good_version_passes_with_its_scores_as_the_reason() -> None:
    verdict = judge(scores(0.8, cat=0.5, dog=1), {"cat": 2, "dog": 9}, TUNING)
    assert verdict == Verdict("evaluation", True, ("overall F1 0.800, every label 0.500 or more",))
    assert verdict.as_dict() == {"gate": "evaluation", "passed": True, "reasons": list(verdict.reasons)}


@pytest.mark.parametrize(
    ("scored", "images", "reason"),
    [
        (scores(0.799, cat=1), {"cat": 2}, "overall F1 0.799 is below 0.800"),
        (scores(1, cat=0.499), {"cat": 2}, "cat: F1 0.499 is below 0.500"),
        (scores(1, cat=1), {"cat": 1}, "cat: 1 test images, fewer than 2"),
        (scores(1, cat=1), {"cat": 2, "dog": 2}, "dog: the evaluation says nothing about this label"),
    ],
)
def test_each_shortcoming_is_a_reason(scored: Scores, images: dict[str, int], reason: str) -> None:
    assert judge(scored, images, TUNING) == Verdict("evaluation", False, (reason,))


def test_every_reason_is_given() -> None:
    verdict = judge(scores(0.1, cat=0.1, dog=0.2), {"cat": 1, "dog": 3, "fox": 0}, TUNING)
    assert not verdict.passed
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "overall F1 0.100 is below 0.800",
        "cat",
        "cat",
        "dog",
        "fox",
        "fox",
    ]


def beside(
    interval: tuple[float, float], *, images: int = 41, labels: int = 2, undecided: str = "keep"
) -> Verdict:
    """The verdict on a version that is measured 0.01 below the champion."""
    champion = Comparison(images, 0.89, 0.9, interval, 0.97, labels=labels)
    return judge(
        scores(0.9, cat=1, dog=1), {"cat": 9, "dog": 9}, replace(TUNING, undecided=undecided), champion
    )


def test_what_is_surely_worse_than_the_champion_is_not_started() -> None:
    verdict = beside((-0.2, -0.01), images=5)
    assert not verdict.passed
    assert verdict.reasons[0] == "worse with 97 % confidence"
    assert "0.010 below the champion's 0.900 on the 5 test images of both trainings" in verdict.reasons[1]
    assert "`labelloop train --force`" in verdict.reasons[2]


@pytest.mark.parametrize(
    ("images", "labels", "passed"),
    [
        pytest.param(41, 2, False, id="the shadow gate has fewer images"),
        pytest.param(40, 2, True, id="the shadow gate has as many"),
        pytest.param(41, 1, True, id="the shadow gate has a label more"),
    ],
)
@pytest.mark.parametrize("undecided", ["keep", "better"])
def test_what_the_shadow_gate_could_tell_no_more_about_is_not_started(
    images: int, labels: int, passed: bool, undecided: str
) -> None:
    """That would decide by this same evaluation, and costs hours of two endpoints."""
    verdict = beside((-0.2, 0.2), images=images, labels=labels, undecided=undecided)
    assert verdict.passed is passed
    assert passed or "too few test images to tell" in verdict.reasons[0]


def test_what_is_surely_no_worse_goes_on_to_the_shadow_gate() -> None:
    verdict = beside((-0.015, 0.2))
    assert verdict.passed
    assert "for the shadow gate to say" in verdict.reasons[-1]
