"""The handler: events as SQS hands them over, and what is told to SQS."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

import lambdas.register
from lambdas.domain.images import thumbnails
from lambdas.domain.register.arrivals import Arrival
from lambdas.domain.retrain import requests as retrain_requests
from lambdas.services import services
from tests.fixtures.deployment import context
from tests.fixtures.images import picture
from tests.fixtures.incoming import BUCKET, DataBucket
from tests.fixtures.metrics import published
from tests.register.test_originals import SEAM, large, line, objects, original, tiles


@pytest.fixture
def asked(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Requests for a run that the handler made."""
    requests: list[str] = []
    for name, value in {
        "DATA_BUCKET": BUCKET,
        "CATALOGUE_TABLE": "catalogue",
        "LOOP_STATE_TABLE": "loop",
        "RETRAIN_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:retrain",
        "TUNING_PARAMETER": "/labelloop/tuning",
    }.items():
        monkeypatch.setenv(name, value)
    services.cache_clear()
    services().ssm.put_parameter(Name="/labelloop/tuning", Value="{}", Type="String")
    monkeypatch.setattr(
        retrain_requests, "request_run_if_due", lambda *arguments: requests.append(arguments[3])
    )
    monkeypatch.setattr(services(), "s3", data_bucket.s3)
    return requests


def sqs_event(*arrivals: Arrival) -> dict[str, Any]:
    return {"Records": [message(f"message-{number}", arrival) for number, arrival in enumerate(arrivals)]}


def message(id: str, arrival: Arrival) -> dict[str, Any]:
    created = {
        "key": arrival.key,
        "size": arrival.size,
        "etag": "b1946ac92492d2347c6235b4d2611184",
        "version-id": arrival.version_id,
        "sequencer": arrival.sequencer,
    }
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {
            "version": "0",
            "bucket": {"name": arrival.bucket},
            "object": created,
            "reason": "PutObject",
        },
    }
    return {
        "messageId": id,
        "receiptHandle": "handle",
        "body": json.dumps(event),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:register",
        "awsRegion": "us-east-1",
    }


def handle(event: dict[str, Any]) -> list[str]:
    """Identifiers of the messages that failed."""
    response = lambdas.register.handle(event, context())
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_a_batch_is_registered_and_a_run_is_asked_for_once(data_bucket: DataBucket, asked: list[str]) -> None:
    arrivals = [
        data_bucket.put(f"incoming/labeled/cat/a+b %20 {number}.jpg", picture(number)) for number in range(3)
    ]
    assert handle(sqs_event(*arrivals)) == []
    assert {key for image in data_bucket.images() for key in image.sources} == {
        arrival.key for arrival in arrivals
    }
    assert len(asked) == 1


