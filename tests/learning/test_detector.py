"""The detector's targets, its loss, the memory that it takes, and how fine it shows images."""

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
from learning.trunk import packaged_weights
from learning.types import Evaluation
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


@pytest.mark.parametrize(
    ("images", "count", "width", "side"),
    [(25, 14, 52, 192), (25, 15, 52, 320), (25, 200, 8, 384), (26, 200, 8, 192)],
)
def test_few_images_are_shown_finer_for_a_label_that_stays_small(
    tmp_path: Path, images: int, count: int, width: int, side: int
) -> None:
    """Not for one of few boxes, and not much finer."""
    path = tmp_path / "square.png"
    Image.new("RGB", (640, 640)).save(path)
    large, small = Box("large", 0, 0, 107, 107), Box("small", 0, 0, width, 52)
    examples = [Example(path, boxes=(*[large] * 900, *[small] * count)), *[Example(path)] * (images - 1)]
    learner = DetectorLearner(examples, ("large", "small"), torch.device("cpu"))
    assert learner.canvas == Canvas(side, side)


@pytest.mark.parametrize(
    ("weights", "images", "wide", "batch"),
    [
        (None, 25, 96, 8),
        (packaged_weights(), 26, 96, 8),
        (packaged_weights(), 25, 48, 8),
        (packaged_weights(), 25, 96, 4),
        (packaged_weights(), 25, 640, 4),
    ],
)
def test_larger_windows_of_few_images_make_smaller_batches_on_a_trunk_that_has_learned(
    weights: Path | None, images: int, wide: int, batch: int, tmp_path: Path
) -> None:
    path = tmp_path / "square.png"
    Image.new("RGB", (640, 640)).save(path)
    boxes = [Box("small", 0, 0, 32, 32)] * 2 + [Box("large", 0, 0, wide, wide)] * 3
    examples = [Example(path, boxes=tuple(boxes)), *[Example(path)] * (images - 1)]
    assert DetectorLearner(examples, ("large", "small"), torch.device("cpu"), weights).batch == batch


def test_what_lies_beside_an_image_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "square.png"
    Image.new("RGB", (640, 640)).save(path)
    boxes = (Box("a", -20, 600, 60, 60), Box("a", 9000, 0, 6000, 6000), Box("b", 0, 0, 640, 640))
    learner = DetectorLearner([Example(path, boxes=boxes)], ("a", "b"), torch.device("cpu"))
    assert learner.examples[0].boxes == (Box("a", 0, 600, 40, 40), Box("b", 0, 0, 640, 640))
    assert learner.labels_of(0) == {"a", "b"}
    with pytest.raises(ValueError, match="No box lies inside its image"):
        DetectorLearner([Example(path, boxes=boxes[1:2])], ("a",), torch.device("cpu"))


def showing(path: Path, boxes: int) -> DetectorLearner:
    """A learner of images with so many boxes each."""
    shown = tuple(Box("part", 16 * n, 0, 16, 16) for n in range(boxes))
    return DetectorLearner([Example(path, boxes=shown)] * 30, ("part",), torch.device("cpu"))


def test_a_second_stage_follows_where_things_are_seen_and_not_told_apart(tmp_path: Path) -> None:
    """Once boxes are good, in time, and not where it would leave out some of them."""
    path = tmp_path / "square.png"
    Image.new("RGB", (640, 640)).save(path)
    learners = {boxes: showing(path, boxes) for boxes in (1, 32, 33)}
    for pretrained, boxes, seen, named, step, share, ready in (
        (True, 1, 0.95, 0.70, 40, 0.2, True),
        (True, 1, 0.95, 0.70, 39, 0.2, False),
        (True, 1, 0.95, 0.70, 40, 0.19, False),
        (True, 1, 0.95, 0.70, 40, 0.51, False),
        (True, 1, 0.95, 0.85, 119, 0.3, False),
        (True, 1, 0.95, 0.85, 120, 0.3, True),
        (True, 1, 0.95, 0.93, 120, 0.3, False),
        (True, 1, 0.85, 0.60, 120, 0.3, False),
        (True, 1, 0.85, 0.60, 120, 0.4, True),
        (True, 32, 0.95, 0.70, 40, 0.2, True),
        (True, 33, 0.95, 0.70, 40, 0.2, False),
        (False, 1, 0.95, 0.70, 299, 0.3, False),
        (False, 1, 0.95, 0.70, 300, 0.1, True),
    ):
        learner = learners[boxes]
        learner.pretrained, learner._unlabelled_f1 = pretrained, seen
        evaluation = Evaluation(f1=named, precision=named, recall=named, labels=(), predictions=())
        case = (pretrained, boxes, seen, named, step, share)
        assert learner.is_ready_for_second_stage(evaluation, step, share) == ready, case
