"""`labelloop detect`: what the champion sees in pictures on this machine."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from PIL import UnidentifiedImageError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import drawing
from cli.deployment import Deployment, DeploymentError
from lambdas.domain.detect import detection

SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_BYTES = 4 * 1024 * 1024
"""Of an image that is passed to DetectCustomLabels as bytes; botocore's model of the operation's Image."""


class UnusablePictureError(ValueError):
    """A picture that cannot be asked about; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What the champion said about a picture, or why it could not be asked."""

    path: Path
    version: str = ""
    labels: tuple[dict[str, Any], ...] = ()
    drawn: Path | None = None
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        if self.error:
            return {"image": str(self.path), "error": self.error}
        found = {"image": str(self.path), "model_version": self.version, "labels": list(self.labels)}
        return {**found, "drawn": str(self.drawn)} if self.drawn else found


def pictures(arguments: Sequence[str]) -> list[tuple[Path, Path]]:
    """Every picture that the arguments name, once, with its path as seen from the argument.

    A folder stands for the JPEG and PNG files in it and below it, a pattern for what it matches. What
    leads to nothing stays in the list, to be reported with the rest.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        for path in _expanded(argument):
            if path.is_dir():
                inside = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in SUFFIXES and p.is_file()]
                found.update({p: p.relative_to(path) for p in inside if p not in found})
                if not inside:
                    found.setdefault(path, Path(path.name))
            else:
                found.setdefault(path, Path(path.name))
    return list(found.items())


def _expanded(argument: str) -> list[Path]:
    if Path(argument).exists() or not glob.has_magic(argument):
        return [Path(argument)]
    matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207 a pattern may be absolute
    return [Path(match) for match in matches] or [Path(argument)]


def ask_about(
    deployment: Deployment,
    chosen: Sequence[tuple[Path, Path]],
    *,
    min_confidence: float | None = None,
    out: Path | None = None,
) -> Iterator[Answer]:
    """The champion's answer about each picture, in order; drawn into `out` if that is given.

    Raises:
        DeploymentError: no version serves.
    """
    targets = _Targets(out) if out else None
    for path, name in chosen:
        try:
            body = _read(path)
            version, labels = ask(deployment, body, min_confidence)
            drawn = targets.draw(body, labels, name) if targets else None
            yield Answer(path, version, tuple(labels), drawn)
        except UnusablePictureError as error:
            yield Answer(path, error=str(error))


def ask(
    deployment: Deployment, body: bytes, min_confidence: float | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """Name of the champion and what it sees; the new champion's answer if it was replaced meanwhile.

    Raises:
        DeploymentError: no version serves.
        UnusablePictureError: Rekognition does not take the picture.
    """
    try:
        champion, found = detection.ask(
            deployment.rekognition, deployment.loop_state, {"Bytes": body}, min_confidence=min_confidence
        )
    except detection.NoChampionError as error:
        raise DeploymentError(
            f"{deployment.name}: {error}. Drop labelled images under s3://{deployment.bucket}/incoming/,"
            " start a run with `labelloop train`, or a version with `labelloop rollback`"
        ) from error
    except ClientError as error:
        if error.response["Error"]["Code"] not in detection.UNUSABLE:
            raise
        raise UnusablePictureError(error.response["Error"]["Message"]) from error
    return champion.version_name, found


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UnusablePictureError("there is no JPEG or PNG file in this folder")
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UnusablePictureError(error.strerror or str(error)) from error
    if len(body) > MAX_BYTES:
        raise UnusablePictureError(
            f"{len(body) / 1024**2:.1f} MB: more than 4 MB cannot be sent; put it under detect/ in the"
            " bucket, its answer comes under results/"
        )
    return body


class _Targets:
    """Where drawn pictures go. No two go to the same place, and none to a place that was asked about."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[Path] = set()

    def draw(self, body: bytes, labels: list[dict[str, Any]], name: Path) -> Path:
        target = self._free(name)
        try:
            drawing.save(drawing.annotate(body, labels), target)
        except (UnidentifiedImageError, OSError) as error:
            raise UnusablePictureError(f"it cannot be drawn into {target}: {error}") from error
        return target

    def _free(self, name: Path) -> Path:
        target, number = self._folder / name, 1
        while target in self._taken:
            number += 1
            target = self._folder / name.with_name(f"{name.stem}-{number}{name.suffix}")
        self._taken.add(target)
        return target


def show(console: Console, answers: Sequence[Answer]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    table.add_column("label", overflow="fold")
    table.add_column("confidence", justify="right")
    table.add_column("left, top, width, height")
    for answer in answers:
        image = escape(str(answer.path))
        if answer.error:
            table.add_row(image, f"[red]{escape(answer.error)}[/red]", "", "")
        elif not answer.labels:
            table.add_row(image, "[dim]nothing found[/dim]", "", "")
        for row, label in enumerate(answer.labels):
            table.add_row(
                "" if row else image, escape(label["label"]), f"{label['confidence']:.1f}", _box(label)
            )
    console.print(table)


def _box(label: dict[str, Any]) -> str:
    box = label.get("box")
    return ", ".join(f"{box[side]:.3f}" for side in ("left", "top", "width", "height")) if box else ""
