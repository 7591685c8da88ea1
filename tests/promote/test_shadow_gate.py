"""The shadow gate, and that of a rollback."""

from __future__ import annotations

import pytest

from benchmarks import gates
from lambdas.domain.promote.shadow_gate import ChampionAnswers, Judgement, Rival, judge, judge_rollback
from lambdas.domain.shared import decision
from lambdas.domain.shared.comparison import ANY_DIFFERENCE, Comparison
from lambdas.domain.shared.scores import Scores
from lambdas.domain.shared.tuning import Tuning

BETTER = (0.01, 0.2)
NO_WORSE = (-0.01, 0.2)
WORSE = (-0.2, -0.01)


def scores(f1: float) -> Scores:
    return Scores(f1, ())


def compared(
    f1: float,
    other: float,
    interval: tuple[float, float] = (-0.2, 0.2),
    *,
    images: int = 40,
    confidence: float = 0.97,
    needed: dict[str, int] | None = None,
) -> Comparison:
    return Comparison(images, f1, other, interval, confidence, needed=needed or {})


def beside(
    shadow: Comparison | None,
    evaluation: Comparison | None = None,
    *,
    f1: float = 0.9,
    labels: dict[str, Comparison] | None = None,
    earlier: tuple[Rival, ...] = (),
    is_running: bool = True,
    is_gone: bool = False,
    undecided: str = "keep",
) -> Judgement:
    """The judgement on a challenger beside a champion."""
    answers = ChampionAnswers(
        Rival("v1", shadow, evaluation), labels or {}, is_running=is_running, is_gone=is_gone
    )
    return judge(scores(f1), answers, earlier, Tuning(min_f1=0.8, undecided=undecided))


@pytest.mark.parametrize(("f1", "passed"), [(0.8, True), (0.79, False)])
def test_the_first_challenger_has_to_keep_what_its_training_promised(f1: float, passed: bool) -> None:
    verdict = judge(scores(f1), None, (), Tuning(min_f1=0.8)).verdict
    assert verdict.passed is passed
    assert "no champion yet" in verdict.reasons[0]


def test_what_is_said_is_what_was_decided_with_its_figures() -> None:
    verdict = beside(compared(0.92, 0.88, BETTER), compared(0.93, 0.927)).verdict
    assert verdict.passed
    assert verdict.reasons == (
        "better with 97 % confidence",
        "F1 0.920 through the endpoint, 0.040 above the champion's 0.880 on the same 40 images"
        " (the true difference is between +0.010 and +0.200)",
        "F1 0.930 by its training's evaluation, 0.003 above the champion's 0.927 on the 40 test images of"
        " both trainings (the true difference is between -0.200 and +0.200)",
    )


def test_who_is_refused_by_both_measures_is_told_what_helps_once() -> None:
    verdict = beside(compared(0.87, 0.88), compared(0.92, 0.927)).verdict
    assert verdict.reasons[0] == "worse by both measures, be that chance or not"
    assert verdict.reason.count("`labelloop train --force`") == 1
    assert verdict.reason.count("`labelloop rollback`") == 1


def test_too_few_images_are_asked_for() -> None:
    judged = beside(compared(0.89, 0.88, needed={"hex-nut": 60}), compared(0.93, 0.927))
    assert not judged.verdict.passed
    assert judged.needed == {"hex-nut": 60}
    assert judged.verdict.reasons[0] == (
        "too few test images to tell: about 60 more of `hex-nut` would settle it;"
        " until then the champion stays (undecided: keep)"
    )


def test_the_limit_of_the_shadow_images_is_named_where_it_keeps_the_gate_from_telling() -> None:
    limit = "the gate asks about 100 test images at most (shadow_test_images)"
    reached, not_reached = (
        beside(compared(0.89, 0.88, images=images, needed={"nut": 9})).verdict for images in (100, 99)
    )
    assert limit in reached.reasons and limit not in not_reached.reasons


