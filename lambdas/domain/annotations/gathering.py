"""What is said of each image, brought together on disk: data sets may be larger than memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Literal, Self

from lambdas.domain.annotations.types import Found, LabelledBox, Problem, Split
from lambdas.domain.manifests import Kind

_SCHEMA = """
    CREATE TABLE images (
        number INTEGER PRIMARY KEY, image TEXT UNIQUE, kind TEXT, width INTEGER, height INTEGER,
        split TEXT, line INTEGER, spoilt INTEGER DEFAULT 0
    );
    CREATE TABLE marks (
        number INTEGER PRIMARY KEY, image INTEGER, label TEXT, left REAL, top REAL, width REAL, height REAL
    );
    CREATE TABLE names (kind TEXT, id TEXT, image INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID;
"""


class Gathering:
    """Images with their labels or boxes, in the order in which they came; used in a `with` block."""

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="labelloop-annotations-")
        self._database = sqlite3.connect(Path(self._folder.name, "gathered.sqlite"), isolation_level=None)
        # Nobody needs the file after a crash.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA cache_size = -16000")
        self._database.executescript(_SCHEMA)
        self._database.execute("BEGIN")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def image(self, image: str, *, line: int = 0) -> tuple[int, bool]:
        """The image's number, and whether it is new."""
        found = self._one("SELECT number FROM images WHERE image = ?", image)
        if found:
            return int(found[0]), False
        cursor = self._database.execute("INSERT INTO images (image, line) VALUES (?, ?)", (image, line))
        return int(cursor.lastrowid or 0), True

    def say(
        self,
        number: int,
        *,
        kind: Kind | None = None,
        size: tuple[int, int] | None = None,
        split: Split = "",
    ) -> None:
        """What is known about the image as a whole; what is known already stays."""
        self._database.execute(
            "UPDATE images SET kind = coalesce(kind, ?), width = coalesce(width, ?),"
            " height = coalesce(height, ?), split = coalesce(split, ?) WHERE number = ?",
            (kind, size[0] if size else None, size[1] if size else None, split or None, number),
        )

    def known(self, number: int) -> tuple[tuple[int, int] | None, Split]:
        """The image's size and split, as far as they are known."""
        width, height, split = self._one("SELECT width, height, split FROM images WHERE number = ?", number)
        return (width, height) if width and height else None, split or ""

    def add_box(self, number: int, box: LabelledBox) -> None:
        self._database.execute(
            "INSERT INTO marks (image, label, left, top, width, height) VALUES (?, ?, ?, ?, ?, ?)",
            (number, box.label, box.left, box.top, box.width, box.height),
        )

    def add_label(self, number: int, label: str) -> None:
        self._database.execute("INSERT INTO marks (image, label) VALUES (?, ?)", (number, label))

    def spoil(self, number: int) -> None:
        """Something that was said of the image could not be used: if nothing else was said of it, it is not
        one that nothing is on, but one that nothing is known of."""
        self._database.execute("UPDATE images SET spoilt = 1 WHERE number = ?", (number,))

    # Identifiers of a format's own

    def name(self, kind: Literal["image", "annotation"], id: str, number: int) -> bool:
        """Note what a format calls something; False if it has called something so before."""
        cursor = self._database.execute("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", (kind, id, number))
        return cursor.rowcount == 1

    def named(self, kind: Literal["image", "annotation"], id: str) -> int | None:
        found = self._one("SELECT image FROM names WHERE kind = ? AND id = ?", kind, id)
        return int(found[0]) if found else None

    def mark(self, number: int) -> Any:
        """Image and box of a mark by its number."""
        return self._one("SELECT image, label, left, top, width, height FROM marks WHERE number = ?", number)

    def last_mark(self) -> int:
        return int(self._one("SELECT coalesce(max(number), 0) FROM marks")[0])

    def found(self, file: str, *, normalised: bool = False) -> Iterator[Found | Problem]:
        """Every image."""
        self._database.execute("CREATE INDEX marks_of_images ON marks (image)")
        rows = self._database.execute(
            "SELECT number, image, kind, width, height, split, line, spoilt FROM images ORDER BY number"
        )
        for number, image, kind, width, height, split, line, spoilt in rows:
            labels, boxes = self._marks(number)
            if labels and boxes:
                detail = (
                    "image-level labels and boxes for one image: its boxes were taken, its labels left out"
                )
                yield Problem(file, line, "mixed_kinds", detail, image)
            size = (width, height) if width and height else None
            about: dict[str, Any] = {"size": size, "split": split or "", "file": file, "line": line}
            if boxes or (kind == "detection" and not spoilt and not labels):
                yield Found(image, "detection", boxes=boxes, normalised=normalised, **about)
            elif labels:
                yield Found(image, "classification", labels=labels, **about)
            else:
                yield Found(image, None, **about)

    def _marks(self, number: int) -> tuple[tuple[str, ...], tuple[LabelledBox, ...]]:
        rows = self._database.execute(
            "SELECT label, left, top, width, height FROM marks WHERE image = ? ORDER BY number", (number,)
        ).fetchall()
        labels = dict.fromkeys(row[0] for row in rows if row[1] is None)
        return tuple(labels), tuple(LabelledBox(*row) for row in rows if row[1] is not None)

    def _one(self, query: str, *values: Any) -> Any:
        return self._database.execute(query, values).fetchone()
