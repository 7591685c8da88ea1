"""The second look, what it is cut from, and which changes of images the data allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learning import Box, Example, Model, Prediction, Progress, second_stage, train
from learning.data import GREY, Canvas
from learning.model import Facts, Look, networks_for
from learning.network import for_serving
from learning.schedule import MOST_REPEATS, repeats
from learning.symmetry import CHANGES, Symmetry
from local import scenes

import torch  # isort: skip - after the library, which sets how torch's threads wait


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def marked() -> Image.Image:
    """Black, with a white square of 40 pixels at (100, 60)."""
    image = Image.new("RGB", (200, 160), "black")
    image.paste("white", (100, 60, 140, 100))
    return image


# Cut-outs


def test_a_cut_out_shows_the_box_in_its_middle(marked: Image.Image) -> None:
    pixels = second_stage.cut_out(marked, 1.0, Box("square", 100, 60, 40, 40), 44).numpy()
    assert pixels.shape == (3, 44, 44)
    ys, xs = np.nonzero(pixels[0] > 200)
    # The margin of a tenth leaves two pixels on each side.
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == pytest.approx((2, 41, 2, 41), abs=1)


def test_a_cut_out_of_a_smaller_image_shows_the_same(marked: Image.Image) -> None:
    half = marked.resize((100, 80))
    whole = second_stage.cut_out(marked, 1.0, Box("square", 100, 60, 40, 40), 22).float()
    small = second_stage.cut_out(half, 0.5, Box("square", 100, 60, 40, 40), 22).float()
    assert (whole - small).abs().mean() < 12


def test_what_lies_beside_the_image_is_grey(marked: Image.Image) -> None:
    corner = second_stage.cut_out(marked, 1.0, Box("corner", -20, -20, 40, 40), 40)
    assert corner[:, 2, 2].tolist() == [GREY] * 3
    assert corner[:, 37, 37].tolist() == [0] * 3
    assert (second_stage.cut_out(marked, 1.0, Box("away", 900, 900, 10, 10), 16) == GREY).all()


@pytest.mark.parametrize(
    "box", [Box("flat", 0, 0, 200, 2), Box("dot", 50, 50, 1, 1), Box("all", 0, 0, 200, 160)]
)
def test_a_cut_out_of_any_box_has_its_size(marked: Image.Image, box: Box) -> None:
    assert second_stage.cut_out(marked, 1.0, box, 48, second_stage.AROUND).shape == (3, 48, 48)


def test_cut_outs_are_as_large_as_boxes_usually_are() -> None:
    def of(width: float) -> list[Example]:
        return [Example(Path("a"), boxes=(Box("a", 0, 0, width, 10),))]

    assert [second_stage.side_for(of(width)) for width in (5, 70, 2000)] == [48, 80, 112]


# Looking again


def test_a_second_look_names_the_boxes_and_drops_what_shows_nothing() -> None:
    shares = torch.tensor([[0.9, 0.05, 0.05], [0.02, 0.08, 0.90]])
    network = torch.nn.Module()
    network.forward = lambda cut_outs: shares.log()
    proposals = [Prediction("", 50.0, Box("", 1, 2, 3, 4)), Prediction("", 50.0, Box("", 5, 6, 7, 8))]
    first, second = second_stage.look_again(
        network, ("king", "queen"), proposals, torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    )
    assert (first.label, first.box) == ("king", Box("king", 1, 2, 3, 4))
    assert first.confidence == pytest.approx(67.082, abs=0.01)
    assert (second.label, second.box) == ("queen", Box("queen", 5, 6, 7, 8))
    assert second.confidence == pytest.approx(20, abs=0.01)


def test_no_boxes_are_no_predictions() -> None:
    assert second_stage.look_again(torch.nn.Identity(), ("a",), [], torch.zeros(0, 3, 8, 8)) == ()


def model_with_a_look() -> Model:
    torch.manual_seed(3)
    facts = Facts("detection", ("a", "b"), Canvas(96, 96), False, 8, 1, 1.0, 1, {}, Look(48, 200))
    network, second = networks_for(facts)
    assert second
    # Untrained heat is near nothing everywhere; this makes some boxes worth another look.
    torch.nn.init.constant_(network.heat[-1].bias, 0.0)  # pyrefly: ignore[bad-index, missing-attribute]
    return Model(facts, network, second)


def test_a_model_keeps_its_second_look(tmp_path: Path, marked: Image.Image) -> None:
    model = model_with_a_look()
    model.save(tmp_path)
    loaded = Model.load(tmp_path)
    assert loaded.facts == model.facts
    marked.save(tmp_path / "marked.png")
    predictions = loaded.predict_file(tmp_path / "marked.png")
    assert predictions == model.predict_file(tmp_path / "marked.png")
    assert 0 < len(predictions) <= second_stage.MOST_LOOKS
    assert {one.label for one in predictions} <= {"a", "b"}
    for one in predictions:
        assert one.box and one.box.left >= 0 and one.box.left + one.box.width <= 200 + 1e-6


def test_a_detector_that_confuses_labels_takes_a_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few steps: what counts is that both courses are run, and what they leave."""
    monkeypatch.setattr("learning.schedule.ENOUGH_STEPS", 0)
    monkeypatch.setattr("learning.schedule.COARSE_EPOCHS", 0)
    monkeypatch.setattr("learning.schedule.LEAST_FALL", 2)
    monkeypatch.setattr("learning.detector.DetectorLearner.is_settled", lambda *_: True)
    monkeypatch.setattr("learning.training._is_better", lambda *_: True)
    examples = []
    for scene in scenes.detection_scenes(24, 1):
        path = tmp_path / f"{scene.name}.jpg"
        path.write_bytes(scene.jpeg())
        boxes = tuple(Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes)
        examples.append(Example(path, boxes=boxes))
    said: list[Progress] = []
    model = train("detection", examples, budget_seconds=120, most_steps=40, seed=1, progress=said.append)
    assert model.facts.look is not None
    fractions = [state.fraction for state in said]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert all(isinstance(one, Prediction) for one in model.predict_file(examples[0].path))


