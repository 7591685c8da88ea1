"""The trunk as an ONNX file: what it says an image looks like, and what is said of files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from learning import trunk_export
from learning.trunk import packaged_weights
from portable import ModelFileError
from portable.embedding import METADATA_KEY, Embedder
from portable.images import Canvas, read, to_canvas
from tests.fixtures.images import picture

import torch  # isort: skip - after the library, which sets how torch's threads wait


def tiny(path: Path, **facts: int | str) -> Path:
    """A file that gives the mean of each colour in place of features."""
    canvas = {"format": 1, "width": 16, "height": 8, **facts}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["features"], axes=[0, 1, 2], keepdims=0),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 8, 16, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [3])
    graph = helper.make_graph(nodes, "tiny", [pixels], [features])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: json.dumps(canvas)})
    onnx.save_model(model, path)
    return path


def test_an_image_has_the_features_of_its_pixels_in_the_canvas(tmp_path: Path) -> None:
    embedder = Embedder.load(tiny(tmp_path / "trunk.onnx"))
    (tmp_path / "picture.jpg").write_bytes(picture())
    image, _ = read(tmp_path / "picture.jpg")
    expected = to_canvas(image, Canvas(16, 8)).mean((0, 1))
    features = embedder.embed(picture())
    assert features.dtype == np.float16
    assert features == pytest.approx(expected, rel=0.01)
    assert (embedder.embed(tmp_path / "picture.jpg") == features).all()


def test_another_trunk_has_another_name(tmp_path: Path) -> None:
    first, second = tiny(tmp_path / "a.onnx"), tiny(tmp_path / "b.onnx", revision=2)
    assert Embedder.load(first).name != Embedder.load(second).name


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read as an image"):
        Embedder.load(tiny(tmp_path / "trunk.onnx")).embed(b"no image")


def test_files_that_are_wrong(tmp_path: Path) -> None:
    path = tiny(tmp_path / "trunk.onnx")
    (tmp_path / "cut.onnx").write_bytes(path.read_bytes()[:100])
    wrong = {
        tmp_path / "missing.onnx": "There is no missing.onnx",
        tmp_path / "cut.onnx": "cut off or damaged",
        tiny(tmp_path / "newer.onnx", format=2): "of format 2",
        tiny(tmp_path / "no-width.onnx", width="?"): "cannot be read",
    }
    for file, message in wrong.items():
        with pytest.raises(ModelFileError, match=message):
            Embedder.load(file)


@pytest.mark.long
def test_the_exported_trunk_sees_what_pytorch_sees(tmp_path: Path) -> None:
    weights = packaged_weights()
    assert weights is not None
    trunk_export.export_trunk(weights, tmp_path / "trunk.onnx")
    features = Embedder.load(tmp_path / "trunk.onnx").embed(picture())
    (tmp_path / "picture.jpg").write_bytes(picture())
    image, _ = read(tmp_path / "picture.jpg")
    pixels = torch.from_numpy(to_canvas(image, trunk_export.CANVAS)[None])
    with torch.inference_mode():
        expected = trunk_export._Features(weights)(pixels)["features"].numpy()
    assert features == pytest.approx(expected, abs=0.005)
    assert expected.std() > 0.05
