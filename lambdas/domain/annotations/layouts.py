"""Layouts: the orders of cells that tables without a header have, judged by all their rows.

Sources: the Custom Labels guide's own table
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/ex-csv-manifest.html , AutoML and Vertex AI
https://cloud.google.com/vertex-ai/docs/image-data/object-detection/prepare-data , keras-retinanet
https://github.com/fizyr/keras-retinanet#csv-datasets , makesense.ai
https://github.com/SkalskiP/make-sense .
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambdas.domain.annotations import columns, image_references
from lambdas.domain.annotations.columns import Columns, is_number
from lambdas.domain.annotations.problems import AnnotationError

MAX_JUDGED_ROWS = 20_000
"""Rows that a layout is chosen by; whether a row fits it is asked of every row when it is read."""
_MOST = 0.9
"""Share of the rows that has to fit a layout, when none fits all."""
_FEW = 3
"""Rows that speak against a reading, if it is to be ruled out in favour of another."""
_CORNERS = ("left", "top", "right", "bottom")
_SIDES = ("left", "top", "width", "height")


@dataclass(frozen=True)
class Layout:
    """An order of cells, after one of the set (TRAIN) that rows may begin with."""

    description: str
    roles: tuple[str, ...]
    """The role of each cell; empty of one that has none."""
    open_ended: bool = False
    """Whether all cells from the label on are labels."""
    shares: bool = False

    def columns(self) -> Columns:
        """The columns of a row that `aligned` has given its first cell."""
        at = {role: number for number, role in enumerate(self.roles, start=1) if role}
        return Columns(
            at | {"split": 0},
            f"no header: read as {self.description}",
            shares=self.shares,
            open_ended=self.open_ended,
            layout=self,
        )

    def fits(self, cells: Sequence[str]) -> bool:
        """Whether an aligned row can be read so."""
        if not image_references.is_image(self._cell(cells, "image")):
            return False
        if self.open_ended:
            return _are_labels([cell for cell in cells[self._at("label") :] if cell])
        if len(cells) > len(self.roles) + 1 or any(self._without_role(cells)):
            return False
        label, box = self._cell(cells, "label"), self._box(cells)
        if not any(box):
            return not label and self.roles[0] == "image"
        # A name of an image is none of a label: such tables pair images with masks.
        return bool(label) and not image_references.is_image(label) and are_numbers(box)

    def is_background(self, cells: Sequence[str]) -> bool:
        """Whether the row says of its image only that it is there."""
        return not self._cell(cells, "label")

    def is_in_order(self, cells: Sequence[str]) -> bool:
        """Whether the row's box, if it has one, begins before it ends."""
        box = self._box(cells)
        if "right" not in self.roles or not any(box):
            return True
        left, top, right, bottom = map(float, box)
        return left < right and top < bottom

    def command(self, cells: Sequence[str], roles: tuple[str, ...] = ()) -> str:
        """How people say that it is meant, of a row that is not aligned."""
        first = 2 if len(aligned(cells)) == len(cells) else 1
        pairs = [f"{role}={number}" for number, role in enumerate(roles or self.roles, start=first) if role]
        split = ["split=1"] if first > 1 else []
        return f"--columns {','.join(split + pairs)}"

    def _at(self, role: str) -> int:
        return self.roles.index(role) + 1

    def _cell(self, cells: Sequence[str], role: str) -> str:
        at = self._at(role)
        return cells[at] if at < len(cells) else ""

    def _box(self, cells: Sequence[str]) -> list[str]:
        roles = _CORNERS if "right" in self.roles else _SIDES if "width" in self.roles else ()
        return [self._cell(cells, role) for role in roles]

    def _without_role(self, cells: Sequence[str]) -> list[str]:
        return [cell for cell, role in zip(cells[1:], self.roles, strict=False) if not role]


LABELS = Layout("an image and its labels", ("image", "label"), open_ended=True)
_LABEL_FIRST = Layout("image, label, left, top, right, bottom", ("image", "label", *_CORNERS))
_LABEL_LAST = Layout("image, left, top, right, bottom, label", ("image", *_CORNERS, "label"))
_AUTOML = Layout(
    "AutoML's set, image, label, corners",
    ("image", "label", "left", "top", "", "", "right", "bottom", "", ""),
    shares=True,
)
_MAKESENSE = Layout(
    "label, left, top, width, height, image, image_width, image_height, as makesense.ai has them",
    ("label", *_SIDES, "image", "image_width", "image_height"),
)
LAYOUTS = (LABELS, _LABEL_FIRST, _LABEL_LAST, _AUTOML, _MAKESENSE)


def aligned(row: Sequence[str]) -> list[str]:
    """The row's cells with one of the set in front, which is empty where the row has none.

    Vertex AI lets each row have it or not. Boxes of AutoML's four corners become boxes of two.
    """
    cells = [cell.strip() for cell in row]
    has_set = len(cells) > 1 and _is_set(cells[0]) and image_references.is_image(cells[1])
    cells = cells if has_set else ["", *cells]
    corners = cells[3:11]
    if len(corners) == 8 and all(corners) and not any(cells[11:]) and are_numbers(corners):
        xs, ys = sorted(corners[::2], key=float), sorted(corners[1::2], key=float)
        cells[3:11] = [xs[0], ys[0], "", "", xs[-1], ys[-1], "", ""]
    return cells


