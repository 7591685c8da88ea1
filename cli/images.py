"""The commands `labelloop images ...`: find, show and correct single images of the catalogue."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import formatting, progress
from cli.deployment import Deployment
from cli.output import CommandError
from cli.user import user
from lambdas.domain.catalogue import curation, split_ledger
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.history import PastLabels
from lambdas.domain.catalogue.images import STATUSES, CatalogueImage, Status
from lambdas.domain.images import drawing
from lambdas.domain.register import backfill
from lambdas.domain.review.desk import labels as desk_labels
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Annotation, Box, DatasetType, Kind, clean_label
from lambdas.domain.shared.manifests import BrokenLineError

MIN_PREFIX = 4
"""Characters of a hash that have to be given: fewer hardly ever name one image alone."""
HASH_CHARACTERS = 64


@dataclass(frozen=True)
class Query:
    """Which images to find. None: any."""

    label: str | None
    status: Status | None
    source: str | None
    dataset_type: DatasetType | None
    limit: int


@dataclass(frozen=True)
class Labels:
    """The labels that a person gives an image."""

    kind: Kind
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class State:
    """The labels that an image has now or had before."""

    labels: PastLabels
    now: bool = False

    @property
    def by(self) -> str:
        """Who or what gave them."""
        if self.labels.origin == "person" or self.labels.status == "excluded":
            return self.labels.changed_by
        return {"folder": "its folder", "annotation": "an annotation file"}.get(self.labels.origin, "")

    def as_dict(self) -> dict[str, Any]:
        labels = asdict(self.labels)
        return {"state": labels.pop("revision"), "now": self.now, **labels, "by": self.by}


# Finding


def find(deployment: Deployment, query: Query) -> list[dict[str, Any]]:
    """Find images: one document for each."""
    matches = curation.find(
        deployment.catalogue,
        label=query.label,
        status=query.status,
        source=query.source,
        dataset_type=query.dataset_type,
        limit=query.limit,
    )
    return [as_dict(deployment, image) for image in matches]


def get(deployment: Deployment, prefix: str) -> CatalogueImage:
    """Look an image up by the first characters of its hash.

    Raises:
        CommandError: there is none, or there are several.
    """
    characters = prefix.lower().removeprefix("image#").removeprefix("images/")
    if len(characters) < MIN_PREFIX or not set(characters) <= set("0123456789abcdef"):
        raise CommandError(
            f"{prefix!r} is no image: give {MIN_PREFIX} or more characters of its hash, as"
            " `labelloop images find` shows it",
            exit_code=2,
        )
    hashes = [characters]
    if len(characters) < HASH_CHARACTERS:
        hashes = list(_beginning_with(deployment, characters))
    if len(hashes) > 1:
        first = ", ".join(sha256[: len(characters) + 4] for sha256 in sorted(hashes)[:5])
        raise CommandError(f"{prefix} may be any of {len(hashes)} images: {first} ...", exit_code=2)
    image = catalogue_images.get_image(deployment.catalogue, hashes[0]) if hashes else None
    if image is None:
        raise CommandError(f"there is no image {prefix} in {deployment.name}")
    return image


def _beginning_with(deployment: Deployment, prefix: str) -> Iterator[str]:
    beginning = catalogue_images.image_id(prefix)
    for status in STATUSES:
        for id in catalogue_images.ids(deployment.catalogue, status, beginning=beginning):
            yield id.removeprefix(catalogue_images.image_id(""))


# Showing


def as_dict(deployment: Deployment, image: CatalogueImage) -> dict[str, Any]:
    """Everything on record about an image."""
    return {
        "sha256": image.sha256,
        "status": image.status,
        "dataset_type": split_ledger.dataset_type_of(deployment.catalogue, image.sha256) or "",
        "kind": image.kind,
        "labels": list(image.label_names),
        "boxes": [
            {"label": box.label, "left": box.left, "top": box.top, "width": box.width, "height": box.height}
            for box in image.boxes
        ],
        "labelled_by": image.label_origin,
        "conflict_reason": image.conflict_reason,
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "bytes": image.bytes,
        "key": f"s3://{deployment.bucket}/{image.key}",
        "sources": sorted(image.sources),
        "registered_at": image.registered_at,
        "changed_at": image.changed_at,
    }


def show_list(console: Console, images: Sequence[dict[str, Any]], limit: int) -> None:
    """Print a table of images."""
    if not images:
        console.print("No such image")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("image", "status", "dataset type", "labels", "size", "source"):
        table.add_column(column, overflow="fold")
    for image in images:
        table.add_row(
            image["sha256"][:12],
            image["status"],
            image["dataset_type"],
            escape(", ".join(image["labels"])),
            f"{image['width']} x {image['height']}",
            escape(image["sources"][0] if image["sources"] else ""),
        )
    console.print(table)
    if len(images) == limit:
        console.print(f"Only the first {limit} are shown; --limit shows more", style="dim")


def show(console: Console, image: dict[str, Any]) -> None:
    """Print everything on record about an image."""
    table = Table.grid(padding=(0, 2))
    for name in (
        "sha256",
        "status",
        "conflict_reason",
        "dataset_type",
        "kind",
        "labelled_by",
        "format",
        "key",
    ):
        if image[name]:
            table.add_row(name.replace("_", " "), escape(str(image[name])))
    table.add_row("size", f"{image['width']} x {image['height']} pixels, {image['bytes']} bytes")
    table.add_row("labels", escape(", ".join(image["labels"])) or "[dim]none[/dim]")
    for box in image["boxes"]:
        place = f"left {box['left']}, top {box['top']}, {box['width']} x {box['height']}"
        table.add_row("", f"{escape(box['label'])}: {place}")
    table.add_row("registered", formatting.moment(image["registered_at"]))
    table.add_row("changed", formatting.moment(image["changed_at"]))
    for number, source in enumerate(image["sources"]):
        table.add_row("" if number else "source", escape(source))
    if "drawn" in image:
        table.add_row("drawn", escape(image["drawn"]))
    console.print(table)


def show_statuses(console: Console, images: Sequence[dict[str, Any]]) -> None:
    """Print the status of each image."""
    for image in images:
        console.print(f"{image['sha256'][:12]}: {image['status']}")


def draw(deployment: Deployment, image: CatalogueImage, path: Path | None) -> Path:
    """Write the image to a file, with its boxes and labels drawn in: the path of the file.

    Raises:
        CommandError: the file cannot be written.
    """
    target = path or Path(gettempdir(), f"labelloop-{image.sha256[:12]}.jpg")
    body = deployment.s3.get_object(Bucket=deployment.bucket, Key=image.key)["Body"].read()
    try:
        drawing.save(drawing.annotate(body, _as_detections(image)), target)
    except (OSError, ValueError) as error:
        raise CommandError(f"{target} cannot be written: {error}") from error
    return target


def _as_detections(image: CatalogueImage) -> list[dict[str, Any]]:
    """The image's labels and boxes, as `drawing.annotate` takes detections."""
    whole = [{"label": label, "confidence": 100.0} for label in image.labels]
    return whole + [
        {
            "label": box.label,
            "confidence": 100.0,
            "box": {
                "left": box.left / image.width,
                "top": box.top / image.height,
                "width": box.width / image.width,
                "height": box.height / image.height,
            },
        }
        for box in image.boxes
    ]


