"""What applications ask and are answered, through the function that API Gateway calls."""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from threading import Event
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from PIL import Image

from benchmarks.detection import CALLS
from lambdas import applications as handler
from lambdas.domain.applications import detections, records
from lambdas.domain.applications.records import Claim
from lambdas.domain.drift import observations
from lambdas.domain.images.files import MAX_BYTES
from lambdas.domain.shared import clock
from lambdas.domain.shared.scores import LabelScore
from tests.fixtures.applications import LINE, SHOP, Asked, token
from tests.fixtures.deployment import BUCKET
from tests.fixtures.images import GIF, picture
from tests.fixtures.rekognition import error, label
from tests.fixtures.waiting import HUNG_SECONDS

IMAGE = picture(size=(200, 100))
CAT = label("cat", 98.7654, (0.1, 0.2, 0.5, 0.25))


@pytest.fixture(autouse=True)
def champion(asked: Asked) -> None:
    """One that sees a cat, and a dog that it is not sure of."""
    scores = [
        LabelScore(name, 0.9, 0.9, 0.9, 10, threshold) for name, threshold in (("cat", 0.5), ("dog", 0.9))
    ]
    asked.world.champion("v1", labels=tuple(scores))
    asked.world.loop_state.number_classes(["cat", "dog"])
    asked.world.fake.finds = lambda version, key: [CAT, label("dog", 40.0, (0.0, 0.0, 0.2, 0.2))]
    asked.world.tune(review_sample_rate=0, review_confidence_threshold=60, review_min_confidence=50)


def test_an_image_is_answered_kept_and_stored(asked: Asked) -> None:
    answer = asked.detect(IMAGE)
    assert answer.status == 200
    document = answer.document
    assert document["model_version"] == "v1"
    assert document["image"] == {"width": 200, "height": 100}
    assert document["labels"] == [
        {
            "label": "cat",
            "class_id": 0,
            "confidence": 98.765,
            "box": {"left": 0.1, "top": 0.2, "width": 0.5, "height": 0.25},
            "box_pixels": {"left": 20, "top": 20, "width": 100, "height": 25},
        }
    ]
    kept = asked.records.get(LINE, document["id"])
    assert kept
    assert asked.world.s3.get_object(Bucket=BUCKET, Key=kept.key)["Body"].read() == IMAGE
    assert asked.ask(f"GET /v1/detections/{document['id']}").document == document
    assert asked.serve_requests == [(LINE, "use")]


def test_a_detection_asks_as_little_of_aws_as_is_told(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.detect(IMAGE, headers={"Idempotency-Key": "warm"})
    later = clock.seconds() + 2
    # All in one second, for which what a process reads is good; the settings are for three, by another clock.
    monkeypatch.setattr(clock, "seconds", lambda: later)
    calls: Counter[str] = Counter()
    call = BaseClient._make_api_call  # pyrefly: ignore[missing-attribute]

    def counting(self: Any, operation: str, request: Any) -> Any:
        calls[operation] += 1
        return call(self, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", counting)
    for number in range(10):
        assert asked.detect(IMAGE, headers={"Idempotency-Key": f"{number}"}).status == 200
    assert calls.pop("GetItem") < 10
    calls.pop("GetParameter", 0)
    calls["DetectCustomLabels"] = len(asked.world.fake.called("detect_custom_labels")) - 1
    assert {name: number / 10 for name, number in calls.items() if number} == CALLS


def test_a_label_has_the_same_number_in_every_version(asked: Asked) -> None:
    state = asked.world.loop_state
    state.number_classes(["bird", "cat"])
    assert dict(state.number_classes([]).numbers) == {"cat": 0, "dog": 1, "bird": 2}
    state.number_classes(["ant"])
    assert dict(state.class_ids().numbers) == {"cat": 0, "dog": 1, "bird": 2, "ant": 3}


def test_a_label_that_no_version_was_evaluated_on_has_no_number(asked: Asked) -> None:
    asked.world.fake.finds = lambda version, key: [label("new", 99.0)]
    (seen,) = asked.detect(IMAGE).document["labels"]
    assert seen == {"label": "new", "class_id": None, "confidence": 99.0}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("min_confidence=30", ["cat", "dog"]),
        ("min_confidence=99", []),
        ("labels=dog", []),
        ("labels=dog&labels=cat", ["cat"]),
        ("min_confidence=0&labels=dog", ["dog"]),
        ("min_confidence=0&max_results=1", ["cat"]),
    ],
)
def test_the_answer_is_as_the_application_wants_it(query: str, names: list[str], asked: Asked) -> None:
    answer = asked.detect(IMAGE, query)
    assert [seen["label"] for seen in answer.document["labels"]] == names


