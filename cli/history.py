"""`labelloop runs` and `labelloop versions`: what is on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import formatting
from cli.deployment import Deployment, DeploymentError
from lambdas.domain.console import control
from lambdas.domain.costs import accounts
from lambdas.domain.costs.accounts import Account
from lambdas.domain.promote import approval
from lambdas.domain.retrain import notification, steps
from lambdas.domain.shared.records import ModelVersion, PendingApproval, Run, SnapshotSummary
from lambdas.domain.shared.scores import LabelScore, Verdict
from lambdas.domain.snapshot import snapshots
from lambdas.domain.snapshot.snapshots import Snapshot

MAX_LISTED = 1000
"""Runs and rollbacks that are listed."""

# Runs


def runs(deployment: Deployment) -> list[Run]:
    """The runs and rollbacks on record, newest first."""
    machine = deployment.promote_machine_arn
    return control.listed_runs(deployment.stepfunctions, deployment.loop_state.runs(), machine, MAX_LISTED)


def run(deployment: Deployment, id: str) -> Run:
    """The run of that id, or whose id begins so and no other's does.

    Raises:
        DeploymentError: there is none.
    """
    known = runs(deployment)
    matches = [run for run in known if run.id == id] or [run for run in known if run.id.startswith(id)]
    if len(matches) == 1:
        return _with_verdicts(deployment, matches[0])
    if matches:
        raise DeploymentError(f"more than one run begins with {id}: {_names(matches)}")
    raise DeploymentError(f"there is no run {id}; on record: {_names(known)}")


def _with_verdicts(deployment: Deployment, run: Run) -> Run:
    """The run with all that the gates have decided: the shadow gate's verdict stands with the version until
    the promotion has ended."""
    version = deployment.loop_state.version(run.version) if run.version and not run.ended_at else None
    return replace(run, verdicts=version.verdicts) if version and version.verdicts else run


def show_runs(console: Console, runs: Sequence[Run]) -> None:
    if not runs:
        console.print("No run yet: drop images under incoming/, or start one with `labelloop train`")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("run", "started by", "outcome", "version"):
        table.add_column(column, no_wrap=True)
    for column in ("F1", "took", "USD"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for run in runs:
        table.add_row(
            run.id,
            escape(run.started_by or run.trigger or ""),
            outcome(run),
            run.version or "",
            formatting.f1(run.f1),
            formatting.seconds(run.seconds),
            formatting.usd(run.estimated_usd),
            escape(run.reason or steps.waits(run) or ""),
        )
    console.print(table)


def show_run(console: Console, run: Run) -> None:
    """Everything on record about a run."""
    facts = [
        ("run", run.id),
        ("outcome", outcome(run)),
        ("reason", _reason(run)),
        ("waits for", escape(run.waits_for or "") if not run.ended_at else ""),
        ("trigger", run.trigger or ""),
        ("started by", escape(run.started_by or "")),
        ("started", formatting.moment(run.started_at)),
        ("took", formatting.seconds(run.seconds)),
        ("version", run.version or ""),
        ("snapshot", run.snapshot or ""),
        ("images", _images(run.images)),
        ("flagged", _flagged(run)),
        ("F1", formatting.f1(run.f1)),
        ("billable training", formatting.seconds(run.billable_seconds)),
        ("forecast", "" if run.forecast_usd is None else f"{formatting.usd(run.forecast_usd)} USD"),
        ("estimated cost", "" if run.estimated_usd is None else f"{formatting.usd(run.estimated_usd)} USD"),
        ("its version costs", _hourly_words(run.usd_per_hour)),
        ("execution", run.execution or ""),
    ]
    _facts(console, facts)
    _verdicts(console, run.verdicts)
    show_labels(console, run.labels)
    _steps(console, run)


def _hourly_words(usd_per_hour: float | None) -> str:
    return f"{formatting.usd(usd_per_hour)} USD for each hour in which it runs" if usd_per_hour else ""


def _flagged(run: Run) -> str:
    counts = notification.flagged_words(run)
    return f"{counts}: Rekognition found errors in them, and trained without" if counts else ""


def outcome(run: Run) -> str:
    """A run's outcome in its colour, as Rich markup."""
    name = run.outcome or ""
    style = formatting.OUTCOME_STYLES.get(name, "cyan")
    return f"[{style}]{name}[/{style}]"


def _images(summary: SnapshotSummary | None) -> str:
    if summary is None:
        return ""
    text = f"{summary.train_images} to train with, {summary.test_images} to test with"
    backgrounds = summary.train_backgrounds + summary.test_backgrounds
    if backgrounds:
        text += f"; {backgrounds} backgrounds, {summary.test_backgrounds} of them to test with"
    left_out = [f"{number} left out: {reason}" for reason, number in summary.left_out.items()]
    return escape("; ".join([f"{summary.kind}, {text}", *left_out]))


