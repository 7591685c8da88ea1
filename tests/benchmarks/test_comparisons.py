"""The simulation of comparisons: its challengers are as bad as it says, and hardly ever pass."""

from __future__ import annotations

import random

import pytest

from benchmarks import comparisons
from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Rates


@pytest.mark.parametrize("f1", [0.5, 0.8, 0.99])
def test_a_challenger_of_any_f1_can_be_made(f1: float) -> None:
    assert comparisons.true_f1(comparisons.skill_of(f1)) == pytest.approx(f1)


def test_models_have_the_f1_that_is_said() -> None:
    draw = random.Random(1)  # noqa: S311 nothing secret
    compared = comparisons.compared(draw, 4000, comparisons.skill_of(0.8), Rates())
    assert compared.f1 == pytest.approx(0.8, abs=0.03)
    assert compared.other_f1 == pytest.approx(comparisons.true_f1(comparisons.SKILL), abs=0.03)


@pytest.mark.parametrize("images", [20, 100])
def test_challengers_that_are_worse_by_the_margin_hardly_ever_pass(images: int) -> None:
    """At a rate of 20 % and of 50 challengers, 18 or more would do so in one of a thousand series."""
    rates = Rates(wrong_promotion=0.2, margin=0.1)
    assert comparisons.shares(images, -0.1, rates, 50)["no worse"] <= 18 / 50
    assert comparisons.shares(images, 0, rates, 50)["worse"] <= 0.1


def test_a_much_better_challenger_passes() -> None:
    assert comparisons.shares(100, 0.1, Rates(margin=0.05), 20)["no worse"] > 0.8


def test_equals_of_very_many_images_pass_as_no_worse() -> None:
    images = [{"bolt": comparison.Counts(right=1)}] * 5000
    assert comparison.compare(images, images).is_surely_no_worse
