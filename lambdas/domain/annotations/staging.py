"""The staging database: what a file says of each image, joined on disk, for datasets may exceed memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from sys import intern
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple, Self

from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox, Problem
from lambdas.domain.shared.annotation import Kind, RequestedDatasetType

_SCHEMA = """
    CREATE TABLE images (
        number INTEGER PRIMARY KEY, image TEXT UNIQUE, kind TEXT, width INTEGER, height INTEGER,
        dataset_type TEXT, line INTEGER, incomplete INTEGER DEFAULT 0, refused INTEGER DEFAULT 0
    );
    CREATE TABLE names (id TEXT PRIMARY KEY, image INTEGER) WITHOUT ROWID;
    CREATE TABLE marks (
        number INTEGER PRIMARY KEY, image INTEGER, named TEXT, label TEXT,
        left REAL, top REAL, width REAL, height REAL, line INTEGER, id TEXT, crowd INTEGER
    );
"""
_MARKS_AT_ONCE = 500
_IMAGES = (
    "SELECT number, image, kind, width, height, dataset_type, line, incomplete, refused FROM images"
    " ORDER BY number"
)
_MARKS = """
    SELECT coalesce(marks.image, names.image) AS of_image, label, left, top, width, height, line, marks.id,
        crowd
    FROM marks LEFT JOIN names ON names.id = named WHERE of_image > 0 ORDER BY of_image, number