def _steps(console: Console, run: Run) -> None:
    if not run.steps:
        return
    table = Table(box=None, pad_edge=False, title="Steps", title_justify="left", title_style="bold")
    table.add_column("step")
    table.add_column("took", justify="right")
    for step in steps.recorded(run):
        if step.seconds is not None:
            took = formatting.seconds(step.seconds)
            table.add_row(step.name, f"{took}, failed" if step.state == "failed" else took)
    console.print()
    console.print(table)


# Model versions


@dataclass(frozen=True)
class VersionEntry:
    """A model version with what its own record does not say."""

    version: ModelVersion
    champion: bool
    """Whether it serves."""
    snapshot_location: str = ""
    """Where in S3 the snapshot is that it was trained on; empty in a list, or if there is none."""
    label_thresholds: Mapping[str, float] | None = None
    """Percent by label: what the deployment sets in place of the model's own thresholds; None in a list."""
    images: SnapshotSummary | None = None
    """What its snapshot holds; None in a list, or if its files are gone."""
    origins: Mapping[str, int] = field(default_factory=dict)
    """Images of its snapshot by where their labels come from: a folder, an annotation file, a person."""
    labelled_by: Mapping[str, int] = field(default_factory=dict)
    """Images of its snapshot by the person whose labels they have."""
    started_by: str = ""
    """Who started the run that trained it; empty if nobody did."""
    account: Account | None = None
    """What its training and its running have cost; None in a list, or if nothing is on record."""
    pending: PendingApproval | None = None
    """That it waits for a person's approval."""

    def as_dict(self) -> dict[str, Any]:
        location = {"snapshot_location": self.snapshot_location} if self.snapshot_location else {}
        given = {} if self.label_thresholds is None else {"label_thresholds": dict(self.label_thresholds)}
        known = {} if self.label_thresholds is None else self._lineage()
        pending = (
            {"asked_at": self.pending.asked_at, "deadline": self.pending.deadline} if self.pending else {}
        )
        waits = {"waits_for_approval": pending} if pending else {}
        return {**self.version.as_dict(), "champion": self.champion, **location, **given, **known, **waits}

    def _lineage(self) -> dict[str, Any]:
        return {
            "images": asdict(self.images) if self.images else None,
            "origins": dict(self.origins),
            "labelled_by": dict(self.labelled_by),
            "started_by": self.started_by or None,
            "cost": {**asdict(self.account), "usd": self.account.usd} if self.account else None,
        }


def version(deployment: Deployment, name: str) -> ModelVersion:
    """The model version of that name or number: `v3-0123456789abcdef`, `v3` and `3` are the same.

    Raises:
        DeploymentError: there is none.
    """
    versions = deployment.loop_state.versions()
    number = name.removeprefix("v").split("-")[0]
    matches = [version for version in versions if version.id == name]
    if not matches and "-" not in name:
        matches = [version for version in versions if str(version.number) == number]
    if not matches:
        raise DeploymentError(f"there is no model version {name}; on record: {_names(versions)}")
    return matches[0]


def versions(deployment: Deployment) -> list[VersionEntry]:
    """Every model version, newest first."""
    champion = deployment.loop_state.champion()
    serving = champion.version_name if champion else ""
    waiting = {pending.id: pending for pending in deployment.loop_state.approvals()}
    return [
        VersionEntry(version, version.id == serving, pending=waiting.get(version.id))
        for version in deployment.loop_state.versions()
    ]


def lineage(deployment: Deployment, version: ModelVersion) -> VersionEntry:
    """The version with where its snapshot is, whether it serves, and the deployment's thresholds."""
    champion = deployment.loop_state.champion()
    serves = champion is not None and champion.version_name == version.id
    location = f"s3://{deployment.bucket}/datasets/{version.trained_on}/" if version.trained_on else ""
    run = deployment.loop_state.run(version.run) if version.run else None
    tuning = deployment.tuning()
    entries = [entry for entry in accounts.entries(deployment.loop_state) if entry.version == version.id]
    snapshot = _snapshot(deployment, version)
    return VersionEntry(
        version,
        serves,
        location,
        tuning.label_thresholds,
        images=snapshot.summary() if snapshot else None,
        origins=snapshot.origins if snapshot else {},
        labelled_by=snapshot.labelled_by if snapshot else {},
        started_by=(run.started_by or "") if run else "",
        account=next(iter(accounts.accounts(entries, "version", tuning)), None),
        pending=deployment.loop_state.approval(version.id),
    )


def _snapshot(deployment: Deployment, version: ModelVersion) -> Snapshot | None:
    if not version.trained_on:
        return None
    try:
        return snapshots.read(deployment.s3, deployment.bucket, version.trained_on)
    except deployment.s3.exceptions.NoSuchKey:
        return None


