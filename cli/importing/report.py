"""Reports of an import, before and after it, as tables and as JSON."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import formatting
from cli.importing.plan import Plan
from cli.importing.upload import Sent
from lambdas.domain.annotations.types import Problem

USD_PER_WRITE = 0.005 / 1000
USD_PER_GB_MONTH = 0.023
"""S3 Standard, US East (N. Virginia), https://aws.amazon.com/s3/pricing/ ; the bill is what counts."""
WRITES_PER_IMAGE = 2
"""The upload, and the copy that registration makes of it."""
LABELS_SHOWN = 20


def as_dict(plan: Plan, sent: Sent | None = None) -> dict[str, Any]:
    """The import as a JSON document; with `sent` after it was sent."""
    problems = all_problems(plan, sent)
    document: dict[str, Any] = {
        "name": plan.name,
        "source": plan.source.where,
        "format": plan.format,
        "why": plan.why,
        "images": {"labelled": len(plan.labelled), "unlabelled": len(plan.unlabelled)},
        "bytes": plan.bytes,
        "labels": dict(plan.images_by_label().most_common()),
        "boxes": dict(plan.boxes_by_label().most_common()),
        "dataset_types": dict(plan.images_by_dataset_type()),
        "decisions": decisions(plan),
        "ignored": dict(plan.ignored),
        "problems": {reason: len(group) for reason, group in by_reason(problems).items()},
        "first_problems": {reason: _first(group) for reason, group in by_reason(problems).items()},
        "estimated_usd": estimate(plan),
    }
    if sent:
        document["sent"] = {
            "images": sent.images,
            "bytes": sent.bytes,
            "sent_before": sent.sent_before,
            "manifests": sent.manifests,
        }
    return document


def all_problems(plan: Plan, sent: Sent | None) -> list[Problem]:
    """The problems of planning and of sending."""
    return plan.problems + (sent.problems if sent else [])


def decisions(plan: Plan) -> dict[str, int]:
    """What had to be decided to read the annotations, and for how many images or files."""
    return dict(plan.decisions + Counter(note.detail for note in plan.notes))


def by_reason(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """Problems by their reason, the most frequent first."""
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(problem.reason, []).append(problem)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def estimate(plan: Plan) -> dict[str, float]:
    """Estimated costs of S3 in USD: requests once, storage a month."""
    return {
        "requests": round(len(plan.items) * WRITES_PER_IMAGE * USD_PER_WRITE, 4),
        "storage_a_month": round(plan.bytes / 1e9 * USD_PER_GB_MONTH, 4),
    }


def show_plan(console: Console, plan: Plan) -> None:
    """Print what will be imported, in a few lines."""
    table = Table.grid(padding=(0, 2))
    table.add_row("format", f"{plan.format}: {escape(plan.why)}")
    table.add_row("images", _images(plan))
    if labels := plan.images_by_label():
        table.add_row("labels", _labels(labels, plan.boxes_by_label()))
    if dataset_types := plan.images_by_dataset_type():
        train, test = dataset_types["TRAIN"], dataset_types["TEST"]
        divided = "" if test else "; with --split ignore, LabelLoop divides them itself"
        table.add_row("split", f"{train} to train, {test} to test, as the dataset says{divided}")
    for decision, count in decisions(plan).items():
        table.add_row("", escape(f"{count}: {decision}" if count > 1 else decision))
    if plan.ignored:
        counts = ", ".join(f"{count} {escape(suffix)}" for suffix, count in plan.ignored.most_common(10))
        table.add_row("ignored", f"neither images nor annotations: {counts}")
    usd = estimate(plan)
    requests, storage = formatting.usd(usd["requests"]), formatting.usd(usd["storage_a_month"])
    cost = f"about {requests} USD, then {storage} USD a month"
    table.add_row("S3 on AWS", cost)
    console.print(table)
    show_problems(console, plan.problems)


def show_warnings(console: Console, warnings: Iterable[str]) -> None:
    """Print what a part of the images is lost by, if they are imported so."""
    for warning in warnings:
        console.print(f"Warning: {warning}", style="yellow", markup=False, soft_wrap=True)


def show_problems(console: Console, problems: Iterable[Problem]) -> None:
    """Print each reason once, with its number and its first problem."""
    reasons = by_reason(problems)
    if not reasons:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("problems", "reason", "first"):
        table.add_column(column, justify="right" if column == "problems" else "left", overflow="fold")
    for reason, group in reasons.items():
        table.add_row(str(len(group)), reason, escape(_first(group)))
    console.print(table)


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write all problems to a CSV file, in which no spreadsheet takes a cell for a formula."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "image", "reason", "detail"])
        for problem in problems:
            place = [problem.file, problem.line or "", problem.image, problem.reason, problem.detail]
            writer.writerow([_inert(cell) for cell in place])


def _inert(cell: object) -> str:
    """Keep a spreadsheet from taking a cell for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _first(group: Sequence[Problem]) -> str:
    return f"{_place(group[0])}: {group[0].detail}"


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}" if problem.line else problem.file


def _images(plan: Plan) -> str:
    labelled, unlabelled = len(plan.labelled), len(plan.unlabelled)
    counts = f"{labelled} labelled, {unlabelled} unlabelled, {plan.bytes / 1e6:.1f} MB"
    return f"{counts}; people are asked about the unlabelled ones" if unlabelled else counts


def _labels(images: Counter[str], boxes: Counter[str]) -> str:
    shown = [
        f"{label} ({formatting.count(count, 'image')}{f', {boxes[label]} boxes' if boxes[label] else ''})"
        for label, count in images.most_common(LABELS_SHOWN)
    ]
    more = len(images) - len(shown)
    return escape(", ".join(shown)) + (f" and {more} more" if more else "")
