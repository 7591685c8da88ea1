"""The image classifier: one label of many where every image has exactly one, else each label for itself."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from learning import augment
from learning.data import Canvas, Images, canvas_for, finer_side, size
from learning.metrics import measure
from learning.network import Backbone, for_learning
from learning.symmetry import Change, Symmetry
from learning.types import Evaluation, Example, Prediction
from learning.validation_split import hold_back

MOST_PREDICTIONS = 100
LEAST_CONFIDENCE = 1.0

_FIRST_SIDE = 128
_LARGEST_SIDE = 224
_MIXED = 0.2
_SMOOTHED = 0.05
_DEGREES = 10.0


class ClassifierNetwork(nn.Module):
    """Images (batch, 3, h, w) to logits (batch, labels)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.backbone = Backbone()
        width = Backbone.widths[-1]
        self.head = nn.Sequential(MeanAndMaximum(), nn.Linear(2 * width, labels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.backbone(x)[-1])
        return logits


class MeanAndMaximum(nn.Module):
    """Features (batch, width, h, w) to (batch, 2 * width): the mean says what the scene is like, the maximum
    whether something is anywhere in it."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)


class ClassifierLearner:
    """What training needs to know of classification: the loss of a batch, the score of some images."""

    batch = 16
    looks_closer_early = False

    def __init__(self, examples: Sequence[Example], labels: tuple[str, ...], device: torch.device) -> None:
        self.examples = examples
        self.labels = labels
        self.device = device
        self.exclusive = is_exclusive(examples, labels)
        self._sizes = [size(example.path) for example in examples]
        self._largest = min(_LARGEST_SIDE, max(_FIRST_SIDE, int(statistics.median(map(max, self._sizes)))))
        self._use(_FIRST_SIDE)
        self.symmetry = Symmetry(square=self.canvas.width == self.canvas.height)
        self._truth = torch.zeros(len(examples), len(labels))
        for row, example in enumerate(examples):
            for label in example.labels:
                self._truth[row, labels.index(label)] = 1
        self.network: nn.Module = for_learning(ClassifierNetwork(len(labels)), device)

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def canvas(self) -> Canvas:
        """The canvas that images are shown in now."""
        return self._images.canvas

    def look_closer(self) -> bool:
        """Go on with a finer canvas, if the images have more to show."""
        side = finer_side(self.canvas, self._largest)
        if side is None:
            return False
        self._use(side)
        return True

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

    def hold_back(self, random: torch.Generator) -> tuple[list[int], list[int]]:
        """Which examples to learn from, and which to watch the learning by."""
        return hold_back(self, random)

    def is_settled(self, evaluation: Evaluation, share_spent: float) -> bool:
        """Nothing but time and a good score ends it."""
        return False

    def figures(self, network: nn.Module, indices: Sequence[int]) -> Evaluation:
        """How well a network does on these images, shown as they are."""
        return self._figures(network, indices, lambda images: images)

    def ask_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Allow the ways of mirroring and turning that leave the labels what they are."""
        self.symmetry.ask(score, lambda change: self._figures(network, indices, change).f1)

    def _figures(self, network: nn.Module, indices: Sequence[int], change: Change) -> Evaluation:
        found: list[tuple[Prediction, ...]] = []
        for start in range(0, len(indices), 32):
            images = change(self._images.batch(indices[start : start + 32]).to(self.device))
            found += classify(network, images, self.labels, exclusive=self.exclusive)
        truth = [self.examples[index] for index in indices]
        return measure("classification", truth, found)

    def _use(self, side: int) -> None:
        self._images = Images(self.examples, canvas_for(self._sizes, side))


def is_exclusive(examples: Sequence[Example], labels: Sequence[str]) -> bool:
    """Whether every image has exactly one of several labels, so that labels rule each other out."""
    return len(labels) > 1 and all(len(set(example.labels)) == 1 for example in examples)


def classify(
    network: nn.Module, images: torch.Tensor, labels: Sequence[str], *, exclusive: bool
) -> list[tuple[Prediction, ...]]:
    """What normalised images (batch, 3, h, w) show: the surest label first, at most 100, none under 1 %."""
    with torch.inference_mode():
        logits = network(images)
        scores = logits.softmax(1) if exclusive else logits.sigmoid()
    found = []
    for row in scores.cpu().tolist():
        ranked = sorted(zip(row, labels, strict=True), key=lambda one: (-one[0], one[1]))
        predictions = (Prediction(label, round(100 * score, 4)) for score, label in ranked[:MOST_PREDICTIONS])
        found.append(tuple(each for each in predictions if each.confidence >= LEAST_CONFIDENCE))
    return found
