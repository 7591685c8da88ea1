"""What learning keeps to: the time, the memory, the processors; and that it learns on a graphics card."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from learning import Box, Example, Model, Prediction, Task, data, detector, evaluate, second_stage, train
from learning.data import Canvas, Images
from learning.detector import DetectorLearner
from local import scenes

import torch  # isort: skip - after the library, which sets how torch's threads wait

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(directory: Path, size: tuple[int, int] = (128, 96)) -> Path:
    path = directory / f"{size[0]}.png"
    Image.new("RGB", size).save(path)
    return path


# Processors


class Together:
    """A model whose threads wait for one another; an image has the label that its file is called."""

    task: Task = "classification"

    def __init__(self, threads: int) -> None:
        self._barrier = threading.Barrier(threads, timeout=5)
        self.computes_with: set[int] = set()

    def predict_file(self, path: Path) -> list[Prediction]:
        self._barrier.wait()
        self.computes_with.add(torch.get_num_threads())
        return [Prediction(path.name, 90.0)]


def test_images_are_evaluated_side_by_side_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learning.threads.most", lambda: 3)
    model = Together(3)
    before = (torch.get_num_threads(), sys.getswitchinterval())
    shares: list[float] = []
    examples = [Example(Path(f"label-{number}"), (f"label-{number}",)) for number in range(6)]
    found = evaluate(cast(Model, model), examples, progress=shares.append)
    assert found.f1 == 1
    assert shares == [pytest.approx(number / 6) for number in range(1, 7)]
    assert model.computes_with == {1}
    assert (torch.get_num_threads(), sys.getswitchinterval()) == before


# Time


class Cutting:
    """A second look's learner, and what it did until it had read its images."""

    def __init__(self, path: Path, *, count: int, held_back: Sequence[int], until: float) -> None:
        self.told = 0
        self.proposed = 0
        box = Box("a", 10, 10, 30, 30)
        self.learner = second_stage.LookLearner(
            [Example(path, boxes=(box,))] * count,
            ("a", "b"),
            self._propose,
            held_back,
            read_side=64,
            until=until,
            tell=self._tell,
            device=CPU,
            random=seeded(1),
        )
        self.learned, self.watched = self.learner.hold_back(seeded(1))

    def _propose(self, images: Sequence[second_stage.Read]) -> list[tuple[Prediction, ...]]:
        self.proposed += len(images)
        return [()] * len(images)

    def _tell(self) -> None:
        self.told += 1


def test_reading_for_the_second_look_ends_with_its_time(tmp_path: Path) -> None:
    path = image(tmp_path)
    late = Cutting(path, count=60, held_back=range(12), until=0.0)
    assert (len(late.learner), late.proposed) == (16, 16)
    assert len(late.learned) == len(late.watched) == 8
    in_time = Cutting(path, count=60, held_back=range(12), until=float("inf"))
    assert (len(in_time.learned), len(in_time.watched)) == (48, 12)
    assert in_time.told == 60 / data.DECODERS


def test_only_some_images_are_asked_for_what_is_wrongly_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_stage, "_MOST_ASKED", 8)
    found = Cutting(image(tmp_path), count=40, held_back=range(4), until=float("inf"))
    assert (found.proposed, len(found.learner)) == (12, 40)


# Memory


def test_images_are_forgotten(tmp_path: Path) -> None:
    path = image(tmp_path)
    images = Images([Example(path)], Canvas(64, 64))
    assert images[0].max() == data.GREY
    Image.new("RGB", (128, 96), "white").save(path)
    assert images[0].max() == data.GREY
    images.forget()
    assert images[0].max() == 255


def many_labels(path: Path, count: int) -> tuple[list[Example], tuple[str, ...]]:
    """Nine images 1280 pixels wide, with small and large boxes, so that cells are small and windows large."""
    labels = tuple(f"label-{number:03d}" for number in range(count))
    boxes = (*(Box(labels[n % count], 20 * n, 20, 12, 12) for n in range(9)), Box(labels[0], 0, 0, 900, 900))
    return [Example(path, boxes=boxes)] * 9 + [Example(path, boxes=boxes[-1:])] * 30, labels


@pytest.mark.parametrize(("count", "batch", "shown"), [(4, 8, 2), (100, 2, 1), (250, 1, 1)])
def test_the_more_labels_the_fewer_images_are_held_at_once(
    tmp_path: Path, count: int, batch: int, shown: int
) -> None:
    examples, labels = many_labels(image(tmp_path, (1280, 960)), count)
    learner = DetectorLearner(examples, labels, CPU)
    while learner.look_closer():
        pass
    assert (learner.canvas, learner.cell) == (Canvas(1280, 960), 4)
    assert learner.batch == batch
    sizes: list[int] = []

    class Network(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            sizes.append(len(images))
            return torch.zeros(len(images), 1, 2, 2), torch.ones(len(images), 4, 2, 2)

    learner.figures(Network(), range(4))
    with Image.open(examples[0].path) as one:
        learner.proposals(Network(), [(one, one.size)] * 4)
    assert sizes == [shown] * (8 // shown)


def test_the_loss_of_heat_is_that_of_objects_as_points() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=seeded(1), requires_grad=True)
    heat = torch.rand(2, 3, 4, 4, generator=seeded(2)) * 0.9
    heat[0, 1, 2, 2] = heat[1, 0, 0, 3] = 1
    sure = torch.sigmoid(logits)
    missed = -((1 - sure) ** 2) * torch.log(sure)
    invented = -((1 - heat) ** 4) * sure**2 * torch.log(1 - sure)
    wanted = torch.where(heat == 1, missed, invented).sum()
    found = detector._heat_loss(logits, heat)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(wanted, logits, retain_graph=True)
    assert torch.allclose(torch.autograd.grad(found, logits)[0], gradient, atol=1e-5)


# A graphics card


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_a_cuda_device_learns_and_serves(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a second look for detection; the model that it leaves predicts the same once it is loaded."""
    for name, value in {"ENOUGH_STEPS": 0, "COARSE_EPOCHS": 0, "LEAST_FALL": 2}.items():
        monkeypatch.setattr(f"learning.schedule.{name}", value)
    monkeypatch.setattr("learning.symmetry.ENOUGH", 0.0)
    monkeypatch.setattr(DetectorLearner, "is_settled", lambda *_: True)
    monkeypatch.setattr("learning.training._is_better", lambda *_: True)
    make = scenes.detection_scenes if task == "detection" else scenes.classification_scenes
    examples = []
    for scene in make(24, 1):
        path = tmp_path / f"{scene.name}.jpg"
        path.write_bytes(scene.jpeg())
        examples.append(Example(path, scene.labels, tuple(Box(**vars(box)) for box in scene.boxes)))
    model = train(task, examples, budget_seconds=120, most_steps=60, seed=1)
    assert next(model._network.parameters()).is_cuda
    assert (model.facts.look is not None) == (task == "detection")
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    for example, found in zip(examples, evaluate(loaded, examples).predictions, strict=True):
        said = model.predict_file(example.path)
        assert [one.label for one in found[:1]] == [one.label for one in said[:1]]
        # A card's last digits may differ.
        assert [one.confidence for one in found[:1]] == pytest.approx(
            [p.confidence for p in said[:1]], abs=0.1
        )
