"""Clips under detect/ are told by what they hold, and left to the step video."""

from __future__ import annotations

import json

import pytest

from lambdas import detect as handler
from lambdas.domain.detect import detection
from tests.fixtures.clips import clip_bytes
from tests.fixtures.deployment import BUCKET, World, context
from tests.fixtures.images import picture

ARRIVED = "2026-01-01T10:00:00.000000Z"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clips"))


def detect(world: World, key: str, data: bytes, *refusals: str) -> str:
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", *refusals)
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return detection.detect_object(
        world.fake.engine, world.s3, world.loop_state, BUCKET, key, arrived_at=ARRIVED
    ).outcome


@pytest.mark.parametrize("key", ["detect/door.mp4", "detect/a/DOOR.MOV", "detect/x.webm"])
def test_what_is_called_a_clip_is_not_asked_about(world: World, key: str, clip: bytes) -> None:
    for data in (clip, b"broken", b""):
        assert detect(world, key, data) == "clip"
    assert not world.fake.called("detect_custom_labels")
    assert world.keys("results/") == []


@pytest.mark.parametrize(
    "refusal", ["InvalidImageFormatException", "ImageTooLargeException", "InvalidS3ObjectException"]
)
def test_a_clip_of_another_name_is_told_by_its_first_bytes(world: World, refusal: str, clip: bytes) -> None:
    assert detect(world, "detect/0001", clip, refusal) == "clip"
    assert detect(world, "detect/door.jpg", clip, refusal) == "clip"


def test_an_image_is_one_whatever_it_is_called(world: World) -> None:
    assert detect(world, "detect/door.mp4", picture()) == "detected"


def test_what_is_neither_is_answered_with_what_helps(world: World) -> None:
    assert detect(world, "detect/text.jpg", b"text", "InvalidImageFormatException") == "unusable"
    assert json.loads(world.read("results/text.jpg.json"))["error"] == "InvalidImageFormatException"


def test_a_clip_is_handed_over_with_its_event(world: World, clip: bytes) -> None:
    world.s3.put_object(Bucket=BUCKET, Key="detect/door.mp4", Body=clip)
    event = {
        "time": ARRIVED,
        "detail": {"bucket": {"name": BUCKET}, "object": {"key": "detect/door.mp4", "version-id": "3"}},
    }
    message = {
        "messageId": "1",
        "receiptHandle": "r",
        "body": json.dumps({**event, "failures": 2}),
        "attributes": {"ApproximateReceiveCount": "2"},
    }
    assert handler.handle({"Records": [message]}, context()) == {"batchItemFailures": []}
    assert world.received("video") == [{**event, "failures": 3}]
    assert world.loop_state.used_images() == 0
