"""Two versions compared on the same images."""

from __future__ import annotations

import math

import pytest

from lambdas.domain.shared import comparison, resampling
from lambdas.domain.shared.comparison import Comparison, Counts, ImageCounts, Rates
from lambdas.domain.shared.tuning import Tuning

RIGHT: ImageCounts = {"cat": Counts(right=1)}
MISSED: ImageCounts = {"cat": Counts(missed=1)}
FALSE: ImageCounts = {"cat": Counts(wrong=1)}
NOTHING: ImageCounts = {}


def test_f1_is_the_mean_of_the_labels_that_are_there() -> None:
    images: list[ImageCounts] = [RIGHT, MISSED, {"dog": Counts(right=1)}, {"fox": Counts(wrong=5)}]
    assert comparison.f1(images) == pytest.approx((2 / 3 + 1) / 2)
    assert comparison.f1([]) == 0


def test_what_is_seen_where_nothing_is_counts_as_wrong() -> None:
    assert comparison.f1([RIGHT, FALSE]) == pytest.approx(2 / 3)
    worse = comparison.compare([RIGHT] * 40 + [FALSE] * 20, [RIGHT] * 40 + [NOTHING] * 20)
    assert worse.is_surely_worse


def test_the_same_answers_are_no_difference() -> None:
    compared = comparison.compare([RIGHT, MISSED] * 20, [RIGHT, MISSED] * 20)
    assert compared.difference == 0
    assert not compared.is_worse
    assert "F1 0.667 here, as theirs 0.667 on 40 images" in compared.in_words("here", "theirs", "40 images")


def test_images_that_are_hard_for_both_do_not_hide_a_difference() -> None:
    """Each alone has an interval that is as wide as the images are many, their difference has not."""
    hard = [MISSED] * 20
    worse = [RIGHT] * 32 + [MISSED] * 8
    better = [RIGHT] * 40
    assert comparison.compare(worse + hard, better + hard).is_surely_worse
    assert not comparison.compare(better + hard, worse + hard).is_worse


@pytest.mark.parametrize(
    ("missed", "surely"),
    [
        pytest.param(1, False, id="one image of forty"),
        pytest.param(3, False, id="three that all speak against it"),
        pytest.param(8, True, id="eight"),
    ],
)
def test_few_images_do_not_tell_a_difference_from_chance(missed: int, surely: bool) -> None:
    compared = comparison.compare([MISSED] * missed + [RIGHT] * (40 - missed), [RIGHT] * 40)
    assert compared.is_worse
    assert compared.is_surely_worse is surely


def test_very_few_images_say_nothing_of_the_difference() -> None:
    compared = comparison.compare([MISSED] * 4, [RIGHT] * 4)
    assert compared.interval == (-1, 1)
    assert not compared.is_surely_worse
    words = compared.in_words("here", "theirs", "4 images")
    assert words == (
        "F1 0.000 here, 1.000 below theirs 1.000 on 4 images"
        " (the true difference is between -1.000 and +1.000)"
    )


def test_the_best_of_many_has_to_be_better_by_more() -> None:
    mine, theirs = [MISSED] * 8 + [RIGHT] * 32, [RIGHT] * 40
    assert comparison.compare(mine, theirs).is_surely_worse
    assert not comparison.compare(mine, theirs, best_of=20).is_surely_worse


def test_each_label_is_compared_by_itself_and_all_of_them_keep_the_rate() -> None:
    dog_right, dog_missed = {"dog": Counts(right=1)}, {"dog": Counts(missed=1)}
    theirs = [RIGHT] * 40 + [dog_right] * 40
    mine = [RIGHT] * 40 + [dog_missed] * 12 + [dog_right] * 28
    labels = comparison.compare_labels(mine, theirs, rates=Rates())
    assert labels["dog"].is_surely_worse and labels["dog"].images == 40
    assert not labels["cat"].is_worse
    many = [{f"label {number}": Counts(right=1)} for number in range(200)]
    missed = [RIGHT] * 34 + [MISSED] * 6
    alone = comparison.compare_labels(missed, [RIGHT] * 40, rates=Rates())
    among_many = comparison.compare_labels(missed + many, [RIGHT] * 40 + many, rates=Rates())
    assert alone["cat"].is_surely_worse and not among_many["cat"].is_surely_worse


def test_what_is_seen_where_nothing_is_counts_against_its_label() -> None:
    mine, theirs = [RIGHT] * 40 + [FALSE] * 20, [RIGHT] * 40 + [NOTHING] * 20
    labels = comparison.compare_labels(mine, theirs, rates=Rates())
    assert labels["cat"].is_surely_worse and labels["cat"].images == 60


def test_the_interval_is_the_same_each_time_and_holds_the_difference() -> None:
    mine, theirs = [RIGHT, RIGHT, MISSED, FALSE] * 10, [RIGHT, MISSED, RIGHT, NOTHING] * 10
    compared = comparison.compare(mine, theirs)
    assert compared == comparison.compare(mine, theirs)
    assert compared.interval[0] < compared.difference < compared.interval[1]


def test_the_seed_and_nothing_else_makes_the_resamples() -> None:
    mine, theirs = [RIGHT, MISSED, FALSE] * 10, [RIGHT, RIGHT, NOTHING] * 10
    one, same, other = (comparison.compare(mine, theirs, seed=seed).interval for seed in ("a", "a", "b"))
    assert one == same != other


def test_versions_that_differ_on_no_image_may_differ_all_the_same() -> None:
    """With 20 images of one label that both see, one in ten objects may be missed by either."""
    compared = comparison.compare([RIGHT] * 20, [RIGHT] * 20)
    assert compared.interval[0] < -0.05
    assert not compared.is_surely_no_worse
    assert comparison.compare([RIGHT] * 1000, [RIGHT] * 1000).is_surely_no_worse


