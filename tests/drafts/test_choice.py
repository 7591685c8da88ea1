"""Which images are asked about next, and which at random."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from lambdas.domain.drafts import choice, head
from tests.drafts.test_head import CENTRES, images

NAMES = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(4000)]


def test_a_share_of_images_is_random_whatever_they_show() -> None:
    for share in (0, 0.2, 1):
        assert np.mean([choice.is_random(name, share) for name in NAMES]) == pytest.approx(share, abs=0.02)


def test_a_smaller_share_has_no_others() -> None:
    small = {name for name in NAMES if choice.is_random(name, 0.1)}
    assert small < {name for name in NAMES if choice.is_random(name, 0.2)}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_of_every_first_images_the_share_is_random(share: float) -> None:
    order = choice.interleaved([f"c{n}" for n in range(100)], [f"r{n}" for n in range(100)], share)
    for count in (5, 20, 50):
        assert sum(name.startswith("r") for name in order[:count]) == pytest.approx(share * count, abs=1)
    assert len(set(order)) == 200


def test_what_there_is_none_of_leaves_its_place_to_the_others() -> None:
    assert choice.interleaved(["c"], [], 0.5) == ["c"]
    assert choice.interleaved([], ["r", "s"], 0.2) == ["r", "s"]


def test_the_first_images_are_of_all_kinds() -> None:
    pool, truth = images(300, spread=0.5)
    # Of the third kind there are few.
    rare = np.flatnonzero(truth[:, 2])[15:]
    pool, truth = np.delete(pool, rare, 0), np.delete(truth, rare, 0)
    rows = choice.choose(pool, np.empty((0, 40)), np.ones(len(pool)), 8)
    assert truth[rows].any(0).all()
    assert len(set(rows)) == 8


def test_an_outlier_waits() -> None:
    pool = np.concatenate([images(60)[0], 40 * np.ones((1, 40))])
    assert 60 not in choice.choose(pool, np.empty((0, 40)), np.ones(61), 1)


def test_what_is_like_labelled_images_waits() -> None:
    labelled, _ = images(90)
    labelled = labelled[np.arange(90) % 3 != 1]
    pool, truth = images(30, seed=9)
    rows = choice.choose(pool, labelled, np.ones(30), 3)
    assert truth[rows, 1].all()


def test_what_the_head_is_unsure_of_comes_first() -> None:
    labelled, truth = images(60)
    between = (CENTRES[0] + CENTRES[1]) / 2 + np.random.default_rng(1).normal(size=(10, 40))
    pool = np.concatenate([images(50, seed=8)[0], between])
    weights = choice.unsureness(head.fit(labelled, truth), pool)
    assert weights[50:].min() > np.median(weights[:50])
    assert all(row >= 50 for row in choice.choose(pool, labelled, weights, 3))


def test_a_pool_may_be_smaller_than_what_is_asked_for() -> None:
    pool, _ = images(3)
    assert sorted(choice.choose(pool, pool, np.ones(3), 10)) == [0, 1, 2]
    assert choice.choose(pool[:0], pool, np.ones(0), 10) == []
