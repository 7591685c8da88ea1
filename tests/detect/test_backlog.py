"""Images under detect/ that wait while no champion runs: kept, counted, and answered once one does."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from lambdas import detect as handler
from lambdas.domain.detect import backlog
from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.promote import redrive
from tests.fixtures.deployment import BUCKET, World, context


def event(key: str, time: str = "2026-01-01T10:00:00Z", **more: Any) -> str:
    detail = {"bucket": {"name": BUCKET}, "object": {"key": key, **more}}
    return json.dumps({"source": "aws.s3", "time": time, "detail": detail})


def come(world: World, *bodies: str) -> None:
    """The messages reach the function, which takes all of them for done."""
    messages = [
        {"messageId": str(number), "receiptHandle": "r", "body": body} for number, body in enumerate(bodies)
    ]
    assert handler.handle({"Records": messages}, context()) == {"batchItemFailures": []}


def put(world: World, *names: str) -> None:
    for name in names:
        world.s3.put_object(Bucket=BUCKET, Key=f"detect/{name}", Body=b"jpeg")


def send(world: World) -> int:
    return redrive.send_waiting(world.loop_state, world.sqs, world.queues["detect"], BUCKET)


def measure(world: World) -> Backlog:
    return backlog.measure(world.loop_state, world.sqs, world.queues["detect"], world.queues["video"])


@pytest.mark.parametrize("status", ["STOPPED", "STARTING", ""])
def test_an_image_waits_for_a_champion_without_failing(status: str, world: World) -> None:
    put(world, "a.jpg", "b.jpg")
    if status:
        world.champion("v1", status=status)
    assert measure(world) == Backlog(0, 0)
    later, sooner = event("detect/b.jpg", "2026-01-01T10:00:05Z"), event("detect/a.jpg")
    come(world, later, sooner)
    assert measure(world) == Backlog(2, 0, "2026-01-01T10:00:00.000000Z")
    assert world.received("dead-letters") == world.received("detect") == []


def test_clips_that_are_being_answered_are_counted_for_themselves(world: World) -> None:
    world.sqs.send_message(QueueUrl=world.queues["video"], MessageBody="{}")
    assert measure(world) == Backlog(0, 0, clips=1)


def test_an_event_that_comes_twice_waits_once(world: World) -> None:
    put(world, "a.jpg")
    come(world, event("detect/a.jpg"), event("detect/a.jpg"))
    assert measure(world).waiting == 1


def test_versions_of_one_key_wait_each_for_themselves(world: World) -> None:
    put(world, "a.jpg")
    come(world, *(event("detect/a.jpg", **{"version-id": id}) for id in ("1", "2")))
    assert send(world) == 2
    sent = [message["detail"]["object"].get("version-id") for message in world.received("detect")]
    assert sorted(cast(list[str], sent)) == ["1", "2"]


def test_images_that_waited_are_answered_oldest_first(world: World) -> None:
    names = [f"{number:02}.jpg" for number in range(23)]
    put(world, *names)
    come(world, *(event(f"detect/{name}", f"2026-01-01T10:00:{name[:2]}Z") for name in reversed(names)))
    world.champion("v1")
    assert send(world) == 23
    assert measure(world) == Backlog(0, 23)
    bodies: list[str] = []
    while received := world.received("detect"):
        bodies += [json.dumps(message) for message in received]
    assert [json.loads(body)["detail"]["object"]["key"] for body in bodies] == [f"detect/{n}" for n in names]
    come(world, *bodies)
    assert len(world.keys("results/")) == 23
    assert all("status" not in json.loads(world.read(key)) for key in world.keys("results/"))
    assert send(world) == 0


def test_one_that_finds_the_champion_asleep_again_waits_on_since_it_came(world: World) -> None:
    put(world, "a.jpg")
    come(world, event("detect/a.jpg"))
    assert send(world) == 1
    (again,) = world.received("detect")
    world.champion("v1", status="STOPPING")
    come(world, json.dumps(again))
    assert measure(world).since == "2026-01-01T10:00:00.000000Z"


def test_one_that_comes_back_before_it_is_forgotten_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message may be delivered, and find no champion, while the one who sent it takes its time."""
    put(world, "a.jpg")
    come(world, event("detect/a.jpg"))
    send_batch, requests = world.sqs.send_message_batch, 0

    def slow(**request: Any) -> Any:
        nonlocal requests
        requests += 1
        answer = send_batch(**request)
        come(world, *(entry["MessageBody"] for entry in request["Entries"]))
        return answer

    monkeypatch.setattr(world.sqs, "send_message_batch", slow)
    assert send(world) == 1
    assert (measure(world).waiting, requests) == (1, 1), "nor sent again at once"


def test_what_the_queue_did_not_take_waits_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(world, "a.jpg", "b.jpg")
    come(world, event("detect/a.jpg"), event("detect/b.jpg"))
    failed = {
        "Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError"}],
        "Successful": [{"Id": "1"}],
    }
    with monkeypatch.context() as patched:
        patched.setattr(world.sqs, "send_message_batch", lambda **request: failed)
        assert send(world) == 1
    assert [image.key for image in world.loop_state.waiting_images(10)] in (
        ["detect/a.jpg"],
        ["detect/b.jpg"],
    )
    assert send(world) == 1


def test_an_image_deleted_while_it_waited_is_done_with(world: World) -> None:
    put(world, "a.jpg")
    come(world, event("detect/a.jpg"))
    world.s3.delete_object(Bucket=BUCKET, Key="detect/a.jpg")
    world.champion("v1")
    assert send(world) == 1
    come(world, *map(json.dumps, world.received("detect")))
    assert measure(world).waiting == 0


def test_of_very_many_just_that_there_are_many_is_counted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MAX_COUNTED", 3)
    put(world, *(f"{number}.jpg" for number in range(5)))
    come(world, *(event(f"detect/{number}.jpg") for number in range(5)))
    assert measure(world).images == 3


def delivered(body: str, deliveries: int, redriven: int = 0) -> dict[str, Any]:
    attributes = {redrive.COUNT: {"stringValue": str(redriven), "dataType": "Number"}} if redriven else {}
    return {
        "messageId": "1",
        "receiptHandle": "r",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(deliveries)},
        "messageAttributes": attributes,
    }


def test_an_image_that_fails_again_and_again_wakes_no_champion_for_ever(world: World) -> None:
    """Each time it fails twice while a champion runs, and then finds it asleep."""
    put(world, "a.jpg")
    body, wakes = event("detect/a.jpg"), 0
    while handler.handle({"Records": [delivered(body, 3)]}, context()) == {"batchItemFailures": []}:
        wakes += measure(world).waiting
        assert send(world) == 1
        (again,) = world.received("detect")
        body = json.dumps(again)
    assert wakes == 2
    assert measure(world).waiting == 0
    assert json.loads(world.read("results/a.jpg.json"))["status"] == "waiting"


def test_a_dead_letter_that_finds_no_champion_goes_back_to_the_dead_letters(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_RECEIVES", "5")
    put(world, "a.jpg")
    response = handler.handle({"Records": [delivered(event("detect/a.jpg"), 1, redriven=1)]}, context())
    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert measure(world).waiting == 0