def test_nothing_is_asked_for_where_it_is_settled() -> None:
    settled = compared(0.92, 0.88, BETTER)
    assert beside(settled).needed == {}


def test_a_label_that_is_surely_worse_keeps_a_better_version_from_serving() -> None:
    verdict = beside(
        compared(0.92, 0.88, BETTER), labels={"nut": compared(0.5, 0.9, WORSE), "bolt": compared(0.8, 0.81)}
    ).verdict
    assert not verdict.passed
    reason, way_on = verdict.reasons
    assert way_on == decision.WAY_ON
    assert reason.startswith("nut: worse with 97 % confidence: F1 0.500 through the endpoint, 0.400 below")


def test_a_champion_that_does_not_run_is_a_rival_by_what_it_answered() -> None:
    verdict = beside(compared(0.7, 0.8, WORSE), is_running=False).verdict
    assert not verdict.passed
    assert verdict.reasons[0] == "worse with 97 % confidence"
    assert verdict.reasons[1].startswith("the champion v1 does not run; F1 0.700")


@pytest.mark.parametrize(("f1", "passed"), [(0.8, True), (0.79, False)])
@pytest.mark.parametrize("is_gone", [True, False])
def test_beside_a_champion_that_cannot_be_asked_the_challenger_needs_the_first_one_s_f1(
    f1: float, passed: bool, is_gone: bool
) -> None:
    """Be it that Rekognition has it no more, or that their evaluations can be compared."""
    evaluation = None if is_gone else compared(0.9, 0.9, NO_WORSE)
    verdict = beside(None, evaluation, f1=f1, is_running=False, is_gone=is_gone).verdict
    assert verdict.passed is passed
    assert "its answers on these images are not known" in verdict.reason


def test_nothing_replaces_a_champion_that_it_could_not_be_compared_with() -> None:
    verdict = beside(None, None, f1=0.99, is_running=False, undecided="better").verdict
    assert not verdict.passed
    (reason,) = verdict.reasons
    assert reason.startswith("the champion v1 does not run; nothing is known")
    assert "`labelloop start`" in reason
    assert "`labelloop rollback`" in reason


@pytest.mark.parametrize("measure", ["shadow", "evaluation"])
def test_an_earlier_version_that_is_better_is_named(measure: str) -> None:
    better = compared(0.85, 0.92, (-0.12, -0.02), images=34)
    rival = Rival("v3", better, None) if measure == "shadow" else Rival("v3", None, better)
    verdict = beside(compared(0.85, 0.84, NO_WORSE), earlier=(rival,)).verdict
    assert not verdict.passed
    (reason,) = verdict.reasons
    assert "0.070 below that of the earlier version v3, 0.920" in reason
    assert "34" in reason
    assert "`labelloop rollback v3`" in reason


def test_an_earlier_version_that_is_better_by_chance_is_no_obstacle() -> None:
    earlier = (Rival("v3", compared(0.85, 0.92), None),)
    assert beside(compared(0.85, 0.84, NO_WORSE), earlier=earlier).verdict.passed


def test_very_few_images_tell_nothing() -> None:
    few = compared(1, 0, ANY_DIFFERENCE, images=4)
    assert not beside(few).verdict.passed
    assert beside(few, undecided="better").verdict.passed


@pytest.mark.long
def test_better_ones_are_promoted_and_worse_ones_hardly_ever() -> None:
    assert gates.shares(100, 0.99, trials=20).promoted["keep"] > 0.5
    assert gates.shares(40, 0.85, trials=20).promoted["keep"] <= 0.1
    assert gates.shares(40, gates.SKILL, trials=20).promoted["better"] >= 0.3
    assert gates.shares(40, 0.7, trials=10).promoted["better"] <= 0.1


def test_a_rollback_is_a_person_s_decision() -> None:
    verdict = judge_rollback(scores(0.1))
    assert verdict.passed
    assert "0.100" in verdict.reasons[0]
