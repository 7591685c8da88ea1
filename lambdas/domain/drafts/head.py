"""A head on frozen features: ridge regression of each label, fitted in a moment to all that is labelled.

Its predictions for the very images that it is fitted to come with no further work as if each had been left
out (R. D. Cook and S. Weisberg, 1982, "Residuals and Influence in Regression"). From them it learns how sure
it may be: a logistic curve from scores to confidences (J. Platt, 1999, "Probabilistic outputs for support
vector machines"). With few images, or labels that the features do not show, it is sure of nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Truth = NDArray[np.bool_]
"""Which labels images have (images, labels)."""

PENALTY = 0.3
"""How much large weights cost. Between a third and three times as much the figures hardly differ."""
MIN_IMAGES = 5
MIN_EXAMPLES = 2
"""Images with a label, and without, before it is drafted."""
_STEPS = 25
_PRIOR_SLOPE, _PRIOR_WEIGHT = 2.0, 0.1
"""What the curve is like before there are images, and how much that counts."""


@dataclass(frozen=True)
class Head:
    """Scores of images are `features @ weights + bias` (images, labels)."""

    weights: Matrix
    """(features, labels)."""
    bias: Matrix
    slope: float
    """Of the curve from scores to confidences; 0 where nothing can be told."""
    offset: float
    cut: float
    """The score from which on a label is most rightly said to be there."""
    exclusive: bool
    """Whether every image has one label."""
    known: NDArray[np.bool_]
    """Labels with enough examples (labels)."""

    def scores(self, features: Matrix) -> Matrix:
        """Scores of images (images, labels)."""
        return features @ self.weights + self.bias

    def confidences(self, scores: Matrix) -> Matrix:
        """How probable it is that each label is there, 0 to 1 (images, labels)."""
        curve = 1 / (1 + np.exp(-(self.slope * scores + self.offset)))
        confidences: Matrix = np.where(self.known, curve, 0.0)
        return confidences

    def predicted(self, scores: Matrix) -> Truth:
        """The labels that images most probably have."""
        if not self.exclusive:
            several: Truth = scores >= self.cut
            return several
        predicted = np.zeros(scores.shape, bool)
        predicted[np.arange(len(scores)), scores.argmax(1)] = True
        return predicted


def fit(features: Matrix, truth: Truth) -> Head:
    """The head that fits these images (images, features), of which there has to be one at least."""
    count = len(features)
    mean, length = _scale(features)
    inputs = (features - mean) / length
    duals, left_out = _solve(inputs, np.where(truth, 1.0, -1.0))
    weights = inputs.T @ duals / length
    examples = truth.sum(0)
    known = (examples >= MIN_EXAMPLES) & (count - examples >= MIN_EXAMPLES)
    exclusive = truth.shape[1] > 1 and bool((truth.sum(1) == 1).all())
    slope, offset = 0.0, -10.0
    if count >= MIN_IMAGES and known.any():
        slope, offset = _curve(left_out[:, known].ravel(), truth[:, known].ravel())
    return Head(
        weights, duals.sum(0) - mean @ weights, slope, offset, _best_cut(left_out, truth), exclusive, known
    )


def _solve(inputs: Matrix, targets: Matrix) -> tuple[Matrix, Matrix]:
    """The images' parts in the solution, and the score that each would get if it were left out (images,
    labels). All in the space of the images, which are fewer than features."""
    inverse = np.linalg.inv(inputs @ inputs.T + 1 + PENALTY * np.eye(len(inputs)))
    duals = inverse @ targets
    return duals, targets - duals / inverse.diagonal()[:, None]


def _scale(features: Matrix) -> tuple[Matrix, float]:
    mean = features.mean(0)
    length = float(np.linalg.norm(features - mean, axis=1).mean())
    return mean, max(length, 1e-6)


def _curve(scores: Matrix, truth: Truth) -> tuple[float, float]:
    """Slope and offset of the logistic curve; where higher scores are no better, none is sure."""
    positive, negative = truth.sum(), (~truth).sum()
    targets = np.where(truth, (positive + 1) / (positive + 2), 1 / (negative + 2))
    inputs = np.stack([scores, np.ones_like(scores)], 1)
    curve = prior = np.array([_PRIOR_SLOPE, 0.0])
    for _ in range(_STEPS):
        shares = 1 / (1 + np.exp(-inputs @ curve))
        gradient = inputs.T @ (shares - targets) + _PRIOR_WEIGHT * (curve - prior)
        curvature = (inputs * (shares * (1 - shares))[:, None]).T @ inputs + _PRIOR_WEIGHT * np.eye(2)
        curve = curve - np.linalg.solve(curvature, gradient)
    slope, offset = curve.tolist()
    return (slope, offset) if slope > 0 else (0.0, -10.0)


def _best_cut(scores: Matrix, truth: Truth) -> float:
    """The score with the best F1, of all labels together; 0 without any."""
    order = np.argsort(-scores, axis=None)
    right = truth.ravel()[order].cumsum()
    if not len(right) or not right[-1]:
        return 0.0
    f1 = 2 * right / (np.arange(1, len(right) + 1) + right[-1])
    return float(scores.ravel()[order[f1.argmax()]])


def macro_f1(predicted: Truth, truth: Truth) -> float:
    """The mean of the labels' F1s, of those that are there."""
    return float(f1_of_counts(*counts(predicted, truth)))


def counts(predicted: Truth, truth: Truth) -> tuple[Matrix, Matrix]:
    """Of each image and label what is right, twice, and of that what is right, missed or wrong."""
    right = (predicted & truth).astype(float)
    return 2 * right, 2 * right + (predicted ^ truth)


def f1_of_counts(right: Matrix, all_: Matrix) -> Matrix:
    """Macro F1 of counts as `counts` gives them (..., images, labels)."""
    right, all_ = right.sum(-2), all_.sum(-2)
    there = all_ > 0
    f1 = np.where(there, right / np.where(there, all_, 1), 0.0)
    mean: Matrix = f1.sum(-1) / np.maximum(1, there.sum(-1))
    return mean
