"""What the champion sees in an image under detect/, and what becomes of one that nobody can look at."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdas import detect as handler
from lambdas.domain.detect import champion, detection
from lambdas.domain.detect.champion import Question
from lambdas.domain.detect.detection import Detected
from lambdas.domain.drift import observations
from lambdas.domain.engines.rekognition.engine import RekognitionDetector
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Champion, ModelVersion, Serving
from lambdas.domain.shared.scores import LabelScore
from tests.fixtures.deployment import BUCKET, World, context
from tests.fixtures.images import picture, with_text
from tests.fixtures.metrics import published
from tests.fixtures.rekognition import PREFIX, FakeRekognition, label

KEY = "detect/a/b c.jpg"
RESULT = "results/a/b c.jpg.json"
ARRIVED = "2026-01-01T10:00:00.000000Z"


def put(world: World, key: str = KEY) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=b"jpeg")


def detect(world: World, key: str = KEY, **how: Any) -> Detected:
    return detection.detect_object(
        world.fake.engine, world.s3, world.loop_state, BUCKET, key, arrived_at=ARRIVED, **how
    )


def result(world: World, key: str = RESULT) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.read(key))
    assert document.pop("at").endswith("Z")
    return document


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


@pytest.mark.parametrize("name", ["a" * 1014, "a" * 1017, "ü" * 508, "a/" * 507 + "é"])
def test_a_name_that_is_too_long_for_a_result_is_shortened(name: str) -> None:
    key = f"detect/{name}"
    assert len(key.encode()) <= 1024
    short = detection.result_key(key)
    assert len(short.encode()) <= 1024
    assert short.startswith(f"results/{name[:400]}")
    assert re.search(r"~[0-9a-f]{16}\.json$", short)
    assert short != detection.result_key(f"{key[:-1]}b"), "two images have two results"


def test_an_image_with_the_longest_name_is_answered(world: World) -> None:
    key = "detect/" + "a" * 1017
    put(world, key)
    world.champion("v1")
    detected = detect(world, key)
    assert detected.outcome == "detected"
    assert result(world, detected.result_key)["image"] == key


def test_the_champion_s_answer_is_written_beside(world: World) -> None:
    put(world)
    world.champion("v1")
    world.fake.finds = lambda version, key: [label("cat", 98.76543, (0.1, 0.2, 0.3, 0.4)), label("dog", 50)]
    detected = detect(world)
    assert (detected.outcome, detected.result_key, detected.model_version) == ("detected", RESULT, "v1")
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
    assert detect(world) == Detected("waiting", RESULT)
    assert "no model version has been promoted yet" in result(world)["reason"]
    world.champion("v1")
    detect(world)
    assert "status" not in result(world)


def test_a_champion_that_sleeps_keeps_the_image_waiting(world: World) -> None:
    put(world)
    world.champion("v1", status="STOPPED")
    assert detect(world) == Detected("waiting", RESULT)
    assert (result(world)["status"], result(world)["reason"]) == (
        "waiting",
        "the champion v1 is not running",
    )


@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_an_image_that_the_champion_has_no_time_for_waits(code: str, world: World) -> None:
    """It uses up no delivery: of a burst most would come to be dead letters."""
    put(world)
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", code)
    assert detect(world) == Detected("waiting", RESULT)
    assert "inference units" in result(world)["reason"]
    assert [image.key for image in world.loop_state.waiting_images(10)] == [KEY]


def test_an_answer_outlives_an_event_that_comes_again_while_the_champion_sleeps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world)
    world.champion("v1")
    head_object = world.s3.head_object
    earlier = timedelta(seconds=-5)

    def sooner(**request: Any) -> Any:
        head = head_object(**request)
        return {**head, "LastModified": head["LastModified"] + earlier}

    monkeypatch.setattr(world.s3, "head_object", sooner)
    assert detect(world).outcome == "detected"
    world.fake.versions["v1"]["Status"] = "STOPPED"
    assert detect(world) == Detected("answered", RESULT)
    assert result(world)["model_version"] == "v1"
    assert world.loop_state.waiting_images(1) == [], "and wakes nobody"
    # Another image came under the key since; of the same second that cannot be known.
    earlier = timedelta(minutes=1)
    assert detect(world) == Detected("waiting", RESULT)
    assert detect(world) == Detected("waiting", RESULT), "to wait is no answer"


def switch_while_asked(world: World, status: str) -> None:
    """Between being named and being asked, the old champion is replaced by v2 and stopped."""
    original = FakeRekognition.detect_custom_labels

    def asked(**request: Any) -> dict[str, Any]:
        if world.fake.statuses()["v1"] == "RUNNING":
            world.fake.versions["v1"]["Status"] = "STOPPING"
            world.champion("v2", status=status)
        return original(world.fake, **request)

    world.fake.__dict__["detect_custom_labels"] = asked


def test_a_champion_that_falls_asleep_is_not_asked_any_more(world: World) -> None:
    """It runs for a moment still, for what was asked before."""
    world.champion("v1")
    put(world)
    world.loop_state.change_serving(lambda before: replace(before, state="asleep", reason="nobody asks"))
    assert detect(world).outcome == "waiting"
    assert result(world)["reason"] == "the champion v1 sleeps: nobody asks"
    assert world.fake.called("detect_custom_labels") == []


def test_what_was_answered_is_counted_as_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champion("v1")
    put(world)
    body = json.dumps({"time": ARRIVED, "detail": {"bucket": {"name": BUCKET}, "object": {"key": KEY}}})
    event = {"Records": [{"messageId": "1", "body": body}, {"messageId": "2", "body": body}]}
    handler.handle(event, context())
    assert world.loop_state.used_images() == 2

    def broken(images: int) -> None:
        raise RuntimeError(images)

    monkeypatch.setattr(world.loop_state, "count_use", broken)
    assert handler.handle(event, context()) == {"batchItemFailures": []}


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
    assert detect(world) == Detected("waiting", RESULT)


@pytest.mark.parametrize(
    ("code", "body", "why"),
    [
        pytest.param("InvalidParameterException", picture(size=(63, 64)), "63 x 64 pixels", id="too small"),
        pytest.param("InvalidParameterException", picture(size=(2100, 100)), "2100 x 100", id="too long"),
        pytest.param("ValidationException", b"", "the file has no content", id="empty"),
        pytest.param("InvalidImageFormatException", b"a letter", "neither a JPEG nor a PNG", id="no image"),
        pytest.param(
            "InvalidImageFormatException",
            with_text(picture(format="PNG"), b"text", broken=True),
            "the PNG file cannot be decoded",
            id="broken text",
        ),
        pytest.param("ImageTooLargeException", bytes(15 * 1024**2 + 1), "of up to 15 MB", id="too large"),
        pytest.param(
            "InvalidS3ObjectException", b"a letter", "neither a JPEG nor a PNG", id="not accessible"
        ),
        pytest.param(
            "InvalidImageFormatException", picture(), "save it as a JPEG", id="good for all we know"
        ),
    ],
)
def test_an_image_that_cannot_be_used_is_told_why_and_what_to_do(
    code: str, body: bytes, why: str, world: World
) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", code)
    assert detect(world) == Detected("unusable", RESULT)
    document = result(world)
    assert why in document.pop("help")
    assert document == {"image": KEY, "error": code, "reason": "no"}


def test_an_image_that_rekognition_may_not_read_is_not_at_fault(world: World) -> None:
    """InvalidS3ObjectException is what a missing permission of the caller comes to, as well."""
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=picture())
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", "InvalidS3ObjectException")
    with pytest.raises(detection.NotAccessibleError, match="nothing is wrong with it"):
        detect(world)
    assert world.keys("results/") == []
    assert detect(world).outcome == "detected", "once the permission is there"


def test_an_image_that_the_function_itself_may_not_read_is_not_at_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world)
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", "InvalidS3ObjectException")
    response: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    denied = ClientError(response, "GetObject")

    def get_object(**request: Any) -> Any:
        raise denied

    monkeypatch.setattr(world.s3, "get_object", get_object)
    with pytest.raises(ClientError, match="AccessDenied"):
        detect(world)
    assert world.keys("results/") == []


def test_the_settings_are_not_read_for_each_image(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameter Store answers 40 requests a second."""
    world.champion("v1")
    for name in "abc":
        put(world, f"detect/{name}.jpg")
    asked: list[str] = []
    get_parameter = world.ssm.get_parameter
    monkeypatch.setattr(
        world.ssm, "get_parameter", lambda **request: asked.append("") or get_parameter(**request)
    )
    for number, name in enumerate("abc"):
        assert handle(message(number, f"detect/{name}.jpg")) == []
    assert len(asked) == 1


