"""The learning curve, and whether more labels will help."""

from __future__ import annotations

import numpy as np

from lambdas.domain.drafts import learning_curve
from tests.drafts.test_head import images

RANDOM = np.arange(200) % 4 == 0


def test_labels_that_are_told_apart_need_no_more_of_them() -> None:
    curve = learning_curve.draw(*images(200), RANDOM)
    assert curve is not None
    assert (curve.random_images, curve.points[-1].labels, curve.gain.labels) == (50, 190, 190)
    assert curve.points[-1].f1 == curve.gain.after == 1.0
    assert curve.gain.will_not_help(0.02)


def test_where_more_labels_help_it_is_not_said_that_they_do_not() -> None:
    curve = learning_curve.draw(*images(60, spread=4.5), RANDOM[:60] | (np.arange(60) % 2 == 0))
    assert curve is not None
    assert curve.points[0].f1 < curve.points[-1].f1
    assert curve.gain.low <= curve.gain.after - curve.gain.before <= curve.gain.high
    assert not curve.gain.will_not_help(0.02)


def test_random_images_are_drawn_as_far_as_there_are_any() -> None:
    curve = learning_curve.draw(*images(200), RANDOM)
    assert curve is not None
    assert [point.labels for point in curve.points if point.f1_random is not None] == [5, 10, 20, 30, 40]


def test_without_enough_random_images_there_is_no_curve() -> None:
    assert learning_curve.draw(*images(200), np.arange(200) < learning_curve.MIN_RANDOM_IMAGES - 1) is None
