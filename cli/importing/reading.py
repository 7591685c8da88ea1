"""Which format a data set has, found out or as people say."""

from __future__ import annotations

from pathlib import Path

from cli.output import CommandError
from lambdas.domain.annotations.format_detection import (
    AmbiguousError,
    Recognised,
    UnrecognisedError,
    recognise,
)

_SUFFIXES = {
    "coco": {".json"},
    "csv": {".csv", ".tsv"},
    "manifest": {".manifest", ".jsonl", ".json"},
    "voc": {".xml"},
}


def recognised(path: Path, format: str) -> Recognised:
    """What format the data set is of, found out or as people say.

    Raises:
        CommandError: it is none that is known, may be several, or has no file of the format.
    """
    try:
        return _as_told(path, format) if format else recognise(path)
    except (UnrecognisedError, AmbiguousError) as error:
        raise CommandError(f"{error}; --format says what it is", exit_code=2) from error


def _as_told(path: Path, format: str) -> Recognised:
    if format not in _SUFFIXES:
        return Recognised(format, "as --format says", ())
    every = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    named = [file for file in every if file.suffix.lower() in _SUFFIXES[format]]
    files = tuple(file for file in named if format == "voc" or _is(file, format))
    if not files:
        raise CommandError(f"{path} has no annotation file of format {format}", exit_code=2)
    return Recognised(format, "as --format says", files)


def _is(file: Path, format: str) -> bool:
    try:
        return bool(recognise(file).format == format)
    except UnrecognisedError:
        return False
