"""`labelloop detections`: what applications asked, and what they were answered."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import applications, formatting
from cli.deployment import Deployment
from cli.output import CommandError
from lambdas.domain.applications.records import Detection, Records
from lambdas.domain.images import drawing
from lambdas.domain.shared import boxes, clock

LABELS_SHOWN = 4
_NONE = "No detection: `labelloop apps add NAME` lets an application ask for some"
_AGO = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Query:
    """Which detections are looked for."""

    application: str | None = None
    since: str = ""
    """A time as the tables have it; empty: whenever."""
    label: str | None = None
    below: float | None = None
    """Percent."""
    limit: int = 20

    def matches(self, detection: Detection) -> bool:
        named = [label for label in detection.labels if self.label in (None, label["label"])]
        if self.below is not None:
            named = [label for label in named if label["confidence"] < self.below]
        return bool(named) or (self.label is None and self.below is None)


def query(
    application: str | None, since: str | None, label: str | None, below: float | None, limit: int
) -> Query:
    """The query of what was typed.

    Raises:
        CommandError: `since` is no time.
    """
    return Query(application, _time(since) if since else "", label, below, limit)


def find(deployment: Deployment, query: Query) -> list[Detection]:
    """The newest detections that match."""
    records = Records(deployment.detections)
    names = [query.application] if query.application else _callers(deployment)
    by_application = [records.between(name, since=query.since) for name in names]
    newest = heapq.merge(*by_application, key=lambda detection: detection.id, reverse=True)
    return list(islice(filter(query.matches, newest), query.limit))


def get(deployment: Deployment, id: str) -> Detection:
    """The detection of that id, whichever application's it is.

    Raises:
        CommandError: there is none, or none any more.
    """
    records = Records(deployment.detections)
    for application in _callers(deployment):
        if detection := records.get(application, id):
            return detection
    raise CommandError(
        f"there is no detection {id}, or it is forgotten by now; `labelloop detections find` lists them"
    )


def _callers(deployment: Deployment) -> list[str]:
    """Whoever may ask for detections, or has."""
    known = {application.id for application in applications.read_all(deployment)}
    return sorted({*known, *Records(deployment.detections).callers()})


def as_dict(deployment: Deployment, detection: Detection) -> dict[str, Any]:
    """A detection for machines."""
    return {
        "id": detection.id,
        "application": detection.application,
        "at": detection.at,
        "model_version": detection.model_version,
        "image": f"s3://{deployment.bucket}/{detection.key}",
        "width": detection.width,
        "height": detection.height,
        "labels": list(detection.labels),
        "feedback": detection.feedback or None,
        "note": detection.note or None,
    }


def draw(deployment: Deployment, detection: Detection, path: Path | None) -> Path:
    """Write the image to a file, with what was seen drawn in: the path of the file.

    Raises:
        CommandError: the image is gone, or the file cannot be written.
    """
    target = path or Path(gettempdir(), f"labelloop-{detection.id}.jpg")
    version: Any = {"VersionId": detection.version_id} if detection.version_id else {}
    try:
        opened = deployment.s3.get_object(Bucket=deployment.bucket, Key=detection.key, **version)
    except deployment.s3.exceptions.NoSuchKey:
        raise CommandError(f"the image {detection.key} is deleted by now") from None
    try:
        drawing.save(drawing.annotate(opened["Body"].read(), detection.labels), target)
    except (OSError, ValueError) as error:
        raise CommandError(f"{target} cannot be written: {error}") from error
    return target


def show_list(console: Console, detections: Sequence[Detection], query: Query) -> None:
    if not detections:
        console.print(_NONE if query == Query(limit=query.limit) else "No detection is like that")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("at", "application", "version"):
        table.add_column(column, no_wrap=True)
    table.add_column("labels", overflow="fold")
    table.add_column("feedback")
    table.add_column("detection", no_wrap=True)
    for detection in detections:
        table.add_row(
            formatting.moment(detection.at),
            escape(detection.application),
            detection.model_version,
            escape(_summary(detection.labels)),
            detection.feedback,
            detection.id,
        )
    console.print(table)
    if len(detections) == query.limit:
        console.print(f"\nThe newest {query.limit}: --limit shows more, --since, --label and --below choose")


def show(console: Console, document: dict[str, Any]) -> None:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for title, name in (
        ("detection", "id"),
        ("application", "application"),
        ("model version", "model_version"),
        ("image", "image"),
        ("feedback", "feedback"),
        ("note", "note"),
        ("drawn into", "drawn"),
    ):
        if document.get(name):
            facts.add_row(title, escape(str(document[name])))
    facts.add_row("at", formatting.moment(document["at"]))
    facts.add_row("size", f"{document['width']} x {document['height']}")
    console.print(facts)
    _show_labels(console, document)


def _show_labels(console: Console, document: dict[str, Any]) -> None:
    if not document["labels"]:
        console.print("\nNothing was seen on it")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("label", overflow="fold")
    for column in ("confidence", "left", "top", "width", "height"):
        table.add_column(column, justify="right")
    for label in document["labels"]:
        box = label.get("box")
        sides = boxes.in_pixels(box, document["width"], document["height"]).values() if box else ()
        table.add_row(escape(label["label"]), f"{label['confidence']:.1f}", *map(str, sides))
    console.print()
    console.print(table)


def _summary(labels: Sequence[dict[str, Any]]) -> str:
    """The first labels with their confidences, and how many more there are."""
    words = [f"{label['label']} {label['confidence']:.1f}" for label in labels[:LABELS_SHOWN]]
    more = len(labels) - LABELS_SHOWN
    return ", ".join([*words, *([f"{more} more"] if more > 0 else [])])


def _time(text: str) -> str:
    """A time of the tables: one that is so long ago, or one that is given, in UTC where it does not say.

    Raises:
        CommandError: it is neither.
    """
    if ago := _AGO.fullmatch(text):
        return clock.to_iso(clock.parse(clock.now()) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"--since {text}: give 30m, 12h, 7d, or a time such as 2026-01-31T12:00Z", exit_code=2
        ) from None
    return clock.to_iso(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
