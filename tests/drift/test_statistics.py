"""The tests say what probability theory says, and together raise no more false alarms than they may."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.drift import statistics
from lambdas.domain.drift.counts import Counts
from lambdas.domain.drift.observations import Look


@given(st.integers(0, 25), st.integers(0, 25), st.integers(0, 25), st.integers(0, 25))
def test_fisher_is_twice_the_smaller_tail(mine: int, others: int, theirs: int, rest: int) -> None:
    n, m, together = mine + others, theirs + rest, mine + theirs
    p_value = statistics.fisher(mine, n, theirs, m)
    if not n or not m or together in (0, n + m):
        assert p_value == 1
        return
    ways = [math.comb(n, k) * math.comb(m, together - k) for k in range(together + 1)]
    tail = min(sum(ways[: mine + 1]), sum(ways[mine:])) / math.comb(n + m, together)
    assert p_value == pytest.approx(min(1, 2 * tail), rel=1e-9)


def test_smirnov_is_never_less_than_the_exact_probability() -> None:
    """All ways to draw four of nine values: how often the difference is at least as great as each."""
    differences = []
    values = range(9)
    for mine in itertools.combinations(values, 4):
        theirs = [value for value in values if value not in mine]
        differences.append(
            max(abs(sum(v <= x for v in mine) / 4 - sum(v <= x for v in theirs) / 5) for x in values)
        )
    for difference in set(differences):
        exact = sum(other >= difference - 1e-12 for other in differences) / len(differences)
        bound = statistics._BOUND * math.exp(-2 * difference**2 * 20 / 9)
        assert bound >= exact, difference


def test_smirnov_sees_the_greatest_difference() -> None:
    half = statistics.smirnov(Counter({0: 50, 1: 50}), Counter({0: 100}))
    assert half == pytest.approx(statistics._BOUND * math.exp(-2 * 0.25 * 50))
    assert statistics.smirnov(Counter({3: 7}), Counter({3: 9})) == 1
    assert statistics.smirnov(Counter(), Counter({3: 9})) == 1


def arrived(chance: random.Random, images: int, cat: float = 0.4, confidence: float = 85) -> Counts:
    """Images with a mean confidence about this, of which so many show a cat and the others a dog."""
    counts = Counts()
    for _ in range(images):
        label = "cat" if chance.random() < cat else "dog"
        counts.add(Look({label: 1}, min(99.0, max(30.0, chance.gauss(confidence, 8))), chance.random()))
    return counts


def test_what_has_changed_is_named_and_nothing_else() -> None:
    chance = random.Random(1)  # noqa: S311
    tested, usual = arrived(chance, 300), arrived(chance, 2000)
    windows = {"today": arrived(chance, 400, confidence=70), "7 days": usual}
    (change,) = statistics.changes(tested, windows, {"cat", "dog"}, 0.05)
    assert (change.kind, change.label, change.window, change.feature) == (
        "confidence",
        "",
        "today",
        "confidence",
    )
    assert change.p_value < 1e-6
    changed = statistics.changes(tested, {"today": arrived(chance, 400, cat=0.9)}, {"cat", "dog"}, 0.05)
    assert {one.feature for one in changed} == {"label:cat", "label:dog"}


def test_few_test_images_can_show_only_great_changes() -> None:
    chance = random.Random(2)  # noqa: S311
    windows = {"today": arrived(chance, 5000, confidence=78)}
    assert statistics.changes(arrived(chance, 20), windows, {"cat", "dog"}, 0.05) == []
    assert statistics.changes(arrived(chance, 500), windows, {"cat", "dog"}, 0.05)
    assert statistics.least_difference(20, 0.05, 3) > 0.6
    assert statistics.least_difference(2000, 0.05, 3) < 0.07


def test_the_level_of_each_test_is_the_rate_shared_among_all() -> None:
    """With the difference that is just told, and one that is not."""
    tested = Counts(images=1000)
    tested.labels["cat"] = 500
    levels = []
    for showing in range(500, 1000):
        window = Counts(images=1000)
        window.labels["cat"] = showing
        if statistics.changes(tested, {"today": window}, {"cat", "dog"}, 0.5, looks=10):
            levels.append(statistics.fisher(500, 1000, showing, 1000))
    assert levels[0] <= 0.5 / 10 / 4 / 2
    assert levels[0] > 0.5 / 10 / 4 / 2 / 2
