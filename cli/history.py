"""`labelloop runs` and `labelloop versions`: what is on record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import words
from cli.deployment import Deployment, DeploymentError
from lambdas.domain.retrain import notification

Record = dict[str, Any]


# Runs


def run(deployment: Deployment, id: str) -> Record:
    """The run of that id, or whose id begins so and no other's does.

    Raises:
        DeploymentError: there is none.
    """
    runs = deployment.loop_state.runs()
    found = [run for run in runs if run["id"] == id] or [run for run in runs if run["id"].startswith(id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DeploymentError(f"more than one run begins with {id}: {_names(found)}")
    raise DeploymentError(f"there is no run {id}; on record: {_names(runs)}")


def show_runs(console: Console, runs: Sequence[Record]) -> None:
    if not runs:
        console.print("No run yet: drop images under incoming/, or start one with `labelloop train`")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "trigger", "outcome", "version"):
        table.add_column(column, no_wrap=True)
    for column in ("F1", "took", "USD"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for found in runs:
        table.add_row(
            found["id"],
            str(found.get("trigger", "")),
            outcome(found),
            str(found.get("version", "")),
            words.f1(found.get("f1")),
            words.seconds(found.get("seconds")),
            words.usd(found.get("estimated_usd")),
            escape(str(found.get("reason", ""))),
        )
    console.print(table)


def show_run(console: Console, found: Record) -> None:
    facts = [
        ("run", found["id"]),
        ("outcome", outcome(found)),
        ("reason", escape(str(found.get("reason", "")))),
        ("trigger", str(found.get("trigger", ""))),
        ("started", words.moment(found.get("started_at"))),
        ("took", words.seconds(found.get("seconds"))),
        ("version", str(found.get("version", ""))),
        ("snapshot", str(found.get("snapshot", ""))),
        ("images", _images(found.get("images"))),
        ("flagged", _flagged(found)),
        ("F1", words.f1(found.get("f1"))),
        ("billable training", words.seconds(found.get("billable_seconds"))),
        (
            "estimated cost",
            f"{words.usd(found.get('estimated_usd'))} USD" if "estimated_usd" in found else "",
        ),
        ("execution", str(found.get("execution", ""))),
    ]
    _facts(console, facts)
    _verdicts(console, found)
    show_labels(console, found.get("labels", []))
    _steps(console, found.get("steps", []))


def _flagged(found: Record) -> str:
    told = notification.flagged_words(found)
    return f"{told}: Rekognition found errors in them, and trained without" if told else ""


def outcome(found: Record) -> str:
    """A run's outcome in its colour, as Rich markup."""
    name = str(found.get("outcome", ""))
    style = words.OUTCOME_STYLES.get(name, "cyan")
    return f"[{style}]{name}[/{style}]"


def _images(summary: Record | None) -> str:
    if not summary:
        return ""
    text = f"{summary['train_images']} to train with, {summary['test_images']} to test with"
    left_out = [f"{number} left out: {reason}" for reason, number in summary.get("left_out", {}).items()]
    return escape("; ".join([f"{summary['kind']}, {text}", *left_out]))


def _steps(console: Console, steps: Sequence[Record]) -> None:
    if not steps:
        return
    table = Table(box=None, pad_edge=False, title="Steps", title_justify="left", title_style="bold")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for step in steps:
        if step["seconds"] >= 0.05:
            table.add_row(step["step"], f"{step['seconds']:.1f}")
    console.print()
    console.print(table)


# Model versions


def version(deployment: Deployment, name: str) -> Record:
    """The model version of that name or number: `v3-0123456789abcdef`, `v3` and `3` are the same.

    Raises:
        DeploymentError: there is none.
    """
    versions = deployment.loop_state.versions()
    short = name.removeprefix("v").split("-")[0]
    found = [v for v in versions if v["id"] == name]
    if not found and "-" not in name:
        found = [v for v in versions if str(v.get("number")) == short]
    if not found:
        raise DeploymentError(f"there is no model version {name}; on record: {_names(versions)}")
    return found[0]


def versions(deployment: Deployment) -> list[Record]:
    """Every model version, newest first, with `champion` saying whether it serves."""
    champion = deployment.loop_state.champion()
    serving = champion.version_name if champion else ""
    return [{**found, "champion": found["id"] == serving} for found in deployment.loop_state.versions()]


def lineage(deployment: Deployment, found: Record) -> Record:
    """The version's record with where its snapshot is and whether it serves."""
    champion = deployment.loop_state.champion()
    return {
        **found,
        "champion": bool(champion and champion.version_name == found["id"]),
        "snapshot_location": f"s3://{deployment.bucket}/datasets/{found.get('snapshot', '')}/",
    }


def show_versions(console: Console, versions: Sequence[Record]) -> None:
    if not versions:
        console.print("No model version yet: the first run trains one")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("version", no_wrap=True)
    table.add_column("F1", justify="right")
    for column in ("state", "snapshot", "created", "promoted", "run"):
        table.add_column(column, no_wrap=True)
    for found in versions:
        table.add_row(
            found["id"],
            words.f1(found.get("f1")),
            _state(found),
            str(found.get("snapshot", "")),
            words.moment(found.get("created_at")),
            words.moment(found.get("promoted_at")),
            str(found.get("run", "")),
        )
    console.print(table)


def show_version(console: Console, found: Record) -> None:
    facts = [
        ("version", found["id"]),
        ("state", _state(found)),
        ("reason", escape(str(found.get("reason", "")))),
        ("F1", words.f1(found.get("f1"))),
        ("F1 through the endpoint", words.f1(found.get("shadow", {}).get("f1"))),
        ("created", words.moment(found.get("created_at"))),
        ("promoted", words.moment(found.get("promoted_at"))),
        ("retired", words.moment(found.get("retired_at"))),
        ("trained on", str(found.get("snapshot_location", ""))),
        ("by run", str(found.get("run", ""))),
        ("ARN", str(found.get("arn", ""))),
    ]
    _facts(console, facts)
    _verdicts(console, found)
    show_labels(console, found.get("labels", []))


def show_labels(console: Console, labels: Sequence[Record]) -> None:
    """Metrics of each label, as the training's evaluation gave them."""
    if not labels:
        return
    table = Table(box=None, pad_edge=False, title="Labels", title_justify="left", title_style="bold")
    table.add_column("label", overflow="fold")
    for column in ("F1", "precision", "recall", "test images"):
        table.add_column(column, justify="right")
    for label in labels:
        numbers = [f"{float(label[name]):.3f}" for name in ("f1", "precision", "recall")]
        table.add_row(escape(label["label"]), *numbers, str(label.get("test_images", "")))
    console.print()
    console.print(table)


def _state(found: Record) -> str:
    state = "champion" if found.get("champion") else str(found.get("state", ""))
    style = words.STATE_STYLES.get(state)
    return f"[{style}]{state}[/{style}]" if style else state


def _facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in facts:
        if text:
            table.add_row(title, text)
    console.print(table)


def _verdicts(console: Console, found: Record) -> None:
    for verdict in found.get("verdicts", []):
        style = "green" if verdict["passed"] else "yellow"
        console.print(words.verdict(verdict), style=style, markup=False)


def _names(loop_state: Sequence[Record]) -> str:
    return ", ".join(record["id"] for record in loop_state[:20]) or "none"