# Symmetries


def ask(scores: dict[str, float], score: float) -> list[str]:
    symmetry = Symmetry()
    names = {change: name for name, change in CHANGES.items()}
    symmetry.ask(score, lambda change: scores[names[change]])
    return symmetry.allowed


def test_only_changes_that_leave_labels_what_they_are_are_allowed() -> None:
    scores = {"mirrored": 0.3, "upside down": 0.78, "quarter turn": 0.5}
    assert ask(scores, 0.8) == ["upside down"]


def test_a_network_that_knows_nothing_is_not_asked() -> None:
    assert ask(dict.fromkeys(CHANGES, 1.0), 0.4) == []


def test_images_that_are_not_square_are_not_turned_on_their_side() -> None:
    symmetry = Symmetry(square=False)
    symmetry.ask(0.9, lambda change: 0.9)
    assert symmetry.allowed == ["mirrored", "upside down"]
    images = torch.rand(4, 3, 8, 12, generator=seeded(1))
    assert symmetry.apply(images, seeded(2)).shape == images.shape


def test_nothing_is_changed_that_was_not_allowed() -> None:
    images = torch.rand(16, 3, 8, 8, generator=seeded(1))
    assert torch.equal(Symmetry().apply(images, seeded(2)), images)


def test_about_half_of_the_images_are_changed() -> None:
    symmetry = Symmetry()
    symmetry.allowed = ["mirrored"]
    images = torch.rand(64, 3, 4, 4, generator=seeded(1))
    changed = symmetry.apply(images, seeded(2))
    mirrored = [torch.equal(one, other.flip(-1)) for one, other in zip(changed, images, strict=True)]
    same = [torch.equal(one, other) for one, other in zip(changed, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 <= sum(mirrored) <= 44


# Rare labels, and the network that serves


class Labels:
    def __init__(self, labels: Sequence[set[str]]) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def labels_of(self, index: int) -> set[str]:
        return self._labels[index]


def test_images_of_rare_labels_are_shown_more_often() -> None:
    found = repeats(
        Labels([{"usual"}] * 36 + [{"other"}] * 36 + [{"rare"}] * 4 + [{"rarest", "usual"}] + [set()])
    )
    assert found[:72] == [1.0] * 72
    assert found[72:76] == [pytest.approx(3, abs=0.1)] * 4 or found[72] > 2
    assert found[76] == MOST_REPEATS
    assert found[77] == 1.0


def test_the_network_that_serves_says_the_same() -> None:
    network = networks_for(Facts("detection", ("a",), Canvas(64, 64), False, 8, 1, 1.0, 1))[0].train()
    images = torch.randn(4, 3, 64, 64, generator=seeded(1))
    network(images)  # moves the running means of batch normalisation away from their beginnings
    network.eval()
    with torch.inference_mode():
        for slow, fast in zip(network(images), for_serving(network)(images), strict=True):
            assert torch.allclose(slow, fast, atol=1e-4, rtol=1e-4)
