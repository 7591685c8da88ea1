"""The champion is started and stopped as it is decided, and what happened is on record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.serve import changes, serving
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import WaitingImage
from lambdas.domain.shared.tuning import TuningError
from tests.fixtures.deployment import World
from tests.fixtures.metrics import published
from tests.fixtures.serving import serve


@pytest.fixture(autouse=True)
def always(world: World) -> None:
    """The policy, unless a test chooses another."""
    world.tune(serving_policy="always")


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
    assert started == [0, 4, 8, 16, 32, 64, 124]
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
    assert [serve(world)["act"] for _ in range(2)] == ["none", "stop"]
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
    for _ in range(2):
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
    for number in range(changes.MAX_CHANGES + 5):
        serve(world, request="stop", by=str(number), why="x" * 10_000)
    record = world.loop_state.serving()
    assert len(record.changes) == changes.MAX_CHANGES
    assert (record.changes[-1].by, len(record.asked_why)) == (
        str(changes.MAX_CHANGES + 4),
        changes.MAX_LETTERS,
    )


# What is seen, and put on record


def answer(world: World, images: int) -> None:
    world.loop_state.count_use(images)


def test_what_is_used_does_not_sleep_and_what_is_not_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tune(serving_policy="idle", serving_idle_seconds=600)
    world.champion("v1")
    acts = []
    for minute in range(0, 24, 4):
        pass_seconds(monkeypatch, minute * 60)
        if minute == 8:
            answer(world, 1)
        acts.append(serve(world)["act"])
    assert acts == ["none", "none", "none", "none", "none", "sleep"]


def test_the_first_champion_runs_for_a_while_and_later_ones_sleep_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tune(serving_policy="idle")
    serve(world)
    pass_seconds(monkeypatch, 24 * 3600)
    world.champion("v1")
    assert serve(world)["act"] == "none", "the deployment was without one for a day"
    pass_seconds(monkeypatch, 24 * 3600 + 1801)
    assert serve(world)["act"] == "sleep"
    world.champion("v2")
    pass_seconds(monkeypatch, 24 * 3600 + 3601)
    assert serve(world)["act"] == "stop"


def test_images_wake_it_are_sent_to_it_and_it_sleeps_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tune(serving_policy="demand")
    world.champion("v1", "STOPPED")
    assert serve(world)["act"] == "sleep"
    wait(world, clock.now())
    assert serve(world)["act"] == "none", "the image has an hour"
    pass_seconds(monkeypatch, 3000)
    assert serve(world)["act"] == "start"
    pass_seconds(monkeypatch, 3600)
    world.fake.finish()
    assert serve(world)["act"] == "none"
    assert world.loop_state.serving().start_seconds == (pytest.approx(600, abs=5),)
    (message,) = world.received("detect")
    assert message["detail"]["object"]["key"] == "detect/a.jpg"
    world.sqs.purge_queue(QueueUrl=world.queues["detect"])
    answer(world, 1)
    assert serve(world)["act"] == "sleep"
    pass_seconds(monkeypatch, 3700)
    assert serve(world)["act"] == "stop"
    assert world.received("people") == []


def wait(world: World, arrived_at: str) -> None:
    world.loop_state.keep_waiting(WaitingImage(f"{arrived_at}#1", arrived_at, "detect/a.jpg"))


def test_people_hear_once_of_images_that_nothing_wakes_it_for(world: World) -> None:
    world.tune(serving_policy="idle")
    world.champion("v1", "STOPPED")
    world.loop_state.change_serving(
        lambda before: replace(before, state="asleep", used_at="2026-01-01T00:00:00Z")
    )
    wait(world, clock.now())
    for _ in range(2):
        serve(world)
    (letter,) = world.received("people")
    assert letter["Subject"] == "LabelLoop pets: images wait, and v1 sleeps"
    assert "labelloop start" in letter["Message"]


def test_a_start_that_takes_long_counts_from_when_it_can_be_used(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tune(serving_policy="never", serving_idle_seconds=60)
    world.champion("v1", "STOPPED")
    assert serve(world, request="start", by="ann")["act"] == "start"
    pass_seconds(monkeypatch, 900)
    assert serve(world)["act"] == "none", "it is starting"
    world.fake.finish()
    assert serve(world)["act"] == "none"
    pass_seconds(monkeypatch, 970)
    assert serve(world)["act"] == "sleep"


@pytest.mark.parametrize(("policy", "act"), [("demand", "start"), ("idle", "none"), ("never", "none")])
def test_who_finds_it_asleep_wakes_it_only_on_demand(policy: str, act: str, world: World) -> None:
    world.tune(serving_policy=policy)
    world.champion("v1", "STOPPED")
    world.loop_state.change_serving(
        lambda before: replace(before, state="asleep", used_at="2026-01-01T00:00:00Z")
    )
    assert serve(world, request="wake", by="ann")["act"] == act


def test_nobody_wakes_what_a_person_has_put_to_sleep(world: World) -> None:
    world.tune(serving_policy="demand")
    world.champion("v1", "STOPPED")
    serve(world, request="stop", by="ann")
    assert serve(world, request="wake", by="bob")["act"] == "none"
    assert world.fake.called("start_project_version") == []


def test_what_is_not_known_is_not_done(world: World) -> None:
    world.champion("v1", "STOPPED")
    with pytest.raises(changes.UnknownRequestError, match="'destroy' is not one of start, stop, wake, use"):
        serve(world, request="destroy", by="ann")


def test_a_budget_that_is_used_up_keeps_it_from_being_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tune(serving_policy="always", monthly_budget_usd=1.0)
    world.champion("v1", "STOPPED")
    serve(world)
    assert world.fake.called("start_project_version") == []
    trouble = world.loop_state.serving().trouble
    assert trouble.startswith("serving_policy is always, but it would cost about 4.00 USD")
    assert "monthly_budget_usd" in trouble


def test_what_kept_it_from_starting_is_forgotten_once_it_is_to_sleep_or_starts(world: World) -> None:
    world.tune(serving_policy="never", monthly_budget_usd=1.0)
    world.champion("v1", "STOPPED")
    serve(world)
    serve(world, request="start", by="ann")
    assert "asked for by ann" in world.loop_state.serving().trouble
    serve(world, request="stop", by="ann")
    assert world.loop_state.serving().trouble == ""
    serve(world, request="start", by="ann")
    assert world.loop_state.serving().trouble
    world.tune(serving_policy="never", monthly_budget_usd=100.0)
    assert serve(world)["act"] == "start"
    assert world.loop_state.serving().trouble == ""


@pytest.mark.parametrize(("minutes", "is_started"), [(20, True), (31, False)])
def test_a_start_that_the_budget_refuses_lapses(
    minutes: int, is_started: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next month has a new budget, and nobody waits for the champion any more."""
    world.tune(serving_policy="never", monthly_budget_usd=1.0)
    world.champion("v1", "STOPPED")
    serve(world)
    serve(world, request="start", by="ann")
    pass_seconds(monkeypatch, minutes * 60)
    serve(world)
    pass_seconds(monkeypatch, minutes * 60 + 60)
    world.tune(serving_policy="never", monthly_budget_usd=100.0)
    assert (serve(world)["act"] == "start") is is_started


