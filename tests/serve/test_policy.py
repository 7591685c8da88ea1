"""What is decided about the champion from what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.serve.policy import Decision, Facts, decide
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.tuning import Tuning
from lambdas.services import Services

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return clock.to_iso(NOON + timedelta(seconds=seconds))


NOW = at(0)


SUNDAY = "2026-06-07T12:00:00Z"


def decided(
    status: str, serving: Serving | None = None, *, policy: str = "always", now: str = NOW, **facts: Any
) -> Decision:
    known = Facts(champion="v1", status=status, serving=serving or Serving(), **facts)
    return decide(Tuning(serving_policy=policy), known, now)


def test_without_a_champion_there_is_nothing_to_do() -> None:
    assert decide(Tuning(), Facts(), NOW).act == "none"


@pytest.mark.parametrize("status", ["STOPPED", "FAILED", "TRAINING_COMPLETED"])
def test_one_that_is_to_run_always_is_started(status: str) -> None:
    decision = decided(status)
    assert (decision.act, decision.wanted, decision.is_down) == ("start", True, True)


def test_a_champion_is_drained_for_as_long_as_a_detection_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html"""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for detector in ("detector", "patient_detector"):
        config = getattr(Services(), detector).rekognition.meta.config
        assert config.read_timeout <= Tuning().drain_seconds


def test_people_hear_of_a_start_that_hangs() -> None:
    begun = Serving(state="awake", start_asked_at=NOW)
    late = Tuning().start_timeout_seconds + 1
    assert not decided("STARTING", begun, now=at(late - 1)).is_down
    decision = decided("STARTING", begun, now=at(late))
    assert (decision.act, decision.wanted, decision.is_down) == ("none", True, True)
    assert "STARTING still after 60 min 01 s (start_timeout_seconds)" in decision.reason
    assert not decided("RUNNING", begun, now=at(late)).is_down
    assert not decided("STARTING", Serving(state="awake"), now=at(late)).is_down, "nobody knows since when"


@pytest.mark.parametrize("status", ["STARTING", "RUNNING", "STOPPING", "DELETING", "NEW_TO_US", ""])
def test_what_cannot_be_started_is_not(status: str) -> None:
    assert decided(status).act == "none"


def test_what_a_person_put_to_sleep_sleeps_whatever_the_policy() -> None:
    stopped = Serving(asked="stop", asked_by="ann", asked_why="holidays")
    decision = decided("RUNNING", stopped)
    assert (decision.act, decision.wanted) == ("sleep", False)
    assert decision.reason == "put to sleep by ann: holidays"


@pytest.mark.parametrize(
    ("seconds", "turns", "act"),
    [
        (0, 2, "none"),
        (59, 2, "none"),
        (60, 2, "stop"),
        (3600, 2, "stop"),
        (3600, 1, "none"),
        (86_400, 0, "none"),
    ],
)
def test_detections_under_way_come_to_their_end_first(seconds: int, turns: int, act: str) -> None:
    """Turns of the schedule count as well, for a clock may be set forward."""
    asleep = Serving(asked="stop", state="asleep", since=at(-seconds), turns_asleep=turns)
    assert decided("RUNNING", asleep).act == act


def test_a_drain_that_seems_to_begin_in_the_future_begins_again() -> None:
    asleep = Serving(asked="stop", state="asleep", since=at(3600))
    assert decided("RUNNING", asleep).act == "sleep"


@pytest.mark.parametrize("status", ["STARTING", "STOPPING", "STOPPED", "FAILED", ""])
def test_what_does_not_run_is_not_stopped(status: str) -> None:
    """Rekognition takes StopProjectVersion of what is STARTING for an error."""
    asleep = Serving(asked="stop", state="asleep", since=at(-3600))
    assert decided(status, asleep).act == "none"


@pytest.mark.parametrize("policy", ["never", "idle", "demand", "hours"])
def test_what_a_person_has_started_runs_until_it_was_idle(policy: str) -> None:
    started = Serving(state="asleep", asked="start", is_awaited=True, awaited_at=at(-7200), awaited_by="ann")
    assert decided("STOPPED", started, policy=policy, now=SUNDAY).act == "start"
    runs = Serving(awaited_at=at(-1799), awaited_by="ann")
    assert decided("RUNNING", runs, policy=policy).act == "none"
    assert decided("RUNNING", Serving(awaited_at=at(-1800)), policy=policy, now=SUNDAY).act == "sleep"


