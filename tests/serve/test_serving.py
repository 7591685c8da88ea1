"""The champion is started and stopped as it is decided, and what happened is on record."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.serve import serving
from lambdas.domain.shared import clock
from lambdas.domain.shared.tuning import TuningError
from tests.fixtures.deployment import World
from tests.fixtures.serving import serve


def pass_seconds(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    later = clock.in_seconds(seconds)
    monkeypatch.setattr(clock, "now", lambda: later)


@pytest.mark.parametrize("status", ["STOPPED", "FAILED", "TRAINING_COMPLETED"])
def test_a_champion_that_does_not_run_is_started_again_and_people_hear_of_it_once(
    status: str, world: World
) -> None:
    world.champion("v1", status)
    assert serve(world)["act"] == "start"
    assert world.fake.statuses() == {"v1": "STARTING"}
    (letter,) = world.received("people")
    assert letter["Subject"] == "LabelLoop pets: v1 does not serve"
    assert serve(world)["act"] == "none"
    world.fake.finish()
    serve(world)
    assert world.received("people") == []
    assert world.loop_state.lease("promote") is None
    assert world.loop_state.serving().start_asked_at == ""


def test_a_champion_that_does_not_stay_is_started_ever_more_seldom(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1", "FAILED")
    started = []
    for minute in range(0, 128, 4):
        pass_seconds(monkeypatch, minute * 60)
        if serve(world)["act"] == "start":
            started.append(minute)
            world.fake.versions["v1"]["Status"] = "FAILED"
    assert started == [0, 4, 12, 28, 60, 120]
    assert len(world.received("people")) == 1


def test_a_champion_that_rekognition_has_lost_is_told(world: World) -> None:
    world.champion("v1")
    del world.fake.versions["v1"]
    assert serve(world)["reason"] == "Rekognition has no such version"
    assert len(world.received("people")) == 1


def test_too_many_models_in_the_account_are_waited_for(world: World) -> None:
    world.champion("v1", "STOPPED")
    world.fake.fail_next("start_project_version", "LimitExceededException")
    serve(world)
    assert world.loop_state.serving().trouble == "waits for room for another running model: no"
    assert serve(world)["act"] == "start"
    world.fake.finish()
    serve(world)
    assert world.loop_state.serving().trouble == ""


def test_other_errors_of_rekognition_are_raised_and_the_next_turn_goes_on(world: World) -> None:
    world.champion("v1", "STOPPED")
    world.fake.fail_next("start_project_version", "InternalServerError")
    with pytest.raises(ClientError):
        serve(world)
    assert world.loop_state.lease("promote") is None
    assert serve(world)["act"] == "start"


def test_a_stop_and_a_start_of_a_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champion("v1")
    answer = serve(world, request="stop", by="ann", why="holidays")
    assert answer == {"act": "sleep", "wanted": False, "reason": "put to sleep by ann: holidays"}
    assert world.fake.statuses() == {"v1": "RUNNING"}, "detections under way come to their end"
    pass_seconds(monkeypatch, 61)
    assert serve(world)["act"] == "stop"
    world.fake.finish()
    pass_seconds(monkeypatch, 24 * 3600)
    assert serve(world)["act"] == "none"
    assert world.fake.statuses() == {"v1": "STOPPED"}
    assert serve(world, request="start", by="bob")["act"] == "start"
    known = [(change.by, change.what, change.why) for change in world.loop_state.serving().changes]
    assert known == [
        ("ann", "stop", "holidays"),
        ("labelloop", "sleeps", "put to sleep by ann: holidays"),
        ("bob", "start", ""),
        ("labelloop", "wakes", "serving_policy is always"),
    ]
    assert world.received("people") == []


def test_a_start_while_it_falls_asleep_keeps_it_running(world: World) -> None:
    world.champion("v1")
    serve(world, request="stop", by="ann")
    assert serve(world, request="start", by="ann")["act"] == "wake"
    assert world.fake.statuses() == {"v1": "RUNNING"}
    assert world.fake.called("stop_project_version") == []


def test_what_was_put_to_sleep_stays_so_over_a_promotion(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1", "STOPPED")
    serve(world, request="stop", by="ann")
    holder = world.execution("promote", "p")
    world.loop_state.take_lease("promote", holder)
    world.champion("v2")
    pass_seconds(monkeypatch, 3600)
    answer = serve(world)
    assert answer["act"] == "none"
    assert "a promotion is under way" in answer["reason"]
    world.loop_state.release_lease("promote", holder)
    assert serve(world)["act"] == "stop"
    assert world.fake.statuses() == {"v1": "STOPPED", "v2": "STOPPING"}


def test_a_stop_during_a_promotion_is_done_after_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champion("v1")
    holder = world.execution("promote", "p")
    world.loop_state.take_lease("promote", holder)
    assert serve(world, request="stop", by="ann")["act"] == "none"
    assert world.loop_state.serving().asked == "stop"
    world.loop_state.release_lease("promote", holder)
    assert serve(world)["act"] == "sleep"
    pass_seconds(monkeypatch, 61)
    assert serve(world)["act"] == "stop"


def test_broken_settings_stop_nothing_and_a_person_is_heard_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1")
    world.tune_by("broken")
    with pytest.raises(TuningError):
        serve(world)
    assert world.fake.statuses() == {"v1": "RUNNING"}
    with pytest.raises(TuningError):
        serve(world, request="stop", by="ann")
    pass_seconds(monkeypatch, 61)
    with pytest.raises(TuningError):
        serve(world)
    assert world.fake.statuses() == {"v1": "STOPPING"}


def test_a_champion_of_a_deployment_that_is_being_destroyed_is_left_alone(world: World) -> None:
    world.champion("v1", "STOPPED")
    world.loop_state.close()
    serve(world)
    assert world.fake.called("start_project_version") == []


def test_a_promotion_that_ends_between_the_look_and_the_act_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its champion runs, and what was seen before it is not stopped or started any more."""
    world.champion("v1", "STOPPED")
    real = world.loop_state.take_for_serving

    def take(request_id: str) -> Any:
        world.champion("v2")
        return real(request_id)

    monkeypatch.setattr(world.loop_state, "take_for_serving", take)
    assert serve(world)["act"] == "none"
    assert world.fake.statuses() == {"v1": "STOPPED", "v2": "RUNNING"}


def test_the_lease_of_a_function_that_was_killed_is_taken_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1", "STOPPED")
    world.loop_state.take_for_serving("killed")
    assert serve(world)["act"] == "none"
    pass_seconds(monkeypatch, 3600)
    assert serve(world)["act"] == "start"


def test_only_the_last_changes_are_kept(world: World) -> None:
    for number in range(serving.MAX_CHANGES + 5):
        serve(world, request="stop", by=str(number), why="x" * 10_000)
    record = world.loop_state.serving()
    assert len(record.changes) == serving.MAX_CHANGES
    assert (record.changes[-1].by, len(record.asked_why)) == (str(serving.MAX_CHANGES + 4), serving.MAX_WORDS)
