"""Progress of an import or an export: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli import formatting

LINE_SECONDS = 15.0
"""Seconds between two lines of a log."""


class Meter:
    """Counts files and their bytes, and shows nothing."""

    def __init__(self) -> None:
        self.done = self.bytes = 0
        self._began = time.monotonic()

    def advance(self, size: int = 0) -> None:
        self.done += 1
        self.bytes += size

    def rate(self) -> str:
        """Files and megabytes per second so far."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        rate = f"{self.done / seconds:.0f}/s"
        return f"{rate}, {self.bytes / seconds / 1e6:.1f} MB/s" if self.bytes else rate


class _Bar(Meter):
    def __init__(self, progress: Progress, what: str, total: int) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task(what, total=total, meter=self)

    def advance(self, size: int = 0) -> None:
        super().advance(size)
        self._progress.advance(self._task)


class _Lines(Meter):
    def __init__(self, console: Console, what: str, total: int) -> None:
        super().__init__()
        self._console, self._what, self._total = console, what, total
        self._printed_at = self._began

    def advance(self, size: int = 0) -> None:
        super().advance(size)
        now = time.monotonic()
        if now - self._printed_at < LINE_SECONDS and self.done < self._total:
            return
        self._printed_at = now
        left = (now - self._began) / self.done * (self._total - self.done)
        progress = f"{self._what}: {self.done} of {self._total}, {self.rate()}"
        more = f", {formatting.seconds(left)} left" if self.done < self._total else ""
        self._console.print(progress + more, markup=False, soft_wrap=True)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields["meter"].rate(), style="dim")


@contextmanager
def meter(console: Console, what: str, total: int) -> Iterator[Meter]:
    """A meter that is shown for as long as the block runs."""
    if not console.is_terminal:
        yield _Lines(console, what, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress, what, total)
