"""The ledger keeps to what has really run, whatever is killed, comes twice or shows the wrong time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.costs import ledger
from lambdas.domain.engines.port import Version
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import LedgerEntry, LedgerHead
from tests.fixtures.deployment import World
from tests.fixtures.rekognition import PREFIX

BEGIN = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return clock.to_iso(BEGIN + timedelta(seconds=seconds))


def version(name: str = "v1", status: str = "RUNNING", units: int = 1, billable: int = 0) -> Version:
    arn = f"{PREFIX}/pets/version/{name}/1700000000000"
    return Version(arn, name, status, "", None, None, billable, units)


def unit_seconds(entries: Iterable[LedgerEntry]) -> float:
    return sum(entry.seconds * entry.units for entry in entries if entry.what == "units")


class Book:
    """A ledger without a table."""

    def __init__(self) -> None:
        self.head = LedgerHead()
        self.entries: dict[str, LedgerEntry] = {}

    def look(self, seconds: float, *versions: Version) -> None:
        self.head, entries = ledger.advanced(self.head, versions, at(seconds))
        self.entries |= {entry.id: entry for entry in entries}

    @property
    def unit_seconds(self) -> float:
        return unit_seconds([*self.entries.values(), *self.head.running])


# What is counted


def test_what_runs_is_counted_until_the_last_look() -> None:
    book = Book()
    for minute in range(4):
        book.look(60 * minute, version(units=2))
    assert book.unit_seconds == 2 * 180
    assert book.entries == {}


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        ("STARTING", 0),
        ("RUNNING", 60),
        ("STOPPING", 60),
        ("STOPPED", 0),
        ("FAILED", 0),
        ("TRAINING_COMPLETED", 0),
        ("DELETING", 0),
    ],
)
def test_a_model_is_counted_while_it_runs_and_until_it_has_stopped(status: str, counted: int) -> None:
    book = Book()
    book.look(0, version(status=status))
    book.look(60, version(status=status))
    assert book.unit_seconds == counted


def test_what_happened_between_two_looks_happened_in_the_middle() -> None:
    book = Book()
    book.look(0, version(status="STARTING"))
    book.look(60, version())
    book.look(120, version())
    book.look(180, version(status="STOPPED"))
    (entry,) = book.entries.values()
    assert (entry.since, entry.until, entry.seconds) == (at(30), at(150), 120)
    assert book.head.running == ()


def test_a_version_that_is_gone_runs_no_more() -> None:
    book = Book()
    book.look(0, version())
    book.look(60)
    assert book.unit_seconds == 30
    assert book.head.running == ()


def test_a_version_with_other_units_is_another_entry() -> None:
    book = Book()
    book.look(0, version(units=1))
    book.look(60, version(units=3))
    book.look(120, version(units=3))
    assert [(entry.units, entry.seconds) for entry in book.entries.values()] == [(1, 30)]
    assert book.unit_seconds == 30 + 3 * 90


def test_units_that_rekognition_may_add_are_counted() -> None:
    book = Book()
    for seconds in (0, 60):
        book.look(seconds, replace(version(units=1), max_inference_units=4))
    assert book.unit_seconds == 4 * 60


def test_entries_end_with_their_month() -> None:
    """AWS bills by months in UTC; the turn of the year is one as well."""
    book = Book()
    midnight = (datetime(2026, 12, 31, 23, 59, tzinfo=UTC) - BEGIN).total_seconds()
    book.look(midnight, version())
    for minute in range(1, 4):
        book.look(midnight + 60 * minute, version())
    (old,) = book.entries.values()
    (new,) = book.head.running
    assert (old.id[:7], old.until, old.seconds) == ("2026-12", "2027-01-01T00:00:00.000000Z", 60)
    assert (new.id[:7], new.since, new.seconds) == ("2027-01", "2027-01-01T00:00:00.000000Z", 120)


# Trainings


def training(
    status: str, billable: int = 0, *, name: str = "v1", began: float = 0, ended: float | None = None
) -> Version:
    made = version(name, status, billable=billable)
    ended_at = "" if ended is None else at(ended)
    return replace(made, training_began_at=at(began), training_ended_at=ended_at)


def test_a_training_is_booked_once_by_what_rekognition_bills() -> None:
    book = Book()
    book.look(60, training("TRAINING_IN_PROGRESS"))
    (under_way,) = book.head.training
    assert (under_way.seconds, under_way.since) == (60, at(0))
    for seconds in (4000, 4060):
        book.look(seconds, training("TRAINING_COMPLETED", 3500, ended=3900))
    (entry,) = book.entries.values()
    assert (entry.what, entry.version, entry.seconds) == ("training", "v1", 3500)
    assert (entry.since, entry.until) == (at(0), at(3900))
    assert book.head.training == ()


def test_a_training_that_nobody_saw_is_booked_too() -> None:
    """The functions were not running, or its run was stopped."""
    book = Book()
    book.look(9000, training("STOPPED", 3500, ended=3900))
    assert [entry.seconds for entry in book.entries.values()] == [3500]


def test_a_training_that_failed_is_on_record_and_bills_nothing() -> None:
    book = Book()
    book.look(4000, training("TRAINING_FAILED", ended=3600))
    assert [(entry.what, entry.seconds) for entry in book.entries.values()] == [("training", 0)]


def test_a_training_counts_for_the_month_in_which_it_ended() -> None:
    book = Book()
    month_end = (datetime(2026, 12, 1, tzinfo=UTC) - BEGIN).total_seconds()
    book.look(
        month_end + 200, training("TRAINING_COMPLETED", 700, began=month_end - 600, ended=month_end + 100)
    )
    assert [entry.id[:7] for entry in book.entries.values()] == ["2026-12"]


# Clocks


def test_a_look_that_comes_late_changes_nothing() -> None:
    """Two callers: one looked before the other, and writes after it."""
    book = Book()
    book.look(0, version())
    book.look(60, version())
    book.look(59, version(status="STOPPED"))
    assert book.unit_seconds == 60


@pytest.mark.parametrize("jump", [365 * 86400, -365 * 86400, 7200, -300])
def test_a_clock_that_jumps_once_changes_nothing(jump: float) -> None:
    book = Book()
    book.look(0, version())
    book.look(60 + jump, version())
    book.look(120, version())
    assert book.unit_seconds == 120
    assert set(book.entries) == set()


@pytest.mark.parametrize("jump", [365 * 86400, -365 * 86400])
def test_a_function_whose_clock_is_wrong_all_the_time_changes_nothing(jump: float) -> None:
    book = Book()
    for minute in range(10):
        book.look(60 * minute, version())
        book.look(60 * minute + 30 + jump, version())
    assert book.unit_seconds == 540


def test_after_hours_without_a_look_the_second_one_counts() -> None:
    """What ran before and afterwards ran in between: nobody was there to stop it."""
    book = Book()
    book.look(0, version())
    book.look(8 * 3600, version())
    assert book.unit_seconds == 0
    book.look(8 * 3600 + 60, version())
    assert book.unit_seconds == 8 * 3600 + 60


def test_a_clock_that_is_set_back_goes_on_from_there() -> None:
    book = Book()
    for seconds in (7200, 7260, 0, 60, 120):
        book.look(seconds, version())
    assert book.unit_seconds == 60 + 60
    (entry,) = book.head.running
    assert (entry.since, entry.until) == (at(60), at(120))


@pytest.mark.parametrize("jump", [365 * 86400, -365 * 86400, 3 * 86400])
def test_a_clock_that_is_wrong_for_a_while_costs_no_more_than_has_passed(jump: float) -> None:
    """Two looks in a row confirm each other, though both are wrong."""
    book = Book()
    for minute in range(12):
        book.look(60 * minute + (jump if 4 <= minute < 8 else 0), version())
    assert 60 * 5 <= book.unit_seconds <= 60 * 11


# Against the truth


@dataclass(frozen=True)
class Period:
    """That a version runs, by Rekognition's own account: seconds."""

    since: float
    until: float
    units: int

    def version_at(self, moment: float) -> Version:
        runs = self.since <= moment < self.until
        return version(status="RUNNING" if runs else "STOPPED", units=self.units)


