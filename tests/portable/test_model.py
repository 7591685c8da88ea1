"""Models as ONNX files: the same as in PyTorch, without PyTorch, and what is said of files that are wrong."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from learning import Example, Model, Prediction, evaluate
from learning import export as exporting
from learning.export import ExportedModel, export, export_checked
from learning.model import Facts, networks_for
from portable import ModelFileError, PortableModel
from portable.facts import METADATA_KEY, SecondStage
from portable.images import Canvas

import torch  # isort: skip - after the library, which sets how torch's threads wait

KINDS = {
    "exclusive": Facts("classification", ("a", "b", "c"), Canvas(64, 96), True, 0, 1, 1.0, 1),
    "several labels": Facts("classification", ("a", "b", "c"), Canvas(64, 96), False, 0, 1, 1.0, 1),
    "boxes": Facts("detection", ("a", "b"), Canvas(96, 64), False, 8, 1, 1.0, 1),
    "fine boxes": Facts("detection", ("a", "b"), Canvas(96, 64), False, 4, 1, 1.0, 1),
    "two stages": Facts(
        "detection", ("a", "b"), Canvas(96, 64), False, 8, 1, 1.0, 1, second_stage=SecondStage(48, 200)
    ),
}


def model_of(facts: Facts) -> Model:
    """A model that has learned nothing, and yet sees something in every image."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        networks = networks_for(facts)
        for network in networks:
            for name, weight in network.named_parameters() if network else ():
                if weight.ndim == 4:
                    weight.data.mul_(1.5)
                elif name == "heat.1.bias":
                    weight.data.zero_()
    return Model(facts, *networks)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of 260 x 200 pixels that lies on its side."""
    pixels = np.random.default_rng(1).integers(0, 255, (20, 26, 3), np.uint8)
    path = tmp_path_factory.mktemp("picture") / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).resize((260, 200)).save(path, exif=exif)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported detector with a second stage."""
    target = tmp_path_factory.mktemp("model")
    export(model_of(KINDS["two stages"]), target)
    return target


@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_an_exported_model_sees_what_the_model_sees(facts: Facts, picture: Path, tmp_path: Path) -> None:
    model = model_of(facts)
    export(model, tmp_path)
    seen = ExportedModel(PortableModel.load(tmp_path)).predict_file(picture)
    expected = model.predict_file(picture)
    assert len(expected) >= 2
    assert [each.label for each in seen] == [each.label for each in expected]
    for ours, theirs in zip(seen, expected, strict=True):
        assert ours.confidence == pytest.approx(theirs.confidence, abs=0.01)
        assert (ours.box is None) == (theirs.box is None)
        if ours.box and theirs.box:
            assert list(vars(ours.box).values())[1:] == pytest.approx(
                list(vars(theirs.box).values())[1:], abs=0.05
            )


def test_boxes_are_shares_of_the_upright_image(folder: Path, picture: Path) -> None:
    model = PortableModel.load(folder)
    in_pixels = ExportedModel(model).predict_file(picture)
    for seen, pixels in zip(model.predict(picture.read_bytes()), in_pixels, strict=True):
        assert seen.box and pixels.box
        left, top, width, height = seen.box
        assert (left * 200, top * 260) == pytest.approx((pixels.box.left, pixels.box.top))
        assert (width * 200, height * 260) == pytest.approx((pixels.box.width, pixels.box.height))
        assert min(seen.box) >= 0 and left + width <= 1.000001 and top + height <= 1.000001


def test_a_model_is_run_without_pytorch(folder: Path, picture: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from portable import PortableModel
seen = PortableModel.load(Path({str(folder)!r})).predict(Path({str(picture)!r}).read_bytes())
assert seen
print(sorted(set(sys.modules) & {{"torch", "onnx", "learning", "lambdas", "boto3"}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_name_labels_thresholds_and_licence(tmp_path: Path) -> None:
    facts = KINDS["boxes"]
    export(model_of(facts), tmp_path)
    exporting.with_thresholds(tmp_path, {"a": 0.25, "b": 0.5})
    model = PortableModel.load(tmp_path)
    assert (model.labels, model.thresholds) == (("a", "b"), {"a": 0.25, "b": 0.5})
    (entry,) = onnx.load_model(tmp_path / "model.onnx").metadata_props
    assert json.loads(entry.value)["canvas"] == {"width": 96, "height": 64}
    assert "Apache" in json.loads(entry.value)["license"]


# What is evaluated


def shown_in(picture: Path) -> list[Example]:
    return [Example(picture, ("a",))]


def test_what_is_evaluated_is_what_will_answer(picture: Path, tmp_path: Path) -> None:
    model = model_of(KINDS["exclusive"])
    evaluation = export_checked(model, tmp_path, shown_in(picture))
    exported = PortableModel.load(tmp_path)
    assert evaluation == evaluate(ExportedModel(exported), shown_in(picture))
    assert exported.thresholds == {each.label: each.assumed_threshold for each in evaluation.labels}


def test_a_model_that_changes_by_its_export_is_not_exported(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(KINDS["exclusive"])
    wrong = [Prediction("b", 99.0)]
    monkeypatch.setattr(ExportedModel, "predict_file", lambda *_: wrong)
    evaluation = export_checked(model, tmp_path, shown_in(picture))
    assert evaluation.predictions[0] == tuple(model.predict_file(picture))
    assert not list(tmp_path.glob("*.onnx"))


# Files that are wrong


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model\.onnx in"):
        PortableModel.load(tmp_path)


def copied(folder: Path, target: Path) -> Path:
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("name", ["model.onnx", "second_stage.onnx"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9999])
def test_a_file_that_is_cut_off_is_refused(folder: Path, tmp_path: Path, name: str, share: float) -> None:
    path = copied(folder, tmp_path) / name
    body = path.read_bytes()
    path.write_bytes(body[: int(share * len(body))])
    with pytest.raises(ModelFileError, match=r"cut off or damaged|its end is missing"):
        PortableModel.load(tmp_path)


def test_a_second_stage_that_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    (copied(folder, tmp_path) / "second_stage.onnx").unlink()
    with pytest.raises(ModelFileError, match=r"no second_stage\.onnx"):
        PortableModel.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"format": 2, "task": "poems"}), "format 2, and this version of LabelLoop knows 1"),
        (json.dumps({"format": 1}), "lacks something"),
        ("[]", "cannot be read"),
        ("{", "cannot be read"),
    ],
)
def test_metadata_that_cannot_be_understood_is_refused(
    folder: Path, tmp_path: Path, text: str, message: str
) -> None:
    path = copied(folder, tmp_path) / "model.onnx"
    graph = onnx.load_model(path)
    graph.metadata_props[0].value = text
    onnx.save_model(graph, path)
    with pytest.raises(ModelFileError, match=message):
        PortableModel.load(tmp_path)


def test_somebody_elses_model_is_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path) / "model.onnx"
    graph = onnx.load_model(path)
    assert graph.metadata_props[0].key == METADATA_KEY
    del graph.metadata_props[0]
    onnx.save_model(graph, path)
    with pytest.raises(ModelFileError, match="no model of LabelLoop's"):
        PortableModel.load(tmp_path)


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelFileError, match="pip install onnxruntime"):
        PortableModel.load(folder)


def test_a_file_that_is_no_image_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read as an image"):
        PortableModel.load(folder).predict(b"no image")


def test_an_image_may_come_as_a_stream(folder: Path, picture: Path) -> None:
    model = PortableModel.load(folder)
    assert model.predict(io.BytesIO(picture.read_bytes())) == model.predict(picture)
