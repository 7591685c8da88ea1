"""Tables: CSV with commas, semicolons or tabs, an image's labels or one of its boxes in each row.

What the columns are, people say, or a header does, or all rows together (layouts.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from lambdas.domain.annotations import (
    box_parsing,
    folders,
    image_references,
    label_studio,
    layouts,
    table_rows,
    via,
)
from lambdas.domain.annotations import columns as annotations_columns
from lambdas.domain.annotations.columns import Columns
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.types import Event, LabelledBox, Note, Problem
from lambdas.domain.shared.annotation import RequestedDatasetType

BACKGROUND = "rows without a label and a box were taken as images that nothing is on"
UNLABELLED = "rows without a label were taken as images of which nothing is known"
SHARES = "boxes were read as shares of the images' sides, because no number in the table is above 1"
_MARKED, _UNMARKED = {"1", "1.0", "true"}, {"0", "0.0", "false"}
MARKS = "columns that hold nothing but 0 and 1 were read as a label each, on the images that have 1 there"
PIPES = "labels with | between them in one cell were read as a label each"
LISTS = "lists in square brackets in one cell were read as a label each"
_FORMULA = re.compile(r"[=+@-]\s*[A-Za-z][\w.]*\s*[(|]")
"""A function or another program, as spreadsheets run them. Labels such as -5C or @home are none."""
NOT_SURE = (
    "labels that Open Images has not confirmed, or says are not there (Confidence below 1), were left out"
)
_CODE = re.compile(r"/[mgt]/\w+")
_DESCRIPTIONS = re.compile(r"class-descriptions[^/]*\.csv$")
_NAMED_SIDES = (
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("left", "top", "right", "bottom"),
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
)
_SAMPLE_ROWS = 1000
_NOTHING = frozenset(("nan", "null", "#n/a", "#ref!", "#name?", "#value!"))
"""What stands in cells that pandas, databases and spreadsheets have no value for."""
_BETWEEN = re.compile(r"[\s,;]+")


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
    if not columns and _is_via(path):
        yield from via.read(path, folder)
        return
    with Staging() as staging:
        yield from _Reader(path, columns or {}, folder, staging).events()


def _is_via(path: Path) -> bool:
    with path.open("rb") as file:
        rows = table_rows.of_beginning(file)
    return bool(rows) and via.is_header(rows[0])


def is_table(path: Path) -> bool:
    """Whether the file's rows are those of a table of annotations, as far as its beginning shows."""
    with path.open("rb") as file:
        rows = table_rows.of_beginning(file)
    try:
        if not rows:
            return False
        if label_studio.is_header(rows[0]) or via.is_header(rows[0]):
            return True
        return bool(annotations_columns.of_header(rows[0]) or layouts.of_rows(enumerate(rows, start=1)))
    except AnnotationError:
        return True


def check_columns(path: Path, columns: Mapping[str, str] | None = None) -> None:
    """Check that it is clear what a table's columns are, and that its cells are such.

    Raises:
        AnnotationError: it is not, or none of the rows fits the columns that people have given.
        OSError: the disk failed.
    """
    if not columns and _is_via(path):
        return
    with Staging() as staging:
        _Reader(path, columns or {}, None, staging).check()


