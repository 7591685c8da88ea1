"""An import as people and machines are told of it, before and after."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import words
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
    """The import as one document; `sent` once something was."""
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
        "split": dict(plan.images_by_split()),
        "remarks": remarks(plan),
        "left_alone": dict(plan.left_alone),
        "problems": {reason: len(found) for reason, found in by_reason(problems).items()},
        "estimated_usd": estimate(plan),
    }
    if sent:
        document["sent"] = {
            "images": sent.images,
            "bytes": sent.bytes,
            "there_already": sent.there_already,
            "manifests": sent.manifests,
        }
    return document


def all_problems(plan: Plan, sent: Sent | None) -> list[Problem]:
    return plan.problems + (sent.problems if sent else [])


def remarks(plan: Plan) -> dict[str, int]:
    """What had to be decided, and in how many cases."""
    return dict(plan.remarks + Counter(note.detail for note in plan.notes))


def by_reason(problems: Iterable[Problem]) -> dict[str, list[Problem]]:
    """The most frequent first."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(problem.reason, []).append(problem)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def estimate(plan: Plan) -> dict[str, float]:
    return {
        "requests": round(len(plan.items) * WRITES_PER_IMAGE * USD_PER_WRITE, 4),
        "storage_a_month": round(plan.bytes / 1e9 * USD_PER_GB_MONTH, 4),
    }


def show_plan(console: Console, plan: Plan) -> None:
    """What is going to happen, in a few lines."""
    table = Table.grid(padding=(0, 2))
    table.add_row("format", f"{plan.format}: {escape(plan.why)}")
    table.add_row("images", _images(plan))
    if labels := plan.images_by_label():
        table.add_row("labels", _labels(labels, plan.boxes_by_label()))
    if split := plan.images_by_split():
        table.add_row("split", f"{split['TRAIN']} to train, {split['TEST']} to test, as the data set says")
    for remark, count in remarks(plan).items():
        table.add_row("", f"{count}: {escape(remark)}")
    if plan.left_alone:
        told = ", ".join(f"{count} {escape(suffix)}" for suffix, count in plan.left_alone.most_common(10))
        table.add_row("left alone", f"neither images nor annotations: {told}")
    usd = estimate(plan)
    cost = f"about {words.usd(usd['requests'])} USD, then {words.usd(usd['storage_a_month'])} USD a month"
    table.add_row("S3 on AWS", cost)
    console.print(table)
    show_problems(console, plan.problems)


def show_problems(console: Console, problems: Iterable[Problem]) -> None:
    """Each reason once, with its number and where it is first."""
    reasons = by_reason(problems)
    if not reasons:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("problems", "reason", "the first"):
        table.add_column(column, justify="right" if column == "problems" else "left", overflow="fold")
    for reason, found in reasons.items():
        table.add_row(str(len(found)), reason, escape(f"{_place(found[0])}: {found[0].detail}"))
    console.print(table)


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """All of them as a table; no cell is taken for a formula by what opens it."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "image", "reason", "detail"])
        for problem in problems:
            place = [problem.file, problem.line or "", problem.image, problem.reason, problem.detail]
            writer.writerow([_inert(cell) for cell in place])


def _inert(cell: object) -> str:
    """https://owasp.org/www-community/attacks/CSV_Injection"""
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _place(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}" if problem.line else str(problem.file)


def _images(plan: Plan) -> str:
    labelled, unlabelled = len(plan.labelled), len(plan.unlabelled)
    told = f"{labelled} labelled, {unlabelled} unlabelled, {plan.bytes / 1e6:.1f} MB"
    return f"{told}; people are asked about the unlabelled ones" if unlabelled else told


def _labels(images: Counter[str], boxes: Counter[str]) -> str:
    told = [
        f"{label} ({words.count(count, 'image')}{f', {boxes[label]} boxes' if boxes[label] else ''})"
        for label, count in images.most_common(LABELS_SHOWN)
    ]
    more = len(images) - len(told)
    return escape(", ".join(told)) + (f" and {more} more" if more else "")
