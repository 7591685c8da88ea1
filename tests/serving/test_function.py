"""The serving function: models by links, answers, and what is said of what is wrong."""

from __future__ import annotations

import base64
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from portable.facts import METADATA_KEY, MODEL_FILE, SECOND_STAGE_FILE, PortableFacts, SecondStage
from portable.images import Canvas
from serving import function

LABELS = ("cat", "dog")


def graph(outputs: dict[str, Any], shape: list[int], types: dict[str, int]) -> onnx.ModelProto:
    """A graph that answers the same about every image."""
    nodes = [
        helper.make_node("Constant", [], [name], value=helper.make_tensor(name, types[name], dims, values))
        for name, (dims, values) in outputs.items()
    ]
    given = helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape)
    outputs_info = [
        helper.make_tensor_value_info(name, types[name], dims) for name, (dims, _) in outputs.items()
    ]
    made = helper.make_graph(nodes, "same", [given], outputs_info)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def facts(**members: Any) -> PortableFacts:
    usual: dict[str, Any] = {"task": "classification", "labels": LABELS, "canvas": Canvas(64, 64)}
    return PortableFacts(**{**usual, **members})


def classifier(scores: list[float], **members: Any) -> bytes:
    model = graph({"scores": ([2], scores)}, [1, 64, 64, 3], {"scores": TensorProto.FLOAT})
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, facts(**members).to_json()
    return model.SerializeToString()


