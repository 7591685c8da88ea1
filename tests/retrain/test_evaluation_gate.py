"""The evaluation gate."""

from __future__ import annotations

import pytest

from lambdas.domain.retrain.evaluation_gate import judge
from lambdas.domain.shared.scores import LabelScore, Scores, Verdict
from lambdas.domain.shared.tuning import Tuning

TUNING = Tuning(
    min_f1=0.8,
    min_label_f1=0.5,
    min_test_images_per_label=2,
    f1_tolerance=0.05,
    label_f1_tolerance=0.25,
)


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
