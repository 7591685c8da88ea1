"""The second stage: what it crops, what it classifies, what it reads, and what a model keeps of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learning import (
    Box,
    Example,
    Model,
    Prediction,
    data,
    second_stage,
)
from learning.model import Facts, networks_for
from portable.facts import SecondStage
from portable.images import GREY, Canvas
from tests.fixtures.learning import seeded

import torch  # isort: skip - after the library, which sets how torch's threads wait


@pytest.fixture
def marked() -> Image.Image:
    """Black, with a white square of 40 pixels at (100, 60)."""
    image = Image.new("RGB", (200, 160), "black")
    image.paste("white", (100, 60, 140, 100))
    return image


# Crops


def test_a_crop_shows_the_box_in_its_middle(marked: Image.Image) -> None:
    pixels = second_stage.crop_tensor(marked, 1.0, Box("square", 100, 60, 40, 40), 44).numpy()
    assert pixels.shape == (3, 44, 44)
    ys, xs = np.nonzero(pixels[0] > 200)
    # The margin of a tenth leaves two pixels on each side.
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == pytest.approx((2, 41, 2, 41), abs=1)


def test_a_crop_of_a_smaller_image_shows_the_same(marked: Image.Image) -> None:
    half = marked.resize((100, 80))
    whole = second_stage.crop_tensor(marked, 1.0, Box("square", 100, 60, 40, 40), 22).float()
    small = second_stage.crop_tensor(half, 0.5, Box("square", 100, 60, 40, 40), 22).float()
    assert (whole - small).abs().mean() < 12


def test_what_lies_beside_the_image_is_grey(marked: Image.Image) -> None:
    corner = second_stage.crop_tensor(marked, 1.0, Box("corner", -20, -20, 40, 40), 40)
    assert corner[:, 2, 2].tolist() == [GREY] * 3
    assert corner[:, 37, 37].tolist() == [0] * 3
    assert (second_stage.crop_tensor(marked, 1.0, Box("away", 900, 900, 10, 10), 16) == GREY).all()


@pytest.mark.parametrize(
    "box", [Box("flat", 0, 0, 200, 2), Box("dot", 50, 50, 1, 1), Box("all", 0, 0, 200, 160)]
)
def test_a_crop_of_any_box_has_its_size(marked: Image.Image, box: Box) -> None:
    assert second_stage.crop_tensor(marked, 1.0, box, 48, second_stage.AROUND).shape == (3, 48, 48)


def test_crops_are_as_large_as_boxes_usually_are() -> None:
    def of(width: float) -> list[Example]:
        return [Example(Path("a"), boxes=(Box("a", 0, 0, width, 10),))]

    assert [second_stage.side_for(of(width)) for width in (5, 70, 2000)] == [48, 80, 112]


# Classifying proposals


def test_a_second_stage_labels_the_boxes_and_drops_background() -> None:
    shares = torch.tensor([[0.9, 0.05, 0.05], [0.02, 0.08, 0.90]])
    network = torch.nn.Module()
    network.forward = lambda crops: shares.log()
    proposals = [Prediction("", 50.0, Box("", 1, 2, 3, 4)), Prediction("", 50.0, Box("", 5, 6, 7, 8))]
    first, second = second_stage.classify_proposals(
        network, ("king", "queen"), proposals, torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    )
    assert (first.label, first.box) == ("king", Box("king", 1, 2, 3, 4))
    assert first.confidence == pytest.approx(67.082, abs=0.01)
    assert (second.label, second.box) == ("queen", Box("queen", 5, 6, 7, 8))
    assert second.confidence == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize("scores", [[1e-7, 0.0, 1.0], [float("nan")] * 3])
def test_what_shows_nothing_or_is_no_number_is_left_out(scores: list[float]) -> None:
    class Network(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([scores]).log()

    crops = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    proposals = [Prediction("", 10.0, Box("", 1, 2, 3, 4))]
    assert second_stage.classify_proposals(Network(), ("jack", "queen"), proposals, crops) == ()


def test_no_boxes_are_no_predictions() -> None:
    assert second_stage.classify_proposals(torch.nn.Identity(), ("a",), [], torch.zeros(0, 3, 8, 8)) == ()


def model_with_a_second_stage() -> Model:
    torch.manual_seed(3)
    facts = Facts("detection", ("a", "b"), Canvas(96, 96), False, 8, 1, 1.0, 1, {}, SecondStage(48, 200))
    network, second = networks_for(facts)
    assert second
    # Untrained heat is near nothing everywhere; this makes some boxes worth classifying.
    torch.nn.init.constant_(network.heat[-1].bias, 0.0)  # pyrefly: ignore[bad-index, missing-attribute]
    return Model(facts, network, second)


def test_a_model_keeps_its_second_stage(tmp_path: Path, marked: Image.Image) -> None:
    model = model_with_a_second_stage()
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert loaded.facts == model.facts
    marked.save(tmp_path / "marked.png")
    predictions = loaded.predict_file(tmp_path / "marked.png")
    assert predictions == model.predict_file(tmp_path / "marked.png")
    assert 0 < len(predictions) <= second_stage.MAX_PROPOSALS
    assert {prediction.label for prediction in predictions} <= {"a", "b"}
    for prediction in predictions:
        assert (
            prediction.box
            and prediction.box.left >= 0
            and prediction.box.left + prediction.box.width <= 200 + 1e-6
        )


# Reading images


def image(directory: Path) -> Path:
    path = directory / "image.png"
    Image.new("RGB", (128, 96)).save(path)
    return path


class Reading:
    """A second stage's learner, and what it did until it had read its images."""

    def __init__(
        self,
        path: Path,
        *,
        count: int,
        validation: Sequence[int],
        until: float,
        training: Sequence[int] = (),
        images_read: int | None = None,
        empty: int = 0,
        proposals: Sequence[Prediction] = (),
    ) -> None:
        self.reports = 0
        self.proposed = 0
        self._proposals = tuple(proposals)
        shown = Example(path, boxes=(Box("a", 10, 10, 30, 30),))
        self.learner = second_stage.SecondStageLearner(
            [shown] * (count - empty) + [Example(path)] * empty,
            ("a", "b"),
            self._propose,
            training or [index for index in range(count) if index not in validation],
            validation,
            read_side=64,
            until=until,
            images_read=images_read,
            report=self._report,
            device=torch.device("cpu"),
            random=seeded(1),
        )
        self.training, self.validation = self.learner.split_validation(seeded(1))

    def _propose(self, images: Sequence[second_stage.Read]) -> list[tuple[Prediction, ...]]:
        self.proposed += len(images)
        return [self._proposals] * len(images)

    def _report(self) -> None:
        self.reports += 1