def test_an_image_that_was_deleted_leaves_no_result(world: World) -> None:
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", "InvalidS3ObjectException")
    assert detect(world) == Detected("gone", RESULT)
    assert world.keys("results/") == []


@pytest.mark.parametrize("asked", ["answers", "cannot", "sleeps"])
def test_an_image_that_was_deleted_since_leaves_no_result(asked: str, world: World) -> None:
    """Its version can still be read."""
    version = put_version(world)
    world.champion("v1", status="STOPPED" if asked == "sleeps" else "RUNNING")
    if asked == "cannot":
        world.fake.fail_next("detect_custom_labels", "InvalidImageFormatException")
    world.s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert detect(world, version_id=version) == Detected("gone", RESULT)
    assert world.keys("results/") == []


def put_version(world: World) -> str:
    """The version of an object in a bucket that keeps them."""
    world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"jpeg")["VersionId"]


def test_of_two_images_under_one_key_the_newest_keeps_the_result(world: World) -> None:
    """Whichever event comes last."""
    old, new = put_version(world), put_version(world)
    world.champion("v1")
    sees = {old: "cat", new: "dog"}
    world.fake.__dict__["detect_custom_labels"] = lambda **request: {
        "CustomLabels": [label(sees[request["Image"]["S3Object"]["Version"]])]
    }
    for version in (new, old):
        detected = detect(world, version_id=version)
        assert (detected.outcome, detected.labels[0]["label"]) == ("detected", sees[version])
        assert result(world)["labels"][0]["label"] == "dog"


