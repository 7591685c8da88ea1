"""The head on frozen features: what it tells apart, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from lambdas.domain.drafts import head
from lambdas.domain.drafts.head import Matrix, Truth

GENERATOR = np.random.default_rng(1)
CENTRES = GENERATOR.normal(size=(3, 40)) * 2


def images(count: int, spread: float = 1.0, seed: int = 2) -> tuple[Matrix, Truth]:
    """Images of three labels in turn, each label's about a centre of its own."""
    numbers = np.arange(count) % 3
    noise = np.random.default_rng(seed).normal(size=(count, 40))
    return CENTRES[numbers] + spread * noise, np.eye(3, dtype=bool)[numbers]


def test_it_tells_labels_apart_after_a_few_images() -> None:
    fitted = head.fit(*images(9))
    features, truth = images(300, seed=3)
    assert head.macro_f1(fitted.predicted(fitted.scores(features)), truth) == 1.0


def test_scores_of_images_left_out_are_those_of_a_head_without_them() -> None:
    features, truth = images(12)
    inputs, targets = features / 10, np.where(truth, 1.0, -1.0)
    _, left_out = head._solve(inputs, targets)
    for row in range(12):
        rest = [other for other in range(12) if other != row]
        duals, _ = head._solve(inputs[rest], targets[rest])
        assert left_out[row] == pytest.approx((inputs[row] @ inputs[rest].T + 1) @ duals)


def test_its_confidences_are_as_often_right_as_they_say() -> None:
    features, truth = images(60, spread=4.5)
    fitted = head.fit(features, truth)
    others, there = images(3000, spread=4.5, seed=5)
    confidences = fitted.confidences(fitted.scores(others))
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9)):
        within = (confidences >= low) & (confidences < high)
        assert low - 0.1 < there[within].mean() < high + 0.1


def test_of_features_that_show_nothing_it_is_sure_of_nothing() -> None:
    features = np.random.default_rng(4).normal(size=(40, 40))
    truth = images(40)[1]
    confidences = head.fit(features, truth).confidences(head.fit(features, truth).scores(features[:1] * 0))
    assert confidences.max() < 0.6


@pytest.mark.parametrize("count", [1, 2, 4])
def test_before_there_are_enough_images_it_is_sure_of_nothing(count: int) -> None:
    features, truth = images(count)
    fitted = head.fit(features, truth)
    assert fitted.confidences(fitted.scores(features)).max() < 0.01


def test_a_label_of_all_images_but_one_is_not_drafted() -> None:
    features, truth = images(12)
    truth[:, 0] = True
    truth[0, 0] = False
    assert head.fit(features, truth).known.tolist() == [False, True, True]


def test_alike_images_and_one_image_are_no_error() -> None:
    alike = np.ones((6, 40))
    fitted = head.fit(alike, np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]])
    assert np.isfinite(fitted.scores(alike)).all()


def test_images_with_several_labels_may_have_all_that_are_above_the_cut() -> None:
    truth = np.array([[True, True], [True, False], [False, True], [False, False]] * 5)
    features = truth @ GENERATOR.normal(size=(2, 40)) * 3 + GENERATOR.normal(size=(20, 40)) * 0.1
    fitted = head.fit(features, truth)
    assert not fitted.exclusive
    assert (fitted.predicted(fitted.scores(features)) == truth).all()


def test_macro_f1_is_the_mean_of_the_labels_that_are_there() -> None:
    truth = np.array([[True, False, False], [True, False, False], [False, True, False]])
    predicted = np.array([[True, False, False], [False, True, False], [False, True, False]])
    assert head.macro_f1(predicted, truth) == pytest.approx((2 / 3 + 2 / 3) / 2)
