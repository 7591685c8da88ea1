"""What a version's exported model is given away as."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from local.engine.model_directory import version_directory
from local.engine.serving.exported import archive

ARN = "arn:aws:rekognition:us-east-1:000000000000:project/parts/version/v1/1700000000000"


def test_a_version_is_given_with_its_evaluation(tmp_path: Path) -> None:
    directory = version_directory(tmp_path, ARN)
    (directory / "model").mkdir(parents=True)
    (directory / "evaluation.json").write_text("{}")
    (directory / "model" / "weights.pt").write_bytes(b"of PyTorch")
    assert archive(tmp_path, ARN) is None
    (directory / "model" / "model.onnx").write_bytes(b"graph")
    body = archive(tmp_path, ARN)
    assert body
    with zipfile.ZipFile(io.BytesIO(body)) as files:
        assert sorted(files.namelist()) == ["evaluation.json", "model.onnx"]
        assert files.read("model.onnx") == b"graph"


def test_a_version_that_is_none_has_no_files(tmp_path: Path) -> None:
    assert archive(tmp_path, "../../etc/passwd") is None