"""
_ORPHANS = """
    SELECT named, label, left, top, width, height, line, id, crowd FROM marks
    WHERE image IS NULL AND NOT EXISTS (SELECT 1 FROM names WHERE names.id = named) ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image as a whole."""

    name: str
    kind: Kind | None
    size: tuple[int, int] | None
    dataset_type: RequestedDatasetType
    line: int
    incomplete: bool
    """Whether something about it could not be used."""


class Mark(NamedTuple):
    """A label of an image, or a box on it; without a label, something that could not be used."""

    label: str | None
    sides: tuple[float, float, float, float] | None = None
    """Left, top, width and height of a box."""
    line: int = 0
    id: str = ""
    """What its format calls it."""
    crowd: bool = False
    """Whether it may be of many objects at once."""


class Staging:
    """A database of images with their labels or boxes, in the order in which they came.

    Used in a `with` block.
    """

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="labelloop-annotations-")
        self._database = sqlite3.connect(Path(self._folder.name, "staging.sqlite"), isolation_level=None)
        # Nobody needs the file after a crash.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -16000")
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")
        self._marks: list[tuple[Any, ...]] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def image(
        self,
        image: str,
        *,
        line: int = 0,
        kind: Kind | None = None,
        size: tuple[int, int] | None = None,
        dataset_type: RequestedDatasetType = "",
    ) -> tuple[int, bool]:
        """Add an image: its number, and whether it is new; if not, what was known of it stays."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO images (image, line, kind, width, height, dataset_type)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (image, line, kind, *(size or (None, None)), dataset_type or None),
        )
        if cursor.rowcount == 1:
            return int(cursor.lastrowid or 0), True
        [number] = self._one("SELECT number FROM images WHERE image = ?", image)
        self.update(number, kind=kind, size=size, dataset_type=dataset_type)
        return number, False

    def update(
        self,
        number: int,
        *,
        kind: Kind | None = None,
        size: tuple[int, int] | None = None,
        dataset_type: RequestedDatasetType = "",
    ) -> None:
        """Add what is known about the image as a whole; what is known already stays."""
        if kind or size or dataset_type:
            self._database.execute(
                "UPDATE images SET kind = coalesce(kind, ?), width = coalesce(width, ?),"
                " height = coalesce(height, ?), dataset_type = coalesce(dataset_type, ?) WHERE number = ?",
                (kind, *(size or (None, None)), dataset_type or None, number),
            )

    def dataset_type_of(self, number: int) -> RequestedDatasetType:
        """The dataset that the image is asked for in, as far as it is known."""
        [dataset_type] = self._one("SELECT dataset_type FROM images WHERE number = ?", number)
        return dataset_type or ""

    def add_box(self, number: int, box: LabelledBox) -> None:
        """Add a box of an image."""
        sides = (box.left, box.top, box.width, box.height)
        self._add(number, None, Mark(box.label, sides, box.line))

    def add_label(self, number: int, label: str) -> None:
        """Add an image-level label."""
        self._add(number, None, Mark(label))

    def mark_incomplete(self, number: int) -> None:
        """Take note that something about the image could not be used.

        If there is nothing else about it, it is not one that nothing is on, but one that nothing is known of.
        """
        self._database.execute("UPDATE images SET incomplete = 1 WHERE number = ?", (number,))

    def refuse(self, number: int) -> None:
        """Take nothing that was or will be said of the image, because it contradicts itself."""
        self._database.execute("UPDATE images SET incomplete = 1, refused = 1 WHERE number = ?", (number,))

    # Identifiers of a format's own

    def name(self, id: str, number: int) -> None:
        """Take note of what a format calls an image, which may be no usable one: number 0."""
        self._database.execute("INSERT INTO names VALUES (?, ?)", (id, number))

    def is_named(self, id: str) -> bool:
        """Whether the name is that of an image."""
        return self._one("SELECT 1 FROM names WHERE id = ?", id) is not None

    def add_to_named(self, id: str, mark: Mark) -> None:
        """Add a label or box of an image that is known by a name only, which may come later."""
        self._add(None, id, mark)

    def orphans(self) -> Iterator[tuple[str, Mark]]:
        """Labels and boxes of names that no image has, with the name."""
        self._write()
        for row in self._database.execute(_ORPHANS):
            yield row[0], _mark(row)

    def images(self) -> Iterator[tuple[Image, list[Mark]]]:
        """Every image with its labels and boxes."""
        self._write()
        # The marks are sorted on disk, where an index would have them read from all over it.
        marks: Iterator[tuple[Any, ...]] = self._database.execute(_MARKS)
        groups = groupby(marks, lambda mark: mark[0])
        none: tuple[int, Iterator[Any]] = (0, iter(()))
        of_image, group = next(groups, none)
        for (
            number,
            image,
            kind,
            width,
            height,
            dataset_type,
            line,
            incomplete,
            refused,
        ) in self._database.execute(_IMAGES):
            mine: list[Mark] = []
            if number == of_image:
                mine = [_mark(row) for row in group]
                of_image, group = next(groups, none)
            size = (width, height) if width and height else None
            yield (
                Image(image, kind, size, dataset_type or "", line, bool(incomplete)),
                [] if refused else mine,
            )

    def image_annotations(
        self, file: str, *, normalised: bool = False
    ) -> Iterator[ImageAnnotation | Problem]:
        """What the file says about every image."""
        for image, marks in self.images():
            labels = tuple(dict.fromkeys(mark.label for mark in marks if mark.label and not mark.sides))
            boxes = tuple(
                LabelledBox(intern(mark.label), *mark.sides, mark.line)
                for mark in marks
                if mark.label and mark.sides
            )
            if labels and boxes:
                detail = (
                    "image-level labels and boxes for one image: its boxes were taken, its labels left out"
                )
                yield Problem(file, image.line, "mixed_kinds", detail, image.name)
            yield image_annotations(image, file, labels, boxes, normalised=normalised)

    def _add(self, number: int | None, named: str | None, mark: Mark) -> None:
        sides = mark.sides or (None, None, None, None)
        self._marks.append((number, named, mark.label, *sides, mark.line, mark.id, mark.crowd))
        if len(self._marks) >= _MARKS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        self._database.executemany(
            "INSERT INTO marks (image, named, label, left, top, width, height, line, id, crowd)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._marks,
        )
        self._marks.clear()

    def _one(self, query: str, *values: Any) -> Any:
        return self._database.execute(query, values).fetchone()


def _mark(row: Sequence[Any]) -> Mark:
    _, label, left, top, width, height, line, id, crowd = row
    return Mark(label, None if left is None else (left, top, width, height), line, id, bool(crowd))


def image_annotations(
    image: Image,
    file: str,
    labels: tuple[str, ...],
    boxes: tuple[LabelledBox, ...],
    *,
    normalised: bool = False,
) -> ImageAnnotation:
    """What a file says about one image.

    Of boxes and labels those are the boxes, and of neither that nothing is on it, if nothing was lost.
    """
    kind: Kind | None = None
    if boxes or (image.kind == "detection" and not image.incomplete and not labels):
        kind, labels = "detection", ()
    elif labels:
        kind = "classification"
    return ImageAnnotation(
        image.name,
        kind,
        labels=labels,
        boxes=boxes,
        size=image.size,
        normalised=normalised and kind == "detection",
        dataset_type=image.dataset_type,
        file=file,
        line=image.line,
    )
