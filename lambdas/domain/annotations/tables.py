"""Tables: CSV with commas, semicolons or tabs, an image's label or one of its boxes in each row.

Without a header, AutoML's columns are known:
https://cloud.google.com/vertex-ai/docs/image-data/object-detection/prepare-data .
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lambdas.domain.annotations import box_parsing, image_references
from lambdas.domain.annotations import columns as annotations_columns
from lambdas.domain.annotations.columns import Columns
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.types import Event, LabelledBox, Note, Problem
from lambdas.domain.shared.annotation import RequestedDatasetType

MAX_ROW = 1_000_000
"""Characters, so that a quote that is never closed does not take the file for one cell."""
BACKGROUND = "rows without a label and a box were taken as images that nothing is on"
UNLABELLED = "rows without a label were taken as images of which nothing is known"
SHARES = "boxes were read as shares of the images' sides, because no number in the table is above 1"
MARKS = "columns that hold nothing but 0 and 1 were read as a label each, on the images that have 1 there"
MAX_ROW_LINES = 50
_SAMPLE = 64 * 1024
_DELIMITERS = ",;\t|"
_FORMULA = re.compile(r"[=+@-]\s*[A-Za-z][\w.]*\s*[(|]")
"""A function or another program, as spreadsheets run them. Labels such as -5C or @home are none."""
_BETWEEN = re.compile(r"[\s,;]+")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read(
    path: Path, columns: Mapping[str, str] | None = None, folder: Folder | None = None
) -> Iterator[Event]:
    """Read a table, row by row.

    Args:
        columns: what its columns are called, by role (columns.ROLES); else they are known by usual names.
        folder: of the images, if they are to be found there; else they are called as the table calls them.

    Raises:
        OSError: the disk failed.
    """
    with Staging() as staging:
        yield from _Reader(path, columns or {}, folder, staging).events()


def is_table(path: Path) -> bool:
    """Whether the file's first row is one of a table of annotations."""
    with path.open("rb") as file:
        sample = _decoded(file.read(_SAMPLE))
    try:
        rows = csv.reader(io.StringIO(sample), delimiter=_delimiter(sample))
        first: list[str] = next(filter(None, rows), [])
        return bool(annotations_columns.of_header(first) or annotations_columns.of_rows(first))
    except AnnotationError:
        return True
    except csv.Error:
        return False