def test_what_became_of_objects_is_counted(
    data_bucket: DataBucket, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arrivals = [
        data_bucket.put(f"incoming/unlabeled/{number}", data)
        for number, data in enumerate([picture(), b"junk"])
    ]
    handle(sqs_event(*arrivals))
    assert published(capsys) == {"ObjectsRegistered": [1], "ObjectsRejected": [1]}


def test_no_run_is_asked_for_if_no_label_changed(data_bucket: DataBucket, asked: list[str]) -> None:
    arrivals = [
        data_bucket.put("incoming/unlabeled/a.jpg", picture()),
        data_bucket.put("incoming/unlabeled/b.jpg", b"junk"),
    ]
    assert handle(sqs_event(*arrivals)) == []
    assert asked == []


def test_a_request_that_fails_fails_no_record(
    data_bucket: DataBucket,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def unavailable(*_: object) -> None:
        raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "StartExecution")

    monkeypatch.setattr(retrain_requests, "request_run_if_due", unavailable)
    assert handle(sqs_event(data_bucket.put("incoming/labeled/cat/a.jpg", picture()))) == []
    assert "could not ask for a run" in caplog.text


def test_one_record_fails_alone(
    data_bucket: DataBucket, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = [data_bucket.put(f"incoming/labeled/cat/{number}.jpg", picture(number)) for number in range(3)]
    get_object = data_bucket.s3.get_object

    def failing(**arguments: Any) -> Any:
        if arguments["Key"] == arrivals[1].key:
            raise ClientError({"Error": {"Code": "InternalError"}}, "GetObject")
        return get_object(**arguments)

    with monkeypatch.context() as unreliable:
        unreliable.setattr(data_bucket.s3, "get_object", failing)
        assert handle(sqs_event(*arrivals)) == ["message-1"]
    assert len(data_bucket.images()) == 2
    assert len(asked) == 1
    assert handle(sqs_event(arrivals[1])) == [], "delivered again"
    assert len(data_bucket.images()) == 3


def test_a_batch_that_fails_whole_is_told_message_by_message(
    data_bucket: DataBucket, asked: list[str]
) -> None:
    event = sqs_event(data_bucket.put("incoming/unlabeled/a.jpg", picture()))
    event["Records"][0]["body"] = "not an event"
    assert handle(event) == ["message-0"]


def test_an_unversioned_bucket_has_no_version_in_its_events(
    data_bucket: DataBucket, asked: list[str]
) -> None:
    data_bucket.s3.create_bucket(Bucket="unversioned")
    data_bucket.s3.put_object(Bucket="unversioned", Key="incoming/unlabeled/a.jpg", Body=picture())
    event = sqs_event(Arrival("unversioned", "incoming/unlabeled/a.jpg", None, 1000, ""))
    body = json.loads(event["Records"][0]["body"])
    del body["detail"]["object"]["version-id"], body["detail"]["object"]["sequencer"]
    event["Records"][0]["body"] = json.dumps(body)
    assert handle(event) == []
    listed = data_bucket.s3.list_objects_v2(Bucket="unversioned")["Contents"]
    (image,) = data_bucket.images()
    assert [entry["Key"] for entry in listed] == [image.key, thumbnails.key(image.sha256)]


@pytest.mark.parametrize("name", ["a.manifest", "b/annotations.JSON", "c.xml", "d.zip"])
def test_an_annotation_file_goes_on_to_a_function_of_its_own(
    name: str, data_bucket: DataBucket, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setenv("ANNOTATIONS_QUEUE_URL", "https://queue")
    monkeypatch.setattr(
        services(), "sqs", SimpleNamespace(send_message=lambda **request: sent.append(request))
    )
    event = sqs_event(
        data_bucket.put(f"incoming/annotations/{name}", b"{}"),
        data_bucket.put("incoming/annotations/a.jpg", picture()),
    )
    assert handle(event) == []
    assert sent == [{"QueueUrl": "https://queue", "MessageBody": event["Records"][0]["body"]}]
    assert len(data_bucket.images()) == 1
    assert data_bucket.keys("incoming/") == [f"incoming/annotations/{name}"]
    response = lambdas.register.handle_annotations({"Records": event["Records"][:1]}, context())
    assert response == {"batchItemFailures": []}
    assert data_bucket.keys("incoming/") == []


def test_a_large_image_is_cut_where_there_is_time_and_again_once_it_is_labelled(
    data_bucket: DataBucket, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = services().sqs.create_queue(QueueName="annotations")["QueueUrl"]
    monkeypatch.setenv("ANNOTATIONS_QUEUE_URL", url)
    monkeypatch.setenv("QUEUE_URL", url)
    monkeypatch.setenv("REVIEW_QUEUE_URL", services().sqs.create_queue(QueueName="review")["QueueUrl"])

    def handle_next() -> str:
        """What the function for annotation files is sent."""
        [taken] = services().sqs.receive_message(QueueUrl=url)["Messages"]
        services().sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
        event: dict[str, Any] = sqs_event(data_bucket.put("incoming/unused", b""))
        event["Records"][0]["body"] = taken["Body"]
        assert not lambdas.register.handle_annotations(event, context())["batchItemFailures"]
        return taken["Body"]

    key = "incoming/annotations/large.png"
    assert handle(sqs_event(data_bucket.put(key, large(SEAM)))) == []
    assert key in handle_next()
    assert not tiles(data_bucket)
    manifest = json.dumps(line(SEAM)).encode()
    assert handle(sqs_event(data_bucket.put("incoming/annotations/large.manifest", manifest))) == []
    handle_next()
    assert json.loads(handle_next()) == {"cut": original(data_bucket).sha256}
    assert SEAM in objects(tiles(data_bucket))
    assert len(asked) == 2, "an annotation has come, and then there are other tiles"
