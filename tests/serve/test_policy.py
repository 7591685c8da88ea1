"""What is decided about the champion from what is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.domain.serve.policy import Decision, Facts, decide
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.tuning import Tuning

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return clock.to_iso(NOON + timedelta(seconds=seconds))


NOW = at(0)


def decided(status: str, serving: Serving | None = None, *, policy: str = "always", **facts: Any) -> Decision:
    known = Facts(champion="v1", status=status, serving=serving or Serving(), **facts)
    return decide(Tuning(serving_policy=policy), known, NOW)


def test_without_a_champion_there_is_nothing_to_do() -> None:
    assert decide(Tuning(), Facts(), NOW).act == "none"


@pytest.mark.parametrize("status", ["STOPPED", "FAILED", "TRAINING_COMPLETED"])
def test_one_that_is_to_run_always_is_started(status: str) -> None:
    decision = decided(status)
    assert (decision.act, decision.wanted, decision.is_down) == ("start", True, True)


@pytest.mark.parametrize("status", ["STARTING", "RUNNING", "STOPPING", "DELETING", "NEW_TO_US", ""])
def test_what_cannot_be_started_is_not(status: str) -> None:
    assert decided(status).act == "none"


def test_what_a_person_put_to_sleep_sleeps_whatever_the_policy() -> None:
    stopped = Serving(asked="stop", asked_by="ann", asked_why="holidays")
    decision = decided("RUNNING", stopped)
    assert (decision.act, decision.wanted) == ("sleep", False)
    assert decision.reason == "put to sleep by ann: holidays"


@pytest.mark.parametrize(("seconds", "act"), [(0, "none"), (59, "none"), (60, "stop"), (3600, "stop")])
def test_detections_under_way_come_to_their_end_first(seconds: int, act: str) -> None:
    asleep = Serving(asked="stop", state="asleep", since=at(-seconds))
    assert decided("RUNNING", asleep).act == act


def test_a_drain_that_seems_to_begin_in_the_future_begins_again() -> None:
    asleep = Serving(asked="stop", state="asleep", since=at(3600))
    assert decided("RUNNING", asleep).act == "sleep"


@pytest.mark.parametrize("status", ["STARTING", "STOPPING", "STOPPED", "FAILED", ""])
def test_what_does_not_run_is_not_stopped(status: str) -> None:
    """Rekognition takes StopProjectVersion of what is STARTING for an error."""
    asleep = Serving(asked="stop", state="asleep", since=at(-3600))
    assert decided(status, asleep).act == "none"


def test_never_means_once_somebody_has_started_it() -> None:
    assert decided("STOPPED", Serving(state="asleep"), policy="never").wanted is False
    assert decided("STOPPED", Serving(state="asleep", asked="start"), policy="never").act == "start"


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
    assert act("RUNNING", Serving(asked="stop", state="asleep", since=at(-3600))) == "stop"