def test_never_starts_nothing_by_itself() -> None:
    assert decided("STOPPED", Serving(state="asleep"), policy="never").wanted is False
    assert decided("RUNNING", Serving(used_at=NOW), policy="never").act == "sleep"


@pytest.mark.parametrize(
    ("moment", "status", "state", "act"),
    [
        ("2026-06-01T07:39:00Z", "STOPPED", "asleep", "none"),
        ("2026-06-01T07:41:00Z", "STOPPED", "asleep", "start"),
        ("2026-06-01T07:50:00Z", "RUNNING", "awake", "none"),
        ("2026-06-01T12:00:00Z", "STOPPED", "asleep", "start"),
        ("2026-06-01T17:59:00Z", "RUNNING", "awake", "none"),
        ("2026-06-01T18:00:00Z", "RUNNING", "awake", "sleep"),
        ("2026-06-06T12:00:00Z", "STOPPED", "asleep", "none"),
    ],
)
def test_hours_begin_early_enough_to_serve_when_they_begin(
    moment: str, status: str, state: Any, act: str
) -> None:
    assert decided(status, Serving(state=state), policy="hours", now=moment).act == act


def test_outside_the_hours_it_says_when_the_next_begin() -> None:
    reason = decided("RUNNING", Serving(), policy="hours", now="2026-06-06T12:00:00Z").reason
    assert reason == "serving_hours are Mon-Fri 08:00-18:00 UTC; the next begin at Mon 2026-06-08 08:00"


def test_a_start_that_took_less_time_than_the_last_ones_waits_for_the_opening() -> None:
    quick = Serving(start_seconds=(240.0,))
    assert decided("RUNNING", quick, policy="hours", now="2026-06-01T07:42:00Z").act == "none"
    asleep = Serving(state="asleep", start_seconds=(240.0,))
    assert decided("STOPPED", asleep, policy="hours", now="2026-06-01T07:42:00Z").act == "none"


@pytest.mark.parametrize(("seconds", "act"), [(0, "none"), (1799, "none"), (1800, "sleep"), (9000, "sleep")])
def test_idle_sleeps_after_so_long_without_a_detection(seconds: int, act: str) -> None:
    decision = decided("RUNNING", Serving(used_at=at(-seconds)), policy="idle")
    assert decision.act == act
    assert "for 30 min " in decision.reason


def test_idle_is_not_woken_by_images_and_does_not_sleep_over_them() -> None:
    waits = Backlog(3, 0, at(-7200))
    assert decided("STOPPED", Serving(state="asleep"), policy="idle", backlog=waits).act == "none"
    used = Serving(used_at=at(-9000))
    assert decided("RUNNING", used, policy="idle", backlog=Backlog(0, 1)).act == "none"


@pytest.mark.parametrize(
    ("waited", "images", "settings", "act"),
    [
        (0, 1, {}, "none"),
        (2200, 1, {}, "none"),
        (2280, 1, {}, "start"),
        (9000, 1, {}, "start"),
        (0, 99, {"serving_wait_images": 100}, "none"),
        (0, 100, {"serving_wait_images": 100}, "start"),
        (1000, 1000, {}, "none"),
        (1280, 1000, {}, "start"),
        (1280, 1000, {"max_inference_units": 2}, "none"),
        (0, 1, {"serving_wait_seconds": 60}, "start"),
    ],
)
def test_images_wake_it_as_late_as_they_may(
    waited: int, images: int, settings: dict[str, int], act: str
) -> None:
    """Of an hour 20 minutes are left for the start, two for its turns, and what the images take."""
    tuning = Tuning(**{"serving_policy": "demand", "serving_wait_seconds": 3600, **settings})  # pyrefly: ignore[bad-argument-type]
    waits = Backlog(images, 0, at(-waited))
    asleep = Facts("v1", "STOPPED", serving=Serving(state="asleep"), backlog=waits)
    assert decide(tuning, asleep, NOW).act == act


def test_demand_sleeps_once_what_waited_is_answered() -> None:
    def act(backlog: Backlog) -> str:
        return decided("RUNNING", Serving(), policy="demand", backlog=backlog).act

    assert act(Backlog(1, 0, NOW)) == act(Backlog(0, 31)) == "none"
    assert act(Backlog(0, 0)) == act(Backlog(0, 30)) == "sleep", "what is on its way is answered meanwhile"


@pytest.mark.parametrize("policy", ["demand", "idle"])
def test_it_does_not_sleep_over_a_clip(policy: str) -> None:
    """It would have to be started again for the rest."""
    used = Serving(used_at=at(-9000))
    decision = decided("RUNNING", used, policy=policy, backlog=Backlog(0, 0, clips=1))
    assert (decision.act, decision.wanted) == ("none", True)
    assert "1 clip is being answered" in decision.reason


