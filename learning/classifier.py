"""The image classifier: one label of many where every image has exactly one, else each label for itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from learning import augment
from learning.learner import ImageLearner
from learning.metrics import measure
from learning.network import Backbone, for_learning
from learning.symmetry import Change, Symmetry
from learning.trunk import FEATURES, FROZEN_BLOCKS, Head, Trunk, load_weights
from learning.types import Evaluation, Example, Prediction
from portable.model import ranked

_FIRST_SIDE = 128
_LARGEST_SIDE = 224
_PRETRAINED_SIDE = 288
"""A pretrained trunk knows clothes better in 288 pixels than in 224, and in 224 than in 160."""
_MIXED = 0.2
_SMOOTHED = 0.05
_DEGREES = 10.0


class ClassifierNetwork(nn.Module):
    """A network from images (batch, 3, h, w) to logits (batch, labels)."""

    def __init__(self, labels: int, *, pretrained: bool = False) -> None:
        super().__init__()
        self.backbone = Trunk() if pretrained else Backbone()
        pooled = (Head(), FEATURES) if pretrained else (MeanAndMaximum(), 2 * Backbone.widths[-1])
        self.head = nn.Sequential(pooled[0], nn.Linear(pooled[1], labels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head[1](self.features(x))
        return logits

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the last layer tells the labels from (batch, features)."""
        features: torch.Tensor = self.head[0](self.backbone(x)[-1])
        return features


def load_into(network: ClassifierNetwork, weights: Path) -> None:
    """Begin with the weights of a file: the trunk's first blocks will not learn."""
    assert isinstance(network.backbone, Trunk)  # noqa: S101 - asked for by `pretrained`
    head = network.head[0]
    assert isinstance(head, Head)  # noqa: S101 - likewise
    load_weights(weights, network.backbone, head)
    network.backbone.freeze(FROZEN_BLOCKS)


class MeanAndMaximum(nn.Module):
    """A pooling layer of the features' mean and maximum, (batch, width, h, w) to (batch, 2 * width).

    The mean says what the scene is like, the maximum whether something is anywhere in it.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)


class ClassifierLearner(ImageLearner):
    """What training needs to know of classification: the loss of a batch, the score of some images."""

    batch = 16
    increases_resolution_early = False

    def __init__(
        self,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        device: torch.device,
        weights: Path | None = None,
    ) -> None:
        largest = _PRETRAINED_SIDE if weights else _LARGEST_SIDE
        super().__init__(examples, labels, device, (_FIRST_SIDE, largest))
        self.exclusive = is_exclusive(examples, labels)
        self._use(self._largest if weights else _FIRST_SIDE)
        self.symmetry = Symmetry(square=self.canvas.width == self.canvas.height)
        self._truth = torch.zeros(len(examples), len(labels))
        for row, example in enumerate(examples):
            for label in example.labels:
                self._truth[row, labels.index(label)] = 1
        self.pretrained = weights is not None
        network = ClassifierNetwork(len(labels), pretrained=self.pretrained)
        if weights:
            load_into(network, weights)
        self.network: nn.Module = for_learning(network, device)

    def images(self, indices: Sequence[int]) -> torch.Tensor:
        """The images of these examples as they are, normalised (batch, 3, h, w)."""
        return self._images.batch(indices).to(self.device)

    def truth(self, indices: Sequence[int]) -> torch.Tensor:
        """Which labels these examples show, 0 or 1 (batch, labels)."""
        return self._truth[list(indices)]

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on from here, beside the network."""
        return {**super().state(), "symmetry": self.symmetry.allowed}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().load_state(state)
        self.symmetry.allowed = list(state["symmetry"])

    def labels_of(self, index: int) -> set[str]:
        """The labels that an example shows."""
        return set(self.examples[index].labels)

    def loss(self, network: nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        """The loss of these images, each placed and coloured anew, and mixed with another one a little."""
        canvas = self.canvas
        middle = torch.tensor([[canvas.width / 2, canvas.height / 2]]).expand(len(indices), 2)
        how = augment.placements(middle, canvas, canvas, random, low=0.8, high=1.25)
        how = replace(how, angle=augment.angles(len(indices), _DEGREES, random))
        images = augment.place(self._images.batch(indices).to(self.device), how, canvas)
        images = self.symmetry.apply(augment.recolour(images, random), random)
        truth = self._truth[list(indices)]
        share = _MIXED * torch.rand(len(indices), generator=random)
        other = torch.randperm(len(indices), generator=random)
        truth = truth + share[:, None] * (truth[other] - truth)
        weight = share.reshape(-1, 1, 1, 1).to(self.device)
        images = images + weight * (images[other.to(self.device)] - images)
        logits, truth = network(images), truth.to(self.device)
        if self.exclusive:
            return functional.cross_entropy(logits, truth, label_smoothing=_SMOOTHED)
        return functional.binary_cross_entropy_with_logits(logits, truth) * len(self.labels)

    def is_ready_for_second_stage(self, evaluation: Evaluation, step: int, share_spent: float) -> bool:
        """A classifier has no second stage."""
        return False

    def evaluate(self, network: nn.Module, indices: Sequence[int]) -> Evaluation:
        """How well a network does on these images, shown as they are."""
        return self._evaluate(network, indices, lambda images: images)

    def update_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Allow the ways of mirroring and turning that leave the labels what they are."""
        self.symmetry.update(score, lambda change: self._evaluate(network, indices, change).f1)

    def _evaluate(self, network: nn.Module, indices: Sequence[int], change: Change) -> Evaluation:
        predictions: list[tuple[Prediction, ...]] = []
        for start in range(0, len(indices), 32):
            images = change(self._images.batch(indices[start : start + 32]).to(self.device))
            predictions += classify(network, images, self.labels, exclusive=self.exclusive)
        truth = [self.examples[index] for index in indices]
        return measure("classification", truth, predictions)


def is_exclusive(examples: Sequence[Example], labels: Sequence[str]) -> bool:
    """Whether every image has exactly one of several labels, so that labels rule each other out."""
    return len(labels) > 1 and all(len(set(example.labels)) == 1 for example in examples)


def classify(
    network: nn.Module, images: torch.Tensor, labels: Sequence[str], *, exclusive: bool
) -> list[tuple[Prediction, ...]]:
    """What normalised images (batch, 3, h, w) show: the surest label first, at most 100, none under 1 %."""
    with torch.inference_mode():
        scores = probabilities(network(images), exclusive=exclusive).cpu().numpy()
    return [tuple(Prediction(seen.label, seen.confidence) for seen in ranked(row, labels)) for row in scores]


def probabilities(logits: torch.Tensor, *, exclusive: bool) -> torch.Tensor:
    """How probable each label is, 0 to 1, where they rule each other out or not."""
    return logits.softmax(1) if exclusive else logits.sigmoid()
