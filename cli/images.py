"""`labelloop images`: single images of the catalogue, found, shown and corrected."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import drawing, words
from cli.deployment import Deployment
from cli.output import CommandError
from lambdas.domain.catalogue import curation, split_ledger
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import STATUSES, CatalogueImage, Status
from lambdas.domain.shared import annotation as shared_annotation
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Box, DatasetType, Kind
from lambdas.domain.shared.manifests import BrokenLineError

MIN_PREFIX = 4
"""Letters of a hash; fewer are hardly ever one image's alone."""
HASH_LETTERS = 64


@dataclass(frozen=True)
class Wanted:
    """What images are looked for; None and empty: any."""

    label: str | None
    status: Status | None
    source: str | None
    side: DatasetType | None
    limit: int


@dataclass(frozen=True)
class Judgement:
    """What a person says is on an image."""

    kind: Kind
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


# Finding


def find(deployment: Deployment, wanted: Wanted) -> list[dict[str, Any]]:
    """The images that are wanted, as documents."""
    found = curation.find(
        deployment.catalogue,
        label=wanted.label,
        status=wanted.status,
        source=wanted.source,
        dataset_type=wanted.side,
        limit=wanted.limit,
    )
    return [as_dict(deployment, image) for image in found]


def get(deployment: Deployment, prefix: str) -> CatalogueImage:
    """The image whose hash begins so.

    Raises:
        CommandError: there is none, or there are several.
    """
    wanted = prefix.lower().removeprefix("image#").removeprefix("images/")
    if len(wanted) < MIN_PREFIX or not set(wanted) <= set("0123456789abcdef"):
        raise CommandError(
            f"{prefix!r} is no image: give {MIN_PREFIX} or more letters of its hash, as"
            " `labelloop images find` shows it",
            exit_code=2,
        )
    hashes = [wanted] if len(wanted) == HASH_LETTERS else list(_beginning_with(deployment, wanted))
    if len(hashes) > 1:
        told = ", ".join(sha256[: len(wanted) + 4] for sha256 in sorted(hashes)[:5])
        raise CommandError(f"{prefix} may be any of {len(hashes)} images: {told} ...", exit_code=2)
    image = catalogue_images.get_image(deployment.catalogue, hashes[0]) if hashes else None
    if image is None:
        raise CommandError(f"there is no image {prefix} in {deployment.name}")
    return image


def _beginning_with(deployment: Deployment, prefix: str) -> Iterator[str]:
    beginning = catalogue_images.image_id(prefix)
    for status in STATUSES:
        for id in catalogue_images.ids(deployment.catalogue, status, beginning=beginning):
            yield id.removeprefix(catalogue_images.image_id(""))


# Telling