@pytest.mark.parametrize(("waited", "act"), [(0, "none"), (3000, "none"), (3479, "wake"), (9000, "wake")])
def test_what_comes_while_it_falls_asleep_waits_for_the_next_start_unless_it_cannot(
    waited: int, act: str
) -> None:
    """It runs still, so that to go on takes no start."""
    falls_asleep = Serving(state="asleep", since=at(-30))
    waits = Backlog(1, 0, at(-waited))
    assert decided("RUNNING", falls_asleep, policy="demand", backlog=waits).act == act


@pytest.mark.parametrize(
    ("images", "waited", "settings", "units"),
    [
        (1, 0, {}, 1),
        (100_000, 0, {}, 1),
        (1, 0, {"min_inference_units": 2, "max_inference_units": 4}, 2),
        (2400, 0, {"max_inference_units": 5}, 1),
        (2401, 0, {"max_inference_units": 5}, 2),
        (100_000, 0, {"max_inference_units": 5}, 5),
        (600, 9000, {"max_inference_units": 5}, 2),
    ],
)
def test_as_many_units_are_started_as_answer_in_time(
    images: int, waited: int, settings: dict[str, int], units: int
) -> None:
    tuning = Tuning(**{"serving_policy": "always", **settings})  # pyrefly: ignore[bad-argument-type]
    facts = Facts("v1", "STOPPED", backlog=Backlog(images, 0, at(-waited)))
    decision = decide(tuning, facts, NOW)
    assert (decision.act, decision.units) == ("start", units)


def test_a_used_up_budget_stops_it_and_a_person_who_stopped_it_is_named_before() -> None:
    assert decided("RUNNING", is_over_budget=True).act == "sleep"
    assert "ann" in decided("RUNNING", Serving(asked="stop", asked_by="ann"), is_over_budget=True).reason


@pytest.mark.parametrize("serving", [Serving(asked="stop"), Serving()])
def test_a_promotion_under_way_is_not_disturbed(serving: Serving) -> None:
    for status in ("RUNNING", "STOPPED"):
        assert decided(status, serving, is_promoting=True).act == "none"


def test_after_a_start_that_failed_the_next_one_waits() -> None:
    failed = Serving(start_asked_at=at(-600), failures=1, retry_at=at(60))
    assert decided("FAILED", failed).act == "none"
    assert (
        decide(Tuning(serving_policy="always"), Facts("v1", "FAILED", serving=failed), at(61)).act == "start"
    )


def test_without_settings_it_stays_as_it_is_but_for_a_person() -> None:
    def act(status: str, serving: Serving) -> str:
        return decide(None, Facts("v1", status, serving=serving), NOW).act

    assert act("RUNNING", Serving()) == "none"
    assert act("STOPPED", Serving(state="asleep")) == "none"
    assert act("RUNNING", Serving(asked="stop")) == "sleep"
    assert act("RUNNING", Serving(asked="stop", state="asleep", since=at(-3600), turns_asleep=2)) == "stop"


@pytest.mark.parametrize("policy", ["always", "hours", "idle", "demand", "never"])
@pytest.mark.parametrize("state", ["awake", "asleep"])
def test_one_that_costs_nothing_at_rest_answers_whatever_the_policy_and_the_budget(
    policy: str, state: Any
) -> None:
    """It is neither started nor stopped: at most it is marked as one that may be asked again."""
    serving = Serving(state=state, since=at(-86400))
    decision = decided("RUNNING", serving, policy=policy, is_always_on=True, is_over_budget=True, now=SUNDAY)
    assert decision.act in ({"none"} if state == "awake" else {"wake"})
    assert (decision.wanted, decision.is_down) == (True, False)


def test_one_that_costs_nothing_at_rest_is_put_to_sleep_by_a_person_and_never_stopped() -> None:
    asked = Serving(state="awake", asked="stop", asked_by="ann")
    decision = decided("RUNNING", asked, is_always_on=True)
    assert (decision.act, decision.wanted) == ("sleep", False)
    asleep = replace(asked, state="asleep", since=at(-86400), turns_asleep=1000)
    decision = decided("RUNNING", asleep, is_always_on=True)
    assert (decision.act, decision.wanted) == ("none", False)
    assert decided("RUNNING", asleep).act == "stop", "one of Rekognition"