def test_thresholds_of_the_deployment_come_before_the_model_s(asked: Asked) -> None:
    asked.world.tune(label_thresholds={"dog": 30, "cat": 99}, review_route="none")
    assert [seen["label"] for seen in asked.detect(IMAGE).document["labels"]] == ["dog"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("min_confidence=101", "min_confidence"),
        ("min_confidence=much", "min_confidence"),
        ("min_confidence=nan", "min_confidence"),
        ("max_results=0", "max_results"),
        ("max_results=1.5", "max_results"),
        ("labels=horse", "labels"),
        ("labels=cat,dog", "labels"),
        ("colour=red", "colour"),
    ],
)
def test_an_option_that_is_wrong_is_named(query: str, field: str, asked: Asked) -> None:
    answer = asked.detect(IMAGE, query)
    assert (answer.status, answer.field) == (422, field)
    assert asked.world.fake.called("detect_custom_labels") == []


def test_boxes_are_of_the_image_upright(asked: Asked) -> None:
    file = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(file, "JPEG", exif=exif)
    document = asked.detect(file.getvalue()).document
    assert document["image"] == {"width": 100, "height": 200}
    assert document["labels"][0]["box_pixels"] == {"left": 10, "top": 40, "width": 50, "height": 50}


# Bad images


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        pytest.param(b"", 422, "no content", id="empty"),
        pytest.param(b"a letter", 422, "neither a JPEG nor a PNG", id="no image"),
        pytest.param(GIF, 422, "GIF", id="gif"),
        pytest.param(picture(size=(63, 64)), 422, "63 x 64", id="too small"),
        pytest.param(IMAGE[:30], 422, "upload it again", id="cut off"),
        pytest.param(b"\xff\xd8\xff" + bytes(4 * 1024 * 1024), 413, "POST /v1/uploads", id="too large"),
        pytest.param(bytes(20 * 1024 * 1024), 413, "4194304 bytes", id="20 MB"),
    ],
)
def test_an_image_that_cannot_be_used_costs_nothing_and_says_why(
    body: bytes, status: int, why: str, asked: Asked
) -> None:
    answer = asked.detect(body)
    assert (answer.status, why in answer.message) == (status, True), answer.document
    assert asked.world.fake.called("detect_custom_labels") == []
    assert asked.world.keys() == []


def large(width: int = 4200, height: int = 1300) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG", quality=20)
    return file.getvalue()


def test_an_image_larger_than_rekognition_takes_is_asked_about_in_tiles(asked: Asked) -> None:
    asked.world.fake.finds = lambda version, key: [label("cat", 99.0, (0.4, 0.4, 0.1, 0.1))]
    document = asked.detect(large()).document
    assert document["image"] == {"width": 4200, "height": 1300}
    assert len(asked.world.fake.called("detect_custom_labels")) > 4
    assert len(document["labels"]) > 1, "one in each tile"
    answer = asked.detect(large(), "tile=off")
    assert (answer.status, "4200 x 1300" in answer.message) == (422, True)


