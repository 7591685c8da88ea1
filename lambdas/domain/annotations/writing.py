"""What the writers of annotation formats have in common: checks of what they write, and files by dataset."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any, Protocol, TypeVar

from lambdas.domain.annotations import image_references
from lambdas.domain.annotations.types import ImageAnnotation, Note
from lambdas.domain.shared.annotation import RequestedDatasetType

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CHUNK = 1024 * 1024
NoteHandler = Callable[[Note], None]
"""Takes notes of what was left out, when the rest is written."""


def raise_note(note: Note) -> None:
    """Raise ValueError: the handler of those for whom nothing may be left out."""
    raise ValueError(f"not everything could be written: {note.detail}")


class Closing(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closing)


def check_writable(annotation: ImageAnnotation) -> None:
    """Raise ValueError if an image cannot be written with its boxes."""
    if annotation.normalised or not annotation.size:
        raise ValueError(f"{annotation.image}: boxes are written in pixels of an image whose size is known")
    for box in annotation.boxes:
        if not all(math.isfinite(side) for side in (box.left, box.top, box.width, box.height)):
            raise ValueError(f"{annotation.image}: {box} is no box")


def file_identity(name: str) -> str:
    """What is the same of names that are one file on some machine: case, and how letters are composed, are no
    difference on Windows and macOS."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_path(annotation: ImageAnnotation) -> None:
    """Raise ValueError if an image's name would lead out of a folder."""
    name = annotation.image
    if (
        not name
        or image_references.is_absolute(name)
        or "\\" in name
        or ".." in name.split("/")
        or _CONTROL.search(name)
    ):
        raise ValueError(f"{name!r} is no path inside a folder")


@contextmanager
def by_dataset_type(make: Callable[[], C]) -> Iterator[defaultdict[RequestedDatasetType, C]]:
    """One object for each dataset that is asked for, closed at the end."""
    made: defaultdict[RequestedDatasetType, C] = defaultdict(make)
    try:
        yield made
    finally:
        for each in made.values():
            each.close()


class Spool:
    """Elements of a JSON list, on disk until their time comes."""

    def __init__(self) -> None:
        # Closed by close(), later than any block could.
        self._file: IO[str] = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        self._empty = True

    def add(self, element: Any) -> None:
        self._file.write(("" if self._empty else ",") + "\n")
        json.dump(element, self._file, ensure_ascii=False, separators=(",", ":"))
        self._empty = False

    def copy(self, file: IO[str]) -> None:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            file.write(chunk)

    def close(self) -> None:
        self._file.close()
