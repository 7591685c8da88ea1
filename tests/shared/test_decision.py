"""Whether a challenger may replace the champion."""

from __future__ import annotations

import pytest

from lambdas.domain.shared.comparison import Comparison
from lambdas.domain.shared.decision import decide

BETTER, NO_WORSE, UNKNOWN, WORSE = (0.01, 0.2), (-0.015, 0.2), (-0.2, 0.2), (-0.2, -0.01)


def compared(
    difference: float, interval: tuple[float, float] = UNKNOWN, *, images: int = 40, labels: int = 3
) -> Comparison:
    return Comparison(images, 0.8 + difference, 0.8, interval, 0.97, labels=labels, needed={"nut": 60})


@pytest.mark.parametrize(
    ("shadow", "evaluation", "keep", "better"),
    [
        pytest.param(compared(0.1, BETTER), compared(0.1, BETTER), True, True, id="better by both"),
        pytest.param(compared(0, NO_WORSE), compared(0.1, BETTER), True, True, id="the same"),
        pytest.param(compared(-0.01, NO_WORSE), None, True, True, id="worse by less than the margin"),
        pytest.param(
            compared(-0.01, NO_WORSE), compared(-0.001), False, False, id="worse by both, by little"
        ),
        pytest.param(compared(0.1, BETTER), compared(-0.1, WORSE), False, False, id="surely worse there"),
        pytest.param(compared(-0.1, WORSE), compared(0.1, BETTER), False, False, id="surely worse here"),
        pytest.param(compared(0), compared(0), False, True, id="undecided, the same"),
        pytest.param(compared(0.1), None, False, True, id="undecided, measured better"),
        pytest.param(compared(-0.01), None, False, False, id="undecided, measured worse"),
        pytest.param(compared(-0.01), compared(0.1), False, False, id="the endpoint's word counts first"),
    ],
)
def test_the_challenger_must_not_be_worse(
    shadow: Comparison, evaluation: Comparison | None, keep: bool, better: bool
) -> None:
    for undecided, passed in (("keep", keep), ("better", better)):
        decision = decide(shadow, evaluation, undecided)
        assert decision is not None
        assert decision.passed is passed
        assert decision.why


@pytest.mark.parametrize(
    ("images", "labels", "passed"),
    [
        pytest.param(40, 3, False, id="the same images"),
        pytest.param(41, 3, True, id="more images"),
        pytest.param(41, 2, False, id="more images that lack a label"),
        pytest.param(39, 4, True, id="more labels"),
    ],
)
def test_the_measure_with_more_to_tell_decides(images: int, labels: int, passed: bool) -> None:
    """Whatever either says: else luck with one of the two would be enough."""
    decision = decide(compared(0.1), compared(0.1, BETTER, images=images, labels=labels), "keep")
    assert decision is not None
    assert decision.passed is passed


def test_what_is_undecided_says_how_many_images_are_missing_and_what_happens() -> None:
    kept, promoted, refused = (
        decide(compared(difference), None, undecided)
        for difference, undecided in ((0.1, "keep"), (0.1, "better"), (-0.1, "better"))
    )
    missing = "too few test images to tell: about 60 more of `nut` would settle it; "
    assert kept is not None and promoted is not None and refused is not None
    assert kept.why == f"{missing}until then the champion stays (undecided: keep)"
    assert promoted.why == f"{missing}it is not measured worse, so it may serve (undecided: better)"
    assert refused.why == f"{missing}it is measured worse, so the champion stays (undecided: better)"
    assert kept.needed == promoted.needed == refused.needed == {"nut": 60}


def test_what_is_settled_needs_nothing_more() -> None:
    decision = decide(compared(0.1, BETTER), None, "keep")
    assert decision is not None
    assert (decision.why, decision.needed) == ("better with 97 % confidence", {})


def test_without_any_measure_there_is_no_decision() -> None:
    assert decide(None, None, "better") is None
