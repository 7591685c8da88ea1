"""The detector's targets, its loss, and the memory that it takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from learning import (
    Box,
    Example,
    detector,
)
from learning.detector import DetectorLearner
from portable.images import Canvas
from tests.fixtures.learning import seeded

import torch  # isort: skip - after the library, which sets how torch's threads wait


def test_targets_are_hottest_at_a_boxs_centre_and_hold_its_sides() -> None:
    boxes = [[Box("b", 32, 16, 32, 16)], []]
    heat, sides, weight = detector.targets(boxes, ("a", "b"), Canvas(128, 64), 8)
    assert heat.shape == (2, 2, 8, 16)
    assert heat[0, 1].max() == heat[0, 1, 3, 6] == 1
    assert heat[0, 0].max() == heat[1].max() == 0
    assert sides[0, :, 3, 6].tolist() == [32, 16, 64, 32]
    assert float(weight[0].sum()) == pytest.approx(1)
    assert float(weight[1].sum()) == 0


def test_the_loss_of_heat_is_that_of_objects_as_points() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=seeded(1), requires_grad=True)
    heat = torch.rand(2, 3, 4, 4, generator=seeded(2)) * 0.9
    heat[0, 1, 2, 2] = heat[1, 0, 0, 3] = 1
    sure = torch.sigmoid(logits)
    missed = -((1 - sure) ** 2) * torch.log(sure)
    invented = -((1 - heat) ** 4) * sure**2 * torch.log(1 - sure)
    wanted = torch.where(heat == 1, missed, invented).sum()
    loss = detector._heat_loss(logits, heat)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(wanted, logits, retain_graph=True)
    assert torch.allclose(torch.autograd.grad(loss, logits)[0], gradient, atol=1e-5)


def many_labels(path: Path, count: int) -> tuple[list[Example], tuple[str, ...]]:
    """Nine images 1280 pixels wide, with small and large boxes, so that cells are small and windows large."""
    labels = tuple(f"label-{number:03d}" for number in range(count))
    boxes = (*(Box(labels[n % count], 20 * n, 20, 12, 12) for n in range(9)), Box(labels[0], 0, 0, 900, 900))
    return [Example(path, boxes=boxes)] * 9 + [Example(path, boxes=boxes[-1:])] * 30, labels


@pytest.mark.long
@pytest.mark.parametrize(("count", "batch", "shown"), [(4, 8, 2), (100, 2, 1), (250, 1, 1)])
def test_the_more_labels_the_fewer_images_are_held_at_once(
    tmp_path: Path, count: int, batch: int, shown: int
) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (1280, 960)).save(path)
    examples, labels = many_labels(path, count)
    learner = DetectorLearner(examples, labels, torch.device("cpu"))
    while learner.increase_resolution():
        pass
    assert (learner.canvas, learner.cell) == (Canvas(1280, 960), 4)
    assert learner.batch == batch
    sizes: list[int] = []

    class Network(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            sizes.append(len(images))
            return torch.zeros(len(images), 1, 2, 2), torch.ones(len(images), 4, 2, 2)

    learner.evaluate(Network(), range(4))
    with Image.open(examples[0].path) as opened:
        learner.proposals(Network(), [(opened, opened.size)] * 4)
    assert sizes == [shown] * (8 // shown)
