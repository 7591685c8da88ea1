"""How far batches are, and what they have come to."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import formatting
from cli.batch import summaries
from cli.deployment import Deployment
from cli.output import CommandError
from cli.progress import meter
from lambdas.domain.batch import control
from lambdas.domain.shared.records import Batch

POLL_SECONDS = 2.0
"""Between two looks at a batch that is followed."""
EXIT_CODES = {"done": 0, "cancelled": 3}
"""By the state in which a batch ended; 1 for every other one."""
_STYLES = {"done": "green", "failed": "red", "cancelled": "yellow"}


def one(deployment: Deployment, name: str) -> Batch:
    """The batch of that name.

    Raises:
        CommandError: there is none.
    """
    if batch := deployment.loop_state.batch(name):
        return batch
    order = control.read(deployment.s3, deployment.bucket, name)
    if order and order.total:
        raise CommandError(f"batch {name} has not begun: `labelloop batch resume {name}` starts it")
    if order:
        raise CommandError(
            f"the images of batch {name} are not all sent: run its `labelloop batch create` again, for"
            f" {order.source}"
        )
    raise CommandError(f"there is no batch {name}: `labelloop batch list` shows those that there are")


def document(batch: Batch) -> dict[str, Any]:
    """A batch as a document."""
    return {**asdict(batch), "share": round(share(batch), 4), "left": max(0, batch.total - batch.answered)}


def share(batch: Batch) -> float:
    """The share of its images that have an answer, from 0 to 1."""
    return min(1.0, batch.answered / batch.total) if batch.total else 0.0


def show_all(console: Console, batches: list[Batch]) -> None:
    """Print a line for each batch."""
    if not batches:
        console.print("No batch yet: `labelloop batch create SOURCE` makes one")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("batch", no_wrap=True)
    table.add_column("state")
    for title in ("images", "answered", "failed"):
        table.add_column(title, justify="right")
    for title in ("version", "created", "source"):
        table.add_column(title, overflow="fold")
    for batch in batches:
        style = _STYLES.get(batch.state, "bold")
        table.add_row(
            escape(batch.id),
            f"[{style}]{batch.state}[/{style}]",
            f"{batch.total:,}",
            f"{batch.answered:,}",
            f"{batch.failed:,}",
            escape(batch.version),
            formatting.moment(batch.created_at),
            escape(batch.source),
        )
    console.print(table)


def show(console: Console, batch: Batch, deployment: Deployment) -> None:
    """Print how far a batch is and, of one that has results, what they come to."""
    console.print(f"{batch.id}: {_state_words(batch)}", markup=False, soft_wrap=True)
    failed = f", {batch.failed:,} of them failed" if batch.failed else ""
    percent = f"{share(batch):.0%}".replace("%", " %")
    console.print(
        f"{batch.answered:,} of {batch.total:,} images have an answer ({percent}){failed}", markup=False
    )
    units = formatting.count(batch.started_units, "inference unit")
    started = f"; it was started with {units}" if batch.started_units else ""
    console.print(f"{batch.version} answers{started}", markup=False)
    by = f" by {batch.created_by}" if batch.created_by else ""
    ended = f", ended {formatting.moment(batch.ended_at)}" if batch.ended_at else ""
    console.print(
        f"{batch.source}, created {formatting.moment(batch.created_at)}{by}{ended}",
        markup=False,
        soft_wrap=True,
    )
    if batch.review_limit:
        console.print(f"{batch.proposed} of up to {batch.review_limit} unsure images went to review")
    if summary := summaries.stored(deployment, batch.id):
        summaries.show(console, summary)
    if batch.state in ("failed", "cancelled"):
        console.print(f"`labelloop batch resume {batch.id}` goes on with what has no answer", markup=False)


def _state_words(batch: Batch) -> str:
    reason = batch.waits_for and f"waits for {batch.waits_for}"
    return f"{batch.state}: {words}" if (words := batch.reason or reason) else batch.state


def follow(deployment: Deployment, console: Console, name: str, execution: str = "") -> Batch:
    """Show how far a batch is until it has ended.

    Args:
        execution: that was just started with it, and may not have begun yet; empty: whichever has.

    Raises:
        CommandError: its execution has ended before it could begin.
    """
    batch = _begun(deployment, name, execution) if execution else one(deployment, name)
    shown = ""
    while batch.is_live and batch.state == "waking":
        if (words := batch.waits_for or "its model version") != shown:
            console.print(f"{name} waits for {words}", markup=False)
            shown = words
        time.sleep(POLL_SECONDS)
        batch = one(deployment, name)
    with meter(console, f"{name}: asking {batch.version}", batch.total) as progress:
        progress.begin_at(batch.answered)
        while batch.is_live:
            time.sleep(POLL_SECONDS)
            batch = one(deployment, name)
            if (more := batch.answered - progress.done) > 0:
                progress.advance(count=more)
    return batch


def _begun(deployment: Deployment, name: str, execution: str) -> Batch:
    """The batch, once this execution works on it.

    Raises:
        CommandError: it has ended without.
    """
    while True:
        described = deployment.stepfunctions.describe_execution(executionArn=execution)
        batch = deployment.loop_state.batch(name)
        if batch and batch.execution_arn == execution:
            return batch
        if described["status"] != "RUNNING":
            raise CommandError(f"batch {name} was not begun: {described.get('cause') or described['status']}")
        time.sleep(POLL_SECONDS)


def exit_code(batch: Batch) -> int:
    """The exit code of a command that has followed a batch to its end."""
    return EXIT_CODES.get(batch.state, 1)
