"""Times as the tables hold them: ISO 8601, UTC, microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> str:
    """The present moment as the tables hold it."""
    return to_iso(datetime.now(UTC))


def to_iso(moment: datetime) -> str:
    """The moment as the tables hold it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(moment: str) -> datetime:
    """The moment that a table holds."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00"))


def in_seconds(seconds: float) -> str:
    """The moment that comes so many seconds after now."""
    return to_iso(datetime.now(UTC) + timedelta(seconds=seconds))


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one moment of the tables to another."""
    return (parse(later) - parse(earlier)).total_seconds()
