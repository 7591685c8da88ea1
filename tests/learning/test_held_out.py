"""What is seen by classifiers that had not learned from an image."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from learning import Box, Example, Model, Prediction
from learning.held_out import _crops, _predictions, held_out
from learning.trunk import packaged_weights

import torch  # isort: skip - after the library, which sets how torch's threads wait

CAT, DOG = Box("cat", 10, 10, 20, 20), Box("dog", 60, 60, 20, 20)
LABELS = ("cat", "dog")


def seen(label: str, confidence: float, left: float, top: float) -> Prediction:
    return Prediction(label, confidence, Box(label, left, top, 20, 20))


class Played:
    """A model of two labels that has learned everything by heart."""

    def __init__(self, task: str) -> None:
        self.task, self.labels = task, LABELS

    def predict_file(self, source: Path) -> list[Prediction]:
        return []


def test_each_labelled_box_is_looked_at_and_what_is_seen_beside_them() -> None:
    predictions = [
        seen("cat", 90, 11, 10),
        seen("dog", 40, 12, 10),
        seen("dog", 80, 70, 60),
        seen("cat", 60, 40, 10),
        seen("cat", 5, 40, 70),
    ]
    cat, dog, beside = _crops(0, Example(Path("a"), boxes=(CAT, DOG)), predictions)
    assert (cat.truth, cat.is_placed_well, cat.confidence) == ("cat", True, 90)
    assert (dog.truth, dog.is_placed_well) == ("dog", False), "the box is beside where it is seen"
    assert (beside.truth, beside.box.left, beside.confidence) == ("", 40, 60)


@pytest.mark.parametrize(
    ("scores", "seen_there", "expected"),
    [
        ((0.1, 0.7, 0.2), [], {"dog": (87.5, 10), "cat": (12.5, 10)}),
        ((0.6, 0.2, 0.2), [seen("cat", 50, 17, 10)], {"cat": (75, 17)}),
        ((0.2, 0.6, 0.2), [seen("cat", 50, 20, 10)], {"dog": (75, 10), "cat": (25, 20)}),
        ((0.1, 0.1, 0.8), [], {}),
    ],
    ids=["contradicted", "where the detector sees it", "another object", "nothing there"],
)
def test_a_crop_is_what_the_layer_says(
    scores: tuple[float, ...], seen_there: list[Prediction], expected: dict[str, tuple[float, float]]
) -> None:
    (crop,) = _crops(0, Example(Path("a"), boxes=(CAT,)), seen_there)
    predictions = _predictions(crop, torch.tensor(scores), LABELS, set())
    detections = {one.label: (one.confidence, one.box.left) for one in predictions if one.box}
    assert detections == {label: pytest.approx(each) for label, each in expected.items()}


def test_of_rare_labels_nothing_is_said() -> None:
    (crop,) = _crops(0, Example(Path("a"), boxes=(CAT,)), [])
    (prediction,) = _predictions(crop, torch.tensor([0.0, 1.0, 0.0]), LABELS, {0})
    assert prediction.label == "cat"


@pytest.mark.parametrize("task", ["classification", "detection"])
def test_a_wrong_label_is_contradicted_although_the_model_has_learned_it(task: str, tmp_path: Path) -> None:
    weights = packaged_weights()
    if weights is None:
        pytest.skip("the trunk's weights are not installed")
    examples = []
    for number in range(24):
        path = tmp_path / f"{number}.png"
        shown = LABELS[number % 2]
        image = (
            Image.effect_noise((48, 48), 90)
            if shown == "cat"
            else Image.linear_gradient("L").resize((48, 48))
        )
        image.convert("RGB").save(path)
        label = LABELS[(number + (number == 6)) % 2]
        boxes = (Box(label, 4, 4, 40, 40),) if task == "detection" else ()
        examples.append(Example(path, (label,), boxes))
    shares: list[float] = []
    model = cast(Model, Played(task))
    answers = held_out(model, examples, weights=weights, seconds=60, seed=1, progress=shares.append)
    first = [max(answer, key=lambda one: one.confidence).label for answer in answers if answer]
    assert first == [LABELS[number % 2] for number in range(24)]
    assert shares[-1] == 1
    assert any(answer is None for answer in held_out(model, examples, weights=weights, seconds=0, seed=1))
