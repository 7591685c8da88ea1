"""Times as the tables hold them: ISO 8601, UTC, microseconds, so that text order is time order."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


def now() -> str:
    """The present moment as the tables hold it."""
    return to_iso(datetime.now(UTC))


def seconds() -> float:
    """The present moment in seconds since 1970, as DynamoDB and tokens have it."""
    return time.time()


def to_iso(moment: datetime) -> str:
    """The moment as the tables hold it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(moment: str) -> datetime:
    """The moment that a table holds."""
    return datetime.fromisoformat(moment.replace("Z", "+00:00"))


def in_seconds(seconds: float) -> str:
    """The moment that comes so many seconds after now."""
    return to_iso(datetime.now(UTC) + timedelta(seconds=seconds))


def minute(moment: str) -> str:
    """A moment for people, such as 2026-01-31 09:30 UTC."""
    return parse(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float) -> str:
    """A duration for people, in a fitting unit: 0.4 s, 38 s, 4 min 05 s, 30 min, 2 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s".removesuffix(" 00 s")
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min".removesuffix(" 00 min")


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one moment of the tables to another."""
    return (parse(later) - parse(earlier)).total_seconds()