def test_each_tile_counts_as_a_request(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a paid detection: a rate that bounds requests alone would not bound what they cost."""
    monkeypatch.setattr(clock, "seconds", lambda: 1_800_000_020.0)
    monkeypatch.setattr("tests.fixtures.applications.time.time", lambda: 1_800_000_000)
    asked.table.update_item(
        Key={"id": LINE}, UpdateExpression="SET rate = :three", ExpressionAttributeValues={":three": 3}
    )
    assert asked.detect(large()).status == 200
    paid = len(asked.world.fake.called("detect_custom_labels"))
    assert asked.detect(large()).status == 429
    assert len(asked.world.fake.called("detect_custom_labels")) == paid


def test_feedback_on_what_is_forgotten_meanwhile_leaves_nothing(asked: Asked) -> None:
    asked.detect(large(300, 300))
    table = handler.desk()._s.records
    (detection,) = table.between(LINE)
    table.note_feedback(replace(detection, id="0" * 32), "wrong", "")
    assert list(table.between(LINE)) == [detection]


def test_an_upload_is_cut_as_well_and_a_small_image_if_that_is_wanted(asked: Asked) -> None:
    asked.world.fake.finds = lambda version, key: [label("cat", 99.0, (0.4, 0.4, 0.1, 0.1))]
    assert len(asked.detect(upload(asked, large())).document["labels"]) > 1
    small = large(1500, 700)
    assert len(asked.detect(small).document["labels"]) == 1
    assert len(asked.detect(small, "tile=on").document["labels"]) > 1


def test_an_image_of_more_tiles_than_a_request_has_time_for_is_refused(asked: Asked) -> None:
    answer = asked.detect(large(15_000, 6_000))
    assert (answer.status, "tiles" in answer.message) == (422, True)
    assert asked.world.fake.called("detect_custom_labels") == []


def test_a_bomb_is_known_by_its_header(asked: Asked) -> None:
    file = BytesIO()
    Image.new("1", (16_000, 16_000)).save(file, "PNG")
    assert len(file.getvalue()) < 100_000
    answer = asked.detect(file.getvalue())
    assert (answer.status, answer.code) == (422, "bad_image")


def test_an_image_that_rekognition_does_not_take_is_told_why(asked: Asked) -> None:
    broken = IMAGE[: len(IMAGE) // 2]
    asked.world.fake.fail_next("detect_custom_labels", "InvalidImageFormatException")
    answer = asked.detect(broken)
    assert (answer.status, answer.code) == (422, "bad_image")
    assert "upload it again" in answer.message


@pytest.mark.parametrize(
    ("content_type", "body"), [("text/plain", "hello"), ("multipart/form-data", "--x"), ("", "hello")]
)
def test_a_body_that_is_neither_an_image_nor_json_is_refused(
    content_type: str, body: str, asked: Asked
) -> None:
    answer = asked.ask("POST /v1/detections", headers={"content-type": content_type}, event={"body": body})
    assert (answer.status, answer.code) == (415, "unsupported_type")


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "image/webp", ""])
def test_bytes_that_are_an_image_are_one_whatever_their_type_says(content_type: str, asked: Asked) -> None:
    """API Gateway hands on what is no text as bytes; curl says that it sends a form."""
    assert asked.detect(IMAGE, headers={"content-type": content_type}).status == 200


@pytest.mark.parametrize("body", [{}, {"key": 1}, {"key": "x", "more": 1}, [], None])
def test_json_that_is_not_a_key_is_refused(body: Any, asked: Asked) -> None:
    assert asked.ask("POST /v1/detections", body).status in (400, 422)


# Uploads


def upload(asked: Asked, data: bytes = IMAGE, who: str = LINE) -> str:
    answer = asked.ask("POST /v1/uploads", {"content_type": "image/jpeg", "size": max(1, len(data))}, who=who)
    key = str(answer.document["key"])
    asked.world.s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    return key


def test_an_upload_has_its_size_and_type_in_the_signature(asked: Asked) -> None:
    answer = asked.ask("POST /v1/uploads", {"content_type": "image/png", "size": 5_000_000}).document
    signed = parse_qs(urlsplit(answer["url"]).query)["X-Amz-SignedHeaders"]
    assert set(signed[0].split(";")) >= {"content-length", "content-type", "host"}
    assert answer["method"] == "PUT"
    assert answer["headers"] == {"Content-Type": "image/png", "Content-Length": "5000000"}
    assert urlsplit(answer["url"]).path.endswith(answer["key"])
    assert answer["expires_at"] > clock.now()


@pytest.mark.parametrize(
    "body",
    [
        {"content_type": "image/gif", "size": 1},
        {"content_type": "image/png", "size": 0},
        {"content_type": "image/png", "size": MAX_BYTES + 1},
        {"content_type": "image/png"},
    ],
)
def test_an_upload_that_could_not_be_used_is_not_begun(body: Any, asked: Asked) -> None:
    assert asked.ask("POST /v1/uploads", body).status == 422


def test_an_upload_is_answered_where_it_lies(asked: Asked) -> None:
    key = upload(asked)
    document = asked.detect(key).document
    assert document["image"] == {"width": 200, "height": 100}
    (request,) = asked.world.fake.called("detect_custom_labels")
    assert request["Image"]["S3Object"]["Name"] == key
    assert asked.world.keys() == [key]


def test_a_header_that_begins_late_is_found(asked: Asked) -> None:
    file = BytesIO()
    profile = b"\0" * 400_000
    Image.new("RGB", (120, 90)).save(file, "JPEG", icc_profile=profile)
    assert asked.detect(upload(asked, file.getvalue())).document["image"] == {"width": 120, "height": 90}


@pytest.mark.parametrize("data", [b"", b"a letter", b"\xff\xd8\xff" + bytes(300_000)])
def test_an_upload_that_is_no_image_is_told_why(data: bytes, asked: Asked) -> None:
    answer = asked.detect(upload(asked, data))
    assert (answer.status, answer.code) == (422, "bad_image")


def test_no_application_sees_another_s(asked: Asked) -> None:
    key, id = upload(asked), asked.detect(IMAGE).document["id"]
    answers = [
        asked.detect(key, who=SHOP),
        asked.ask(f"GET /v1/detections/{id}", who=SHOP),
        asked.ask(f"POST /v1/detections/{id}/feedback", {"verdict": "wrong"}, who=SHOP),
    ]
    assert [(answer.status, answer.code) for answer in answers] == [(404, "not_found")] * 3


def test_no_application_sees_what_one_of_its_name_was_answered_that_was_removed(asked: Asked) -> None:
    id = asked.detect(IMAGE).document["id"]
    before = int(clock.seconds()) - 10
    asked.records.claim(LINE, "a", Claim(id, "of another request", before), before + 1000)
    asked.table.update_item(
        Key={"id": LINE},
        UpdateExpression="SET created_at = :now",
        ExpressionAttributeValues={":now": clock.now()},
    )
    handler.known_callers.cache_clear()
    assert asked.ask(f"GET /v1/detections/{id}").status == 404
    assert asked.ask(f"POST /v1/detections/{id}/feedback", {"verdict": "wrong"}).status == 404
    other = asked.detect(IMAGE, headers={"Idempotency-Key": "a"})
    assert other.status == 200
    assert asked.ask(f"GET /v1/detections/{other.document['id']}").status == 200


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "incoming/a.jpg",
        "ü" * 900,
        f"applications/line-3/uploads/../../shop/uploads/{'0' * 32}",
        f"applications/line-3/images/{'0' * 32}",
        f"applications/line-3/uploads/{'0' * 32}",
    ],
)
def test_a_key_that_is_no_upload_of_the_application_s_is_not_there(key: str, asked: Asked) -> None:
    asked.world.s3.put_object(Bucket=BUCKET, Key="incoming/a.jpg", Body=IMAGE)
    answer = asked.detect(key)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("id", ["x", "0" * 32, "key#", "rate#1", "0" * 31 + "G"])
def test_an_id_that_is_no_detection_is_not_there(id: str, asked: Asked) -> None:
    asked.detect(IMAGE, headers={"Idempotency-Key": "a"})
    assert asked.ask(f"GET /v1/detections/{id}").status == 404


# Who may


def refused(asked: Asked, authorization: str) -> tuple[int, str, str]:
    answer = asked.ask("GET /v1/detections/x", headers={"authorization": authorization})
    return answer.status, answer.code, answer.message


def test_a_request_without_a_token_is_told_where_to_get_one(asked: Asked) -> None:
    for authorization in ("", "Bearer", "Bearer ", "Basic YTpi", "e30.e30.e30"):
        status, code, message = refused(asked, authorization)
        assert (status, code) == (401, "invalid_token")
        assert "token endpoint" in message
    answer = asked.ask("GET /v1/detections/x", headers={"authorization": ""})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_reviewer_s_token_is_for_something_else(asked: Asked) -> None:
    person = token("page", scope="openid email", username="rita")
    assert refused(asked, f"Bearer {person}")[:2] == (403, "insufficient_scope")


def test_an_application_that_was_removed_is_let_in_no_more(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked.detect(IMAGE).status == 200
    asked.table.delete_item(Key={"id": f"client#{LINE}"})
    now = time.time()
    monkeypatch.setattr(clock, "seconds", lambda: now + 61)
    answer = asked.detect(IMAGE)
    assert (answer.status, answer.code) == (401, "invalid_token")
    assert "removed" in answer.message


def iam(arn: str) -> dict[str, Any]:
    """What API Gateway says of a request that somebody of AWS has signed."""
    context = {
        "stage": "$default",
        "http": {"method": "POST", "path": "/iam/v1/detections"},
        "authorizer": {"iam": {"userArn": arn, "accountId": "123456789012"}},
    }
    return {"rawPath": "/iam/v1/detections", "requestContext": context}


def test_how_often_callers_of_aws_may_ask_is_a_setting(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.world.tune(aws_caller_rate=2)
    monkeypatch.setattr(clock, "seconds", lambda: 1_800_000_020.0)
    line = iam("arn:aws:sts::123456789012:assumed-role/Line/monday")
    answers = [asked.ask("POST /iam/v1/detections", IMAGE, event=line) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert "2 requests a minute" in answers[-1].message


def test_a_caller_of_aws_is_its_role_or_user(asked: Asked) -> None:
    def asked_as(arn: str) -> str:
        return str(asked.ask("POST /iam/v1/detections", IMAGE, event=iam(arn)).document["id"])

    first = asked_as("arn:aws:sts::123456789012:assumed-role/Line/monday")
    again = asked_as("arn:aws:sts::123456789012:assumed-role/Line/tuesday")
    user = asked_as("arn:aws:iam::123456789012:user/path/bob")
    assert asked.records.get("aws:123456789012:role/Line", first)
    assert asked.records.get("aws:123456789012:role/Line", again)
    bob = asked.records.get("aws:123456789012:user/path/bob", user)
    assert bob and bob.key.startswith("applications/aws-")
    assert "/" not in bob.key.split("/images/")[0].removeprefix("applications/")


def test_a_path_for_signatures_is_nothing_with_a_token(asked: Asked) -> None:
    assert asked.ask("GET /iam/v1/openapi.json").status == 404


def test_the_document_says_where_it_is(asked: Asked) -> None:
    document = asked.ask("GET /v1/openapi.json").document
    assert document["servers"] == [{"url": "https://api.example"}]
    assert set(document["paths"]) == {operation.path for operation in handler.app.operations}


# How often


def test_who_asks_too_often_is_told_when_to_come_again(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "seconds", lambda: 1_800_000_020.0)
    monkeypatch.setattr("tests.fixtures.applications.time.time", lambda: 1_800_000_000)
    asked.table.update_item(
        Key={"id": LINE}, UpdateExpression="SET rate = :two", ExpressionAttributeValues={":two": 2}
    )
    assert [asked.detect(IMAGE).status for _ in range(5)] == [200, 200, 429, 429, 429]
    answer = asked.detect(IMAGE)
    assert (answer.code, answer.headers["Retry-After"]) == ("too_many_requests", "40")
    assert len(asked.world.fake.called("detect_custom_labels")) == 2, "what is refused costs none"
    assert asked.detect(IMAGE, who=SHOP).status == 200, "others are not concerned"
    assert asked.ask("POST /v1/uploads", {"content_type": "image/png", "size": 1}).status == 429
    monkeypatch.setattr(clock, "seconds", lambda: 1_800_000_061.0)
    assert asked.detect(IMAGE).status == 200, "the next minute"


def test_requests_that_are_refused_are_counted_like_others(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "seconds", lambda: 1_800_000_020.0)
    monkeypatch.setattr("tests.fixtures.applications.time.time", lambda: 1_800_000_000)
    asked.table.update_item(
        Key={"id": LINE}, UpdateExpression="SET rate = :two", ExpressionAttributeValues={":two": 2}
    )
    tried = [asked.detect(b"no image"), asked.detect(IMAGE, "labels=lion"), asked.detect("no/upload")]
    assert [answer.status for answer in tried] == [422, 422, 429]
    assert asked.detect(IMAGE, "labels=lion").status == 429


# Idempotency


def test_a_request_that_is_repeated_is_answered_the_same(asked: Asked) -> None:
    first = asked.detect(IMAGE, headers={"Idempotency-Key": "a"})
    asked.world.fake.finds = lambda version, key: []
    assert asked.detect(IMAGE, headers={"Idempotency-Key": "a"}).document == first.document
    assert asked.detect(IMAGE, headers={"Idempotency-Key": "b"}).document["labels"] == []
    assert asked.detect(IMAGE, headers={"Idempotency-Key": "a"}, who=SHOP).document["labels"] == []
    assert len(list(asked.records.between(LINE))) == 2


def test_a_key_that_was_sent_with_something_else_is_refused(asked: Asked) -> None:
    asked.detect(IMAGE, headers={"Idempotency-Key": "a"})
    for answer in (
        asked.detect(picture(size=(80, 80)), headers={"Idempotency-Key": "a"}),
        asked.detect(IMAGE, "max_results=1", headers={"Idempotency-Key": "a"}),
    ):
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["a" * 201, "a b", "ä", "\n"])
def test_a_key_that_is_of_no_use_is_refused(key: str, asked: Asked) -> None:
    assert asked.detect(IMAGE, headers={"Idempotency-Key": key}).field == "Idempotency-Key"


def test_a_request_that_comes_again_while_the_first_is_under_way_waits_for_its_answer(asked: Asked) -> None:
    reached, goes_on = Event(), Event()

    def slowly(version: str, key: str) -> list[Any]:
        if not reached.is_set():
            reached.set()
            goes_on.wait(HUNG_SECONDS)
            return [CAT]
        return []

    asked.world.fake.finds = slowly
    with ThreadPoolExecutor(2) as both:
        first = both.submit(asked.detect, IMAGE, headers={"Idempotency-Key": "a"})
        assert reached.wait(HUNG_SECONDS)
        second = both.submit(asked.detect, IMAGE, headers={"Idempotency-Key": "a"})
        time.sleep(0.3)
        assert not second.done()
        goes_on.set()
        assert first.result().document == second.result().document
    assert first.result().document["labels"]


def test_who_waits_too_long_is_told_to_come_again(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detections, "_WAIT_SECONDS", 0)
    monkeypatch.setattr(detections, "_LOOK_SECONDS", 0)
    now = clock.seconds()
    digest = detections._digest(IMAGE, detections.Options())
    asked.records.claim(LINE, "a", Claim(records.new_id(now), digest, int(now)), int(now) + 1000)
    answer = asked.detect(IMAGE, headers={"Idempotency-Key": "a"})
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (409, "under_way", "1")


def test_a_request_that_was_killed_does_not_hold_its_key(asked: Asked) -> None:
    killed = clock.seconds() - records.CLAIM_SECONDS - 1
    digest = detections._digest(IMAGE, detections.Options())
    asked.records.claim(LINE, "a", Claim(records.new_id(killed), digest, int(killed)), int(killed) + 1000)
    assert asked.detect(IMAGE, headers={"Idempotency-Key": "a"}).status == 200


def test_a_request_that_failed_can_be_sent_again(asked: Asked) -> None:
    asked.world.fake.fail_next("detect_custom_labels", "ThrottlingException")
    assert asked.detect(IMAGE, headers={"Idempotency-Key": "a"}).status == 503
    assert asked.detect(IMAGE, headers={"Idempotency-Key": "a"}).status == 200


# The champion


def sleep(asked: Asked) -> None:
    state = asked.world.loop_state
    state.change_serving(lambda before: replace(before, state="asleep", reason="nobody asks"))


def test_a_champion_that_sleeps_is_503_and_wakes_where_the_policy_says_so(asked: Asked) -> None:
    sleep(asked)
    answer = asked.detect(IMAGE)
    assert (answer.status, answer.code, int(answer.headers["Retry-After"]) > 0) == (
        503,
        "champion_sleeps",
        True,
    )
    assert asked.serve_requests == []
    asked.world.tune(serving_policy="demand")
    answer = asked.detect(IMAGE)
    assert (answer.status, answer.code, int(answer.headers["Retry-After"]) > 0) == (503, "asleep", True)
    assert asked.serve_requests == [(LINE, "wake")]


def test_without_a_champion_it_is_503(asked: Asked) -> None:
    asked.world.loop.delete_item(Key={"kind": "CHAMPION", "id": "champion"})
    answer = asked.detect(IMAGE)
    assert (answer.status, answer.code) == (503, "no_champion")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_champion_that_wakes_answers_at_once(asked: Asked) -> None:
    """Also where the state was read a moment ago."""
    sleep(asked)
    assert asked.detect(IMAGE).status == 503
    asked.world.loop_state.change_serving(lambda before: replace(before, state="awake"))
    assert asked.detect(IMAGE).status == 200


def test_no_request_fails_while_the_champion_is_replaced(asked: Asked) -> None:
    assert asked.detect(IMAGE).document["model_version"] == "v1"
    asked.world.champion("v2")
    asked.world.fake.versions["v1"]["Status"] = "STOPPING"
    assert asked.detect(IMAGE).document["model_version"] == "v2"


def test_no_request_fails_that_reads_the_champion_just_before_it_is_replaced(asked: Asked) -> None:
    """Neither by a promotion nor by the rollback after it."""
    detect, fake = asked.world.fake.detect_custom_labels, asked.world.fake
    for old, new in (("v1", "v2"), ("v2", "v1")):
        assert asked.detect(IMAGE).document["model_version"] == old

        def replaced(*, old: str = old, new: str = new, **request: Any) -> Any:
            """The champion changes between being read and being asked."""
            if fake.versions[old]["Status"] == "RUNNING":
                asked.world.champion(new)
                fake.versions[old]["Status"] = "STOPPED"
            return detect(**request)

        fake.__dict__["detect_custom_labels"] = replaced
        assert asked.detect(IMAGE).document["model_version"] == new
        del fake.__dict__["detect_custom_labels"]


def test_no_request_fails_under_load_while_champions_change(asked: Asked, one_call_at_a_time: None) -> None:
    stopped = Event()

    def change() -> None:
        for old, new in (("v1", "v2"), ("v2", "v1"), ("v1", "v3")) * 3:
            asked.world.champion(new)
            asked.world.fake.versions[old]["Status"] = "STOPPED"
        stopped.set()

    def ask(_: int) -> list[int]:
        statuses: list[int] = []
        while not stopped.is_set() or len(statuses) < 3:
            statuses.append(asked.detect(IMAGE).status)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(3)]
        pool.submit(change).result()
        assert {status for each in asking for status in each.result()} == {200}


@pytest.mark.parametrize(
    ("code", "means"),
    [
        ("ProvisionedThroughputExceededException", "busy"),
        ("ThrottlingException", "busy"),
        ("InternalServerError", "failed"),
    ],
)
def test_what_passes_can_be_tried_again(code: str, means: str, asked: Asked) -> None:
    asked.world.fake.fail_next("detect_custom_labels", code)
    answer = asked.detect(IMAGE)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, means, "1")


def test_a_large_image_is_not_waited_for_longer_than_the_application_waits(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tile would be asked about again for half a minute, when API Gateway has long given up."""
    waited: list[float] = []
    monkeypatch.setattr("lambdas.domain.engines.tiled_detection.time.sleep", waited.append)
    clock_of = "lambdas.domain.engines.tiled_detection.time.monotonic"
    began = time.monotonic()
    monkeypatch.setattr(clock_of, lambda: began + sum(waited))
    asked.world.fake.fail_next("detect_custom_labels", *["ProvisionedThroughputExceededException"] * 300)
    answer = asked.detect(large())
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "busy", "1")
    assert 0 < sum(waited) <= 10


