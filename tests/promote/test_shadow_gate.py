"""The shadow gate, and that of a rollback."""

from __future__ import annotations

import pytest

from benchmarks import gates
from lambdas.domain.promote.shadow_gate import ChampionAnswers, Rival, judge, judge_rollback
from lambdas.domain.shared.comparison import Comparison
from lambdas.domain.shared.scores import LabelScore, Scores, Verdict
from lambdas.domain.shared.tuning import Tuning

TUNING = Tuning(min_f1=0.8, f1_tolerance=0.05, label_f1_tolerance=0.25)


def scores(f1: float, **labels: float) -> Scores:
    return Scores(f1, tuple(LabelScore(label, value, value, value, 5) for label, value in labels.items()))


def compared(
    f1: float, other: float, low: float | None = -0.2, high: float = 0.2, images: int = 40
) -> Comparison:
    return Comparison(images, f1, other, None if low is None else (low, high))


def beside(
    shadow: Comparison | None,
    evaluation: Comparison | None = None,
    *,
    challenger: Scores | None = None,
    champion: Scores | None = None,
    earlier: tuple[Rival, ...] = (),
    is_running: bool = True,
    is_gone: bool = False,
) -> Verdict:
    """The verdict on a challenger beside a champion."""
    mine = challenger or scores(shadow.f1 if shadow else 0.9)
    answers = ChampionAnswers(
        Rival("v1", shadow, evaluation), champion or scores(0), mine, is_running=is_running, is_gone=is_gone
    )
    return judge(mine, answers, earlier, TUNING)


@pytest.mark.parametrize(("f1", "passed"), [(0.8, True), (0.79, False)])
def test_the_first_challenger_has_to_keep_what_its_training_promised(f1: float, passed: bool) -> None:
    verdict = judge(scores(f1, cat=0), None, (), TUNING)
    assert verdict.passed is passed
    assert "no champion yet" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("shadow", "evaluation", "passed"),
    [
        pytest.param(compared(0.9, 0.8), compared(0.9, 0.8), True, id="better by both"),
        pytest.param(compared(0.8, 0.8), compared(0.8, 0.8), True, id="the same"),
        pytest.param(compared(0.8, 0.8), compared(0.7, 0.8), True, id="the same here, worse there"),
        pytest.param(compared(0.78, 0.8), compared(0.9, 0.8), True, id="worse within chance, better there"),
        pytest.param(compared(0.78, 0.8), None, True, id="worse within chance, nothing known there"),
        pytest.param(compared(0.799, 0.8), compared(0.899, 0.9), False, id="worse by both, be it by little"),
        pytest.param(compared(0.78, 0.8, -0.04, -0.001), compared(0.9, 0.8), False, id="surely worse here"),
        pytest.param(compared(0.9, 0.8), compared(0.78, 0.8, -0.04, -0.001), False, id="surely worse there"),
        pytest.param(compared(0.74, 0.8), compared(0.9, 0.8), False, id="far below, though it may be chance"),
        pytest.param(compared(0.74, 0.8, None), None, False, id="far below on very few images"),
        pytest.param(compared(0.3, 0.2), None, True, id="both are bad"),
    ],
)
def test_the_challenger_must_not_be_worse(
    shadow: Comparison, evaluation: Comparison | None, passed: bool
) -> None:
    verdict = beside(shadow, evaluation)
    assert verdict.passed is passed
    assert verdict.reasons
    assert verdict.gate == "shadow"


@pytest.mark.parametrize(
    ("challenger", "passed"),
    [
        pytest.param(scores(0.9, cat=0.5), False, id="one label worse"),
        pytest.param(scores(0.9, cat=0.6), True, id="one label within tolerance"),
        pytest.param(scores(0.9, cat=0.8, fox=0), True, id="a label the champion lacks"),
    ],
)
def test_no_label_must_fall_far(challenger: Scores, passed: bool) -> None:
    verdict = beside(compared(0.9, 0.8), challenger=challenger, champion=scores(0.8, cat=0.8))
    assert verdict.passed is passed
    assert passed or "cat: F1 0.500 is 0.300 below the champion's 0.800" in verdict.reason


