"""Weekly opening hours in a time zone: `Mon-Fri 08:00-18:00, Sat 09:00-12:00`.

Hours that end before they begin go on over midnight: `Fri 22:00-06:00` ends on Saturday at 06:00. A whole day
is `00:00-24:00`. Hours must not overlap, on any day.

When the clocks change, hours begin and end by the clock on the wall. A time that the change to summer time
leaves out counts as so much later (02:30 is 03:30); of a time that comes twice in autumn, hours begin at the
first and end at the second, so that they are never cut short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from lambdas.domain.shared.frozen import frozen

# Most functions that read the settings look at no hours: each would wait for this import.
if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = 7 * _DAY_MINUTES
_PART = re.compile(r"(\w{3})(?:\s*-\s*(\w{3}))?\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


class OpeningHoursError(ValueError):
    """Opening hours cannot be used; the message says why."""


@dataclass(frozen=True, order=True)
class Span:
    """Hours that begin on a day of the week, in minutes from its midnight; they may end on the next day."""

    day: int
    begin: int
    end: int

    def __str__(self) -> str:
        return f"{DAYS[self.day]} {_clock(self.begin)}-{_clock(self.end)}"


@frozen
class OpeningHours:
    """The hours of a week in which something is open."""

    spans: tuple[Span, ...]
    zone: ZoneInfo

    def is_open(self, moment: datetime, *, opens_early: timedelta = timedelta()) -> bool:
        """Whether it is open then.

        Args:
            opens_early: how long before each opening it counts as open.
        """
        return any(begin - opens_early <= moment < end for begin, end in self._around(moment + opens_early))

    def next_opening(self, moment: datetime) -> datetime:
        """When it opens next."""
        begins = [begin for day in range(0, 9) for begin, _ in self._around(moment + timedelta(days=day))]
        return min(begin for begin in begins if begin > moment)

    def _around(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The hours that begin on the day of that moment or one of the days beside it, in UTC."""
        today = moment.astimezone(self.zone).date()
        for days in (-1, 0, 1):
            date = today + timedelta(days=days)
            midnight = datetime.combine(date, time())
            for span in self.spans:
                if span.day == date.weekday():
                    yield self._begin(midnight, span.begin), self._end(midnight, span.end)

    def _begin(self, midnight: datetime, minutes: int) -> datetime:
        return (midnight + timedelta(minutes=minutes)).replace(tzinfo=self.zone).astimezone(UTC)

    def _end(self, midnight: datetime, minutes: int) -> datetime:
        """Of a time that comes twice the second. One that is left out is read as if the clock had not changed
        yet; `fold` does not mean an order there: https://peps.python.org/pep-0495/"""
        local = (midnight + timedelta(minutes=minutes)).replace(tzinfo=self.zone)
        return max(local.astimezone(UTC), local.replace(fold=1).astimezone(UTC))


@cache
def parse(hours: str, time_zone: str) -> OpeningHours:
    """Opening hours from text.

    Args:
        time_zone: its name in the IANA database, such as Europe/Zurich.

    Raises:
        OpeningHoursError: they cannot be read, overlap, or the time zone is not known.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise OpeningHoursError(f"there is no time zone {time_zone!r}; one is Europe/Zurich") from error
    spans = tuple(sorted(span for part in hours.split(",") for span in _spans(part.strip())))
    for earlier, later in pairwise([*_on_the_week(spans), *_on_the_week(spans[:1], _WEEK_MINUTES)]):
        if earlier[1] > later[0]:
            raise OpeningHoursError(f"{earlier[2]} and {later[2]} overlap")
    return OpeningHours(spans, zone)


def _spans(part: str) -> Iterator[Span]:
    match = _PART.fullmatch(part)
    if match is None:
        raise OpeningHoursError(f"{part!r}: expected hours like Mon-Fri 08:00-18:00 or Sat 09:00-12:00")
    first = _day(match[1])
    last = _day(match[2]) if match[2] else first
    begin, end = _minutes(match[3], match[4]), _minutes(match[5], match[6])
    if begin == _DAY_MINUTES:
        raise OpeningHoursError(f"{part!r}: hours begin before 24:00")
    if begin == end:
        raise OpeningHoursError(f"{part!r}: ends when it begins; a whole day is 00:00-24:00")
    if end < begin:
        end += _DAY_MINUTES
    for day in range(first, last + 1 + (7 if last < first else 0)):
        yield Span(day % 7, begin, end)


def _day(name: str) -> int:
    if name.capitalize() not in DAYS:
        raise OpeningHoursError(f"{name!r} is no day: use {', '.join(DAYS)}")
    return DAYS.index(name.capitalize())


def _minutes(hour: str, minute: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > _DAY_MINUTES:
        raise OpeningHoursError(f"{hour}:{minute} is no time of the day")
    return minutes


def _on_the_week(spans: tuple[Span, ...], offset: int = 0) -> list[tuple[int, int, Span]]:
    """When they begin and end, in minutes of the week; those of Sunday may end after it."""
    return [
        (offset + span.day * _DAY_MINUTES + span.begin, offset + span.day * _DAY_MINUTES + span.end, span)
        for span in spans
    ]


def _clock(minutes: int) -> str:
    hour, minute = divmod(minutes if minutes == _DAY_MINUTES else minutes % _DAY_MINUTES, 60)
    return f"{hour:02d}:{minute:02d}"
