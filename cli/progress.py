"""How far something is, in one look everywhere: a share, what is done, how fast, and the time left.

On a terminal it is a bar; in a log, a line now and then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli import formatting

LINE_SECONDS = 15.0
"""Seconds between two lines of a log."""
BAR_WIDTH = 40

T = TypeVar("T")


class Meter:
    """Counts files and their bytes, and shows nothing."""

    def __init__(self, total: int | None = None) -> None:
        self.done = self.bytes = self._before = 0
        self.total = total
        self._began = time.monotonic()

    def expect(self, total: int) -> None:
        """Say how many there are, now that it is known."""
        self.total = total

    def begin_at(self, done: int) -> None:
        """Say how many were done before, which says nothing of how fast they are done now."""
        self.done = self._before = done
        self._began = time.monotonic()

    def advance(self, size: int = 0, count: int = 1) -> None:
        self.done += count
        self.bytes += size

    def text(self) -> str:
        """How far it is: 120 of 400, 30 %, 14/s, 2.1 MB/s, about 20 s left."""
        done = self.done - self._before
        if not done:
            return f"{self.done} of {self.total}" if self.done and self.total else ""
        seconds = max(time.monotonic() - self._began, 1e-3)
        rate = f"{done / seconds:.{0 if done >= seconds else 1}f}/s" + (
            f", {self.bytes / seconds / 1e6:.1f} MB/s" if self.bytes else ""
        )
        if self.total is None:
            return f"{self.done}, {rate}"
        left = seconds / done * (self.total - self.done) if self.done < self.total else None
        return f"{self.done} of {self.total}, {rate}, {formatting.progress(self.done / self.total, left)}"


class _Bar(Meter):
    def __init__(self, progress: Progress, what: str, total: int | None) -> None:
        super().__init__(total)
        self._progress = progress
        self._task = progress.add_task(what, total=total, meter=self)

    def expect(self, total: int) -> None:
        if total != self.total:
            super().expect(total)
            self._progress.update(self._task, total=total)

    def begin_at(self, done: int) -> None:
        super().begin_at(done)
        self._progress.update(self._task, completed=done)

    def advance(self, size: int = 0, count: int = 1) -> None:
        super().advance(size, count)
        self._progress.advance(self._task, count)


class _Lines(Meter):
    def __init__(self, console: Console, what: str, total: int | None) -> None:
        super().__init__(total)
        self._console, self._what = console, what
        self._printed_at = self._began

    def advance(self, size: int = 0, count: int = 1) -> None:
        super().advance(size, count)
        now = time.monotonic()
        # The last line only follows on others: what takes seconds needs none.
        at_end = self.done == self.total and self._printed_at > self._began
        if now - self._printed_at < LINE_SECONDS and not at_end:
            return
        self._printed_at = now
        self._console.print(f"{self._what}: {self.text()}", markup=False, soft_wrap=True)


class _Text(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(task.fields["meter"].text(), style="dim")


@contextmanager
def meter(console: Console, what: str, total: int | None) -> Iterator[Meter]:
    """A meter that is shown for as long as the block runs. `total`: None if it is not known."""
    if not console.is_terminal:
        yield _Lines(console, what, total)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=BAR_WIDTH), _Text())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress, what, total)


def counted(console: Console, what: str, items: Iterator[T], total: int) -> list[T]:
    """The items, with how many of them there are already shown while they come."""
    everything: list[T] = []
    with meter(console, what, total) as progress:
        for item in items:
            everything.append(item)
            progress.advance()
    return everything


def bar(fraction: float | None, seconds_left: float | None) -> RenderableType:
    """A bar of a share, from 0 to 1, with the time left; it pulses while the share is not known."""
    grid = Table.grid(padding=(0, 1))
    total = None if fraction is None else 1.0
    grid.add_row(
        ProgressBar(total=total, completed=fraction or 0.0, width=BAR_WIDTH, pulse=fraction is None),
        Text(
            formatting.progress(fraction, seconds_left) or "no earlier run tells how long it takes",
            style="dim",
        ),
    )
    return grid
