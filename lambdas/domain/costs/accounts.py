"""What the ledger comes to: by month, by day, by model version, and for one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import LedgerEntry, Run, is_serverless
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

Grouping = Literal["day", "month", "version"]


@frozen
class Account:
    """What a day, a month or a version came to: trainings in hours, running models in hours of one unit, and
    answers of the engine serverless."""

    name: str
    training_hours: float
    training_usd: float
    unit_hours: float
    units_usd: float
    answers: int = 0
    answers_usd: float = 0.0

    @property
    def usd(self) -> float:
        return round(self.training_usd + self.units_usd + self.answers_usd, 4)


@frozen
class Running:
    """A model version that runs, and what it costs."""

    version: str
    units: int
    usd_per_hour: float
    since: str
    """The beginning of its entry in the ledger: of the month, if it has run for longer."""


def entries(loop_state: LoopState, month: str = "") -> list[LedgerEntry]:
    """All that the ledger holds, with what is under way as far as it has come.

    Args:
        month: only what counts for this month, such as 2026-11.
    """
    head = loop_state.ledger_head()
    # In this order: what ends in between is in both, and counts once.
    under_way = [entry for entry in (*head.running, *head.training) if entry.id.startswith(month)]
    closed = loop_state.ledger_entries(month)
    known = {(entry.what, entry.version, entry.since) for entry in closed}
    return [*closed, *(e for e in under_way if (e.what, e.version, e.since) not in known)]


def accounts(of: Iterable[LedgerEntry], by: Grouping, tuning: Tuning) -> list[Account]:
    """The entries summed up, newest first; versions by what they cost."""
    if by == "version":
        grouped = [_account(name, group, tuning) for name, group in _grouped(of, lambda entry: entry.version)]
        return sorted(grouped, key=lambda account: account.usd, reverse=True)
    length = len("2026-11-28" if by == "day" else "2026-11")
    pieces = (piece for entry in of for piece in _by_day(entry))
    grouped = [
        _account(name, group, tuning) for name, group in _grouped(pieces, lambda entry: _day(entry)[:length])
    ]
    return grouped[::-1]


def month_usd(loop_state: LoopState, month: str, tuning: Tuning) -> float:
    """What a month has cost until the last look at Rekognition; trainings under way by the time so far."""
    return round(sum(_usd(entry, tuning) for entry in entries(loop_state, month)), 4)


def run_usd(loop_state: LoopState, run: Run, until: str, tuning: Tuning) -> float:
    """What a run has cost: the training of its version, and what that has run since the run began."""
    since = run.started_at
    if not run.version or not since:
        return 0.0
    of_version = [
        entry
        for month in _months(since, until)
        for entry in entries(loop_state, month)
        if entry.version == run.version and entry.until > since
    ]
    usd = sum(_usd(entry, tuning) for entry in of_version)
    if not any(entry.what == "training" for entry in of_version):
        # It ended a moment ago, and no look has booked it yet.
        region = (run.execution or "").split(":")[3:4]
        usd += pricing.prices("".join(region), tuning).training_usd(
            run.billable_seconds or 0, serverless=is_serverless(run.version)
        )
    return round(usd, 4)


def running(loop_state: LoopState, tuning: Tuning) -> list[Running]:
    """What runs, as of the last look at Rekognition."""
    return [
        Running(
            entry.version,
            entry.units,
            pricing.prices(entry.region, tuning).inference_usd(3600, entry.units),
            entry.since,
        )
        for entry in loop_state.ledger_head().running
    ]


def usd_per_hour(loop_state: LoopState, version: str, tuning: Tuning) -> float | None:
    """What a version costs in an hour; None if it did not run when Rekognition was last looked at."""
    return next((one.usd_per_hour for one in running(loop_state, tuning) if one.version == version), None)


def _usd(entry: LedgerEntry, tuning: Tuning) -> float:
    return pricing.prices(entry.region, tuning).entry_usd(entry)


def _account(name: str, group: Iterable[LedgerEntry], tuning: Tuning) -> Account:
    group = list(group)
    training = [entry for entry in group if entry.what == "training"]
    units = [entry for entry in group if entry.what == "units"]
    answers = [entry for entry in group if entry.what == "answers"]
    return Account(
        name,
        round(sum(entry.seconds for entry in training) / 3600, 4),
        round(sum(_usd(entry, tuning) for entry in training), 4),
        round(sum(entry.seconds * entry.units for entry in units) / 3600, 4),
        round(sum(_usd(entry, tuning) for entry in units), 4),
        sum(entry.units for entry in answers),
        round(sum(_usd(entry, tuning) for entry in answers), 4),
    )


def _grouped(
    of: Iterable[LedgerEntry], key: Callable[[LedgerEntry], str]
) -> Iterator[tuple[str, Iterator[LedgerEntry]]]:
    return groupby(sorted(of, key=key), key)


def _by_day(entry: LedgerEntry) -> Iterator[LedgerEntry]:
    """The units of an entry day by day (UTC); a training counts for the day on which it ended."""
    if entry.what == "units":
        while (midnight := _next_day(entry.since)) < entry.until:
            yield _units_between(entry, entry.since, midnight)
            entry = _units_between(entry, midnight, entry.until)
    yield entry


def _units_between(entry: LedgerEntry, since: str, until: str) -> LedgerEntry:
    return replace(entry, since=since, until=until, seconds=clock.seconds_between(since, until))


def _day(entry: LedgerEntry) -> str:
    return entry.until if entry.what == "training" else entry.since


def _next_day(at: str) -> str:
    day = datetime(int(at[:4]), int(at[5:7]), int(at[8:10]), tzinfo=UTC)
    return clock.to_iso(day + timedelta(days=1))


def _months(since: str, until: str) -> Iterator[str]:
    year, month = int(since[:4]), int(since[5:7])
    while (name := f"{year:04}-{month:02}") <= until[:7]:
        yield name
        year, month = year + month // 12, month % 12 + 1
