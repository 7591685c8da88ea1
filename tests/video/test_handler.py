"""The function for clips: what it counts, hands on to the next one, and proposes for review."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas import video
from lambdas.domain.video.frames import Clip
from tests.fixtures.clips import clip_bytes
from tests.fixtures.deployment import BUCKET, World, context
from tests.fixtures.rekognition import label

KEY = "detect/door.mp4"
EVENT = {
    "time": "2026-01-01T10:00:00Z",
    "detail": {"bucket": {"name": BUCKET}, "object": {"key": KEY}},
    "failures": 0,
}


@pytest.fixture(autouse=True)
def clip(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    world.champion("v1")
    world.fake.finds = lambda version, key: [label("bolt", 51.0, (0.1, 0.2, 0.3, 0.4))]
    data = clip_bytes(tmp_path_factory.mktemp("clip"))
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=data)


def handle(*events: dict[str, Any], seconds: float = 900) -> list[str]:
    """Ids of the messages that are to be tried again."""
    messages = [
        {"messageId": str(number), "receiptHandle": "r", "body": json.dumps(event)}
        for number, event in enumerate(events)
    ]
    answer = video.handle({"Records": messages}, context(seconds))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_a_clip_is_answered_counted_and_its_unsure_frames_proposed(world: World) -> None:
    world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert handle(EVENT) == []
    assert world.loop_state.used_images() == 2
    proposals = [message["detection"] for message in world.received("review")]
    assert [proposal["key"] for proposal in proposals] == [
        "results/door.mp4.frames/000000000.jpg",
        "results/door.mp4.frames/000000020.jpg",
    ]
    assert [proposal["version_id"] for proposal in proposals] == [
        world.s3.head_object(Bucket=BUCKET, Key=proposal["key"])["VersionId"] for proposal in proposals
    ]
    assert {proposal["reason"] for proposal in proposals} == {"low_confidence"}
    assert world.received("video") == []


def test_what_there_is_no_time_for_is_left_to_the_next_function(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets_of = Clip._packets

    def few(clip: Clip) -> Any:
        for number, packet in enumerate(packets_of(clip)):
            if number == 22:
                clip.stopped = True
                return
            yield packet

    monkeypatch.setattr(Clip, "_packets", few)
    assert handle(EVENT) == []
    (rest,) = world.received("video")
    assert rest == EVENT
    monkeypatch.undo()
    assert handle(rest) == []
    assert json.loads(world.read("results/door.mp4.json"))["status"] == "answered"


def test_without_time_nothing_is_begun(world: World) -> None:
    assert handle(EVENT, seconds=60) == ["0"]
    assert world.keys("results/") == []


def test_a_clip_that_cannot_be_used_is_no_dead_letter(world: World) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"text")
    assert handle(EVENT) == []
    assert json.loads(world.read("results/door.mp4.json"))["error"] == "not_a_clip"


def test_a_clip_that_fails_is_delivered_again(world: World) -> None:
    world.fake.fail_next("detect_custom_labels", "InternalServerError")
    assert handle(EVENT) == ["0"]


def test_settings_that_cannot_be_read_keep_no_clip_from_its_answer(world: World) -> None:
    world.tune_by("no JSON")
    assert handle(EVENT) == []
    assert json.loads(world.read("results/door.mp4.json"))["status"] == "answered"
