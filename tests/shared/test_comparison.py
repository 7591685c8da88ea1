"""Two versions compared on the same images."""

from __future__ import annotations

import pytest

from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Counts, ImageCounts

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
    assert (compared.difference, compared.interval) == (0, (0, 0))
    assert not compared.is_worse
    assert "F1 0.667 here, as theirs 0.667 on 40 images" in compared.in_words("here", "theirs", "40 images")


def test_images_that_are_hard_for_both_do_not_hide_a_difference() -> None:
    """Each alone has an interval that is as wide as the images are many, their difference has not."""
    hard = [MISSED] * 20
    worse = [RIGHT] * 34 + [MISSED] * 6
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


def test_very_few_images_give_no_interval() -> None:
    compared = comparison.compare([MISSED] * 4, [RIGHT] * 4)
    assert compared.interval is None
    assert not compared.is_surely_worse
    words = compared.in_words("here", "theirs", "4 images")
    assert words == "F1 0.000 here, 1.000 below theirs 1.000 on 4 images (too few for an interval)"


def test_the_best_of_many_has_to_be_better_by_more() -> None:
    mine, theirs = [MISSED] * 5 + [RIGHT] * 35, [RIGHT] * 40
    assert comparison.compare(mine, theirs).is_surely_worse
    assert not comparison.compare(mine, theirs, best_of=20).is_surely_worse


def test_the_interval_is_the_same_each_time_and_holds_the_difference() -> None:
    mine, theirs = [RIGHT, RIGHT, MISSED, FALSE] * 10, [RIGHT, MISSED, RIGHT, NOTHING] * 10
    compared = comparison.compare(mine, theirs)
    assert compared == comparison.compare(mine, theirs)
    assert compared.interval is not None
    assert compared.interval[0] < compared.difference < compared.interval[1]


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (9, 2.262), (29, 2.045), (1000, 1.962)])
def test_student_s_quantiles(freedom: int, quantile: float) -> None:
    """Tables of the distribution give them."""
    assert comparison._student(1.959964, freedom) == pytest.approx(quantile, abs=0.01)