def test_a_folder_is_no_image(world: World) -> None:
    world.s3.put_object(Bucket=BUCKET, Key="detect/a/", Body=b"")
    world.champion("v1")
    assert detect(world, "detect/a/").outcome == "gone"
    assert world.keys("results/") == []
    assert world.fake.called("detect_custom_labels") == []


def test_an_image_whose_name_ends_like_a_folder_s_is_answered(world: World) -> None:
    put(world, "detect/a/")
    world.champion("v1")
    assert detect(world, "detect/a/").outcome == "detected"
    assert result(world, "results/a/.json")["image"] == "detect/a/"


@pytest.mark.parametrize("code", ["InternalServerError", "ServiceUnavailable", "AccessDeniedException"])
def test_any_other_error_is_tried_again(code: str, world: World) -> None:
    put(world)
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", code)
    with pytest.raises(ClientError, match=code):
        detect(world)
    assert world.keys("results/") == []
    assert detect(world).outcome == "detected"


# What the model's own thresholds leave out


def by_thresholds(thresholds: dict[str, float], labels: list[dict[str, Any]], min_confidence: Any) -> Any:
    """As the service answers: without MinConfidence, by the assumed threshold of each label."""
    return [
        label
        for label in labels
        if label["Confidence"]
        >= (100 * thresholds[label["Name"]] if min_confidence is None else min_confidence)
    ]