def test_an_image_whose_tiles_take_too_long_is_given_up_in_time(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    for module in ("applications.detections", "engines.tiled_detection"):
        monkeypatch.setattr(f"lambdas.domain.{module}.time.monotonic", lambda: now[0])

    def slowly(version: str, key: str) -> list[Any]:
        now[0] += 10
        return []

    asked.world.fake.finds = slowly
    answer = asked.detect(large())
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "busy", "1")
    assert "put the image under detect/" in answer.message
    assert len(asked.world.fake.called("detect_custom_labels")) <= 7, "of those under way each is waited for"


@pytest.mark.parametrize("failure", [ReadTimeoutError, ConnectTimeoutError])
def test_a_connection_that_fails_can_be_tried_again(failure: Any, asked: Asked) -> None:
    def fails(**_: Any) -> Any:
        raise failure(endpoint_url="https://rekognition")

    asked.world.fake.__dict__["detect_custom_labels"] = fails
    assert (asked.detect(IMAGE).status, asked.detect(IMAGE).code) == (503, "failed")


def test_images_are_answered_while_the_settings_are_broken(asked: Asked) -> None:
    asked.world.tune_by("{")
    assert asked.detect(IMAGE).status == 200


def test_an_answer_stands_though_nobody_can_be_told(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: Any) -> Any:
        raise error("ServiceException")

    monkeypatch.setattr(asked, "invoke", fails)
    monkeypatch.setattr(handler.services().sqs, "send_message", fails)
    asked.world.tune(review_sample_rate=1)
    assert asked.detect(IMAGE).status == 200