class _Reader:
    def __init__(
        self, path: Path, mapping: Mapping[str, str], folder: Folder | None, staging: Staging
    ) -> None:
        self._path, self._mapping, self._folder, self._staging = path, mapping, folder, staging
        self._source = AnnotationFile(path, folder)
        self._file, self._notes = self._source.name, self._source.notes
        self._columns = Columns({})
        self._headed = False
        self._is_label_studio = False
        self._answers = label_studio.Answers(staging, self._file, self._notes)

    def _opened(self) -> table_rows.Rows:
        return table_rows.Rows(self._path, self._file, spaces=bool(self._mapping))

    def check(self) -> None:
        """Check that the columns are known, and hold what they have to. Raises AnnotationError."""
        self._begin(self._opened())
        first: AnnotationError | None = None
        for count, (line, row) in enumerate(self._rows(), start=1):
            try:
                self._check_kinds(row)
                return
            except AnnotationError as error:
                first = first or AnnotationError(error.reason, f"line {line}: {error.detail}")
            if count == layouts.MAX_JUDGED_ROWS:
                break
        if first:
            raise first

    def _check_kinds(self, row: Sequence[str]) -> None:
        """Check that numbers and the image's name are in their columns. Raises AnnotationError."""
        if any(self._columns.cell(row, role) for role in self._columns.box_roles):
            self._numbers(row)
        image = self._columns.cell(row, "image")
        others = [cell.strip() for cell in row if image_references.is_image(cell.strip())]
        if others and image not in others:
            detail = (
                f"{self._columns.shown('image')} has {image[:80]!r}, and another column {others[0][:80]!r}"
            )
            raise AnnotationError("bad_columns", f"{detail}: say which column has the images")

    def events(self) -> Iterator[Event]:
        rows = self._opened()
        try:
            self._begin(rows)
        except AnnotationError as error:
            yield from rows.problems
            yield error.problem(self._file)
            return
        self._source.has_test = self._source.has_test or self._has_test_rows()
        if self._columns.guessed:
            yield Note(self._file, self._columns.guessed)
        if not self._columns.shares and self._all_shares():
            self._columns = replace(self._columns, shares=True)
            yield Note(self._file, SHARES)
        if self._are_marks():
            others = self._columns.others.items()
            marks = {name: at for name, at in others if name.lower() not in folders.UNLABELLED}
            self._columns = replace(self._columns, marks=marks)
            yield Note(self._file, MARKS)
        yield from self._check_labels()
        rows = self._opened()
        for line, row in self._rows(rows):
            yield from self._read_row(line, row)
        yield from rows.problems
        self._answers.finish()
        yield from self._staging.image_annotations(self._file, normalised=self._columns.shares)
        yield from self._notes.collected()

    def _check_labels(self) -> Iterator[Problem]:
        """A problem if no column of a header is known to have labels, and some may."""
        columns = self._columns
        known = "label" in columns.at or columns.box_roles or columns.marks or self._is_label_studio
        if known or self._mapping or not columns.others:
            return
        image = columns.names[columns.at["image"]].strip()
        others = ", ".join(columns.others)[:300]
        detail = f"no column is known to have labels, so the images have none; if one of {others} has them,"
        how = f"say which, --columns image={image},label=NAME"
        yield Problem(self._file, 1, "no_label_column", f"{detail} {how}")

    def _begin(self, rows: table_rows.Rows) -> None:
        """Learn the columns, and whether the first row is their header. Raises AnnotationError."""
        first = next(rows, None)
        if first is None:
            raise AnnotationError("empty", "the table has no rows")
        _, row = first
        if self._mapping:
            self._columns, self._headed = annotations_columns.of_mapping(
                row, next(rows, (0, ()))[1], self._mapping
            )
            return
        if label_studio.is_header(row):
            self._headed, self._is_label_studio = True, True
            sample = [row for _, row in islice(rows, _SAMPLE_ROWS)]
            self._columns = label_studio.columns_of(row, sample)
            return
        columns = annotations_columns.of_header(row)
        self._headed = columns is not None
        if columns is None:
            layout = layouts.of_rows(self._opened())
            if layout is None:
                raise annotations_columns.unknown(row, "no column is called image, filename or the like")
            columns = layout.columns()
        self._columns = columns

    def _rows(self, rows: table_rows.Rows | None = None) -> Iterator[tuple[int, Sequence[str]]]:
        """The rows of data with their lines."""
        rows = rows or self._opened()
        if self._headed:
            next(rows, None)
        for line, row in rows:
            yield line, layouts.aligned(row) if self._columns.layout else row

    def _has_test_rows(self) -> bool:
        """Whether rows say that their images are of a test split."""
        if "split" not in self._columns.at:
            return False
        words = (self._columns.cell(row, "split") for _, row in self._rows())
        return any(image_references.split_of_word(word) == "TEST" for word in words)

    def _all_shares(self) -> bool:
        """Whether the table has boxes, and none of their numbers is above 1; read up to the first that is."""
        some = False
        for _, row in self._rows() if self._columns.box_roles else ():
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
        cells = (
            {row[index].strip().lower() for index in others if index < len(row)} for _, row in self._rows()
        )
        return all(of_row <= _MARKED | _UNMARKED for of_row in cells)

    def _read_row(self, line: int, row: Sequence[str]) -> Iterator[Problem]:
        given = self._columns.cell(row, "image")
        try:
            if not image_references.is_image(given):
                self._check_cells(row)
            name = image_references.clean(given, self._file, self._notes)
            dataset_type = self._dataset_type_of(row)
            name = self._source.find(name, dataset_type)
        except AnnotationError as error:
            yield error.problem(self._file, line, given[:200])
            return
        number, _ = self._staging.image(name, line=line)
        try:
            self._check_cells(row)
            self._check_dataset_type(number, dataset_type or self._source.dataset_types.of_image(name))
            errors = self._stage(number, line, row)
        except AnnotationError as error:
            errors = [error]
        for error in errors:
            self._staging.mark_incomplete(number)
            yield error.problem(self._file, line, name)

    def _check_cells(self, row: Sequence[str]) -> None:
        """Check that a row has the cells of its table, and no more. Raises AnnotationError."""
        layout = self._columns.layout
        if layout and not layout.fits(row):
            shown = ", ".join(cell for cell in row if cell)[:200]
            raise AnnotationError("other_cells", f"not {layout.description}, as other rows are: {shown!r}")
        self._columns.check_width(row)

    def _dataset_type_of(self, row: Sequence[str]) -> RequestedDatasetType:
        """The dataset that the row itself asks for."""
        word = self._columns.cell(row, "split")
        if not word or word.lower() == "unassigned":
            return ""
        dataset_type = self._source.dataset_types.of_word(word)
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

    def _stage(self, number: int, line: int, row: Sequence[str]) -> list[AnnotationError]:
        """Take what a row says of its image. Returns what cannot be used.

        Raises:
            AnnotationError: nothing of it can be used.
        """
        cell = self._columns.cell
        size = box_parsing.size(cell(row, "image_width"), cell(row, "image_height"))
        self._staging.update(number, size=size)
        if (answer := self._answer(row)) is not None:
            return self._answers.add(number, answer, line)
        has_box = any(cell(row, role) for role in self._columns.box_roles)
        if self._columns.of_open_images and not self._is_there(row, has_box):
            return []
        if has_box:
            label = self._named(_label(cell(row, "label")))
            self._staging.add_box(number, replace(self._box(label, row), line=line))
        elif labels := self._labels(row):
            for label in labels:
                self._staging.add_label(number, self._named(label))
        elif marked := self._marked(row):
            for name in marked:
                self._staging.add_label(number, _label(name))
        elif self._columns.box_roles:
            self._notes.add(self._file, BACKGROUND)
            self._staging.update(number, kind="detection")
        else:
            self._notes.add(self._file, UNLABELLED)
        return []

    def _is_there(self, row: Sequence[str], has_box: bool) -> bool:
        """Whether what a row of Open Images says is surely there. Raises AnnotationError if it is a group."""
        if self._columns.cell(row, "group") == "1":
            raise AnnotationError("crowd", "a box around a group (IsGroupOf): draw one around each object")
        confidence = self._columns.cell(row, "confidence")
        if has_box or not confidence or box_parsing.number(confidence, "Confidence") >= 1:
            return True
        self._notes.add(self._file, NOT_SURE)
        return False

    def _named(self, label: str) -> str:
        """A label by its name, if it is one of Open Images' codes. Raises AnnotationError."""
        if not self._columns.of_open_images or not _CODE.fullmatch(label):
            return label
        if label not in self._names_of_codes:
            detail = (
                f"{label} is a code: put Open Images' class-descriptions file with its name beside the table"
            )
            raise AnnotationError("unknown_class", detail)
        return box_parsing.label(self._names_of_codes[label])

    @cached_property
    def _names_of_codes(self) -> dict[str, str]:
        """What Open Images' files beside the table call its codes."""
        files = [name for name in self._folder.others if _DESCRIPTIONS.search(name)] if self._folder else []
        rows = (
            row for name in files if self._folder for _, row in table_rows.Rows(self._folder.path(name), name)
        )
        return {row[0].strip(): row[1] for row in rows if len(row) > 1 and row[1].strip()}

    def _answer(self, row: Sequence[str]) -> label_studio.Answer | None:
        """What the row says as Label Studio does: as JSON, or in one of its own tables."""
        if self._columns.box_roles and not self._is_label_studio:
            return None
        cells = self._columns.labels(row)
        values = [label_studio.of_json(cell) for cell in cells]
        if not self._is_label_studio and not any(map(label_studio.is_answer, values)):
            return None
        whole = label_studio.Answer()
        for cell, value in zip(cells, values, strict=True):
            if value is None:
                whole.labels += [_label(cell)]
            else:
                whole.add(label_studio.answer(value, self._file, self._notes))
        return whole

    def _labels(self, row: Sequence[str]) -> list[str]:
        """The image-level labels that a row has. Raises AnnotationError."""
        labels: list[str] = []
        for cell in self._columns.labels(row):
            parts = _parts(cell)
            if parts != [cell]:
                self._notes.add(self._file, LISTS if cell.startswith("[") else PIPES)
            labels += [_label(part) for part in parts]
        return labels

    def _marked(self, row: Sequence[str]) -> list[str]:
        marks = self._columns.marks.items()
        return [name for name, at in marks if at < len(row) and row[at].strip().lower() in _MARKED]

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
            shown = self._columns.shown
            return [box_parsing.number(self._columns.cell(row, role), shown(role)) for role in roles]
        cell = self._columns.cell(row, "box")
        if cell.startswith("{"):
            return _named_sides(cell)
        sides = _BETWEEN.split(cell.strip("[]() "))
        if len(sides) != 4:
            raise AnnotationError("bad_box", f"a box has to be 4 numbers in its cell, not {len(sides)}")
        return [box_parsing.number(side, "a side of the box") for side in sides]


