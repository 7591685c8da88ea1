"""A classifier that learns nothing but its last layer, from features that the pretrained trunk gives.

The features of an image are computed once. A layer is then fitted to all of them in a second, and to parts of
them for cross-validation: every image shows how well the classifier does on images that it has not seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from learning import threads
from learning.classifier import ClassifierLearner, ClassifierNetwork, probabilities
from learning.metrics import measure
from learning.types import Prediction
from portable.model import ranked

DECAY = 1e-3
"""How much large weights cost. Between a tenth and ten times as much the figures hardly differ."""
FOLDS = 5
MAX_ITERATIONS = 100
MIN_IMAGES = 16
"""The images that are read even when the time is over."""
_AT_ONCE = 8


class FrozenHead:
    """A last layer for a classifier's network, fitted to the images of its learner.

    Args:
        until: when to read no more images, of the monotonic clock.
        report: called again and again with the share of the images that are read.
        random: decides which images are read if time is short, and the folds.
    """

    def __init__(
        self,
        learner: ClassifierLearner,
        *,
        until: float,
        report: Callable[[float], None],
        random: torch.Generator,
    ) -> None:
        self._learner = learner
        order: list[int] = torch.randperm(len(learner), generator=random).tolist()
        batches = [order[start : start + _AT_ONCE] for start in range(0, len(order), _AT_ONCE)]
        features: list[torch.Tensor] = []
        count = 1 if learner.device.type == "cuda" else threads.max_threads()
        with threads.pool(count) as pool:
            for start in range(0, len(batches), count):
                if len(features) * _AT_ONCE >= MIN_IMAGES and time.monotonic() > until:
                    break
                features += pool.map(self._features, batches[start : start + count])
                report(min(1.0, (start + count) / len(batches)))
        self._features_read = torch.cat(features)
        self._indices = order[: len(self._features_read)]
        self._truth = learner.truth(self._indices)
        self.f1 = self._cross_validated()
        """The F1 of images that a head had not been fitted to."""

    def fit(self, network: nn.Module, indices: Sequence[int] | None = None) -> None:
        """Give the network the layer that fits the images of these indices; all that were read if None.

        Of images that were not read for want of time it learns nothing.
        """
        chosen = set(self._indices if indices is None else indices)
        rows = [row for row, index in enumerate(self._indices) if index in chosen]
        if not rows:
            return
        layer = self._fitted(rows)
        assert isinstance(network, ClassifierNetwork)  # noqa: S101 - the learner's own, or a copy
        network.head[1].load_state_dict(layer.state_dict())

    def _features(self, indices: Sequence[int]) -> torch.Tensor:
        network = self._learner.network
        assert isinstance(network, ClassifierNetwork)  # noqa: S101 - the learner's own
        with torch.inference_mode():
            return network.features(self._learner.images(indices)).cpu()

    def _cross_validated(self) -> float:
        count = len(self._indices)
        if not self._truth.any():
            return 0.0
        scores = torch.zeros_like(self._truth)
        for fold in range(min(FOLDS, count)):
            held = set(range(fold, count, FOLDS))
            layer = self._fitted([row for row in range(count) if row not in held] or [0])
            with torch.inference_mode():
                rows = sorted(held)
                scores[rows] = probabilities(
                    layer(self._features_read[rows]), exclusive=self._learner.exclusive
                )
        predictions = [
            tuple(Prediction(seen.label, seen.confidence) for seen in ranked(row, self._learner.labels))
            for row in scores.numpy()
        ]
        truth = [self._learner.examples[index] for index in self._indices]
        return measure("classification", truth, predictions).f1

    def _fitted(self, rows: Sequence[int]) -> nn.Linear:
        """The layer with the least loss on these rows of features."""
        return fitted(self._features_read[rows], self._truth[rows], exclusive=self._learner.exclusive)


def fitted(features: torch.Tensor, truth: torch.Tensor, *, exclusive: bool) -> nn.Linear:
    """The layer with the least loss on features (rows, width) with their labels, `truth` (rows, labels).

    Args:
        exclusive: whether each row has just one label.
    """
    mean = features.mean(0)
    length = (features - mean).norm(dim=1).mean().clamp(min=1e-6)
    inputs = (features - mean) / length
    labels = truth.shape[1]
    weight = torch.zeros(labels, features.shape[1], requires_grad=True)
    bias = torch.zeros(labels, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = functional.linear(inputs, weight, bias)
        if exclusive:
            fit = functional.cross_entropy(logits, truth)
        else:
            fit = functional.binary_cross_entropy_with_logits(logits, truth) * labels
        total = fit + DECAY * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    layer = nn.Linear(features.shape[1], labels)
    with torch.no_grad():
        layer.weight.copy_(weight / length)
        layer.bias.copy_(bias - layer.weight @ mean)
    return layer