# Review


def test_what_the_champion_is_unsure_of_is_proposed_as_of_any_image(asked: Asked) -> None:
    asked.world.fake.finds = lambda version, key: [CAT, label("dog", 70.0)]
    document = asked.detect(IMAGE).document
    assert [seen["label"] for seen in document["labels"]] == ["cat"]
    (proposal,) = asked.world.received("review")
    kept = asked.records.get(LINE, document["id"])
    assert kept
    assert proposal["detection"] == {
        "key": kept.key,
        "version_id": kept.version_id or None,
        "labels": [
            {"label": "cat", "confidence": 98.765, "box": document["labels"][0]["box"]},
            {"label": "dog", "confidence": 70.0},
        ],
        "left_out": [{"label": "dog", "confidence": 70.0}],
        "model_version": "v1",
        "reason": "low_confidence",
    }


def test_how_an_answer_looks_is_kept_whatever_the_application_asks_for(asked: Asked) -> None:
    asked.world.fake.finds = lambda version, key: [CAT, label("dog", 70.0)]
    document = asked.detect(IMAGE, "min_confidence=1&labels=dog", headers={"Idempotency-Key": "a"}).document
    asked.detect(IMAGE, "min_confidence=1&labels=dog", headers={"Idempotency-Key": "a"})
    (observation,) = asked.world.observations.of_slot(observations.slot_of(clock.now()))
    assert (observation.name, observation.source, observation.version) == (
        document["id"],
        "applications",
        "v1",
    )
    assert (observation.labels, observation.is_unsure) == ({"cat": 1}, True)


