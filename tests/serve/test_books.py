"""Every minute the books are kept; what goes wrong with them keeps nothing from the champion."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas import serve as handler
from lambdas.domain.costs import ledger
from lambdas.domain.shared import clock
from tests.fixtures.deployment import World, context
from tests.fixtures.serving import serve
from tests.fixtures.sleeping import sleeps


def test_what_runs_is_booked_and_people_hear_of_the_budget(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1")
    world.tune(monthly_budget_usd=2)
    monkeypatch.setattr(clock, "now", lambda: "2026-11-28T10:00:00.000000Z")
    for minute in range(17):
        at = f"2026-11-28T10:{minute:02}:00.000000Z"
        monkeypatch.setattr(clock, "now", lambda at=at: at)
        serve(world)
    (entry,) = world.loop_state.ledger_head().running
    assert (entry.version, entry.seconds) == ("v1", 960)
    (letter,) = world.received("people")
    assert letter["Subject"] == "LabelLoop pets: 50 percent of the budget for 2026-11 are used up"


def test_a_champion_is_looked_after_though_the_books_cannot_be_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1", "STOPPED")

    def fails(*arguments: Any) -> None:
        raise RuntimeError("the table is throttled")

    monkeypatch.setattr(ledger, "observe", fails)
    with pytest.raises(RuntimeError, match="throttled"):
        serve(world)
    assert world.fake.statuses() == {"v1": "STARTING"}


@pytest.mark.parametrize(("status", "looks"), [("STARTING", 2), ("STOPPING", 2), ("RUNNING", 1)])
def test_what_starts_or_stops_is_looked_at_twice_a_minute(
    status: str, looks: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1", status)
    slept = sleeps(monkeypatch)
    seen: list[str] = []
    monkeypatch.setattr(ledger, "observe", lambda state, versions, at: seen.append(versions[0].status))
    handler.handle({}, context())
    assert seen == [status] * looks
    assert slept == [30] * (looks - 1)


def test_where_things_are_quick_the_second_look_is_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champion("v1", "STARTING")
    world.tune(poll_seconds=1)
    slept = sleeps(monkeypatch)
    handler.handle({}, context())
    assert slept == [0.5]


def test_whoever_asks_for_a_start_is_not_kept_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.champion("v1", "STARTING")
    slept = sleeps(monkeypatch)
    handler.handle({"request": "start", "by": "Ann"}, context())
    assert not slept