def _named_sides(cell: str) -> list[float]:
    """Left, top, width and height of a box whose sides are named in its cell. Raises AnnotationError."""
    value = label_studio.of_json(cell.replace("'", '"'))
    sides = {str(name).lower(): side for name, side in value.items()} if isinstance(value, dict) else {}
    for names in _NAMED_SIDES:
        if all(name in sides for name in names):
            left, top, third, fourth = (box_parsing.number(sides[name], name) for name in names)
            corners = names[2] in ("x2", "xmax", "right")
            return [left, top, third - left if corners else third, fourth - top if corners else fourth]
    raise AnnotationError(
        "bad_box", f"{cell[:80]!r} does not name the four sides of a box, as x1, y1, x2, y2"
    )


def _label(cell: str) -> str:
    if _FORMULA.match(cell):
        detail = f"{cell[:80]!r} is a spreadsheet's formula: save the values, not the formulas"
        raise AnnotationError("formula", detail)
    if cell.lower() in _NOTHING:
        detail = f"{cell!r} is what programs write for an empty cell: leave it empty"
        raise AnnotationError("no_value", detail)
    if cell[:1] in ("[", "{") and (cell[-1:] in ("]", "}") or '"' in cell):
        detail = f"{cell[:80]!r} is JSON and no label: give the labels a column of their own"
        raise AnnotationError("json_cell", detail)
    return box_parsing.label(cell)


def _unquoted(text: str) -> str:
    """A part of a list without the quotes that Python writes around it."""
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" else text


def _parts(cell: str) -> list[str]:
    """The labels in one cell: ["bolt", "nut"] or [bolt,nut] as makesense.ai has them, or bolt|nut."""
    if _FORMULA.match(cell):
        return [cell]
    if cell.startswith("[") and cell.endswith("]"):
        value = label_studio.of_json(cell)
        inside = cell[1:-1]
        parts = value if isinstance(value, list) else [] if set(inside) & set("[]{}") else inside.split(",")
    else:
        parts = cell.split("|")
    labels = [_unquoted(part.strip()) for part in parts if isinstance(part, str)]
    return labels if labels and all(labels) and len(labels) == len(parts) else [cell]