def as_dict(deployment: Deployment, image: CatalogueImage) -> dict[str, Any]:
    """Everything on record about an image."""
    return {
        "sha256": image.sha256,
        "status": image.status,
        "side": split_ledger.dataset_type_of(deployment.catalogue, image.sha256) or "",
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


def show_found(console: Console, found: Sequence[dict[str, Any]], limit: int) -> None:
    if not found:
        console.print("No such image")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("image", "status", "side", "labels", "size", "came as"):
        table.add_column(column, overflow="fold")
    for image in found:
        table.add_row(
            image["sha256"][:12],
            image["status"],
            image["side"],
            escape(", ".join(image["labels"])),
            f"{image['width']} x {image['height']}",
            escape(image["sources"][0] if image["sources"] else ""),
        )
    console.print(table)
    if len(found) == limit:
        console.print(f"The first {limit}; --limit gives more", style="dim")


def show_one(console: Console, image: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for fact in ("sha256", "status", "conflict_reason", "side", "kind", "labelled_by", "format", "key"):
        if image[fact]:
            table.add_row(fact.replace("_", " "), escape(str(image[fact])))
    table.add_row("size", f"{image['width']} x {image['height']} pixels, {image['bytes']} bytes")
    table.add_row("labels", escape(", ".join(image["labels"])) or "[dim]none[/dim]")
    for box in image["boxes"]:
        place = f"left {box['left']}, top {box['top']}, {box['width']} x {box['height']}"
        table.add_row("", f"{escape(box['label'])}: {place}")
    table.add_row("registered", words.moment(image["registered_at"]))
    table.add_row("changed", words.moment(image["changed_at"]))
    for number, source in enumerate(image["sources"]):
        table.add_row("" if number else "came as", escape(source))
    if "picture" in image:
        table.add_row("picture", escape(image["picture"]))
    console.print(table)


def show_changed(console: Console, changed: Sequence[dict[str, Any]]) -> None:
    for image in changed:
        console.print(f"{image['sha256'][:12]}: {image['status']}")


def draw(deployment: Deployment, image: CatalogueImage, path: Path | None) -> Path:
    """Write the picture with its boxes and labels; where it is.

    Raises:
        CommandError: it cannot be written there.
    """
    target = path or Path(gettempdir(), f"labelloop-{image.sha256[:12]}.jpg")
    body = deployment.s3.get_object(Bucket=deployment.bucket, Key=image.key)["Body"].read()
    try:
        drawing.save(drawing.annotate(body, _found(image)), target)
    except (OSError, ValueError) as error:
        raise CommandError(f"{target} cannot be written: {error}") from error
    return target


def _found(image: CatalogueImage) -> list[dict[str, Any]]:
    """What is on the image, as `drawing.annotate` takes detections."""
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


def judgement(labels: Sequence[str], boxes: Path | None, manifest: Path | None) -> Judgement:
    """What the options of `relabel` say.

    Raises:
        CommandError: not just one of them was given, or it cannot be used.
    """
    if sum((bool(labels), boxes is not None, manifest is not None)) != 1:
        raise CommandError("say what is on it with one of --label, --boxes, --from-manifest", exit_code=2)
    try:
        if boxes:
            return _from_boxes(boxes)
        if manifest:
            return _from_manifest(manifest)
        return Judgement(
            "classification", labels=tuple(sorted({shared_annotation.clean_label(label) for label in labels}))
        )
    except OSError as error:
        raise CommandError(f"{boxes or manifest}: {error.strerror}", exit_code=2) from error
    except BrokenLineError as broken:
        raise CommandError(f"{boxes or manifest}: {broken}", exit_code=2) from broken
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{boxes or manifest or '--label'}: {_why(error)}", exit_code=2) from error


def relabel(deployment: Deployment, prefix: str, said: Judgement) -> dict[str, Any]:
    """Say what is on the image: its document as it is then.

    Raises:
        CommandError: boxes do not fit the image.
    """
    image = get(deployment, prefix)
    annotation = shared_annotation.Annotation(
        deployment.bucket, image.key, said.kind, labels=said.labels, boxes=said.boxes
    )
    if problem := manifests.check_fits(annotation, image.width, image.height):
        raise CommandError(f"{image.sha256[:12]}: {problem[1]}", exit_code=2)
    curation.relabel(deployment.catalogue, image.sha256, said.kind, said.labels, said.boxes, _by())
    return as_dict(deployment, get(deployment, image.sha256))


def withdraw(deployment: Deployment, found: Sequence[CatalogueImage]) -> list[dict[str, Any]]:
    """Take images out of every later data set."""
    for image in found:
        curation.exclude(deployment.catalogue, image.sha256, _by())
    return [as_dict(deployment, get(deployment, image.sha256)) for image in found]


def restore(deployment: Deployment, found: Sequence[CatalogueImage]) -> list[dict[str, Any]]:
    """Take withdrawn images back."""
    for image in found:
        curation.restore(deployment.catalogue, image.sha256, _by())
    return [as_dict(deployment, get(deployment, image.sha256)) for image in found]


def _from_boxes(path: Path) -> Judgement:
    boxes = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(boxes, list):
        raise ValueError('a list of boxes is needed: [{"label": ..., "left": ..., "top": ..., ...}]')
    return Judgement("detection", boxes=tuple(_box(box) for box in boxes))


def _box(box: dict[str, Any]) -> Box:
    sides = (int(box[side]) for side in ("left", "top", "width", "height"))
    return Box(shared_annotation.clean_label(box["label"]), *sides)


def _from_manifest(path: Path) -> Judgement:
    lines = list(manifests.numbered_lines([path.read_bytes()]))
    if len(lines) != 1:
        raise ValueError(f"{words.count(len(lines), 'line')}; one is needed, about this image")
    said = manifests.parse_line(lines[0][1], lines[0][0])
    return Judgement(said.kind, said.labels, said.boxes)


def _why(error: Exception) -> str:
    return f"a box lacks {error}" if isinstance(error, KeyError) else str(error)


def _by() -> str:
    try:
        return f"{getpass.getuser()} (command line)"
    except (OSError, KeyError):
        return "command line"