def of_rows(rows: Iterable[tuple[int, Sequence[str]]]) -> Layout | None:
    """The one layout of rows with their lines; None if they have no known one.

    Raises:
        AnnotationError: they can be read in more ways than one, or have a header that is not known.
    """
    judged = [_Judged(layout) for layout in LAYOUTS]
    count = 0
    header: Sequence[str] = ()
    named = Counter[int]()
    """By column, rows that name an image there."""
    for count, (line, row) in enumerate(rows, start=1):
        if count == 1 and not any(map(image_references.is_image, row)):
            header = row
        cells = aligned(row)
        named.update(at for at, cell in enumerate(row) if image_references.is_image(cell.strip()))
        for each in judged:
            each.judge(line, row, cells)
        if count == MAX_JUDGED_ROWS:
            break
    few = not count or max(each.fitting for each in judged) * 2 < count
    if few and not (header and named and max(named.values()) * 2 > count - 1):
        return None
    if header:
        raise columns.unknown(header, "no column is called image, filename or the like")
    fitting = [each for each in judged if each.fitting == count]
    if not fitting:
        fitting = [each for each in judged if each.saying] or [max(judged, key=lambda each: each.fitting)]
        most = [each for each in fitting if each.fitting >= _MOST * count]
        if len(fitting) > 1 and not most:
            raise _mixed(fitting)
        fitting = most or fitting
    # Where every row is of an image that nothing is on, all readings are the same.
    return _decided([each for each in fitting if each.saying] or fitting[-1:])


@dataclass
class _Judged:
    """What all rows say about a layout."""

    layout: Layout
    fitting: int = 0
    saying: int = 0
    """Of these, rows with a label."""
    swapped: int = 0
    """Of these, rows with a box that would end before it begins."""
    example: tuple[int, tuple[str, ...]] = (0, ())
    """The first of the rows with a label, and its line."""
    swapped_line: int = 0
    """Line of the first of the rows that would be swapped."""

    def judge(self, line: int, row: Sequence[str], cells: Sequence[str]) -> None:
        if not self.layout.fits(cells):
            return
        self.fitting += 1
        if self.layout.is_background(cells):
            return
        self.saying += 1
        if not self.example[1]:
            self.example = line, tuple(cell.strip() for cell in row)
        if not self.layout.is_in_order(cells):
            self.swapped += 1
            self.swapped_line = self.swapped_line or line


def _decided(fitting: list[_Judged]) -> Layout:
    in_order = [each for each in fitting if not each.swapped]
    if len(fitting) == 1:
        [only] = fitting
        if only.swapped > (1 - _MOST) * only.saying and not only.layout.shares:
            raise _corners_or_sides(only)
        return only.layout
    # A few rows in order by chance do not say which of two readings is right.
    others = [each for each in fitting if each.swapped]
    if len(in_order) == 1 and all(each.swapped >= _FEW or each.swapped * 2 >= each.saying for each in others):
        return in_order[0].layout
    line, row = fitting[0].example
    ways = "; or ".join(
        f"{_shown_cell(each.layout, row)} with {each.layout.command(row)}" for each in fitting
    )
    raise AnnotationError(
        "ambiguous_columns",
        f"no header, and its rows can be read in {len(fitting)} ways: in line {line} the label is {ways}: say"
        " which, or give the table a header of these words",
    )


def _mixed(judged: list[_Judged]) -> AnnotationError:
    examples = "; ".join(
        f"line {each.example[0]} ({', '.join(each.example[1])[:100]}) like {each.layout.description}"
        for each in judged
    )
    return AnnotationError(
        "mixed_columns", f"no header, and its rows differ: {examples}: make a table of each, or add a header"
    )


def _shown_cell(layout: Layout, row: Sequence[str]) -> str:
    cells = aligned(row)
    return repr(cells[layout.roles.index("label") + 1][:80])


def _corners_or_sides(judged: _Judged) -> AnnotationError:
    layout, row = judged.layout, judged.example[1]
    sides = tuple({"right": "width", "bottom": "height"}.get(role, role) for role in layout.roles)
    return AnnotationError(
        "ambiguous_columns",
        f"no header, and the four numbers are no corners in {judged.swapped} of {judged.saying} rows, the"
        f" first in line {judged.swapped_line}: if they are left, top, width and height say"
        f" {layout.command(row, sides)}, else {layout.command(row)}",
    )


def _are_labels(cells: Sequence[str]) -> bool:
    """Whether cells are the labels of an image.

    One number is a label; in more cells than one it is more likely a class, a score or a side.
    """
    if any(image_references.is_image(cell) for cell in cells):
        return False
    return len(cells) <= 1 or not any(are_numbers([cell]) for cell in cells)


def _is_set(text: str) -> bool:
    return not text or text.lower() == "unassigned" or bool(image_references.split_of_word(text))


def are_numbers(cells: Iterable[str]) -> bool:
    """Whether all cells are finite numbers."""
    return all(map(is_number, cells))
