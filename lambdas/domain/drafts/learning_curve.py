"""What more labels bring: the learning curve of the head, of chosen images beside random ones.

All of it is measured on images that were asked about at random, each while it is left out. Whether more
labels of the same kind will help is asked of the last half of them: both heads, with all and with half of
the labels, are shown the same images, and their difference is resampled by images (B. Efron, 1979, "Bootstrap
methods: another look at the jackknife").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lambdas.domain.drafts import head as heads
from lambdas.domain.drafts.head import Matrix, Truth

MIN_RANDOM_IMAGES = 20
"""Labelled images that were asked about at random, before a curve is drawn."""
FOLDS = 5
RESAMPLES = 1000
SIZES = (5, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960, 1280)
LEVEL = 0.95


@dataclass(frozen=True)
class Point:
    """F1 of heads with so many labels: as they were asked for, and of random images alone, as far as there
    are so many."""

    labels: int
    f1: float
    f1_random: float | None


@dataclass(frozen=True)
class Gain:
    """What the last half of the labels brought: F1 with half and with all of them, and between which
    differences 95 % of the resamples lie."""

    labels: int
    before: float
    after: float
    low: float
    high: float

    def will_not_help(self, margin: float) -> bool:
        """Whether as many labels again will not bring a difference of F1 that is worth having."""
        return self.high < margin


@dataclass(frozen=True)
class LearningCurve:
    points: tuple[Point, ...]
    gain: Gain
    random_images: int


def draw(features: Matrix, truth: Truth, is_random: Truth, seed: int = 1) -> LearningCurve | None:
    """The curve of labelled images in the order in which they were labelled (images, features); None while
    too few of them were asked about at random.

    Args:
        is_random: which were (images).
    """
    random = np.flatnonzero(is_random)
    if len(random) < MIN_RANDOM_IMAGES:
        return None
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(random)
    folds = [shuffled[start::FOLDS] for start in range(FOLDS)]
    count = len(features) - max(map(len, folds))
    few = len(random) - max(map(len, folds))
    everything = np.arange(len(features))

    def predicted(size: int, among: np.ndarray) -> Truth:
        """What heads with so many of the first of these images say of the random ones (random, labels)."""
        answers = np.zeros((len(features), truth.shape[1]), bool)
        for fold in folds:
            rows = among[~np.isin(among, fold)][:size]
            head = heads.fit(features[rows], truth[rows])
            answers[fold] = head.predicted(head.scores(features[fold]))
        answers_of_random: Truth = answers[random]
        return answers_of_random

    sizes = [size for size in SIZES if size < count] + [count]
    points = [
        Point(
            size,
            heads.macro_f1(predicted(size, everything), truth[random]),
            heads.macro_f1(predicted(size, shuffled), truth[random]) if size <= few else None,
        )
        for size in sizes
    ]
    half, all_ = predicted(count // 2, everything), predicted(count, everything)
    return LearningCurve(tuple(points), _gain(count, half, all_, truth[random], generator), len(random))


def _gain(count: int, half: Truth, all_: Truth, truth: Truth, generator: np.random.Generator) -> Gain:
    rows = generator.integers(0, len(truth), (RESAMPLES, len(truth)))

    def resampled(predicted: Truth) -> Matrix:
        right, everything = heads.counts(predicted, truth)
        return heads.f1_of_counts(right[rows], everything[rows])

    differences = resampled(all_) - resampled(half)
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    before, after = heads.macro_f1(half, truth), heads.macro_f1(all_, truth)
    return Gain(count, before, after, low, high)
