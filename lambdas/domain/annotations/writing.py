"""What the writers share."""

from __future__ import annotations

import json
import math
import re
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
Tell = Callable[[Note], None]
"""Told what was left out, when the rest is written."""


def refuse(note: Note) -> None:
    """For who does not want to be told: nothing may be left out. Raises ValueError."""
    raise ValueError(f"not everything could be written: {note.detail}")


class Closing(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=Closing)


def check_writable(found: ImageAnnotation) -> None:
    """Raises ValueError if an image cannot be written with its boxes."""
    if found.normalised or not found.size:
        raise ValueError(f"{found.image}: boxes are written in pixels of an image whose size is known")
    for box in found.boxes:
        if not all(math.isfinite(side) for side in (box.left, box.top, box.width, box.height)):
            raise ValueError(f"{found.image}: {box} is no box")


def check_path(found: ImageAnnotation) -> None:
    """Raises ValueError if an image's name would lead out of a folder."""
    name = found.image
    if (
        not name
        or image_references.is_absolute(name)
        or "\\" in name
        or ".." in name.split("/")
        or _CONTROL.search(name)
    ):
        raise ValueError(f"{name!r} is no path inside a folder")


@contextmanager
def by_split(make: Callable[[], C]) -> Iterator[defaultdict[RequestedDatasetType, C]]:
    """One of them for each split that is asked for, closed at the end."""
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
