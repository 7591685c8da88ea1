"""What may be started within a budget, and what people hear of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lambdas.domain.costs import accounts, budget, ledger
from lambdas.domain.engines.port import Version
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import LedgerEntry, Run
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.deployment import World
from tests.fixtures.rekognition import PREFIX

NOW = "2026-11-28T12:00:00.000000Z"
BEFORE = "2026-10-30T12:00:00.000000Z"


def runs(world: World, hours: float, *, units: int = 1, name: str = "v1", until: str = NOW) -> None:
    """A version runs for some hours, looked at each hour; it runs still."""
    end = clock.parse(until)
    arn = f"{PREFIX}/pets/version/{name}/1700000000000"
    version = Version(arn, name, "RUNNING", "", None, None, 0, units)
    for hour in range(int(hours) + 1):
        at = clock.to_iso(end - timedelta(hours=hours - hour))
        ledger.observe(world.loop_state, [version], at)


def stops(world: World, at: str) -> None:
    ledger.observe(world.loop_state, [], at)


def test_without_a_budget_everything_may_be_started(world: World) -> None:
    runs(world, 100)
    assert budget.check(world.loop_state, Tuning(), NOW, adds_usd=1e9).allowed
    assert not budget.spending(world.loop_state, Tuning(), NOW).is_used_up


@pytest.mark.parametrize(
    ("usd", "adds", "reason"),
    [
        (100, 60, ""),
        (100, 60.01, "it would cost about 60.01 USD, and of the budget of 100.00 USD for 2026-11 60.00 USD"),
        (40, 0, "the budget of 40.00 USD for 2026-11 is used up: 40.00 USD"),
        (39, 0, "is used up"),
        (40.01, 0, ""),
    ],
)
def test_what_would_exceed_the_budget_is_not_started(
    usd: float, adds: float, reason: str, world: World
) -> None:
    runs(world, 10)
    verdict = budget.check(world.loop_state, Tuning(monthly_budget_usd=usd), NOW, adds_usd=adds)
    assert verdict.allowed == (not reason)
    assert reason in verdict.reason


def test_a_month_begins_with_its_whole_budget(world: World) -> None:
    """Months are those of UTC, also of what runs over midnight."""
    runs(world, 24, until="2026-11-01T06:00:00.000000Z")
    tuning = Tuning(monthly_budget_usd=70)
    assert accounts.month_usd(world.loop_state, "2026-10", tuning) == 72
    assert accounts.month_usd(world.loop_state, "2026-11", tuning) == 24
    assert budget.check(world.loop_state, tuning, "2026-11-01T06:00:00.000000Z", adds_usd=40).allowed


def test_the_champion_is_stopped_by_choice_and_once_the_budget_is_used_up(world: World) -> None:
    runs(world, 10)
    for chosen, usd, stopped in ((True, 40, True), (True, 41, False), (False, 40, False)):
        tuning = Tuning(monthly_budget_usd=usd, budget_stops_champion=chosen)
        assert budget.stops_champion(world.loop_state, tuning, NOW) == stopped


# What people hear


class Letters:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def __call__(self, subject: str, text: str) -> None:
        self.sent.append((subject, text))


def test_people_hear_of_each_threshold_once_a_month(world: World) -> None:
    letters, tuning = Letters(), Tuning(monthly_budget_usd=100)
    hours: dict[int, int] = {}
    begin = datetime(2026, 11, 2, tzinfo=UTC)
    arn = f"{PREFIX}/pets/version/v1/1700000000000"
    version = Version(arn, "v1", "RUNNING", "", None, None, 0, 1)
    for hour in range(30):
        at = clock.to_iso(begin + timedelta(hours=hour))
        ledger.observe(world.loop_state, [version], at)
        percent = budget.tell(world.loop_state, tuning, at, letters)
        if percent:
            hours[percent] = hour
    assert hours == {50: 13, 80: 20, 100: 25}
    assert [subject for subject, _ in letters.sent] == [
        "50 percent of the budget for 2026-11 are used up",
        "80 percent of the budget for 2026-11 are used up",
        "100 percent of the budget for 2026-11 are used up",
    ]
    assert "Nothing is started any more" in letters.sent[-1][1]


def test_of_thresholds_that_are_passed_at_once_people_hear_the_last(world: World) -> None:
    runs(world, 24)
    letters = Letters()
    for _ in range(2):
        budget.tell(world.loop_state, Tuning(monthly_budget_usd=90), NOW, letters)
    assert len(letters.sent) == 1
    assert letters.sent[0][0].startswith("100 percent")


def test_a_new_budget_has_its_own_thresholds(world: World) -> None:
    runs(world, 24)
    letters = Letters()
    for usd in (90, 190, 190, 1000):
        budget.tell(world.loop_state, Tuning(monthly_budget_usd=usd), NOW, letters)
    assert [subject.split()[0] for subject, _ in letters.sent] == ["100", "50"]


def test_a_letter_that_could_not_be_sent_is_sent_the_next_time(world: World) -> None:
    runs(world, 24)
    tuning, letters = Tuning(monthly_budget_usd=90), Letters()

    def fails(subject: str, text: str) -> None:
        raise RuntimeError("SNS is down")

    with pytest.raises(RuntimeError):
        budget.tell(world.loop_state, tuning, NOW, fails)
    budget.tell(world.loop_state, tuning, NOW, letters)
    assert len(letters.sent) == 1


# Accounts


ENTRIES = [
    LedgerEntry(
        "units", "v1", "us-east-1", "2026-11-27T22:00:00.000000Z", "2026-11-28T01:00:00.000000Z", 3 * 3600, 2
    ),
    LedgerEntry(
        "training", "v2", "us-east-1", "2026-11-27T20:00:00.000000Z", "2026-11-28T02:00:00.000000Z", 5 * 3600
    ),
    LedgerEntry(
        "units", "v2", "us-east-1", "2026-10-01T00:00:00.000000Z", "2026-10-01T00:30:00.000000Z", 1800
    ),
]


def test_accounts_by_day_cut_what_ran_at_midnight() -> None:
    days = accounts.accounts(ENTRIES, "day", Tuning())
    assert [(day.name, day.unit_hours, day.training_hours, day.usd) for day in days] == [
        ("2026-11-28", 2, 5, 13),
        ("2026-11-27", 4, 0, 16),
        ("2026-10-01", 0.5, 0, 2),
    ]


def test_accounts_by_month_and_by_version_hold_the_same() -> None:
    months = accounts.accounts(ENTRIES, "month", Tuning())
    assert [(month.name, month.usd) for month in months] == [("2026-11", 29), ("2026-10", 2)]
    versions = accounts.accounts(ENTRIES, "version", Tuning())
    assert [(version.name, version.usd) for version in versions] == [("v1", 24), ("v2", 7)]


def test_a_run_costs_its_training_and_what_its_version_ran_since(world: World) -> None:
    run = Run("a", execution="arn:aws:states:us-east-1:1:execution:x:a", version="v1", started_at=BEFORE)
    assert accounts.run_usd(world.loop_state, Run("a"), NOW, Tuning()) == 0
    booked = replace(run, billable_seconds=1800.0)
    assert accounts.run_usd(world.loop_state, booked, NOW, Tuning()) == 0.5
    runs(world, 5)
    assert accounts.run_usd(world.loop_state, booked, NOW, Tuning()) == 20.5
    assert accounts.run_usd(world.loop_state, replace(run, version="v2"), NOW, Tuning()) == 0


def test_what_ends_while_it_is_read_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head was read before the entry was closed, the entries after that."""
    runs(world, 2)
    head = world.loop_state.ledger_head()
    stops(world, "2026-11-28T12:01:00.000000Z")
    monkeypatch.setattr(world.loop_state, "ledger_head", lambda: head)
    assert [one.seconds for one in accounts.entries(world.loop_state)] == [7230]