def test_what_the_application_asks_for_changes_nothing_about_the_review(asked: Asked) -> None:
    """A dog of 40 percent is below what is of interest, though the application wanted to know of it."""
    asked.detect(IMAGE, "min_confidence=1")
    assert asked.world.received("review") == []
    asked.world.fake.finds = lambda version, key: [CAT, label("dog", 70.0)]
    asked.detect(IMAGE, "min_confidence=99")
    assert len(asked.world.received("review")) == 1


def test_a_sample_is_reviewed(asked: Asked) -> None:
    asked.world.tune(review_sample_rate=1, review_confidence_threshold=0)
    asked.detect(IMAGE)
    (proposal,) = asked.world.received("review")
    assert proposal["detection"]["reason"] == "sample"


def test_what_an_application_says_is_wrong_is_reviewed_once(asked: Asked) -> None:
    document = asked.detect(IMAGE).document
    for _ in range(2):
        answer = asked.ask(
            f"POST /v1/detections/{document['id']}/feedback", {"verdict": "wrong", "note": "two cats"}
        )
        assert (answer.status, answer.document["feedback"]) == (200, "wrong")
    (proposal,) = asked.world.received("review")
    assert proposal["detection"]["reason"] == "requested"
    assert proposal["detection"]["why"] == "the application line-3 says that it is wrong: two cats"
    assert [seen["label"] for seen in proposal["detection"]["labels"]] == ["cat"]
    assert "class_id" not in json.dumps(proposal)
    assert asked.ask(f"GET /v1/detections/{document['id']}").document["feedback"] == "wrong"