def scores(thresholds: Mapping[str, float | None]) -> tuple[LabelScore, ...]:
    """An evaluation that found these assumed thresholds."""
    return tuple(LabelScore(name, 1, 1, 1, 10, threshold) for name, threshold in thresholds.items())


def serve(
    world: World, thresholds: dict[str, float], *detections: dict[str, Any], known: bool = True
) -> None:
    """A champion of these thresholds sees this; whether its evaluation told them."""
    world.champion("v1", labels=scores(thresholds if known else dict.fromkeys(thresholds)))
    original = FakeRekognition.detect_custom_labels

    def asked(**request: Any) -> dict[str, Any]:
        original(world.fake, **request)
        return {"CustomLabels": by_thresholds(thresholds, list(detections), request.get("MinConfidence"))}

    world.fake.__dict__["detect_custom_labels"] = asked


CONFIDENT = [label("cat", 99), label("cat", 97), label("cat", 60), label("cat", 40), label("dog", 20)]


def test_what_a_threshold_leaves_out_is_told_and_the_result_is_what_it_was(world: World) -> None:
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.014450683258473873}, *CONFIDENT)
    plain = detect(world)
    before = result(world)
    assert plain.left_out == ()
    detected = detect(world, question=Question(50.0))
    assert (detected.labels, result(world)) == (plain.labels, before)
    assert [label["confidence"] for label in detected.labels] == [99, 20]
    assert [label["confidence"] for label in detected.left_out] == [97, 60]
    assert [request.get("MinConfidence") for request in world.fake.called("detect_custom_labels")] == [
        None,
        1,
    ]


def test_where_a_threshold_is_not_known_there_is_the_answer_alone(world: World) -> None:
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.9}, *CONFIDENT, known=False)
    detected = detect(world, question=Question(50.0))
    assert ([label["confidence"] for label in detected.labels], detected.left_out) == ([99], ())
    assert len(world.fake.called("detect_custom_labels")) == 1


def test_a_label_that_was_not_evaluated_is_judged_by_the_service_itself(world: World) -> None:
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.9}, *CONFIDENT)
    world.loop_state.update_version(ModelVersion("v1", labels=scores({"cat": 0.98})))
    detected = detect(world, question=Question(20.0))
    assert ([label["confidence"] for label in detected.labels], detected.left_out) == ([99], ())


@given(
    thresholds=st.fixed_dictionaries({name: st.floats(0, 1) for name in ("cat", "dog")}),
    detections=st.lists(st.builds(label, st.sampled_from(["cat", "dog"]), st.floats(0, 100)), max_size=6),
    min_confidence=st.floats(0, 100),
)
def test_one_request_tells_the_answer_and_what_it_leaves_out(
    thresholds: dict[str, float], detections: list[dict[str, Any]], min_confidence: float
) -> None:
    class Records:
        def champion(self) -> Champion:
            return Champion(f"{PREFIX}/parts/version/v1/1", "v1", "")

        def serving(self) -> Serving:
            return Serving()

        def version(self, name: str) -> ModelVersion:
            return ModelVersion(name, labels=scores(thresholds))

    class Rekognition:
        def detect_custom_labels(self, **request: Any) -> dict[str, Any]:
            return {"CustomLabels": by_thresholds(thresholds, detections, request.get("MinConfidence"))}

    rekognition, loop_state = RekognitionDetector(cast(Any, Rekognition())), cast(Any, Records())
    plain = champion.ask(rekognition, loop_state, {}).labels
    answer = champion.ask(rekognition, loop_state, {}, Question(min_confidence))
    labels, left_out = answer.labels, answer.left_out
    # As near as confidences are given.
    sure = [seen for seen in labels if abs(seen["confidence"] - 100 * thresholds[seen["label"]]) > 0.001]
    assert [seen for seen in plain if seen in sure] == sure
    assert all(seen in labels for seen in plain)
    assert all(min_confidence <= seen["confidence"] < 100 * thresholds[seen["label"]] for seen in left_out)