# Correcting


def read_labels(labels: Sequence[str], boxes: Path | None, manifest: Path | None) -> Labels:
    """The labels that the options of `labelloop images relabel` give.

    Raises:
        CommandError: none or several of the options were given, or the given one cannot be used.
    """
    if sum((bool(labels), boxes is not None, manifest is not None)) != 1:
        raise CommandError("give the labels with one of --label, --boxes, --from-manifest", exit_code=2)
    try:
        if boxes:
            return _from_boxes(boxes)
        if manifest:
            return _from_manifest(manifest)
        return Labels("classification", labels=tuple(sorted({clean_label(label) for label in labels})))
    except OSError as error:
        raise CommandError(f"{boxes or manifest}: {error.strerror}", exit_code=2) from error
    except BrokenLineError as error:
        raise CommandError(f"{boxes or manifest}: {error}", exit_code=2) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{boxes or manifest or '--label'}: {_why(error)}", exit_code=2) from error


def check_fits(deployment: Deployment, image: CatalogueImage, labels: Labels) -> None:
    """Refuse boxes that do not fit the image."""
    annotation = Annotation(
        deployment.bucket, image.key, labels.kind, labels=labels.labels, boxes=labels.boxes
    )
    if problem := manifests.check_fits(annotation, image.width, image.height):
        raise CommandError(f"{image.sha256[:12]}: {problem[1]}", exit_code=2)


def doubts(deployment: Deployment, image: CatalogueImage, labels: Labels) -> list[str]:
    """What a person may not have meant, and is asked about: boxes that get lost, labels that are new."""
    doubts: list[str] = []
    if image.boxes and not labels.boxes:
        names = ", ".join(sorted({box.label for box in image.boxes}))
        doubts.append(f"it loses its {formatting.count(len(image.boxes), 'box', 'boxes')} ({names})")
    known = {
        label.label
        for label in desk_labels.offered(deployment.reviews, deployment.loop_state, deployment.catalogue)
    }
    given = set(labels.labels) | {box.label for box in labels.boxes}
    for label in sorted(curation.labels_not_in_use(deployment.catalogue, given - known)):
        alike = difflib.get_close_matches(label, known, n=1)
        meant = f" (did you mean {alike[0]!r}?)" if alike else ""
        doubts.append(f"no image has had the label {label!r} before{meant}")
    return doubts


