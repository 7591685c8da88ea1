"""How far a run is, on a terminal and in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli import formatting
from cli.following import Display, Phase, now
from cli.progress import bar
from lambdas.domain.retrain.run_progress import RunProgress

HEARTBEAT_SECONDS = 60.0
"""In a log, a phase that takes long is mentioned again after this time."""

Footer = Callable[[], RenderableType]


@contextmanager
def display(console: Console, footer: Footer | None = None) -> Iterator[Display]:
    """A display for as long as the block runs; below it, on a terminal only, what `footer` gives."""
    if not console.is_terminal:
        yield Lines(console)
        return
    steps = _Steps(footer)
    with Live(steps, console=console, refresh_per_second=8):
        yield steps


class _Steps:
    """Every phase on a line of its own, with its seconds running."""

    def __init__(self, footer: Footer | None) -> None:
        self._phases: Sequence[Phase] = []
        self._detail = ""
        self._progress = RunProgress()
        self._footer = footer
        self._spinner = Spinner("line", style="cyan")

    def show(self, phases: Sequence[Phase], detail: str, progress: RunProgress) -> None:
        self._phases, self._detail, self._progress = phases, detail, progress

    def __rich__(self) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=3, justify="right")
        grid.add_column(min_width=36)
        grid.add_column(justify="right", min_width=9)
        grid.add_column()
        moment = now()
        for phase in self._phases:
            took = formatting.seconds(phase.seconds(moment))
            if phase.ended:
                grid.add_row(Text("ok", style="green"), phase.name, Text(took, style="dim"), "")
            else:
                grid.add_row(
                    self._spinner, Text(phase.name, style="bold"), took, Text(self._detail, style="dim")
                )
        if not self._phases:
            grid.add_row(self._spinner, "waiting for the first step", "", "")
        parts: list[RenderableType] = [grid]
        if any(not phase.ended for phase in self._phases):
            parts.append(bar(self._progress.fraction, self._progress.seconds_left))
        if self._footer:
            parts.append(self._footer())
        return Group(*parts)


class Lines:
    """A line for every phase that has ended, and now and then one for a phase that takes long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0
        self._spoke = time.monotonic()

    def show(self, phases: Sequence[Phase], detail: str, progress: RunProgress) -> None:
        moment = now()
        ended = [phase for phase in phases if phase.ended]
        for phase in ended[self._shown :]:
            self._say(f"  {phase.name}: {formatting.seconds(phase.seconds(moment))}")
        self._shown = len(ended)
        if len(phases) > len(ended) and time.monotonic() - self._spoke > HEARTBEAT_SECONDS:
            current = phases[-1]
            seconds = formatting.seconds(current.seconds(moment))
            so_far = f"{current.name}: {seconds} so far {detail}".rstrip(" .")
            left = formatting.progress(progress.fraction, progress.seconds_left, before="; all in all ")
            self._say(f"  {so_far}{left}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
        self._spoke = time.monotonic()
