"""The command `labelloop detect`: ask the champion about images and clips on this machine."""

from __future__ import annotations

import glob
import io
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from PIL import Image
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import serving
from cli.deployment import Deployment, DeploymentError
from lambdas.domain.annotations import image_references
from lambdas.domain.detect import champion, unusable_images
from lambdas.domain.detect.champion import NoChampionError, Question
from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.tiled_detection import TiledImage
from lambdas.domain.images import clips, drawing, exif, tiles
from lambdas.domain.images import files as image_files
from lambdas.domain.images.opening import open_image
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared import boxes

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Image as AskedImage

MAX_BYTES = 4 * 1024 * 1024
"""Size of an image that is sent to DetectCustomLabels as bytes, by botocore's model of that operation."""

_DECODER_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for files that it cannot read or write."""


USE_SECONDS = 60
"""Between two times that the step serve is told that the champion is used."""


class UnusableImageError(ValueError):
    """The champion cannot be asked about the image; the message says why."""


@dataclass(frozen=True)
class Answer:
    """The champion's answer about an image, or why it could not be asked."""

    path: Path
    version: str = ""
    labels: tuple[dict[str, Any], ...] = ()
    """With `box` in shares of the image's width and height, and `box_pixels` in pixels of it upright."""
    drawn: Path | None = None
    is_tiled: bool = False
    """Whether the image was cut into tiles."""
    frames: int = 0
    """Of a clip, those that were looked at; the champion was asked about those that look different."""
    asked: int = 0
    lines: Path | None = None
    """Where the answers about a clip's frames are."""
    error: str = ""
    """Why the image was not answered or, of one that was, not drawn."""

    def as_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {"image": str(self.path)}
        if self.lines:
            document |= {"frames": self.frames, "asked": self.asked, "answers": str(self.lines)}
        elif self.version:
            document |= {"model_version": self.version, "labels": list(self.labels)}
        if self.drawn:
            document["drawn"] = str(self.drawn)
        return {**document, "error": self.error} if self.error else document


def images(arguments: Sequence[str]) -> list[tuple[Path, Path]]:
    """Every image that the arguments name, once, with its path as seen from the argument.

    A folder stands for the images in it and below it, also those of other formats than JPEG and PNG, to be
    reported as not usable; hidden files are left alone. A pattern stands for what it matches. An argument
    that names no file stays in the list, to be reported with the rest.
    """
    paths: dict[Path, Path] = {}
    for argument in arguments:
        for path in _expanded(argument):
            if path.is_dir():
                inside = [p for p in sorted(path.rglob("*")) if _is_image(p, path) and p.is_file()]
                paths.update({p: p.relative_to(path) for p in inside if p not in paths})
                if not inside:
                    paths.setdefault(path, Path(path.name))
            else:
                paths.setdefault(path, Path(path.name))
    return list(paths.items())


def _is_image(path: Path, folder: Path) -> bool:
    """Whether a file in the folder is called like an image, and is none of those that macOS puts beside."""
    parts = path.relative_to(folder).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and (image_references.is_image(path.name) or clips.is_called_clip(path.name))


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
    tile: bool | None = None,
    rate: float = 1.0,
) -> Iterator[Answer]:
    """The champion's answer about each image, in order. With `out`, a copy with the boxes is written there.

    Args:
        tile: True cuts images into tiles that Rekognition takes as they are, too, False none.
        rate: frames of a clip to look at in each second.

    Raises:
        DeploymentError: no version serves.
    """
    targets = _Targets(out) if out else None
    used_at = -math.inf
    tuning = deployment.tuning()
    question = Question(min_confidence, tuning.label_thresholds, asks_twice=True)
    tiling = Tiling(tuning.tile_side, tuning.tile_overlap, tile)
    for path, name in chosen:
        if clips.is_called_clip(path.name):
            target = targets.free(name) if targets else None
            yield _ask_about_clip(deployment, path, question, tiling, target, rate)
            continue
        try:
            body = _read(path)
            image = _as_asked(body, tiling)
            version, labels = _ask(deployment, image, question, partial(unusable_images.help_with, body))
            if time.monotonic() - used_at > USE_SECONDS:
                used_at = time.monotonic()
                serving.note_use(deployment)
        except UnusableImageError as error:
            yield Answer(path, error=str(error))
            continue
        drawn, problem = None, ""
        try:
            labels = _with_pixels(body, labels)
            drawn = targets.draw(body, labels, name) if targets else None
        except UnusableImageError as error:
            problem = str(error)
        is_tiled = isinstance(image, TiledImage)
        yield Answer(path, version, tuple(labels), drawn, is_tiled=is_tiled, error=problem)