def test_it_is_started_with_the_units_that_are_set(world: World) -> None:
    world.tune(serving_policy="always", min_inference_units=2, max_inference_units=4)
    world.champion("v1", "STOPPED")
    serve(world)
    (started,) = world.fake.called("start_project_version")
    assert (started["MinInferenceUnits"], started["MaxInferenceUnits"]) == (2, 4)


def test_two_who_ask_at_once_are_both_on_record_and_the_last_one_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one writes between the first one's read and its write."""
    world.champion("v1")
    real, others = world.loop_state._take, ["start"]

    def take(action: Any) -> bool:
        if others:
            serve(world, request=others.pop(), by="bob")
        return real(action)

    monkeypatch.setattr(world.loop_state, "_take", take)
    serve(world, request="stop", by="ann")
    record = world.loop_state.serving()
    assert [(change.by, change.what) for change in record.changes[:2]] == [("bob", "start"), ("ann", "stop")]
    assert (record.asked, record.state) == ("stop", "asleep")


@pytest.mark.parametrize(
    ("status", "policy", "request_", "not_called"),
    [
        ("STOPPED", "always", "stop", "start_project_version"),
        ("RUNNING", "never", "start", "stop_project_version"),
    ],
)
def test_who_asks_between_the_decision_and_the_act_is_heard(  # noqa: PLR0917 what is the case, and what follows
    status: str,
    policy: str,
    request_: str,
    not_called: str,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.champion("v1", status)
    world.tune(serving_policy=policy)
    if status == "RUNNING":
        serve(world)
        pass_seconds(monkeypatch, 61)
    real, others = serving.policy.decide, [request_]

    def decide(*facts: Any) -> Any:
        decision = real(*facts)
        if others and world.loop_state.lease("promote"):
            serve(world, request=others.pop(), by="ann")
        return decision

    monkeypatch.setattr(serving.policy, "decide", decide)
    serve(world)
    assert others == []
    assert world.fake.called(not_called) == []
    assert world.loop_state.serving().asked == request_


def test_how_good_the_champion_is_and_what_runs_are_metrics(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(world)
    assert published(capsys) == {"InferenceUnits": [0], "UsdPerHour": [0], "MonthUsd": [0]}
    world.champion("v1", f1=0.91)
    serve(world)
    metrics = published(capsys)
    assert metrics["ChampionF1"] == [0.91]
    assert metrics["InferenceUnits"] == [1]
    assert metrics["UsdPerHour"][0] > 0


def test_metrics_that_cannot_be_had_keep_nothing_from_being_done(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.domain.costs.accounts.running", lambda *_: [None])
    world.champion("v1", "STOPPED")
    assert serve(world)["act"] == "start"
    assert published(capsys) == {}