PERIODS = st.lists(
    st.tuples(st.floats(90, 4000), st.floats(90, 20000), st.integers(1, 5)), min_size=1, max_size=8
)


def truth_of(drawn: list[tuple[float, float, int]]) -> list[Period]:
    periods: list[Period] = []
    moment = 0.0
    for pause, length, units in drawn:
        periods.append(Period(moment + pause, moment + pause + length, units))
        moment += pause + length
    return periods


def status_at(periods: list[Period], moment: float) -> Version:
    current = next((period for period in periods if moment < period.until), periods[-1])
    return current.version_at(moment)


@settings(max_examples=20, deadline=None)
@given(drawn=PERIODS, missed=st.sets(st.integers(0, 2000)), offset=st.floats(0, 59))
def test_the_ledger_is_off_by_half_of_the_time_that_nobody_looked(
    drawn: list[tuple[float, float, int]], missed: set[int], offset: float
) -> None:
    """A look each minute, some of which did not come about: killed, throttled, failed."""
    periods, book = truth_of(drawn), Book()
    end = periods[-1].until + 7300
    looks = [60 * n + offset for n in range(int(end / 60)) if n not in missed or n < 2 or n > end / 60 - 3]
    for moment in looks:
        book.look(moment, status_at(periods, moment))
    truth = sum((period.until - period.since) * period.units for period in periods)
    allowed = sum(
        period.units * gap(looks, edge) / 2 for period in periods for edge in (period.since, period.until)
    )
    assert abs(book.unit_seconds - truth) <= allowed + 0.01


