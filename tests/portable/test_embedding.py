"""The trunk as an ONNX file: what it says an image looks like, and what is said of files that are wrong."""

from __future__ import annotations

import io
import json
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from learning import trunk_export
from learning.trunk import packaged_weights
from portable import ModelFileError
from portable.embedding import MAX_OBJECTS, METADATA_KEY, Embedder
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


def painted(boxes: dict[tuple[int, int, int, int], tuple[int, int, int]]) -> bytes:
    """A black picture with boxes (left, top, width, height) of these colours."""
    image, file = Image.new("RGB", (400, 300)), io.BytesIO()
    for (left, top, width, height), colour in boxes.items():
        image.paste(colour, (left, top, left + width, top + height))
    image.save(file, "PNG")
    return file.getvalue()


def test_objects_have_the_mean_of_their_own_features(tmp_path: Path) -> None:
    """Square ones of one colour, with a tenth more about them, as crops have; the canvas is twice as wide."""
    embedder = Embedder.load(tiny(tmp_path / "trunk.onnx"))
    boxes = {(20, 20, 40, 40): (250, 0, 0), (300, 200, 80, 80): (0, 250, 0)}
    features = embedder.embed_objects(painted(boxes), list(boxes))
    assert features.dtype == np.float16
    red, green, blue = (features.astype(float) - 64).tolist()
    shown = 250 / 1.1**2 / 2 / 2
    assert (red, green) == (pytest.approx(shown, abs=4), pytest.approx(shown, abs=4))
    assert blue == pytest.approx(0, abs=1)
    whole = embedder.embed(painted(boxes))
    assert embedder.embed_objects(painted(boxes), list(boxes)[:1])[1] < whole[1] + 64


def test_of_many_objects_small_and_large_ones_count(tmp_path: Path) -> None:
    embedder = Embedder.load(tiny(tmp_path / "trunk.onnx"))
    small = {(8 * n, 0, 4, 4): (250, 0, 0) for n in range(40)}
    large = {(50 * n, 50, 40, 40): (0, 250, 0) for n in range(8)}
    boxes = small | large
    with mock.patch.object(Embedder, "_features", return_value=np.zeros(3)) as features:
        embedder.embed_objects(painted(boxes), list(boxes))
    colours = [np.asarray(call.args[0]).mean((0, 1)).argmax() for call in features.call_args_list]
    assert len(colours) == MAX_OBJECTS
    assert 0 < sum(colour == 1 for colour in colours) < 4


def test_an_object_beside_the_image_or_of_no_size_is_no_error(tmp_path: Path) -> None:
    embedder = Embedder.load(tiny(tmp_path / "trunk.onnx"))
    for box in ((900, 900, 10, 10), (10, 10, 0, 0), (-5, -5, 500, 500)):
        assert np.isfinite(embedder.embed_objects(painted({}), [box])).all()


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
