"""The format of a dataset: recognised, or as --format says."""

from __future__ import annotations

from pathlib import Path

from cli.output import CommandError
from lambdas.domain.annotations.format_detection import (
    AmbiguousFormatError,
    DetectedFormat,
    UnknownFormatError,
    detect_format,
)

_SUFFIXES = {
    "coco": {".json"},
    "csv": {".csv", ".tsv"},
    "manifest": {".manifest", ".jsonl", ".json"},
    "voc": {".xml"},
}


def detected(path: Path, format: str) -> DetectedFormat:
    """The format of a dataset and its annotation files.

    Raises:
        CommandError: the format is not known or not clear, or the dataset has no file of the given format.
    """
    try:
        return _of_format(path, format) if format else detect_format(path)
    except (UnknownFormatError, AmbiguousFormatError) as error:
        raise CommandError(f"{error}; choose one with --format", exit_code=2) from error


def _of_format(path: Path, format: str) -> DetectedFormat:
    if format not in _SUFFIXES:
        return DetectedFormat(format, "as --format says", ())
    every = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    named = [file for file in every if file.suffix.lower() in _SUFFIXES[format]]
    files = tuple(file for file in named if format == "voc" or _is(file, format))
    if not files:
        raise CommandError(f"{path} has no annotation file of format {format}", exit_code=2)
    return DetectedFormat(format, "as --format says", files)


def _is(file: Path, format: str) -> bool:
    try:
        return detect_format(file).format == format
    except UnknownFormatError:
        return False
