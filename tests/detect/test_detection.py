"""What the champion sees in an image under detect/, and what becomes of one that nobody can look at."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas import detect as handler
from lambdas.domain import detection
from lambdas.domain.detection import Detected, NoChampionError
from tests.retrain.fake_rekognition import FakeRekognition, label
from tests.retrain.world import BUCKET, World, context

KEY = "detect/a/b c.jpg"
RESULT = "results/a/b c.jpg.json"


def put(world: World, key: str = KEY) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"jpeg")


def detect(world: World, key: str = KEY) -> Detected:
    return detection.detect_object(world.fake.client, world.s3, world.records, BUCKET, key)


def result(world: World, key: str = RESULT) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.read(key))
    assert found.pop("at").endswith("Z")
    return found


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("detect/a.jpg", "results/a.jpg.json"),
        (KEY, RESULT),
        ("detect/detect/a.png", "results/detect/a.png.json"),
        ("detect/ü\n.jpg", "results/ü\n.jpg.json"),
    ],
)
def test_the_result_lies_where_the_image_s_name_says(key: str, expected: str) -> None:
    assert detection.result_key(key) == expected


def test_the_champion_s_answer_is_written_beside(world: World) -> None:
    put(world)
    world.champion("v1")
    world.fake.finds = lambda version, key: [label("cat", 98.76543, (0.1, 0.2, 0.3, 0.4)), label("dog", 50)]
    found = detect(world)
    assert (found.outcome, found.result_key, found.model_version) == ("detected", RESULT, "v1")
    assert result(world) == {
        "image": KEY,
        "model_version": "v1",
        "labels": [
            {
                "label": "cat",
                "confidence": 98.765,
                "box": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4},
            },
            {"label": "dog", "confidence": 50},
        ],
    }
    assert world.s3.head_object(Bucket=BUCKET, Key=RESULT)["ContentType"] == "application/json"
    (request,) = world.fake.called("detect_custom_labels")
    assert request["Image"] == {"S3Object": {"Bucket": BUCKET, "Name": KEY}}


def test_nothing_found_is_an_answer(world: World) -> None:
    put(world)
    world.champion("v1")
    assert detect(world).outcome == "detected"
    assert result(world)["labels"] == []


def test_without_a_champion_the_image_waits_and_says_so(world: World) -> None:
    put(world)
    with pytest.raises(NoChampionError, match="no model version has been promoted yet"):
        detect(world)
    assert result(world)["status"] == "waiting"
    world.champion("v1")
    detect(world)
    assert "status" not in result(world)


def test_a_champion_that_sleeps_keeps_the_image_waiting(world: World) -> None:
    put(world)
    world.champion("v1", status="STOPPED")
    with pytest.raises(NoChampionError, match="v1 is not running"):
        detect(world)
    assert result(world)["status"] == "waiting"


def switch_while_asked(world: World, status: str) -> None:
    """Between being named and being asked, the old champion is replaced by v2 and stopped."""
    original = FakeRekognition.detect_custom_labels

    def asked(**request: Any) -> dict[str, Any]:
        if world.fake.statuses()["v1"] == "RUNNING":
            world.fake.versions["v1"]["Status"] = "STOPPING"
            world.champion("v2", status=status)
        return original(world.fake, **request)

    world.fake.__dict__["detect_custom_labels"] = asked


def test_a_switch_in_between_is_answered_by_the_new_champion(world: World) -> None:
    put(world)
    world.champion("v1")
    switch_while_asked(world, "RUNNING")
    assert detect(world).outcome == "detected"
    assert result(world)["model_version"] == "v2"


def test_a_new_champion_that_does_not_answer_is_tried_again_later(world: World) -> None:
    put(world)
    world.champion("v1")
    switch_while_asked(world, "STOPPED")
    with pytest.raises(ClientError, match="ResourceNotReady"):
        detect(world)


@pytest.mark.parametrize(
    "code", ["InvalidImageFormatException", "ImageTooLargeException", "InvalidS3ObjectException"]
)
def test_an_image_that_cannot_be_used_is_told_why(code: str, world: World) -> None:
    put(world)
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", code)
    assert detect(world) == Detected("unusable", RESULT)
    assert result(world) == {"image": KEY, "error": code, "reason": "no"}


def test_an_image_that_was_deleted_leaves_no_result(world: World) -> None:
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", "InvalidS3ObjectException")
    assert detect(world) == Detected("gone", RESULT)
    assert world.keys("results/") == []


def test_a_folder_is_no_image(world: World) -> None:
    put(world, "detect/a/")
    world.champion("v1")
    assert detect(world, "detect/a/").outcome == "gone"
    assert world.keys("results/") == []
    assert world.fake.called("detect_custom_labels") == []


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ProvisionedThroughputExceededException", "AccessDenied"]
)
def test_any_other_error_is_tried_again(code: str, world: World) -> None:
    put(world)
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", code)
    with pytest.raises(ClientError, match=code):
        detect(world)
    assert world.keys("results/") == []
    assert detect(world).outcome == "detected"


# The handler


def message(number: int, key: str) -> dict[str, Any]:
    detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 4}}
    return {
        "messageId": str(number),
        "receiptHandle": "r",
        "body": json.dumps({"detail-type": "Object Created", "detail": detail}),
        "attributes": {},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:detect",
        "awsRegion": "us-east-1",
    }


def handle(*messages: dict[str, Any]) -> list[str]:
    """Ids of the messages that are to be tried again."""
    answer = cast(dict[str, Any], handler.handle({"Records": list(messages)}, context()))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_of_a_batch_only_what_failed_is_tried_again(world: World) -> None:
    world.champion("v1")
    for name in "abc":
        put(world, f"detect/{name}.jpg")
    world.fake.fail_next("detect_custom_labels", "ThrottlingException")
    messages = [message(number, f"detect/{name}.jpg") for number, name in enumerate("abc")]
    assert handle(*messages) == ["0"]
    assert world.keys("results/") == ["results/b.jpg.json", "results/c.jpg.json"]
    assert handle(messages[0]) == []
    assert "results/a.jpg.json" in world.keys("results/")


def test_a_whole_batch_that_fails_is_tried_again(world: World) -> None:
    for name in "ab":
        put(world, f"detect/{name}.jpg")
    assert handle(message(0, "detect/a.jpg"), message(1, "detect/b.jpg")) == ["0", "1"]


def test_a_message_that_is_no_event_harms_no_other(world: World) -> None:
    put(world)
    world.champion("v1")
    assert handle({**message(0, KEY), "body": "{}"}, message(1, KEY)) == ["0"]
    assert world.keys("results/") == [RESULT]
