"""Watching the loop: images being registered, the run that starts by itself, its verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli import following, formatting, live
from cli.deployment import Deployment
from cli.following import FollowedRun
from demo.traffic import Traffic
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.shared import records

T = TypeVar("T")

_PLAIN: dict[str, Any] = {"markup": False, "soft_wrap": True}


class NotAsPromisedError(RuntimeError):
    """The loop did something else than the demo promises; the message says what."""


@contextmanager
def bar(console: Console, what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar for so many things; in a log, one line at the end."""
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    began, done = time.monotonic(), 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)

        def show_progress(completed: int) -> None:
            nonlocal done
            done = completed
            progress.update(task, completed=completed)

        yield show_progress
    console.print(f"  {what}: {done} in {formatting.seconds(time.monotonic() - began)}", markup=False)


def registered(
    console: Console,
    deployment: Deployment,
    expected: int,
    status: catalogue_images.Status = "labelled",
    timeout_seconds: float = 120,
) -> None:
    """Watch the catalogue until it has so many images of this status, as long as there are ever more."""
    what = f"images registered and {status}"
    with bar(console, what, expected) as show_progress:

        def count() -> int:
            counted = catalogue_images.count_by_status(deployment.catalogue)[status]
            show_progress(min(counted, expected))
            return counted

        reached(count, expected, timeout_seconds, f"{expected} {what}")


def next_run(
    console: Console,
    deployment: Deployment,
    known: set[str],
    traffic: Traffic | None,
    timeout_seconds: float = 60,
) -> records.Run:
    """Follow the run that starts by itself, and print its verdicts: its record."""

    def started() -> FollowedRun | None:
        run = following.under_way(deployment)
        return run if run and run.id not in known else None

    run = until(started, timeout_seconds, "a run starts by itself")
    console.print(f"  run {run.id} started by itself", **_PLAIN)
    footer = (lambda: Text(f"\n  {traffic.summary()}", style="dim")) if traffic else None
    with live.display(console, footer) as display:
        following.follow(run, display, poll_seconds=1)
    record = run.record()
    print_result(console, record)
    if traffic:
        console.print(f"  meanwhile: {traffic.summary()}", **_PLAIN)
    return record


def print_result(console: Console, record: records.Run) -> None:
    """A run's verdicts and outcome."""
    for verdict in record.verdicts:
        style = "green" if verdict.passed else "yellow"
        console.print(f"  {formatting.verdict(verdict)}", style=style, **_PLAIN)
    style = formatting.OUTCOME_STYLES.get(str(record.outcome), "red")
    name = record.version or "no version"
    console.print(f"  {name}: {record.outcome}: {record.reason or ''}", style=f"bold {style}", **_PLAIN)


def reached(count: Callable[[], int], expected: int, timeout_seconds: float, what: str) -> None:
    """Wait until a count is as expected: on a busy machine for long, as long as it changes.

    Raises:
        NotAsPromisedError: it was the same for `timeout_seconds` seconds.
    """
    while (counted := count()) < expected:
        until(lambda before=counted: count() != before, timeout_seconds, what)


def until(look: Callable[[], T | None], timeout_seconds: float, what: str) -> T:
    """What `look` returns once that is true.

    Raises:
        NotAsPromisedError: it did not become true in `timeout_seconds` seconds.
    """
    deadline = time.monotonic() + timeout_seconds
    while not (result := look()):
        if time.monotonic() > deadline:
            raise NotAsPromisedError(f"waited {timeout_seconds:.0f} s in vain until {what}")
        time.sleep(0.3)
    return result
