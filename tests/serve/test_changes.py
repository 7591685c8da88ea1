"""How the record of the champion's running changes."""

from __future__ import annotations

import pytest

from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.engines.port import Version
from lambdas.domain.serve import changes
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Serving

NOW = "2026-06-01T12:00:00.000000Z"
LATER = "2026-06-01T18:00:00.000000Z"
MANY = Backlog(100, 5, NOW)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def version(status: str = "RUNNING", units: int = 1, most: int = 0) -> Version:
    return Version("arn", "v1", status, "", None, None, 0, units, most)


def test_moments_that_have_not_come_yet_are_taken_for_now() -> None:
    """A clock was wrong when they were written: nothing runs, or waits, until they come."""
    before = Serving(used_at=LATER, awaited_at=LATER, start_asked_at=LATER, retry_at=LATER)
    after = changes.seen(before, version("STARTING"), 0, Backlog(0, 0))
    assert (after.used_at, after.awaited_at, after.start_asked_at) == (NOW, NOW, NOW)
    assert after.retry_at == "2026-06-01T13:00:00.000000Z"


@pytest.mark.parametrize(("units", "most", "rate"), [(1, 0, 2.0), (2, 0, 1.0), (1, 4, 0.5)])
def test_the_rate_is_measured_while_many_wait(units: int, most: int, rate: float) -> None:
    before = Serving(used_at="2026-06-01T11:59:00.000000Z", used_images=80)
    assert changes.seen(before, version(units=units, most=most), 200, MANY).unit_rate == rate


@pytest.mark.parametrize(
    ("used_at", "images", "backlog"),
    [
        ("2026-06-01T11:59:00.000000Z", 200, Backlog(0, 0)),
        ("2026-06-01T11:59:00.000000Z", 99, MANY),
        ("2026-06-01T11:50:00.000000Z", 200, MANY),
        (NOW, 200, MANY),
    ],
)
def test_a_rate_that_says_nothing_is_not_kept(used_at: str, images: int, backlog: Backlog) -> None:
    """Nothing waited, too few were answered, or too long ago."""
    before = Serving(used_at=used_at, used_images=80, unit_rate=3.0)
    assert changes.seen(before, version(), images, backlog).unit_rate == 3.0


def test_the_times_of_the_last_starts_are_kept() -> None:
    serving = Serving()
    for minutes in range(10, 18):
        begun = changes.starting(serving, "why", has_failed=False)
        begun = changes.replace(begun, start_asked_at=f"2026-06-01T11:{60 - minutes}:00.000000Z")
        serving = changes.seen(begun, version(), 0, Backlog(0, 0))
    assert serving.start_seconds == tuple(60.0 * minutes for minutes in range(10, 18))


def test_a_stop_takes_back_what_was_asked_for_before() -> None:
    started = changes.asked(Serving(), "start", "ann", "", is_running=False)
    stopped = changes.asked(started, "stop", "bob", "", is_running=False)
    assert (stopped.is_awaited, stopped.awaited_at) == (False, "")


@pytest.mark.parametrize("late", ["start", "stop"])
def test_what_is_delivered_again_does_not_undo_what_was_said_since(late: str) -> None:
    """Lambda delivers an event again, minutes or hours later, if the function has failed or was throttled."""
    newer = "stop" if late == "start" else "start"
    first, second = "2026-06-01T11:00:00.000000Z", "2026-06-01T11:30:00.000000Z"
    asked = changes.asked(Serving(), late, "ann", "", is_running=False, at=first)
    assert (asked.asked, asked.asked_at) == (late, first)
    assert changes.asked(asked, late, "ann", "", is_running=False, at=first) == asked
    later = changes.asked(asked, newer, "bob", "", is_running=False, at=second)
    assert changes.asked(later, late, "ann", "", is_running=False, at=first) == later
    assert changes.asked(later, "wake", "ann", "", is_running=False, at=first) == later


def test_who_is_heard_late_does_not_shorten_the_time_of_who_used_it_since() -> None:
    earlier, later = "2026-06-01T11:00:00.000000Z", "2026-06-01T11:30:00.000000Z"
    used = changes.asked(Serving(), "use", "ann", "", is_running=True, at=later)
    assert changes.asked(used, "use", "bob", "", is_running=True, at=earlier).awaited_at == later


def test_a_person_is_heard_though_the_last_word_seems_to_come_from_the_future() -> None:
    asked = changes.asked(Serving(asked="start", asked_at=LATER), "stop", "ann", "", is_running=True)
    assert (asked.asked, asked.asked_at) == ("stop", NOW)
    seen = changes.seen(Serving(asked="start", asked_at=LATER), version(), 0, Backlog(0, 0))
    assert changes.asked(seen, "stop", "ann", "", is_running=True, at="2026-06-01T12:00:01Z").asked == "stop"


def test_a_start_that_took_hours_is_not_expected_again() -> None:
    """A clock was set forward, or nobody looked: each day it would run for hours before it opens."""
    starting = Serving(start_asked_at="2026-06-01T02:00:00.000000Z", start_seconds=(900.0,))
    seen = changes.seen(starting, version(), 0, Backlog(0, 0))
    assert (seen.start_seconds, seen.start_asked_at) == ((900.0,), "")