class _Reader:
    def __init__(
        self, path: Path, mapping: Mapping[str, str], folder: Folder | None, staging: Staging
    ) -> None:
        self._path, self._mapping, self._folder, self._staging = path, mapping, folder, staging
        self._file = folder.name(path) if folder else path.name
        self._notes = NoteCounter()
        root, has_test = (folder.root, folder.has_test) if folder else (None, False)
        self._dataset_types = image_references.DatasetTypes(path, root, has_test, self._file, self._notes)
        self._columns = Columns({})

    def events(self) -> Iterator[Event]:
        rows = _Rows(self._path, self._file)
        try:
            first = next(rows, None)
            if first is None:
                raise AnnotationError("empty", "the table has no rows")
            line, row = first
            headed = self._begin(row)
        except AnnotationError as error:
            yield from rows.problems
            yield error.problem(self._file)
            return
        if self._columns.guessed:
            yield Note(self._file, self._columns.guessed)
        if not self._columns.shares and self._all_shares(headed):
            self._columns = replace(self._columns, shares=True)
            yield Note(self._file, SHARES)
        if self._are_marks():
            self._columns = replace(self._columns, marks=self._columns.others)
            yield Note(self._file, MARKS)
        if not headed:
            yield from self._read_row(line, row)
        for line, row in rows:
            yield from self._read_row(line, row)
        yield from rows.problems
        yield from self._staging.image_annotations(self._file, normalised=self._columns.shares)
        yield from self._notes.collected()

    def _begin(self, row: Sequence[str]) -> bool:
        """Learn the columns, and return whether the first row is their header."""
        if self._mapping:
            self._columns = annotations_columns.of_mapping(row, self._mapping)
            by_name = any(name in {cell.strip() for cell in row} for name in self._mapping.values())
            return by_name
        columns = annotations_columns.of_header(row)
        if columns:
            self._columns = columns
            return True
        columns = annotations_columns.of_rows(row)
        if not columns:
            raise annotations_columns.unknown(row, "no column names images as usual")
        self._columns = columns
        return False

    def _all_shares(self, headed: bool) -> bool:
        """Whether the table has boxes, and none of their numbers is above 1; read up to the first that is."""
        rows = _Rows(self._path, self._file)
        if headed:
            next(rows, None)
        some = False
        for _, row in rows if self._columns.box_roles else ():
            try:
                numbers = self._numbers(row)
            except AnnotationError:
                continue
            if max(numbers) > 1 + box_parsing.ROUNDED_SHARE:
                return False
            some = True
        return some

    def _are_marks(self) -> bool:
        """Whether each column that is not known is one of a label, in a table that has no other labels."""
        others = self._columns.others.values()
        if len(others) < 2 or "label" in self._columns.at or self._columns.box_roles:
            return False
        rows = _Rows(self._path, self._file)
        next(rows, None)
        cells = ({row[index].strip() for index in others if index < len(row)} for _, row in rows)
        return all(of_row <= {"0", "1"} for of_row in cells)

    def _read_row(self, line: int, row: Sequence[str]) -> Iterator[Problem]:
        given = self._columns.cell(row, "image")
        try:
            name = image_references.clean(given, self._file, self._notes)
            dataset_type = self._dataset_type_of(row)
            if self._folder:
                name = self._folder.find(name, self._file, dataset_type or self._dataset_types.of_file)
        except AnnotationError as error:
            yield error.problem(self._file, line, given[:200])
            return
        number, _ = self._staging.image(name, line=line)
        try:
            self._check_dataset_type(number, dataset_type or self._dataset_types.of_image(name))
            self._stage(number, line, row)
        except AnnotationError as error:
            self._staging.mark_incomplete(number)
            yield error.problem(self._file, line, name)

    def _dataset_type_of(self, row: Sequence[str]) -> RequestedDatasetType:
        """The dataset that the row itself asks for."""
        word = self._columns.cell(row, "split")
        if not word or word.lower() == "unassigned":
            return ""
        dataset_type = self._dataset_types.of_word(word)
        if not dataset_type:
            raise AnnotationError("bad_split", f"{word[:80]!r} is no split: write train, test or validation")
        return dataset_type

    def _check_dataset_type(self, number: int, dataset_type: RequestedDatasetType) -> None:
        known = self._staging.dataset_type_of(number)
        if known and dataset_type and known != dataset_type:
            raise AnnotationError(
                "split_conflict", f"an earlier row has the image in {known}: keep it in one"
            )
        self._staging.update(number, dataset_type=dataset_type)

    def _stage(self, number: int, line: int, row: Sequence[str]) -> None:
        cell = self._columns.cell
        size = box_parsing.size(cell(row, "image_width"), cell(row, "image_height"))
        self._staging.update(number, size=size)
        label = cell(row, "label")
        has_box = any(cell(row, role) for role in self._columns.box_roles)
        if has_box:
            self._staging.add_box(number, replace(self._box(_label(label), row), line=line))
        elif label:
            self._staging.add_label(number, _label(label))
        elif marked := self._marked(row):
            for name in marked:
                self._staging.add_label(number, _label(name))
        elif self._columns.box_roles:
            self._notes.add(self._file, BACKGROUND)
            self._staging.update(number, kind="detection")
        else:
            self._notes.add(self._file, UNLABELLED)

    def _marked(self, row: Sequence[str]) -> list[str]:
        marks = self._columns.marks.items()
        return [name for name, at in marks if at < len(row) and row[at].strip() == "1"]

    def _box(self, label: str, row: Sequence[str]) -> LabelledBox:
        one, two, three, four = self._numbers(row)
        if self._columns.centers:
            one, two = one - three / 2, two - four / 2
        if self._columns.shares:
            right, bottom = (three, four) if self._columns.corners else (one + three, two + four)
            return box_parsing.of_shares(label, one, two, right, bottom)
        size = box_parsing.size(
            self._columns.cell(row, "image_width"), self._columns.cell(row, "image_height")
        )
        if self._columns.corners:
            return box_parsing.of_corners(label, one, two, three, four, size=size)
        return box_parsing.of_sides(label, one, two, three, four, size=size)

    def _numbers(self, row: Sequence[str]) -> list[float]:
        """The four numbers of a row's box. Raises AnnotationError."""
        roles = self._columns.box_roles
        if roles != ("box",):
            return [box_parsing.number(self._columns.cell(row, role), role) for role in roles]
        sides = _BETWEEN.split(self._columns.cell(row, "box").strip("[]() "))
        if len(sides) != 4:
            raise AnnotationError("bad_box", f"a box has to be 4 numbers in its cell, not {len(sides)}")
        return [box_parsing.number(side, "a side of the box") for side in sides]


