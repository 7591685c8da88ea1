"""The shadow gate, and that of a rollback."""

from __future__ import annotations

import pytest

from lambdas.domain.promote.shadow_gate import judge, judge_rollback
from lambdas.domain.shared.scores import LabelScore, Scores
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


@pytest.mark.parametrize(("f1", "passed"), [(0.8, True), (0.79, False)])
def test_the_first_challenger_has_to_keep_what_its_training_promised(f1: float, passed: bool) -> None:
    verdict = judge(scores(f1, cat=0), None, TUNING)
    assert verdict.passed is passed
    assert "no champion yet" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("challenger", "champion", "passed"),
    [
        pytest.param(scores(0.9, cat=0.9), scores(0.8, cat=0.8), True, id="better"),
        pytest.param(scores(0.8, cat=0.8), scores(0.8, cat=0.8), True, id="the same"),
        pytest.param(scores(0.76, cat=0.8), scores(0.8, cat=0.8), True, id="worse within tolerance"),
        pytest.param(scores(0.74, cat=0.8), scores(0.8, cat=0.8), False, id="worse"),
        pytest.param(scores(0.9, cat=0.5), scores(0.8, cat=0.8), False, id="one label worse"),
        pytest.param(scores(0.9, cat=0.6), scores(0.8, cat=0.8), True, id="one label within tolerance"),
        pytest.param(
            scores(0.8, cat=0.8, fox=0), scores(0.8, cat=0.8), True, id="a label the champion lacks"
        ),
        pytest.param(scores(0.3, cat=0.3), scores(0.2, cat=0.2), True, id="both are bad"),
    ],
)
def test_the_challenger_must_not_be_worse(challenger: Scores, champion: Scores, passed: bool) -> None:
    verdict = judge(challenger, champion, TUNING)
    assert verdict.passed is passed
    assert verdict.reasons
    assert verdict.gate == "shadow"


def test_a_rollback_is_a_person_s_decision() -> None:
    verdict = judge_rollback(scores(0.1))
    assert verdict.passed
    assert "0.100" in verdict.reasons[0]