@pytest.mark.parametrize("body", [{}, {"verdict": "right"}, {"verdict": "wrong", "note": "x" * 501}])
def test_feedback_that_says_nothing_is_refused(body: Any, asked: Asked) -> None:
    id = asked.detect(IMAGE).document["id"]
    assert asked.ask(f"POST /v1/detections/{id}/feedback", body).status == 422


def test_where_nothing_is_reviewed_feedback_is_refused(asked: Asked) -> None:
    asked.world.tune(review_route="none")
    id = asked.detect(IMAGE).document["id"]
    answer = asked.ask(f"POST /v1/detections/{id}/feedback", {"verdict": "wrong"})
    assert (answer.status, answer.code) == (409, "no_reviews")


# Records


def test_detections_are_listed_newest_first_between_two_moments(asked: Asked) -> None:
    ids = [asked.detect(IMAGE).document["id"] for _ in range(3)]
    kept = list(asked.records.between(LINE))
    assert [detection.id for detection in kept] == sorted(ids, reverse=True)
    assert list(asked.records.between(LINE, since=clock.in_seconds(60))) == []
    assert list(asked.records.between(LINE, until=clock.in_seconds(-60))) == []
    assert len(list(asked.records.between(LINE, clock.in_seconds(-60), clock.in_seconds(60)))) == 3
    assert list(asked.records.callers()) == [LINE]


def test_who_has_asked_is_known_without_reading_what_they_asked(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    note = records.Records.note_caller

    def noting(table: Any, application: str, *more: Any) -> None:
        noted.append(application)
        note(table, application, *more)

    monkeypatch.setattr(records.Records, "note_caller", noting)
    for who in (LINE, SHOP, LINE):
        assert asked.detect(IMAGE, who=who).status == 200
    assert noted == [LINE, SHOP], "once a minute each"
    assert list(asked.records.callers()) == [LINE, SHOP]


def test_what_has_expired_is_not_there(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    id = asked.detect(IMAGE).document["id"]
    later = time.time() + 31 * 24 * 3600
    monkeypatch.setattr(clock, "seconds", lambda: later)
    assert asked.records.get(LINE, id) is None
    assert list(asked.records.between(LINE)) == []


def test_many_objects_are_one_item(asked: Asked) -> None:
    many = [label("cat", 99 - n / 1000, (n / 4000, n / 4000, 0.1, 0.1)) for n in range(1000)]
    asked.world.fake.finds = lambda version, key: many
    document = asked.detect(IMAGE).document
    assert len(document["labels"]) == 1000
    assert asked.ask(f"GET /v1/detections/{document['id']}").document == document