def test_a_second_version_that_is_worse_by_both_measures_is_rejected_with_its_figures() -> None:
    verdict = beside(compared(0.837, 0.884, -0.108, 0.012), compared(0.864, 0.927, -0.13, 0.01, images=41))
    assert not verdict.passed
    assert verdict.reasons == (
        "worse than the champion by both measures: F1 0.837 through the endpoint, 0.047 below the"
        " champion's 0.884 on the same 40 images (the true difference is between -0.108 and +0.012);"
        " F1 0.864 by its training's evaluation, 0.063 below the champion's 0.927 on the 41 test images of"
        " both trainings (the true difference is between -0.130 and +0.010)",
    )


def test_what_is_worse_within_chance_says_so() -> None:
    verdict = beside(compared(0.88, 0.884), compared(0.93, 0.927))
    assert verdict.passed
    assert "0.004 below the champion's 0.884" in verdict.reasons[0]
    assert verdict.reasons[0].endswith("too few images to say that it is worse")
    assert "0.003 above the champion's 0.927" in verdict.reasons[1]


def test_a_champion_that_does_not_run_is_a_rival_by_what_it_answered() -> None:
    verdict = beside(compared(0.7, 0.8, -0.15, -0.05), is_running=False)
    assert not verdict.passed
    assert verdict.reason.startswith("the champion v1 does not run; F1 0.700")


@pytest.mark.parametrize(("f1", "passed"), [(0.8, True), (0.79, False)])
@pytest.mark.parametrize("is_gone", [True, False])
def test_beside_a_champion_that_cannot_be_asked_the_challenger_needs_the_first_one_s_f1(
    f1: float, passed: bool, is_gone: bool
) -> None:
    """Be it that Rekognition has it no more, or that their evaluations can be compared."""
    evaluation = None if is_gone else compared(0.9, 0.9)
    verdict = beside(None, evaluation, challenger=scores(f1), is_running=False, is_gone=is_gone)
    assert verdict.passed is passed
    assert "its answers on these images are not known" in verdict.reasons[0]


def test_nothing_replaces_a_champion_that_it_could_not_be_compared_with() -> None:
    verdict = beside(None, None, challenger=scores(0.99), is_running=False)
    assert not verdict.passed
    (reason,) = verdict.reasons
    assert reason.startswith("the champion v1 does not run; nothing is known")
    assert "`labelloop start`" in reason
    assert "`labelloop rollback`" in reason


@pytest.mark.parametrize("measure", ["shadow", "evaluation"])
def test_an_earlier_version_that_is_better_is_named(measure: str) -> None:
    better = compared(0.85, 0.92, -0.12, -0.02, images=34)
    rival = Rival("v3", better, None) if measure == "shadow" else Rival("v3", None, better)
    verdict = beside(compared(0.85, 0.84), earlier=(rival,))
    assert not verdict.passed
    (reason,) = verdict.reasons
    assert "0.070 below that of the earlier version v3, 0.920" in reason
    assert "34" in reason
    assert "`labelloop rollback v3`" in reason


def test_an_earlier_version_that_is_better_by_chance_is_no_obstacle() -> None:
    assert beside(compared(0.85, 0.84), earlier=(Rival("v3", compared(0.85, 0.92), None),)).passed


@pytest.mark.long
def test_equals_are_mostly_promoted_and_worse_ones_hardly_ever() -> None:
    assert gates.rate(40, gates.SKILL, trials=20) > 0.5
    assert gates.rate(40, 0.98, trials=10) > 0.9
    assert gates.rate(40, 0.7, trials=10) < 0.1


def test_a_rollback_is_a_person_s_decision() -> None:
    verdict = judge_rollback(scores(0.1))
    assert verdict.passed
    assert "0.100" in verdict.reasons[0]
