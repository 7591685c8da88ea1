"""Opening hours: what is open when, also when the clocks change, and what cannot be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.shared.opening_hours import OpeningHours, OpeningHoursError, parse

ZURICH = ZoneInfo("Europe/Zurich")
OFFICE = "Mon-Fri 08:00-18:00, Sat 09:00-12:00"


def local(text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZURICH, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-06-01 07:59", False),
        ("2026-06-01 08:00", True),
        ("2026-06-05 17:59", True),
        ("2026-06-05 18:00", False),
        ("2026-06-06 11:59", True),
        ("2026-06-06 12:00", False),
        ("2026-06-07 10:00", False),
        ("2026-12-01 08:00", True),
    ],
)
def test_office_hours(moment: str, is_open: bool) -> None:
    assert parse(OFFICE, "Europe/Zurich").is_open(local(moment)) is is_open


def test_hours_that_end_before_they_begin_go_on_over_midnight() -> None:
    hours = parse("Fri 22:00-06:00, Sun 23:00-01:00", "Europe/Zurich")
    open_at = ["2026-06-05 22:00", "2026-06-06 05:59", "2026-06-07 23:30", "2026-06-08 00:59"]
    closed_at = ["2026-06-05 05:00", "2026-06-06 06:00", "2026-06-06 22:30", "2026-06-08 01:00"]
    assert all(hours.is_open(local(moment)) for moment in open_at)
    assert not any(hours.is_open(local(moment)) for moment in closed_at)


def test_days_may_go_over_the_end_of_the_week() -> None:
    hours = parse("Sat-Mon 10:00-11:00", "UTC")
    assert [span.day for span in hours.spans] == [0, 5, 6]


def test_a_whole_week_is_never_closed() -> None:
    hours = parse("Mon-Sun 00:00-24:00", "Europe/Zurich")
    began = local("2026-03-23 00:00")
    assert all(hours.is_open(began + timedelta(minutes=15 * step)) for step in range(4 * 24 * 14))


def minutes_open(hours: OpeningHours, day: str) -> int:
    began = local(f"{day} 00:00") - timedelta(hours=2)
    return sum(hours.is_open(began + timedelta(minutes=minute)) for minute in range(30 * 60))


@pytest.mark.parametrize(
    ("hours", "spring", "autumn"),
    [
        ("01:00-04:00", 120, 240),
        ("01:00-02:30", 90, 150),
        ("02:30-04:00", 30, 150),
        ("02:15-02:45", 30, 90),
        ("08:00-18:00", 600, 600),
    ],
)
def test_when_the_clocks_change_hours_are_by_the_wall_and_never_cut_short(
    hours: str, spring: int, autumn: int
) -> None:
    """In 2026 at 02:00 on 29 March, and at 03:00 on 25 October. What is left out is an hour later."""
    opening = parse(f"Sun {hours}", "Europe/Zurich")
    assert minutes_open(opening, "2026-03-29") == spring
    assert minutes_open(opening, "2026-10-25") == autumn


def test_hours_are_open_without_a_break_when_an_hour_comes_twice() -> None:
    opening = parse("Sun 01:00-02:30", "Europe/Zurich")
    began = local("2026-10-25 01:00")
    assert all(opening.is_open(began + timedelta(minutes=minute)) for minute in range(150))
    assert not opening.is_open(local("2026-10-25 02:30", fold=1))


@pytest.mark.parametrize(
    ("hours", "zone", "message"),
    [
        ("Mon 08:00-12:00, Mon 11:00-13:00", "UTC", "Mon 08:00-12:00 and Mon 11:00-13:00 overlap"),
        ("Mon-Sun 20:00-21:00, Wed 20:30-22:00", "UTC", "Wed 20:00-21:00 and Wed 20:30-22:00 overlap"),
        ("Sun 22:00-06:00, Mon 05:00-09:00", "UTC", "Sun 22:00-06:00 and Mon 05:00-09:00 overlap"),
        ("Mon 22:00-06:00, Tue 05:00-09:00", "UTC", "Mon 22:00-06:00 and Tue 05:00-09:00 overlap"),
        ("Mon 08:00-08:00", "UTC", "ends when it begins; a whole day is 00:00-24:00"),
        ("Mon 08:00-25:00", "UTC", "25:00 is no time of the day"),
        ("Mon 24:00-02:00", "UTC", "hours begin before 24:00"),
        ("Mon 08:75-09:00", "UTC", "08:75 is no time of the day"),
        ("Mon", "UTC", "'Mon': expected hours like"),
        ("", "UTC", "'': expected hours like"),
        ("Mon 08:00-09:00,", "UTC", "'': expected hours like"),
        ("Mon -08:00-09:00", "UTC", "expected hours like"),
        ("Foo 08:00-09:00", "UTC", "'Foo' is no day"),
        ("Mon 08:00-09:00", "Europe/Nowhere", "there is no time zone 'Europe/Nowhere'"),
        ("Mon 08:00-09:00", "", "there is no time zone ''"),
        ("Mon 08:00-09:00", "../etc/passwd", "there is no time zone"),
        ("Mon 08:00-09:00", "/etc", "there is no time zone"),
    ],
)
def test_what_cannot_be_used_is_told(hours: str, zone: str, message: str) -> None:
    with pytest.raises(OpeningHoursError, match=message.replace("(", r"\(")):
        parse(hours, zone)


def test_the_next_opening() -> None:
    hours = parse(OFFICE, "Europe/Zurich")
    assert hours.next_opening(local("2026-06-06 12:00")) == local("2026-06-08 08:00")
    assert hours.next_opening(local("2026-06-08 07:00")) == local("2026-06-08 08:00")
    assert parse("Mon 08:00-09:00", "UTC").next_opening(datetime(2026, 6, 1, 8, tzinfo=UTC)) == datetime(
        2026, 6, 8, 8, tzinfo=UTC
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 3 * 365 * 24 * 60), st.integers(0, 60))
def test_opening_early_is_to_be_open_a_little_later(passed: int, minutes: int) -> None:
    hours, early = parse(OFFICE, "Europe/Zurich"), timedelta(minutes=minutes)
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=passed)
    assert hours.is_open(at, opens_early=early) == (hours.is_open(at) or hours.is_open(at + early))