def test_reading_for_the_second_stage_ends_with_its_time(tmp_path: Path) -> None:
    path = image(tmp_path)
    late = Reading(path, count=60, validation=range(12), until=0.0)
    assert (len(late.learner), late.proposed) == (16, 16)
    assert len(late.training) == len(late.validation) == 8
    in_time = Reading(path, count=60, validation=range(12), until=float("inf"))
    assert (len(in_time.training), len(in_time.validation)) == (48, 12)
    assert in_time.reports == 60 / data.DECODERS


def test_as_many_images_are_read_as_before_a_kill(tmp_path: Path) -> None:
    """Else the crops would be others than those that the schedule goes on with."""
    path = image(tmp_path)
    before = Reading(path, count=60, validation=range(12), until=float("inf")).learner.state()
    again = Reading(path, count=60, validation=range(12), until=0.0, images_read=before["images_read"])
    assert len(again.learner) == 60
    late = Reading(path, count=60, validation=range(12), until=0.0).learner.state()
    again = Reading(path, count=60, validation=range(12), until=1e9, images_read=late["images_read"])
    assert len(again.learner) == 16


def test_the_images_of_a_few_are_learned_from_and_validated_with(tmp_path: Path) -> None:
    """Too few to hold any back: those that were not validated with show nothing, or other labels."""
    seen = Prediction("", 50.0, Box("", 60, 60, 20, 20))
    few = Reading(
        image(tmp_path),
        count=19,
        empty=1,
        training=range(19),
        validation=range(18),
        until=1e9,
        proposals=[seen],
    )
    shown = [few.learner.labels_of(index) for index in few.training]
    assert shown.count({"a"}) == 18 and set() in shown
    assert set(few.validation) <= set(few.training)


def test_background_alone_is_not_learned_from(tmp_path: Path) -> None:
    """Where time was too short to read more."""
    seen = Prediction("", 50.0, Box("", 60, 60, 20, 20))
    short = Reading(image(tmp_path), count=24, empty=20, validation=range(4), until=1e9, proposals=[seen])
    assert [short.learner.labels_of(index) for index in short.training].count({"a"}) == 4


def test_only_some_images_are_searched_for_wrong_proposals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_stage, "_MAX_PROPOSED_IMAGES", 8)
    reading = Reading(image(tmp_path), count=40, validation=range(4), until=float("inf"))
    assert (reading.proposed, len(reading.learner)) == (12, 40)