def _ask_about_clip(  # noqa: PLR0917 the clip, and how to ask about it
    deployment: Deployment, path: Path, question: Question, tiling: Tiling, target: Path | None, rate: float
) -> Answer:
    # Imported here, because FFmpeg is of no use for images.
    from cli.clips import detect  # noqa: PLC0415
    from lambdas.domain.video.frames import UnusableClipError  # noqa: PLC0415

    if target is None:
        return Answer(path, error="a clip needs --out FOLDER: the answers about its frames go there")

    def ask_about_frame(picture: Image.Image) -> tuple[str, list[dict[str, Any]]]:
        image = tiled_detection.of_picture(picture, tiling)
        version, labels = _ask(deployment, image, question, lambda: unusable_images.HELP)
        return version, [_in_pixels(label, *picture.size) for label in labels]

    try:
        answer = detect(path, ask_about_frame, target, rate=rate)
    except UnusableClipError as error:
        return Answer(path, error=error.detail)
    except UnusableImageError as error:
        return Answer(path, error=str(error))
    finally:
        serving.note_use(deployment)
    return Answer(
        path,
        frames=answer.frames,
        asked=answer.asked,
        lines=answer.lines,
        drawn=answer.drawn,
        error=answer.broken,
    )


def _as_asked(body: bytes, tiling: Tiling) -> AskedImage | TiledImage:
    """An image file as Rekognition is asked about it, cut into tiles if it is too large."""
    try:
        tiled = tiled_detection.open_file(io.BytesIO(body), len(body), tiling)
    except image_files.UnusableImageError as error:
        raise UnusableImageError(error.detail) from error
    if tiled is None and len(body) > MAX_BYTES:
        raise UnusableImageError(
            f"{len(body) / 1024**2:.1f} MB: more than 4 MB cannot be sent; put it under detect/ in the"
            " bucket, its answer comes under results/, or have it cut into tiles with --tile"
        )
    return tiled or {"Bytes": body}


def ask(
    deployment: Deployment, body: bytes, question: Question = champion.PLAIN, tiling: Tiling = tiles.DEFAULT
) -> tuple[str, list[dict[str, Any]]]:
    """Ask the champion about an image: its version name, and its labels from `min_confidence` on, if given.

    If it is replaced meanwhile, the new champion answers.

    Raises:
        DeploymentError: no version serves.
        UnusableImageError: Rekognition does not accept the image.
    """
    return _ask(deployment, _as_asked(body, tiling), question, lambda: unusable_images.help_with(body))


def _ask(
    deployment: Deployment, image: AskedImage | TiledImage, question: Question, help: Callable[[], str]
) -> tuple[str, list[dict[str, Any]]]:
    try:
        answer = champion.ask(deployment.engine, deployment.loop_state, image, question)
    except NoChampionError as error:
        raise DeploymentError(f"{error}; {_way_out(deployment)}") from error
    except ClientError as error:
        problem = error.response["Error"]
        if unusable_images.is_unusable(error):
            raise UnusableImageError(f"{help()} ({problem['Code']}: {problem['Message']})") from error
        if problem["Code"] == "InternalServerError":
            raise UnusableImageError(f"Rekognition failed on it: {problem['Message']}") from error
        raise
    minimum = question.min_confidence
    labels = list(answer.labels) if minimum is None else answer.from_confidence(minimum)
    return answer.version_name, labels


