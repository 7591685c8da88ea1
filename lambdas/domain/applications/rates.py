"""How many requests each application makes in a minute, and which may make no more.

A process writes what it has counted once a second at most, and learns then what others have. So an
application with requests under way side by side may make more than its rate, by what they let through in such
a second; in return not every request waits for the one item that counts all of an application's, of which
DynamoDB takes 1,000 writes a second.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdas.domain.applications.records import WINDOW_SECONDS

if TYPE_CHECKING:
    from lambdas.domain.applications.directory import Application
    from lambdas.domain.applications.records import Records

WRITE_SECONDS = 1.0
"""Between two times that a process writes how often an application has asked."""


@dataclass
class _Minute:
    """What a process knows of an application's requests in one minute."""

    number: int
    """Of the minute, since 1970."""
    total: int = 0
    """As it was written last: what other processes had counted by then as well."""
    unwritten: int = 0
    written_at: float = 0.0


class Rates:
    """Counts requests. One for each process, whose threads may share it."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._minutes: dict[str, _Minute] = {}
        self._lock = threading.Lock()

    def is_full(self, application: Application, now: float) -> bool:
        """Whether the application has made as many requests in this minute as it may."""
        minute = self._minutes.get(application.id)
        if minute is None or minute.number != now // WINDOW_SECONDS:
            return False
        return minute.total + minute.unwritten >= application.rate

    def count(self, application: Application, now: float, number: int = 1) -> bool:
        """Count a request: False if the application had made as many as it may before.

        Args:
            number: as how many requests it counts. One that counts as several is written at once.
        """
        with self._lock:
            minute, before = self._minute(application.id, now)
            if self.is_full(application, now):
                return False
            minute.unwritten += number
            sent = 0
            if number > 1 or now - minute.written_at >= WRITE_SECONDS:
                sent, minute.unwritten, minute.written_at = minute.unwritten, 0, now
                minute.total += sent
        if before and before.unwritten:
            self._records.add_requests(application.id, before.number, before.unwritten)
        if not sent:
            return True
        total = self._records.add_requests(application.id, minute.number, sent)
        minute.total = max(minute.total, total)
        return total - number < application.rate

    def _minute(self, name: str, now: float) -> tuple[_Minute, _Minute | None]:
        """The present minute, and the one before it if this request is the first that is not in that."""
        known, number = self._minutes.get(name), int(now // WINDOW_SECONDS)
        if known and known.number == number:
            return known, None
        fresh = self._minutes[name] = _Minute(number)
        return fresh, known and replace(known)
