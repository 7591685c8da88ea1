"""Messages that fail: hidden for a delay that grows, and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas import sqs_batch
from tests.fixtures.deployment import World


@pytest.fixture(autouse=True)
def queue(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A queue whose messages are hidden for as long as a function may be killed."""
    url = world.queues["register"]
    world.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5400"})
    monkeypatch.setenv("QUEUE_URL", url)
    monkeypatch.setenv("RETRY_SECONDS", "30")
    monkeypatch.setenv("MAX_RECEIVES", "5")
    return url


def deliver(world: World, queue: str, *bodies: str) -> list[dict[str, Any]]:
    """The messages as Lambda hands them to the function."""
    for body in bodies:
        world.sqs.send_message(QueueUrl=queue, MessageBody=body)
    received = world.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, AttributeNames=["All"])
    return [
        {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
        }
        for message in received["Messages"]
    ]


def fail(body: str) -> None:
    if body != "good":
        raise RuntimeError(body)


@pytest.mark.parametrize(("deliveries", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 0), (6, 0)])
def test_a_message_that_failed_is_hidden_ever_longer(
    deliveries: int, seconds: int, world: World, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = deliver(world, queue, "good", "bad")
    bad["attributes"]["ApproximateReceiveCount"] = str(deliveries)
    asked: list[dict[str, Any]] = []
    change = world.sqs.change_message_visibility_batch
    monkeypatch.setattr(
        world.sqs,
        "change_message_visibility_batch",
        lambda **request: asked.append(request) or change(**request),
    )
    response = sqs_batch.handle_each({"Records": [good, bad]}, fail)
    assert response == {"batchItemFailures": [{"itemIdentifier": bad["messageId"]}]}
    (request,) = asked
    assert request["QueueUrl"] == queue
    (entry,) = request["Entries"]
    assert (entry["ReceiptHandle"], entry["VisibilityTimeout"]) == (bad["receiptHandle"], seconds)


def test_it_is_delivered_again_after_its_delay(
    world: World, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRY_SECONDS", "0")
    (message,) = deliver(world, queue, "bad")
    sqs_batch.handle_each({"Records": [message]}, fail)
    (again,) = deliver(world, queue)
    assert (again["body"], again["attributes"]["ApproximateReceiveCount"]) == ("bad", "2")


@pytest.mark.parametrize("problem", ["environment", "request", "handle"])
def test_one_whose_delay_cannot_be_set_is_said_to_have_failed_all_the_same(
    problem: str, world: World, queue: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (message,) = deliver(world, queue, "bad")
    if problem == "environment":
        monkeypatch.delenv("QUEUE_URL")
    elif problem == "request":
        monkeypatch.setenv("QUEUE_URL", f"{queue}-gone")
    else:
        message["receiptHandle"] = "unknown"
    response = sqs_batch.handle_each({"Records": [message]}, fail)
    assert response == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    assert "messages stay hidden for longer" in caplog.text


def test_what_went_well_is_left_to_lambda(world: World, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QUEUE_URL")
    assert sqs_batch.handle_each({"Records": deliver(world, queue, "good")}, fail) == {
        "batchItemFailures": []
    }