def _label(cell: str) -> str:
    if _FORMULA.match(cell):
        detail = f"{cell[:80]!r} is a spreadsheet's formula: save the values, not the formulas"
        raise AnnotationError("formula", detail)
    return box_parsing.label(cell)


class _Rows:
    """The table's rows that are not blank, with the numbers of the lines that they begin on."""

    def __init__(self, path: Path, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        with path.open("rb") as opened:
            sample = opened.read(_SAMPLE)
        self._utf16 = sample.startswith(_UTF16)
        self._path = path
        self._delimiter = _delimiter(_decoded(sample))
        self._width = 0
        self._rows = self._read()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        return next(self._rows)

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        encoding = "utf-16" if self._utf16 else "utf-8-sig"
        with self._path.open(encoding=encoding, errors="surrogateescape", newline="") as text:
            lines = _Lines(text)
            while True:
                row, error = None, ""
                try:
                    row = next(csv.reader(lines.of_row(), delimiter=self._delimiter, strict=True))
                except StopIteration:
                    return
                except UnicodeDecodeError as broken:
                    self._problem(lines, "wrong_encoding", f"the table cannot be read on ({broken.reason})")
                    return
                except csv.Error as broken:
                    error = f"{broken}: is a quote missing?"
                if row and lines.several and len(row) != (self._width or len(row)):
                    row, error = (
                        None,
                        "a quoted cell over several lines, and then not as many cells as before",
                    )
                if row is None:
                    lines.keep_only_first()
                    self._problem(lines, "broken_row", error)
                elif any(_undecoded(cell) for cell in row):
                    detail = "the row is not UTF-8 text: save the table as UTF-8 (in Excel: CSV UTF-8)"
                    self._problem(lines, "wrong_encoding", detail)
                elif any(cell.strip() for cell in row):
                    self._width = self._width or len(row)
                    yield lines.begins, row

    def _problem(self, lines: _Lines, reason: str, detail: str) -> None:
        self.problems.append(Problem(self._file, lines.begins, reason, detail))


class _Lines:
    """Lines of text, counted, which can be read again if they turn out to be no row together."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._again: list[str] = []
        self._row: list[str] = []
        self.begins = 1

    def of_row(self) -> Iterator[str]:
        """The lines of the next row, as many as are asked for."""
        self.begins += sum(1 for line in self._row if line.endswith(("\n", "\r")))
        self._row = []
        while line := self._again.pop() if self._again else self._text.readline(MAX_ROW):
            self._row.append(line)
            if len(self._row) > MAX_ROW_LINES:
                raise csv.Error(f"a row of more than {MAX_ROW_LINES} lines")
            yield line

    @property
    def several(self) -> bool:
        """Whether the row goes over more lines than one."""
        return len(self._row) > 1

    def keep_only_first(self) -> None:
        """Give all lines of the row but its first back."""
        self._again += reversed(self._row[1:])
        del self._row[1:]


def _undecoded(cell: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in cell)


def _decoded(sample: bytes) -> str:
    """A beginning of the file as text, its last line left out if it is cut."""
    text = sample.decode("utf-16" if sample.startswith(_UTF16) else "utf-8-sig", errors="replace")
    return text if len(sample) < _SAMPLE else text.rpartition("\n")[0]


def _delimiter(sample: str) -> str:
    """The delimiter of cells. A header decides, for it has no delimiters in its names."""
    lines = [line for line in sample.splitlines() if line.strip()]
    counts = {delimiter: lines[0].count(delimiter) if lines else 0 for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: counts[delimiter])
    if sum(1 for count in counts.values() if count) <= 1:
        return best
    try:
        return csv.Sniffer().sniff("\n".join(lines[:50]), _DELIMITERS).delimiter
    except csv.Error:
        return best
