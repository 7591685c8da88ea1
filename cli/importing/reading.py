"""The format of a dataset: recognised, or as --format says."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from cli.output import CommandError
from lambdas.domain.annotations import dataset, image_references, tables
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.format_detection import (
    AmbiguousFormatError,
    DetectedFormat,
    UnknownFormatError,
    detect_format,
    is_example,
)
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import Event, ImageAnnotation, Note

_MAX_FOLDERS, _MAX_ENTRIES = 50, 1_000
"""What is looked at of a folder beside the one that was named."""
_IMAGES = re.compile(r"ima?ge?|photo|picture|frame|train|val|test|data", re.IGNORECASE)
"""In the names of folders that may have the images of annotations beside them."""
_FOR_TRAINING = image_references.validation_note(has_test=True)
_SUFFIXES = {
    "coco": {".json"},
    "csv": {".csv", ".tsv"},
    "manifest": {".manifest", ".jsonl", ".json"},
    "voc": {".xml"},
    "cvat": {".xml"},
    "labelme": {".json"},
    "createml": {".json"},
    "labelstudio": {".json"},
    "supervisely": {".json"},
    "via": {".json"},
    "vertex": {".jsonl", ".ndjson"},
}


def detected(
    path: Path, format: str, columns: Mapping[str, str] | None = None, *, where: str = ""
) -> DetectedFormat:
    """The format of a dataset and its annotation files.

    Args:
        where: the dataset as people call it, if not by the path.
        columns: of tables, as --columns says; they make a table of what would be recognised as none.

    Raises:
        CommandError: the format is not known or not clear, the dataset has no file of the given format, or
            it is not clear what the columns of its tables are.
    """
    if columns and format not in ("", "csv"):
        raise CommandError(f"--columns is for tables, not for --format {format}", exit_code=2)
    try:
        if columns:
            detected = DetectedFormat("csv", "as --columns says", _named(path, "csv"))
        else:
            detected = _of_format(path, format) if format else detect_format(path)
    except AmbiguousFormatError as error:
        detail = str(error).replace(str(path), where or str(path))
        raise CommandError(f"{detail}:{_commands(where or str(path), error.formats)}", exit_code=2) from error
    except UnknownFormatError as error:
        raise CommandError(f"{error}; choose one with --format", exit_code=2) from error
    if detected.format == "csv":
        _check_columns(path, detected.files, columns)
    return detected


def _commands(where: str, formats: Sequence[str]) -> str:
    """The commands that import a dataset as each of these formats, a line each."""
    return "".join(f"\n  labelloop import {shlex.quote(where)} --format {format}" for format in formats)


def without_images(where: str) -> str:
    """What is said of a folder or file that has no images; with the command for those that lie beside it."""
    message = f"{where} has no JPEG or PNG image to import"
    path = Path(where)
    if not path.exists():
        return message
    folder = path.resolve() if path.is_dir() else path.resolve().parent
    siblings = (sibling for sibling in _folders_in(folder.parent) if _IMAGES.search(sibling.name))
    beside = next(filter(_has_image, siblings), None)
    if beside is None or beside == folder:
        return message
    formats: list[str] = []
    try:
        formats = [detect_format(path).format]
    except AmbiguousFormatError as error:
        formats = list(error.formats)
    except UnknownFormatError:
        pass
    parent = str(path.parent if path.is_dir() else path.parent.parent)
    given = str(folder.parent) if ".." in Path(parent).parts or parent in (".", "") else parent
    commands = _commands(given, formats) or f"\n  labelloop import {shlex.quote(given)}"
    return f"{message}; {beside.name}/ beside it has some, and this takes both:{commands}"


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if child.is_dir() and child.name[0] != ".")
    except OSError:
        return []


def _has_image(folder: Path) -> bool:
    """Whether there is an image among the first files of a folder and of those in it."""
    for inside in [folder, *_folders_in(folder)[:_MAX_FOLDERS]]:
        with suppress(OSError), os.scandir(inside) as entries:
            if any(image_references.is_image(entry.name) for entry in islice(entries, _MAX_ENTRIES)):
                return True
    return False


def _check_columns(path: Path, files: tuple[Path, ...], columns: Mapping[str, str] | None) -> None:
    """Check that the columns of a table at least are clear; what others have is a problem of each."""
    errors = []
    for file in files:
        try:
            tables.check_columns(file, columns)
            return
        except AnnotationError as error:
            shown = file.name if path.is_file() else file.relative_to(path).as_posix()
            errors.append(f"{shown}: {error.detail}")
    if errors:
        more = f"; and {len(errors) - 1} more tables are not clear" if len(errors) > 1 else ""
        others = (
            "" if columns else "; if it is no table of annotations, choose --format folders or unlabelled"
        )
        raise CommandError(f"{errors[0]}{more}{others}", exit_code=2)


def events(path: Path, detected: DetectedFormat, columns: Mapping[str, str] | None) -> list[Event]:
    """What the annotations say.

    They are read again if images to test with turn out to have no labels: then validation images test.
    """
    root = path if path.is_dir() else path.parent
    first = list(dataset.read(path, detected, columns, folder=Folder(root)))
    train = any(isinstance(event, Note) and event.detail.endswith(_FOR_TRAINING) for event in first)
    labelled = (event for event in first if isinstance(event, ImageAnnotation) and event.kind)
    if not train or any(event.dataset_type == "TEST" for event in labelled):
        return first
    return list(dataset.read(path, detected, columns, folder=Folder(root, without_test=True)))


def _of_format(path: Path, format: str) -> DetectedFormat:
    if format not in _SUFFIXES:
        return DetectedFormat(format, "as --format says", ())
    named = _named(path, format)
    files = tuple(file for file in named if format in ("voc", "csv") or _is(file, format))
    if not files:
        raise CommandError(f"{path} has no annotation file of format {format}", exit_code=2)
    return DetectedFormat(format, "as --format says", files)


def _named(path: Path, format: str) -> tuple[Path, ...]:
    """The files that are called like those of a format; a file that is named itself need not be called so.

    Raises:
        CommandError: there are none.
    """
    if path.is_file():
        return (path,)
    files = (file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES[format] and file.is_file())
    visible = (
        file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    named = tuple(sorted(file for file in visible if not is_example(file.name)))
    if not named:
        suffixes = ", ".join(sorted(_SUFFIXES[format]))
        raise CommandError(
            f"{path} has no annotation file of format {format}: none is called {suffixes}; of a file of"
            " another name give its own path",
            exit_code=2,
        )
    return named


def _is(file: Path, format: str) -> bool:
    try:
        return detect_format(file).format == format
    except UnknownFormatError:
        return False