def show_versions(console: Console, entries: Sequence[VersionEntry]) -> None:
    if not entries:
        console.print("No model version yet: the first run trains one")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("version", no_wrap=True)
    table.add_column("F1", justify="right")
    for column in ("state", "snapshot", "created", "promoted", "run"):
        table.add_column(column, no_wrap=True)
    for entry in entries:
        version = entry.version
        table.add_row(
            version.id,
            formatting.f1(version.f1),
            _state(entry),
            version.trained_on or "",
            formatting.moment(version.created_at),
            formatting.moment(version.promoted_at),
            version.run or "",
        )
    console.print(table)
    for entry in entries:
        if entry.pending:
            words = f"{entry.version.id} waits for {approval.in_words(entry.pending)}"
            console.print(words, style="yellow", markup=False, soft_wrap=True)


def show_version(console: Console, entry: VersionEntry) -> None:
    """Everything on record about a model version."""
    version = entry.version
    facts = [
        ("version", version.id),
        ("state", _state(entry)),
        ("reason", _reason(version)),
        ("F1", formatting.f1(version.f1)),
        ("waits for", escape(approval.in_words(entry.pending)) if entry.pending else ""),
        ("approval", escape(_approval_words(version))),
        ("F1 through the endpoint", formatting.f1(version.shadow.f1 if version.shadow else None)),
        ("created", formatting.moment(version.created_at)),
        ("promoted", formatting.moment(version.promoted_at)),
        ("retired", formatting.moment(version.retired_at)),
        ("trained on", entry.snapshot_location),
        ("images", _images(entry.images)),
        ("labels from", _counts({_ORIGINS.get(name, name): n for name, n in entry.origins.items()})),
        ("labelled by", _counts(entry.labelled_by)),
        ("by run", version.run or ""),
        ("started by", escape(entry.started_by)),
        ("has cost", _account_words(entry.account)),
        ("ARN", version.arn or ""),
    ]
    _facts(console, facts)
    _verdicts(console, version.verdicts)
    show_labels(console, version.labels, entry.label_thresholds or {})


_ORIGINS = {
    "folder": "folders",
    "annotation": "annotation files",
    "person": "people",
    "": "not on record",
}


def _counts(images: Mapping[str, int]) -> str:
    """Such as "Ann 12, Ben 3"."""
    return escape(", ".join(f"{name} {count}" for name, count in images.items()))


def _approval_words(version: ModelVersion) -> str:
    if version.approval is None:
        return ""
    return f"{formatting.moment(version.approval.at)}: {approval.approval_words(version.approval)}"


def _account_words(account: Account | None) -> str:
    if account is None:
        return ""
    return (
        f"{formatting.usd(account.usd)} USD: {account.training_hours:.2f} h of training,"
        f" {account.unit_hours:.2f} h of an inference unit"
    )


def show_labels(
    console: Console, labels: Sequence[LabelScore], thresholds: Mapping[str, float] = MappingProxyType({})
) -> None:
    """Metrics of each label, as the training's evaluation gave them.

    Args:
        thresholds: percent by label, where the deployment sets another than the model's own.
    """
    if not labels:
        return
    table = Table(box=None, pad_edge=False, title="Labels", title_justify="left", title_style="bold")
    table.add_column("label", overflow="fold")
    for column in ("F1", "precision", "recall", "test images", "threshold"):
        table.add_column(column, justify="right")
    for label in labels:
        numbers = [f"{number:.3f}" for number in (label.f1, label.precision, label.recall)]
        table.add_row(
            escape(label.label),
            *numbers,
            str(label.test_images),
            _threshold(label, thresholds.get(label.label)),
        )
    console.print()
    console.print(table)


def _threshold(label: LabelScore, given: float | None) -> str:
    """From which confidence on the label's detections count; and the model's own, if that is not it."""
    own = "" if label.threshold is None else f"{100 * label.threshold:.1f} %"
    if given is None:
        return own
    return f"{given:.1f} % set" + (f" (own: {own})" if own else "")


def _state(entry: VersionEntry) -> str:
    state = "champion" if entry.champion else entry.version.state or ""
    style = formatting.STATE_STYLES.get(state)
    return f"[{style}]{state}[/{style}]" if style else state


def _facts(console: Console, facts: Sequence[tuple[str, str]]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in facts:
        if text:
            table.add_row(title, text)
    console.print(table)


def _verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """What each gate has decided, and why; a later one does not say again what an earlier one has said."""
    printed: set[str] = set()
    for verdict in verdicts:
        style = "green" if verdict.passed else "yellow"
        news = tuple(reason for reason in verdict.reasons if reason not in printed)
        shown = replace(verdict, reasons=news or verdict.reasons)
        console.print(formatting.verdict(shown), style=style, markup=False)
        printed.update(verdict.reasons)


def _reason(record: Run | ModelVersion) -> str:
    """Why it came out so, unless the verdict of a gate below says just that."""
    reason = record.reason or ""
    return "" if any(reason == verdict.reason for verdict in record.verdicts) else escape(reason)


def _names(records: Sequence[Run | ModelVersion]) -> str:
    return ", ".join(record.id for record in records[:20]) or "none"
