"""A last layer on features that do not learn: what it is fitted to, and how its F1 is estimated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from learning import Example
from learning.classifier import ClassifierNetwork
from learning.frozen_head import MIN_IMAGES, FrozenHead
from learning.trunk import FEATURES
from tests.fixtures.learning import seeded

import torch  # isort: skip - after the library, which sets how torch's threads wait

LABELS = ("a", "b", "c")


class Learner:
    """Examples whose features lie about a point of their label's, apart by so much."""

    device = torch.device("cpu")
    labels = LABELS

    def __init__(self, count: int, apart: float, *, exclusive: bool = True) -> None:
        self.exclusive = exclusive
        numbers = [number % 3 for number in range(count)]
        self.examples = [Example(Path("image"), (LABELS[number],)) for number in numbers]
        self._truth = torch.eye(3)[numbers]
        points = torch.randn(3, FEATURES, generator=seeded(1))
        self.features = apart * points[numbers] + torch.randn(count, FEATURES, generator=seeded(2))

    def __len__(self) -> int:
        return len(self.examples)

    def truth(self, indices: Sequence[int]) -> torch.Tensor:
        return self._truth[list(indices)]


@pytest.fixture(autouse=True)
def features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FrozenHead, "_features", lambda self, indices: self._learner.features[list(indices)])


def head_of(learner: Any, until: float = float("inf")) -> FrozenHead:
    return FrozenHead(learner, until=until, report=lambda _: None, random=seeded(3))


def last_of(network: ClassifierNetwork) -> torch.nn.Linear:
    layer = network.head[1]
    assert isinstance(layer, torch.nn.Linear)
    return layer


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_head_tells_apart_what_lies_apart(exclusive: bool) -> None:
    assert head_of(Learner(45, 0.5, exclusive=exclusive)).f1 > 0.95
    # Three labels by chance, at the thresholds that suit them best.
    assert head_of(Learner(45, 0.0, exclusive=exclusive)).f1 < 0.65


def test_images_without_labels_tell_nothing() -> None:
    learner = Learner(20, 0.5, exclusive=False)
    learner.examples = [Example(Path("image"))] * 20
    learner._truth = torch.zeros(20, 3)
    assert head_of(learner).f1 == 0


def test_a_network_gets_the_layer() -> None:
    learner = Learner(45, 0.5)
    network = ClassifierNetwork(3, pretrained=True)
    head_of(learner).fit(network)
    assert torch.equal(last_of(network)(learner.features).argmax(1), learner.truth(range(45)).argmax(1))


def test_where_time_is_short_few_images_are_read() -> None:
    learner = Learner(90, 0.5)
    head = head_of(learner, until=0)
    assert MIN_IMAGES <= len(head._indices) < 90
    network = ClassifierNetwork(3, pretrained=True)
    before = last_of(network).weight.clone()
    head.fit(network, [index for index in range(90) if index not in head._indices])
    assert torch.equal(last_of(network).weight, before), "nothing is known of these images"