def test_a_label_with_few_objects_says_little() -> None:
    many = [{"cat": Counts(right=1)}] * 20 + [{"dog": Counts(right=1)}] * 20
    few = [{"cat": Counts(right=1)}] * 39 + [{"dog": Counts(right=1)}]
    wide, narrow = (comparison.compare(images, images).interval for images in (few, many))
    assert wide[0] < 2 * narrow[0]


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        ([RIGHT] * 60, [RIGHT] * 40 + [MISSED] * 20, "better with 99.8 % confidence"),
        ([RIGHT] * 40 + [MISSED] * 20, [RIGHT] * 60, "worse with 99.8 % confidence"),
        ([RIGHT] * 1000, [RIGHT] * 1000, "no worse than 0.02 with 95 % confidence"),
        ([RIGHT] * 4, [MISSED] * 4, "too few test images to tell"),
    ],
)
def test_what_can_be_told_is_said(mine: list[ImageCounts], theirs: list[ImageCounts], words: str) -> None:
    assert comparison.compare(mine, theirs).conclusion == words


def test_rates_and_margin_are_those_that_were_asked_for() -> None:
    mine, theirs = [MISSED] * 1 + [RIGHT] * 99, [RIGHT] * 100
    assert comparison.compare(mine, theirs, rates=Rates(margin=0.1)).is_surely_no_worse
    assert not comparison.compare(mine, theirs, rates=Rates(margin=0.01)).is_surely_no_worse
    mine = [MISSED] * 6 + [RIGHT] * 94
    assert comparison.compare(mine, theirs, rates=Rates(wrong_refusal=0.2)).is_surely_worse
    assert not comparison.compare(mine, theirs, rates=Rates(wrong_refusal=0.002)).is_surely_worse


@pytest.mark.parametrize("margin", [0.0, 0.02, 1.0])
@pytest.mark.parametrize("rate", [0.01, 0.5])
def test_any_rates_that_the_settings_take_can_be_compared_with(rate: float, margin: float) -> None:
    tuning = Tuning(wrong_promotion_rate=rate, wrong_refusal_rate=rate, f1_margin=margin)
    mine, theirs = [RIGHT] * 5 + [MISSED] * 4, [MISSED] + [RIGHT] * 8
    compared = comparison.compare(mine, theirs, rates=Rates.of(tuning))
    assert compared.conclusion
    assert not (rate == 0.5 and compared.needed)


def test_the_label_that_leaves_it_open_is_named_with_how_many_images_would_settle_it() -> None:
    nut_right, nut_missed = {"nut": Counts(right=1)}, {"nut": Counts(missed=1)}
    mine = [RIGHT] * 200 + [nut_right, nut_missed] * 10
    theirs = [RIGHT] * 200 + [nut_right] * 12 + [nut_right, nut_missed] * 4
    compared = comparison.compare(mine, theirs, rates=Rates(wrong_refusal=0.05, margin=0.05))
    assert next(iter(compared.needed)) == "nut"
    assert f"about {compared.needed['nut']} more of `nut`" in compared.conclusion
    assert compared.conclusion.endswith("would settle it")


def test_with_as_many_images_as_are_said_to_be_needed_it_is_settled() -> None:
    mine, theirs = [RIGHT] * 17 + [MISSED] * 2 + [RIGHT], [RIGHT] * 17 + [RIGHT] + [MISSED] * 2
    rates = Rates(margin=0.05)
    needed = comparison.compare(mine, theirs, rates=rates).needed["cat"]
    times = 1 + math.ceil(needed / 20)
    assert not comparison.compare(mine * (times // 8), theirs * (times // 8), rates=rates).is_surely_no_worse
    settled = comparison.compare(mine * times, theirs * times, rates=rates)
    assert settled.is_surely_no_worse
    assert not settled.needed


def test_more_images_than_anybody_labels_are_not_asked_for() -> None:
    compared = comparison.compare([RIGHT, MISSED] * 20, [MISSED, RIGHT] * 20, rates=Rates(margin=0.0001))
    assert compared.conclusion == "too few test images to tell"


def test_many_labels_are_named_with_the_sum_of_the_rest() -> None:
    needed = {"a": 400, "b": 30, "c": 20, "d": 10, "e": 1}
    words = Comparison(40, 0.8, 0.8, (-0.1, 0.1), needed=needed).needed_in_words
    assert (
        words
        == "about 400 more of `a`, 30 more of `b`, 20 more of `c` and 11 of other labels would settle it"
    )


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (9, 2.262), (29, 2.045), (1000, 1.962)])
def test_student_s_quantiles(freedom: int, quantile: float) -> None:
    """Tables of the distribution give them."""
    assert resampling.student(1.959964, freedom) == pytest.approx(quantile, abs=0.01)


@pytest.mark.parametrize(("misses", "exact"), [(0, 0.0582), (1, 0.0914), (3, 0.1478), (8, 0.2702)])
def test_a_bound_is_nearly_that_of_clopper_and_pearson(misses: int, exact: float) -> None:
    """The exact limits are of the share of 50 objects that one version misses and the other sees; F1 falls by
    half of that and a little more."""
    pairs = [(MISSED, RIGHT)] * misses + [(RIGHT, RIGHT)] * (50 - misses)
    share = exact
    lowest = resampling.resample(pairs, "seed").at_least(0.05)
    assert lowest == pytest.approx(2 * (1 - share) / (2 - share) - 1, rel=0.25)
    assert lowest < (2 * (1 - misses / 50) / (2 - misses / 50) - 1)