def detector(**members: Any) -> bytes:
    model = graph(
        {
            "scores": ([2], [0.9, 0.4]),
            "numbers": ([2], [1, 0]),
            "boxes": ([2, 4], [16.0, 16, 32, 32, 40, 40, 56, 56]),
        },
        [1, 64, 64, 3],
        {"scores": TensorProto.FLOAT, "numbers": TensorProto.INT64, "boxes": TensorProto.FLOAT},
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, facts(task="detection", **members).to_json()
    return model.SerializeToString()


def picture(size: tuple[int, int] = (128, 64), kind: str = "JPEG") -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    return file.getvalue()


class Store:
    """What links lead to, by path, and how often each was asked for; other paths are answered with 403."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.status: dict[str, int] = {}
        self.broken_off: set[str] = set()
        """Paths whose connection ends some bytes before their bodies do."""
        store = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.asked.append(self.path)
                body = store.files.get(self.path)
                self.send_response(store.status.get(self.path, 200 if body is not None else 403))
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write((body or b"")[: -20 if self.path in store.broken_off else None])
                self.close_connection = self.path in store.broken_off

            def log_message(self, format: str, *args: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def model(self, name: str, body: bytes, second_stage: bytes | None = None) -> dict[str, Any]:
        self.files[f"/{name}/{MODEL_FILE}"] = body
        if second_stage is not None:
            self.files[f"/{name}/{SECOND_STAGE_FILE}"] = second_stage
        files = {file: f"{self.url}/{name}/{file}" for file in (MODEL_FILE, SECOND_STAGE_FILE)}
        return {"name": name, "files": files}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made = Store()
    monkeypatch.setattr(function, "_SCHEMES", (made.url,))
    function._models.clear()
    yield made
    made.server.shutdown()
    made.server.server_close()
    function._models.clear()


def sent(image: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(image).decode()}


def ask(model: dict[str, Any], image: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return function.handle({"model": model, "image": image or sent(picture()), **more}, None)


def test_labels_count_from_the_models_own_thresholds_or_from_what_is_asked(store: Store) -> None:
    model = store.model("v1", classifier([0.7, 0.4], thresholds={"cat": 0.8, "dog": 0.3}))
    assert [seen["label"] for seen in ask(model)["labels"]] == ["dog"]
    seen = ask(model, min_confidence=0)["labels"]
    assert [(one["label"], round(one["confidence"]), one["box"]) for one in seen] == [
        ("cat", 70, None),
        ("dog", 40, None),
    ]
    untested = store.model("v2", classifier([0.7, 0.4]))
    assert [seen["label"] for seen in ask(untested)["labels"]] == ["cat"], "from 0.5 on"


def test_boxes_are_shares_of_the_image(store: Store) -> None:
    # 128 x 64 pixels lie in the middle half of a canvas of 64 x 64.
    (dog,) = ask(store.model("v1", detector()))["labels"]
    assert (dog["label"], dog["box"]) == ("dog", (0.25, 0.0, 0.25, 0.5))


def test_a_model_is_fetched_once_and_two_are_kept(store: Store) -> None:
    models = [store.model(f"v{number}", classifier([0.7, 0.1])) for number in range(3)]
    for number in (0, 0, 1, 0, 2, 0, 1):
        assert "labels" in ask(models[number])
    fetched = [path for path in store.asked if path.endswith(MODEL_FILE) and "second" not in path]
    assert fetched == [f"/v{number}/{MODEL_FILE}" for number in (0, 1, 2, 1)]


def test_an_image_may_come_by_a_link(store: Store) -> None:
    store.files["/image"] = picture(kind="PNG")
    model = store.model("v1", classifier([0.7, 0.1]))
    assert ask(model, {"url": f"{store.url}/image"})["labels"]
    error = ask(model, {"url": f"{store.url}/gone"})["error"]
    assert error["code"] == "InvalidS3ObjectException"


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (picture()[:200], "InvalidImageFormatException"),
        (b"no image", "InvalidImageFormatException"),
        (picture(kind="GIF"), "InvalidImageFormatException"),
        (picture((64, 4097)), "ImageTooLargeException"),
        (picture((63, 100)), "InvalidParameterException"),
        (picture((64, 1280)), "InvalidParameterException"),
    ],
)
def test_an_image_that_custom_labels_would_not_take_is_not_taken(
    store: Store, image: bytes, code: str
) -> None:
    assert ask(store.model("v1", classifier([0.7, 0.1])), sent(image))["error"]["code"] == code


def test_an_image_behind_a_link_has_15_mb_at_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "MAX_IMAGE_BYTES", 100)
    store.files["/image"] = picture()
    error = ask(store.model("v1", classifier([0.7, 0.1])), {"url": f"{store.url}/image"})["error"]
    assert error["code"] == "ImageTooLargeException"


def test_a_model_that_cannot_be_loaded_says_why_and_is_tried_again(store: Store) -> None:
    whole = classifier([0.7, 0.1])
    model = store.model("v1", whole[: len(whole) // 2])
    error = ask(model)["error"]
    assert error["code"] == "ResourceNotReadyException"
    assert "v1" in error["message"]
    assert "cut off" in error["message"] or "end is missing" in error["message"]
    store.model("v1", whole)
    assert ask(model)["labels"]


def test_what_comes_in_part_alone_is_to_be_asked_for_again(store: Store) -> None:
    store.files["/image"] = picture()
    model = store.model("v1", classifier([0.7, 0.1]))
    for path in (f"/v1/{MODEL_FILE}", "/image"):
        store.broken_off = {path}
        error = ask(model, {"url": f"{store.url}/image"})["error"]
        assert error["code"] == "InternalServerError", "neither the model nor the image is at fault"
        assert "20 bytes before the end" in error["message"]
    store.broken_off = set()
    assert ask(model, {"url": f"{store.url}/image"})["labels"]


@pytest.mark.parametrize(
    "model",
    [
        classifier([0.7, 0.1], labels=("cat", "dog", "cow")),
        classifier([0.7, 0.1], labels=("cat",)),
        classifier([0.7, 0.1], task="detection"),
        classifier([0.7, 0.1], canvas=Canvas(32, 32)),
        detector(labels=("cat",)),
    ],
)
def test_a_model_with_labels_of_another_blames_no_image(store: Store, model: bytes) -> None:
    error = ask(store.model("v1", model), min_confidence=0)["error"]
    assert error["code"] == "ResourceNotReadyException"
    assert "v1" in error["message"]
    assert "do not give what its facts say" in error["message"]


def test_a_second_stage_with_labels_of_another_is_not_asked(store: Store) -> None:
    scores = graph({"scores": ([2, 4], [0.1] * 8)}, [2, 32, 32, 3], {"scores": TensorProto.FLOAT})
    model = store.model("v1", detector(second_stage=SecondStage(32, 64)), scores.SerializeToString())
    error = ask(model)["error"]
    assert error["code"] == "ResourceNotReadyException"
    assert "3 labels in the second stage, 2 in the facts" in error["message"]


@pytest.mark.parametrize(
    "members",
    [
        {"task": "poetry"},
        {"labels": ()},
        {"labels": ("cat", "cat")},
        {"labels": (1, 2)},
        {"canvas": Canvas(-1, 64)},
        {"canvas": Canvas(10**6, 10**6)},
        {"second_stage": SecondStage(0, 64)},
        {"thresholds": None},
        {"thresholds": {"cat": float("nan")}},
        {"thresholds": {"cat": "high"}},
    ],
)
def test_a_model_whose_facts_no_model_can_have_is_not_loaded(store: Store, members: dict[str, Any]) -> None:
    error = ask(store.model("v1", classifier([0.7, 0.1], **members)))["error"]
    assert error["code"] == "ResourceNotReadyException"
    assert "metadata" in error["message"]


def test_a_model_of_a_newer_form_says_what_helps(store: Store) -> None:
    newer = classifier([0.7, 0.1]).replace(b'{"format": 1', b'{"format": 9')
    error = ask(store.model("v1", newer))["error"]
    assert error["code"] == "ResourceNotReadyException"
    assert "take a newer one" in error["message"]


def test_a_second_stage_that_is_missing_is_said(store: Store) -> None:
    error = ask(store.model("v1", detector(second_stage=SecondStage(32, 64))))["error"]
    assert error["code"] == "ResourceNotReadyException"
    assert SECOND_STAGE_FILE in error["message"]


def test_a_model_that_is_gone_and_one_that_s3_fails_on_are_told_apart(store: Store) -> None:
    model = store.model("v1", classifier([0.7, 0.1]))
    store.status[f"/v1/{MODEL_FILE}"] = 503
    assert ask(model)["error"]["code"] == "InternalServerError"
    store.status[f"/v1/{MODEL_FILE}"] = 404
    assert ask(model)["error"]["code"] == "ResourceNotFoundException"


def test_links_lead_to_https_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "_SCHEMES", ("https://",))
    for url in ("file:///etc/passwd", "http://169.254.169.254/latest/meta-data", f"{store.url}/v1"):
        model = {"name": "v9", "files": {MODEL_FILE: url, SECOND_STAGE_FILE: url}}
        assert ask(model)["error"]["code"] == "ValidationException"
    assert not store.asked


def test_the_function_imports_no_sdk_and_no_pytorch() -> None:
    code = "import sys, json; from serving import function; print(json.dumps(sorted(sys.modules)))"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not {"boto3", "botocore", "torch", "lambdas"} & set(json.loads(done.stdout))