# What the deployment sets in place of the model's own thresholds


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("given", "counts"), [({"cat": 50}, [99, 97, 60, 20]), ({"cat": 99}, [99, 20]), ({"dog": 21}, [99])]
)
def test_a_threshold_of_the_deployment_comes_before_the_model_s_own(
    given: dict[str, float], counts: list[float], known: bool, world: World
) -> None:
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.015}, *CONFIDENT, known=known)
    detected = detect(world, question=Question(label_thresholds=given))
    assert [label["confidence"] for label in detected.labels] == counts
    assert detected.left_out == ()


@pytest.mark.parametrize("known", [True, False])
def test_what_they_leave_out_is_of_interest_all_the_same(known: bool, world: World) -> None:
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.015}, *CONFIDENT, known=known)
    detected = detect(world, question=Question(50, {"cat": 98}))
    assert [label["confidence"] for label in detected.left_out] == [97, 60]


def test_a_threshold_of_a_label_that_the_version_has_not_changes_nothing(world: World) -> None:
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.015}, *CONFIDENT)
    assert detect(world, question=Question(label_thresholds={"bird": 1})).labels == detect(world).labels


def test_the_settings_thresholds_reach_the_answer(world: World) -> None:
    world.tune(label_thresholds={"cat": 50}, review_route="none")
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.5}, *CONFIDENT)
    assert handle(message(0, KEY)) == []
    assert [label["confidence"] for label in result(world)["labels"]] == [99, 97, 60]


# A given version


def given_version(world: World, name: str) -> ModelVersion:
    return ModelVersion(name, arn=world.fake.versions[name]["ProjectVersionArn"])


def test_a_version_is_asked_though_it_is_not_the_champion(world: World) -> None:
    world.champion("v1")
    world.champion("v2")
    version = given_version(world, "v1")
    answer = champion.ask_version(world.fake.engine, version, {"Bytes": b"jpeg"})
    assert (answer.version_name, answer.version_arn) == ("v1", version.arn)


@pytest.mark.parametrize("status", ["STOPPED", "STOPPING", ""])
def test_a_version_that_does_not_run_has_no_successor(status: str, world: World) -> None:
    world.champion("v1", status=status or "RUNNING")
    version = given_version(world, "v1") if status else ModelVersion("v1")
    world.champion("v2")
    with pytest.raises(champion.VersionNotServingError, match="v1"):
        champion.ask_version(world.fake.engine, version, {"Bytes": b"jpeg"})


# The handler


def message(number: int, key: str, **more: Any) -> dict[str, Any]:
    detail = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": 4, **more}}
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
    world.fake.fail_next("detect_custom_labels", "InternalServerError")
    messages = [message(number, f"detect/{name}.jpg") for number, name in enumerate("abc")]
    assert handle(*messages) == ["0"]
    assert world.keys("results/") == ["results/b.jpg.json", "results/c.jpg.json"]
    assert handle(messages[0]) == []
    assert "results/a.jpg.json" in world.keys("results/")


def test_a_whole_batch_that_fails_is_tried_again(world: World) -> None:
    world.champion("v1")
    world.fake.fail_next("detect_custom_labels", "InternalServerError", "InternalServerError")
    for name in "ab":
        put(world, f"detect/{name}.jpg")
    assert handle(message(0, "detect/a.jpg"), message(1, "detect/b.jpg")) == ["0", "1"]


def test_a_message_that_is_no_event_harms_no_other(world: World) -> None:
    put(world)
    world.champion("v1")
    assert handle({**message(0, KEY), "body": "{}"}, message(1, KEY)) == ["0"]
    assert world.keys("results/") == [RESULT]


# How answers look