def relabel(deployment: Deployment, image: CatalogueImage, labels: Labels) -> dict[str, Any]:
    """Replace the labels of an image: its document after that."""
    curation.relabel(deployment.catalogue, image.sha256, labels.kind, labels.labels, labels.boxes, user())
    return as_dict(deployment, get(deployment, image.sha256))


def history(deployment: Deployment, prefix: str) -> list[State]:
    """The labels that an image has and had before, newest first."""
    image = get(deployment, prefix)
    past = curation.past_labels(deployment.catalogue, image)
    return [State(catalogue_images.past_labels(image), now=True), *(State(state) for state in past[::-1])]


def show_history(console: Console, states: Sequence[State]) -> None:
    """Print a table of the states of an image's labels."""
    table = Table(box=None, pad_edge=False)
    for column in ("state", "since", "status", "labels", "by"):
        table.add_column(column, overflow="fold")
    for state in states:
        labels = state.labels
        boxes = Counter(box.label for box in labels.boxes)
        counted = [f"{count} x {label}" for label, count in sorted(boxes.items())]
        table.add_row(
            f"{labels.revision}{' (now)' if state.now else ''}",
            formatting.moment(labels.changed_at),
            labels.status,
            escape(", ".join([*labels.labels, *counted]) or labels.conflict_reason),
            escape(state.by),
        )
    console.print(table)


def undo(deployment: Deployment, prefix: str, to: int | None) -> dict[str, Any]:
    """Give an image earlier labels back: its document after that.

    Raises:
        CommandError: there is no such state on record.
    """
    image = get(deployment, prefix)
    try:
        names = desk_labels.present_names(desk_labels.definitions(deployment.reviews))
        curation.undo(deployment.catalogue, image.sha256, user(), to, names=names)
    except CatalogueError as error:
        raise CommandError(f"{error}; `labelloop images history {image.sha256[:12]}` lists them") from error
    return as_dict(deployment, get(deployment, image.sha256))


def exclude(deployment: Deployment, images: Sequence[CatalogueImage]) -> list[dict[str, Any]]:
    """Leave images out of every later snapshot: their documents after that."""
    for image in images:
        curation.exclude(deployment.catalogue, image.sha256, user())
    return [as_dict(deployment, get(deployment, image.sha256)) for image in images]


def restore(deployment: Deployment, images: Sequence[CatalogueImage]) -> list[dict[str, Any]]:
    """Take excluded images back: their documents after that."""
    for image in images:
        curation.restore(deployment.catalogue, image.sha256, user())
    return [as_dict(deployment, get(deployment, image.sha256)) for image in images]


def _from_boxes(path: Path) -> Labels:
    boxes = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(boxes, list):
        raise ValueError('a list of boxes is needed: [{"label": ..., "left": ..., "top": ..., ...}]')
    return Labels("detection", boxes=tuple(_box(box) for box in boxes))


def _box(box: dict[str, Any]) -> Box:
    left, top, width, height = (int(box[name]) for name in ("left", "top", "width", "height"))
    return Box(clean_label(box["label"]), left, top, width, height)


def _from_manifest(path: Path) -> Labels:
    lines = list(manifests.numbered_lines([path.read_bytes()]))
    if len(lines) != 1:
        raise ValueError(f"{formatting.count(len(lines), 'line')}; one is needed, about this image")
    number, line = lines[0]
    annotation = manifests.parse_line(line, number)
    return Labels(annotation.kind, annotation.labels, annotation.boxes)


def _why(error: Exception) -> str:
    return f"a box lacks {error}" if isinstance(error, KeyError) else str(error)


# Completing


def complete(console: Console, deployment: Deployment) -> dict[str, Any]:
    """Make the thumbnails, and the entries of labels, of images that have none: what became of them."""
    s3, table, bucket = deployment.s3, deployment.catalogue, deployment.bucket
    hashes = list(backfill.incomplete(s3, table, bucket))
    failed: dict[str, str] = {}
    with progress.meter(console, "Images", len(hashes)) as meter:
        for begin in range(0, len(hashes), catalogue_images.MAX_BATCH):
            part = hashes[begin : begin + catalogue_images.MAX_BATCH]
            failed |= backfill.complete(s3, table, bucket, part)
            meter.advance(count=len(part))
    return {"completed": len(hashes) - len(failed), "failed": failed}