def gap(looks: list[float], moment: float) -> float:
    """Seconds between the looks before and after a moment."""
    before = max(look for look in looks if look <= moment)
    after = min(look for look in looks if look > moment)
    return after - before


# In the table


def test_the_ledger_is_kept_in_the_table(world: World) -> None:
    month_end = (datetime(2026, 11, 30, 23, 59, tzinfo=UTC) - BEGIN).total_seconds()
    versions = [version(units=2), training("TRAINING_COMPLETED", 1800, name="v2", ended=1800)]
    for minute in range(4):
        head = ledger.observe(world.loop_state, versions, at(month_end + 60 * minute))
    assert world.loop_state.ledger_head() == head
    assert [entry.seconds * entry.units for entry in head.running] == [2 * 120]
    assert [(entry.what, entry.seconds) for entry in world.loop_state.ledger_entries()] == [
        ("training", 1800),
        ("units", 60),
    ]
    assert world.loop_state.ledger_entries("2026-12") == []


@pytest.mark.usefixtures("one_call_at_a_time")
def test_callers_at_once_count_once(world: World) -> None:
    ledger.observe(world.loop_state, [version()], at(0))
    with ThreadPoolExecutor(4) as pool:
        for minute in range(1, 4):
            looks = [
                pool.submit(ledger.observe, world.loop_state, [version()], at(60 * minute + caller / 10))
                for caller in range(4)
            ]
            for look in looks:
                look.result()
    head = world.loop_state.ledger_head()
    assert 180 <= unit_seconds(head.running) <= 180.3
    assert world.loop_state.ledger_entries() == []


def test_a_first_look_books_every_training_of_a_project_that_is_full(world: World) -> None:
    """Rekognition keeps 100 versions of a project, and DynamoDB takes 100 items in one transaction."""
    versions = [training("STOPPED", 60, name=f"v{n}", ended=60) for n in range(100)]
    for seconds in (100, 160):
        ledger.observe(world.loop_state, versions, at(seconds))
    assert len(world.loop_state.ledger_entries()) == 100


# What costs nothing at rest


def always_on(status: str = "RUNNING", billable: int = 0) -> Version:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:training-job/pets-v2-0123456789abcdef"
    return replace(version("v2-0123456789abcdef-serverless", status, 1, billable), arn=arn, is_always_on=True)


def test_a_version_that_is_always_on_is_counted_with_its_training_alone() -> None:
    book = Book()
    book.look(0, always_on("TRAINING_IN_PROGRESS"))
    (training,) = book.head.training
    assert (training.what, training.region) == ("training", "us-east-1")
    for hour in range(1, 30):
        book.look(3600 * hour, always_on(billable=600))
    assert book.unit_seconds == 0
    assert book.head.running == book.head.training == ()
    (entry,) = book.entries.values()
    assert (entry.what, entry.seconds) == ("training", 600)