def test_how_an_answer_looks_is_kept_once_however_often_its_event_comes(world: World) -> None:
    world.tune(label_thresholds={"dog": 70})
    version = put_version(world)
    serve(world, {"cat": 0.5, "dog": 0.5}, label("cat", 90), label("cat", 50), label("dog", 60))
    for _ in range(2):
        assert handle(message(0, KEY, **{"version-id": version})) == []
    (observation,) = world.observations.of_slot(observations.slot_of(clock.now()))
    assert (observation.version, observation.source, observation.key, observation.version_id) == (
        "v1",
        "detect",
        KEY,
        version,
    )
    assert (observation.labels, observation.confidence) == ({"cat": 2}, 70.0)
    assert observation.is_unsure
    assert observation.thresholds == observations.thresholds_name({"dog": 70.0})


def test_an_answer_stands_though_it_cannot_be_kept_how_it_looks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world)
    world.champion("v1")
    monkeypatch.setenv("OBSERVATION_TABLE", "gone")
    assert handle(message(0, KEY)) == []
    assert result(world)["model_version"] == "v1"


# What is proposed for review


def test_what_the_champion_is_unsure_of_is_proposed_with_its_version(world: World) -> None:
    """Also where no detection that counts is: the model's threshold is the higher one."""
    world.tune(review_confidence_threshold=60, review_sample_rate=0)
    version = put_version(world)
    serve(world, {"cat": 0.98, "dog": 0.5}, label("cat", 99), label("cat", 97))
    assert handle(message(0, KEY, **{"version-id": version})) == []
    assert [label["confidence"] for label in result(world)["labels"]] == [99]
    (request,) = world.fake.called("detect_custom_labels")
    assert request["Image"] == {"S3Object": {"Bucket": BUCKET, "Name": KEY, "Version": version}}
    (proposal,) = world.received("review")
    assert proposal == {
        "detection": {
            "key": KEY,
            "version_id": version,
            "labels": [{"label": "cat", "confidence": 99}, {"label": "cat", "confidence": 97}],
            "model_version": "v1",
            "reason": "low_confidence",
            "left_out": [{"label": "cat", "confidence": 97}],
        }
    }


@pytest.mark.parametrize(
    "tuning", [{"review_route": "none"}, {"review_confidence_threshold": 0}, {"review_min_confidence": 100}]
)
def test_what_nobody_wants_to_know_is_not_proposed(tuning: dict[str, Any], world: World) -> None:
    world.tune(review_sample_rate=0, **tuning)
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.5}, label("cat", 99), label("cat", 97))
    assert handle(message(0, KEY)) == []
    assert world.received("review") == []


def test_a_sample_is_proposed_with_the_answer_alone(world: World) -> None:
    world.tune(review_confidence_threshold=0, review_sample_rate=1)
    put(world)
    serve(world, {"cat": 0.98, "dog": 0.5}, label("cat", 99), label("cat", 97))
    assert handle(message(0, KEY)) == []
    (proposal,) = world.received("review")
    assert (proposal["detection"]["reason"], proposal["detection"]["version_id"]) == ("sample", None)
    assert [label["confidence"] for label in proposal["detection"]["labels"]] == [99]


def test_images_are_answered_also_while_the_settings_are_broken(world: World) -> None:
    world.tune_by("{")
    put(world)
    world.champion("v1")
    assert handle(message(0, KEY)) == []
    assert result(world)["model_version"] == "v1"
    assert world.received("review") == []


def test_what_becomes_of_images_and_how_soon_are_metrics(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    put(world, "detect/a.jpg")
    assert handle(message(0, "detect/a.jpg")) == []
    assert published(capsys) == {"ImagesWaiting": [1]}
    world.champion("v1")
    sent = message(1, "detect/a.jpg")
    sent["body"] = json.dumps({**json.loads(sent["body"]), "time": clock.in_seconds(-90)[:19] + "Z"})
    assert handle(sent) == []
    metrics = published(capsys)
    assert metrics["ImagesDetected"] == [1]
    assert 90 <= metrics["AnswerSeconds"][0] < 100
