"""The script of a training job: a snapshot becomes a model, and files that the gates read."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from PIL import Image, ImageDraw

from lambdas.domain.engines import evaluation_files, evaluation_images
from lambdas.domain.engines.port import Version
from lambdas.domain.evaluation import reading
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import classification_entry, detection_entry, entry_line
from portable import PortableModel
from training_job import main, manifests
from training_job.manifests import ManifestError

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220)}
AT = "2026-11-28T10:00:00.000000Z"


def picture(colour: str, number: int) -> bytes:
    image = Image.new("RGB", (96, 96), (200, 200, 200))
    left = 8 + random.Random(number).randrange(32)  # noqa: S311 the same each time
    ImageDraw.Draw(image).rectangle((left, left, left + 39, left + 39), COLOURS[colour])
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def entry(kind: str, key: str, colour: str, number: int) -> dict[str, Any]:
    if kind == "classification":
        return classification_entry("bucket", key, [colour], AT)
    left = 8 + random.Random(number).randrange(32)  # noqa: S311 the same each time
    boxes = [Box(colour, left, left, 40, 40)]
    return detection_entry("bucket", key, width=96, height=96, boxes=boxes, changed_at=AT)


@pytest.fixture
def snapshot(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """Folders of manifests and of images, as a training job's channels are."""
    folder, images = tmp_path / "manifests", tmp_path / "images" / "images"
    folder.mkdir()
    images.mkdir(parents=True)
    for name, count in (("train", 8), ("test", 4)):
        lines = []
        for number in range(count):
            colour = sorted(COLOURS)[number % 2]
            key = f"images/{name}-{number}.png"
            (images / f"{name}-{number}.png").write_bytes(picture(colour, number))
            lines.append(entry_line(entry(request.param, key, colour, number)))
        (folder / f"{name}.manifest").write_text("".join(f"{line}\n" for line in lines))
    return folder, tmp_path / "images"


def version_of(target: Path, s3: Any) -> Version:
    s3.create_bucket(Bucket="out")
    for file in (main.SUMMARY_FILE, main.TESTED_FILE):
        s3.upload_file(str(target / file), "out", file)
    files = ("out", main.SUMMARY_FILE), ("out", main.TESTED_FILE)
    f1 = json.loads((target / main.SUMMARY_FILE).read_text())["AggregatedEvaluationResults"]["F1Score"]
    return Version("arn", "v1", "RUNNING", "", f1, files[0], 0, tested=files[1])


@pytest.mark.training
@pytest.mark.parametrize("snapshot", ["classification", "detection"], indirect=True)
def test_a_snapshot_becomes_a_model_and_files_that_the_gates_read(
    snapshot: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "model"
    monkeypatch.setenv("SM_CHANNEL_MANIFESTS", str(snapshot[0]))
    monkeypatch.setenv("SM_CHANNEL_IMAGES", str(snapshot[1]))
    monkeypatch.setenv("SM_MODEL_DIR", str(target))
    # All images can be looked at, however busy the machine is.
    monkeypatch.setattr(main, "LABEL_CHECK_SHARE", 60)
    assert main.main(["--version", "v1", "--seconds", "8"]) == 0
    assert PortableModel.load(target).labels == ("blue", "red")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        version = version_of(target, s3)
        scores = evaluation_files.scores(s3, version)
        assert {(label.label, label.test_images) for label in scores.labels} == {("blue", 2), ("red", 2)}
        images = evaluation_images.read(s3, version)
        assert len(images) == 4
        assert {one.truth[0][0] for one in images.values()} == {"blue", "red"}
    held_out = (target / main.HELD_OUT_FILE).read_bytes().splitlines()
    looked_at = reading.from_lines(held_out, {})
    assert looked_at is not None
    assert len(looked_at.images) == 12, "to learn from and to test with"


@pytest.mark.parametrize("snapshot", ["classification"], indirect=True)
def test_what_cannot_be_trained_on_says_why(
    snapshot: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (snapshot[1] / "images" / "train-3.png").unlink()
    monkeypatch.setenv("SM_CHANNEL_MANIFESTS", str(snapshot[0]))
    monkeypatch.setenv("SM_CHANNEL_IMAGES", str(snapshot[1]))
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    monkeypatch.setenv("SM_OUTPUT_DIR", str(tmp_path / "output"))
    assert main.main(["--version", "v1", "--seconds", "5"]) == 1
    assert "train-3.png is in the snapshot" in (tmp_path / "output" / "failure").read_text()


@pytest.mark.parametrize("snapshot", ["classification"], indirect=True)
def test_a_training_whose_model_cannot_be_exported_has_failed(
    snapshot: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where ONNX Runtime sees something else than PyTorch: there is nothing that could answer."""
    learned = SimpleNamespace(labels=tuple(COLOURS))
    monkeypatch.setattr(main.learning, "train", lambda *_, **__: learned)
    monkeypatch.setattr(main, "export_checked", lambda *_: None)
    with pytest.raises(ValueError, match="the exported model does not see what was learned"):
        main.run(*snapshot, tmp_path / "model", version="v1", seconds=3)
    assert not (tmp_path / "model" / main.SUMMARY_FILE).exists()


@pytest.mark.parametrize("snapshot", ["detection"], indirect=True)
def test_lines_are_read_as_they_were_written(snapshot: tuple[Path, Path]) -> None:
    lines = manifests.read(snapshot[0] / "train.manifest", snapshot[1])
    assert manifests.task_of(lines) == "detection"
    (box,) = lines[0].example.boxes
    assert (box.label, box.width, box.height) == ("blue", 40, 40)
    assert lines[0].source_ref == "s3://bucket/images/train-0.png"
    assert len(manifests.of_labels(lines, ["red"], "detection")) == 4
    with pytest.raises(ManifestError, match=r"no gone\.manifest"):
        manifests.read(snapshot[0] / "gone.manifest", snapshot[1])