def _way_out(deployment: Deployment) -> str:
    """What leads to a champion that runs."""
    if deployment.loop_state.champion() is None:
        return "import labelled images with `labelloop import`, and train a version with `labelloop train`"
    if deployment.loop_state.serving().state == "asleep":
        return "`labelloop start` starts it, which takes 10 to 20 minutes on AWS"
    return "it is started by itself; `labelloop status` says how far that is, and what keeps it from starting"


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UnusableImageError("there is no image in this folder")
    try:
        body = path.read_bytes()
    except OSError as error:
        raise UnusableImageError(error.strerror or str(error)) from error
    if not body:
        raise UnusableImageError("the file is empty; save the image anew")
    return body


def _with_pixels(body: bytes, labels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The labels with each box in pixels of the image upright as well.

    Raises:
        UnusableImageError: the image's size cannot be read here.
    """
    if not any("box" in label for label in labels):
        return labels
    try:
        with open_image(body) as image:
            width, height = image.size
            if exif.orientation(image) in exif.QUARTER_TURNS:
                width, height = height, width
    except _DECODER_ERRORS as error:
        raise UnusableImageError(f"its size cannot be read: {error}") from error
    return [_in_pixels(label, width, height) for label in labels]


def _in_pixels(label: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    """A label with its box, if it has one, in pixels as well."""
    if "box" not in label:
        return label
    return {**label, "box_pixels": boxes.in_pixels(label["box"], width, height)}


class _Targets:
    """The files that drawn images are written to, each with a path of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[Path] = set()

    def draw(self, body: bytes, labels: list[dict[str, Any]], name: Path) -> Path:
        target = self.free(name)
        try:
            drawing.save(drawing.annotate(body, labels), target)
        except _DECODER_ERRORS as error:
            raise UnusableImageError(f"it cannot be drawn into {target}: {error}") from error
        return target

    def free(self, name: Path) -> Path:
        """A path of this name in the folder that was given to no other."""
        target, number = self._folder / name, 1
        while target in self._taken:
            number += 1
            target = self._folder / name.with_name(f"{name.stem}-{number}{name.suffix}")
        self._taken.add(target)
        return target


def show(console: Console, answers: Sequence[Answer]) -> None:
    """Print a row for each object, and how many images could not be answered."""
    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    if any(answer.version for answer in answers):
        table.add_column("label", overflow="fold")
        table.add_column("confidence %", justify="right")
        table.add_column("left, top, width, height in pixels")
        table.add_column("the same as shares of the image")
    else:
        table.add_column("answer", overflow="fold")
    for answer in answers:
        for row, cells in enumerate(_rows(answer)):
            table.add_row("" if row else escape(str(answer.path)), *cells)
    console.print(table)
    failed = sum(not answer.version and not answer.lines for answer in answers)
    if failed:
        console.print(f"{failed} of {len(answers)} could not be answered", style="red")


def _rows(answer: Answer) -> list[tuple[str, ...]]:
    error = [(f"[red]{escape(answer.error)}[/red]",)] if answer.error else []
    if answer.lines:
        seen = f"{answer.frames} frames, {answer.asked} asked about: see {escape(str(answer.lines))}"
        return [(seen,), *error]
    if not answer.version:
        return list(error)
    objects = [
        (
            escape(label["label"]),
            f"{label['confidence']:.1f}",
            _sides(label.get("box_pixels"), "d"),
            _sides(label.get("box"), ".3f"),
        )
        for label in answer.labels
    ]
    nothing = "no objects"
    if answer.is_tiled:
        # What is seen of an object depends on how large it is in its tile.
        nothing += " in its tiles: if they are smaller than those of the training, lower tile_side helps"
    return [*(objects or [(f"[dim]{nothing}[/dim]",)]), *error]


def _sides(box: dict[str, Any] | None, form: str) -> str:
    return ", ".join(format(box[name], form) for name in ("left", "top", "width", "height")) if box else ""
