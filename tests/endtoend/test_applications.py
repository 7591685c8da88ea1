"""The snippets of docs/applications.md, run as they stand by an application that the command line added, and
a question that wakes the champion."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labelloop.client import Client
from labelloop.errors import AuthenticationError, NotServingError
from labelloop.models import Detection
from local.scenes import detection_scenes
from tests.fixtures.deployed_loop import Loop, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "applications.md"
APPLICATION = "snippets"


@pytest.fixture(scope="module")
def loop(parts: Loop) -> Loop:
    """A champion serves, and people may be asked."""
    if parts.loop_state.champion() is None:
        parts.drop_by_manifest(detection_scenes(40, seed=1), "first")
        until(lambda: len(parts.images()) >= 40, 60, "the images are registered")
        assert parts.retrain("for-applications", force=True).outcome == "promoted"
    parts.tune(review_route="builtin", review_kind="detection")
    return parts


def labelloop(loop: Loop, *arguments: str) -> Any:
    """What the command line prints for machines."""
    command = [sys.executable, "-m", "cli.main", "--name", loop.name, *arguments, "--json"]
    environment = os.environ | loop.stack.environment
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    document: Any = json.loads(run.stdout)
    return document


@pytest.fixture(scope="module")
def variables(loop: Loop) -> dict[str, str]:
    """What the developer of an application gets."""
    added = labelloop(loop, "apps", "add", APPLICATION)
    assert [one["id"] for one in labelloop(loop, "apps", "list")] == [APPLICATION]
    return {name: value for name, value in added.items() if name.startswith("LABELLOOP_")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where there is an image of the kind that the model knows."""
    (scene,) = detection_scenes(1, seed=1)
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "tray.jpg").write_bytes(scene.jpeg())
    return folder


@pytest.fixture(scope="module")
def client(variables: dict[str, str]) -> Client:
    return Client(
        variables["LABELLOOP_URL"],
        token_url=variables["LABELLOOP_TOKEN_URL"],
        client_id=variables["LABELLOOP_CLIENT_ID"],
        client_secret=variables["LABELLOOP_CLIENT_SECRET"],
    )


def snippets(language: str, containing: str) -> str:
    """The snippets of the page with this text in them."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    chosen: list[str] = [block for block in blocks if containing in block]
    assert chosen, containing
    return "\n".join(chosen)


def printed(command: list[str], code: str, folder: Path, loop: Loop, variables: dict[str, str]) -> str:
    """What a snippet prints."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    environment = own | loop.stack.environment | variables
    run = subprocess.run(
        command,
        input=code,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def documents(text: str) -> list[Any]:
    """JSON documents that stand one after the other."""
    decoder, texts = json.JSONDecoder(), text.strip()
    parsed = []
    while texts:
        document, end = decoder.raw_decode(texts)
        parsed.append(document)
        texts = texts[end:].lstrip()
    return parsed


def seen(detection: Detection) -> list[tuple[str, float, list[int]]]:
    return [(label.label, label.confidence, list(label.box_pixels or ())) for label in detection.labels]


SHELL = ["bash", "-euo", "pipefail"]


def test_curl_python_and_javascript_are_answered_the_same(
    loop: Loop, variables: dict[str, str], folder: Path, client: Client
) -> None:
    expected = seen(client.detect(folder / "tray.jpg", min_confidence=30))
    assert expected
    by_curl = documents(printed(SHELL, snippets("sh", "min_confidence"), folder, loop, variables))
    assert [(label, confidence, list(box.values())) for label, confidence, box in by_curl] == expected
    by_python = printed([sys.executable], snippets("python", "min_confidence"), folder, loop, variables)
    assert [line.split()[:2] for line in by_python.splitlines()] == [[a, str(b)] for a, b, _ in expected]
    javascript = ["node", "--input-type=module"]
    by_node = printed(javascript, snippets("javascript", "min_confidence"), folder, loop, variables)
    assert re.findall(r"^(\w+) ([\d.]+) \{", by_node, re.MULTILINE) == [(a, f"{b:g}") for a, b, _ in expected]


def test_an_upload_is_answered_as_the_image_is(
    loop: Loop, variables: dict[str, str], folder: Path, client: Client
) -> None:
    (token,) = re.findall(r"^token=.*?\)$", snippets("sh", "token="), re.MULTILINE | re.DOTALL)
    code = token + "\n" + snippets("sh", "/v1/uploads")
    by_upload = printed(SHELL, code, folder, loop, variables)
    expected = [label.label for label in client.detect(folder / "tray.jpg").labels]
    assert documents(by_upload) == expected


def test_a_caller_of_aws_signs(loop: Loop, variables: dict[str, str], folder: Path, client: Client) -> None:
    by_signature = printed([sys.executable], snippets("python", "SigV4Auth"), folder, loop, variables)
    assert by_signature.split() == [label.label for label in client.detect(folder / "tray.jpg").labels]


def test_what_is_wrong_is_on_record_and_detections_convert(
    loop: Loop, variables: dict[str, str], folder: Path
) -> None:
    printed([sys.executable], snippets("python", "client.feedback"), folder, loop, variables)
    newest, *_ = labelloop(loop, "detections", "find", "--app", APPLICATION)
    assert (newest["feedback"], newest["note"]) == ("wrong", "the bolt is a nut")
    assert labelloop(loop, "detections", "show", newest["id"])["id"] == newest["id"]
    converted = printed([sys.executable], snippets("python", "to_coco"), folder, loop, variables)
    assert re.fullmatch(r"\[.*\] \[.*\]\n", converted)


def test_a_champion_that_sleeps_is_woken_by_a_question(
    loop: Loop, variables: dict[str, str], folder: Path, client: Client
) -> None:
    champion = loop.loop_state.champion()
    assert champion is not None
    name = champion.version_name
    loop.tune(serving_policy="demand", serving_idle_seconds=1)
    until(lambda: bool(loop.serve()) and loop.statuses()[name] == "STOPPED", 120, "it sleeps")
    loop.tune(serving_idle_seconds=1800)  # once it is woken it stays awake
    with pytest.raises(NotServingError) as asleep:
        client.detect(folder / "tray.jpg")
    assert (asleep.value.status, asleep.value.code) == (503, "asleep")
    assert asleep.value.retry_after
    until(lambda: loop.statuses()[name] == "RUNNING", 120, "the question has woken it")
    assert client.detect(folder / "tray.jpg").model_version == name
    assert loop.loop_state.serving().awaited_by == APPLICATION
    loop.tune(serving_policy="always")


def test_an_application_that_is_removed_gets_no_token(
    loop: Loop, variables: dict[str, str], client: Client
) -> None:
    labelloop(loop, "apps", "remove", APPLICATION, "--yes")
    client._auth._token = None
    with pytest.raises(AuthenticationError, match="labelloop apps rotate"):
        client.get("0" * 32)
