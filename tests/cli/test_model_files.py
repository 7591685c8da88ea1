"""`labelloop export-model`: a folder that runs anywhere, and what is said where there is no model to give."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest

from cli import model_files
from cli.output import CommandError
from lambdas.domain.shared.records import ModelVersion
from local.engine.serving.exported import PATH

ARN = "arn:aws:rekognition:us-east-1:000000000000:project/parts/version/v3/1700000000000"
VERSION = ModelVersion("v3-abc", number=3, arn=ARN, snapshot="s1", run="r1", f1=0.9)


class Stack(BaseHTTPRequestHandler):
    """The embedded stack's answer for the one version that it has."""

    evaluation = json.dumps({"f1": 0.9})

    def do_GET(self) -> None:
        there = unquote(self.path) == f"{PATH}{ARN}"
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as files:
            files.writestr("model.onnx", b"graph")
            files.writestr("evaluation.json", self.evaluation)
            files.writestr("../beside.onnx", b"graph")
        self.send_response(200 if there else 404)
        self.end_headers()
        self.wfile.write(body.getvalue() if there else b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def deployment() -> Iterator[Any]:
    with HTTPServer(("127.0.0.1", 0), Stack) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield deployment_at(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def deployment_at(endpoint: str) -> Any:
    return SimpleNamespace(rekognition=SimpleNamespace(meta=SimpleNamespace(endpoint_url=endpoint)))


def test_a_folder_holds_all_that_a_model_needs(deployment: Any, tmp_path: Path) -> None:
    document = model_files.export(deployment, VERSION, tmp_path / "model")
    assert document["files"] == ["evaluation.json", "model.onnx", "run_model.py"]
    assert (tmp_path / "model" / "model.onnx").read_bytes() == b"graph"
    assert "onnxruntime" in (tmp_path / "model" / "run_model.py").read_text()
    evaluation = json.loads((tmp_path / "model" / "evaluation.json").read_text())
    assert (evaluation["version"], evaluation["snapshot"]) == ("v3-abc", "s1")
    assert evaluation["evaluation"] == {"f1": 0.9}


def test_no_file_of_an_archive_lies_beside_the_folder(deployment: Any, tmp_path: Path) -> None:
    model_files.export(deployment, VERSION, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_evaluation_that_is_cut_off_leaves_no_folder(
    deployment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "evaluation", '{"f1": 0.')
    with pytest.raises(CommandError, match="missing or cut off"):
        model_files.export(deployment, VERSION, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_nothing_is_overwritten(deployment: Any, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(CommandError, match="is there already"):
        model_files.export(deployment, VERSION, tmp_path)


@pytest.mark.parametrize(
    ("arn", "message"), [(None, "has no model"), (ARN.replace("v3", "v4"), "has no exported model")]
)
def test_a_version_without_a_model_says_so(
    deployment: Any, tmp_path: Path, arn: str | None, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        model_files.export(deployment, ModelVersion("v4", arn=arn), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_rekognition_gives_no_models_away(tmp_path: Path) -> None:
    aws = deployment_at("https://rekognition.eu-west-1.amazonaws.com")
    with pytest.raises(CommandError, match="gives no models away"):
        model_files.export(aws, VERSION, tmp_path / "model")


def test_a_stack_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="gives no model"):
        model_files.export(deployment_at("http://127.0.0.1:9"), VERSION, tmp_path / "model")
