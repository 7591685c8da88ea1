"""The switch, and one model left running whatever happens."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.engines.port import EngineError
from lambdas.domain.promote import promotion, redrive
from tests.fixtures.deployment import World

STATUSES = [
    "TRAINING_IN_PROGRESS",
    "TRAINING_COMPLETED",
    "TRAINING_FAILED",
    "STARTING",
    "RUNNING",
    "FAILED",
    "STOPPING",
    "STOPPED",
    "DELETING",
]


def stop_all(world: World) -> list[str]:
    pending = promotion.stop_versions(
        world.fake.engine, lambda version: not promotion.serves(world.loop_state, version)
    )
    return [version.name for version in pending]


def promote(world: World, name: str) -> str:
    return promotion.promote(world.fake.engine, world.loop_state, name)


def test_a_version_is_found_by_its_name(world: World) -> None:
    arn = world.fake.add_version("v1", "RUNNING")
    assert promotion.version_named(world.fake.engine, "v1").arn == arn
    with pytest.raises(EngineError, match="no model version v2"):
        promotion.version_named(world.fake.engine, "v2")


def test_a_switch_can_be_done_again(world: World) -> None:
    world.version("v1", "RUNNING")
    world.version("v2", "RUNNING")
    assert promote(world, "v1") == "v1 serves"
    assert promote(world, "v2") == "v2 serves instead of v1"
    champion = world.loop_state.champion()
    assert promote(world, "v2") == "v2 serves"
    assert champion is not None and champion.previous_version_name == "v1"
    assert world.loop_state.champion() == champion


def test_a_version_that_has_stopped_since_it_was_tested_does_not_serve(world: World) -> None:
    champion = world.champion("v1")
    world.version("v2", "FAILED", state="challenger")
    with pytest.raises(EngineError, match="v2 does not run any more: FAILED"):
        promote(world, "v2")
    assert world.loop_state.champion() == champion


def test_only_the_champion_is_left_running(world: World) -> None:
    world.champion("v1")
    for number, status in enumerate(STATUSES):
        world.version(f"w{number}", status)
    before = world.fake.statuses()
    pending = stop_all(world)
    assert sorted(pending) == sorted(
        name
        for name, status in before.items()
        if status in ("STARTING", "RUNNING", "STOPPING") and name != "v1"
    )
    after = world.fake.statuses()
    assert after["v1"] == "RUNNING"
    assert after["w4"] == "STOPPING"
    assert {name for name in before if before[name] != after[name]} == {"w4"}


def test_without_a_champion_nothing_is_left_running(world: World) -> None:
    world.version("v1", "RUNNING")
    world.version("v2", "RUNNING")
    assert stop_all(world) == ["v1", "v2"]
    world.fake.finish()
    assert stop_all(world) == []
    assert set(world.fake.statuses().values()) == {"STOPPED"}


def test_what_is_starting_is_stopped_as_soon_as_it_runs(world: World) -> None:
    """StopProjectVersion refuses a version that is starting."""
    world.version("v1", "STARTING")
    assert stop_all(world) == ["v1"]
    assert world.fake.statuses() == {"v1": "STARTING"}
    world.fake.finish()
    assert stop_all(world) == ["v1"]
    assert world.fake.statuses() == {"v1": "STOPPING"}
    world.fake.finish()
    assert stop_all(world) == []


def test_one_that_cannot_be_stopped_yet_keeps_no_other_running(world: World) -> None:
    world.version("v1", "STARTING")
    world.version("v2", "RUNNING")
    assert stop_all(world) == ["v1", "v2"]
    assert world.fake.statuses()["v2"] == "STOPPING"


def test_other_errors_are_raised(world: World) -> None:
    world.version("v1", "RUNNING")
    world.fake.fail_next("stop_project_version", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        stop_all(world)


@pytest.mark.parametrize(("status", "started"), [("STARTING", 0), ("RUNNING", 0), ("STOPPED", 1)])
def test_what_runs_is_not_started_again(status: str, started: int, world: World) -> None:
    world.fake.engine.start_version(world.version("v1", status), 2)
    assert len(world.fake.called("start_project_version")) == started
    assert all(request["MinInferenceUnits"] == 2 for request in world.fake.called("start_project_version"))


def send(world: World, count: int) -> tuple[str, str]:
    """The queue of dead letters, with some, and that of detection."""
    dead = world.queues["dead-letters"]
    for number in range(count):
        world.sqs.send_message(QueueUrl=dead, MessageBody=f'"{number}"')
    return dead, world.queues["detect"]


def queued(world: World, count: int) -> list[str]:
    bodies = [body for _ in range(1 + count // 10) for body in world.received("detect")]
    return sorted(map(str, bodies))


def test_dead_letters_are_queued_again(world: World) -> None:
    dead, queue = send(world, 23)
    assert redrive.redrive(world.sqs, dead, queue) == 23
    assert queued(world, 23) == sorted(str(number) for number in range(23))
    assert world.received("dead-letters") == []
    assert redrive.redrive(world.sqs, dead, queue) == 0


def test_an_empty_answer_is_not_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls that do not wait find none, or few, of the messages that are there."""
    dead, queue = send(world, 12)
    receive: Any = world.sqs.receive_message
    asked: list[dict[str, Any]] = []

    def sampled(**request: Any) -> Any:
        asked.append(request)
        empty = not request.get("WaitTimeSeconds") or len(asked) % 2
        nothing: dict[str, Any] = {}
        return nothing if empty else receive(**{**request, "MaxNumberOfMessages": 3})

    with monkeypatch.context() as patched:
        patched.setattr(world.sqs, "receive_message", sampled)
        assert redrive.redrive(world.sqs, dead, queue) == 12
    assert len(asked) == 8
    assert len(queued(world, 12)) == 12


def receive_aged(world: World, monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """What was sent before now was sent so long ago; what is sent later was not."""
    began, receive = time.time() * 1000, world.sqs.receive_message

    def aged(**request: Any) -> Any:
        answer = receive(**request)
        for message in answer.get("Messages", []):
            sent = int(message["Attributes"]["SentTimestamp"])
            if sent <= began:
                message["Attributes"]["SentTimestamp"] = str(int(sent - days * 24 * 3600 * 1000))
        return answer

    monkeypatch.setattr(world.sqs, "receive_message", aged)


@pytest.mark.parametrize(("days", "renewed"), [(6.9, 0), (7.1, 3), (13, 3)])
def test_dead_letters_outlive_what_their_queue_keeps(
    days: float, renewed: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no champion serves, for as long as that may be."""
    dead, _ = send(world, 3)
    remembered = {"redriven": {"DataType": "Number", "StringValue": "3"}}
    if renewed:
        world.sqs.purge_queue(QueueUrl=dead)
        for number in range(3):
            world.sqs.send_message(QueueUrl=dead, MessageBody=f"{number}", MessageAttributes=remembered)
    time.sleep(0.002)
    with monkeypatch.context() as patched:
        receive_aged(world, patched, days)
        assert redrive.renew(world.sqs, dead) == renewed
    # Those that were seen are hidden for a while, and those that were sent anew are hidden, too.
    world.sqs.set_queue_attributes(QueueUrl=dead, Attributes={"VisibilityTimeout": "0"})
    attributes: Any = world.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    left = [int(attributes[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible")]
    assert sum(left) == 3
