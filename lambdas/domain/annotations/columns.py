"""What the columns of a table of annotations mean."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from lambdas.domain.annotations import image_references
from lambdas.domain.annotations.problems import AnnotationError

if TYPE_CHECKING:
    from lambdas.domain.annotations.layouts import Layout

ROLES = (
    "image",
    "label",
    "left",
    "top",
    "right",
    "bottom",
    "width",
    "height",
    "center_x",
    "center_y",
    "box",
    "image_width",
    "image_height",
    "split",
)

_NAMES: dict[str, tuple[str, ...]] = {
    "image": (
        *("image", "filename", "file_name", "image_name", "image_path", "image_id", "imageid", "img"),
        *("image_file", "path", "filepath", "file_path", "file", "image_uri", "image_url"),
    ),
    "label": (
        *("label_name", "labelname", "class_name", "category_name", "label", "class", "category", "labels"),
        *("tag", "tags", "name"),
    ),
    "left": ("left", "xmin", "x_min", "x1", "bbox_left", "bbox_x", "x"),
    "top": ("top", "ymin", "y_min", "y1", "bbox_top", "bbox_y", "y"),
    "right": ("right", "xmax", "x_max", "x2", "bbox_right"),
    "bottom": ("bottom", "ymax", "y_max", "y2", "bbox_bottom"),
    "width": ("box_width", "bbox_width", "w", "box_w"),
    "height": ("box_height", "bbox_height", "h", "box_h"),
    "center_x": ("x_center", "center_x", "x_centre", "centre_x", "xcenter", "cx"),
    "center_y": ("y_center", "center_y", "y_centre", "centre_y", "ycenter", "cy"),
    "box": ("bbox", "bounding_box"),
    "image_width": ("image_width", "img_width", "imagewidth"),
    "image_height": ("image_height", "img_height", "imageheight"),
    "split": ("split", "set", "subset", "ml_use", "mluse", "usage", "partition"),
}
_CORNERS = ("left", "top", "right", "bottom")
_BOXES = (
    _CORNERS,
    ("left", "top", "width", "height"),
    ("center_x", "center_y", "width", "height"),
    ("box",),
)
"""Columns that make a whole box. One cell alone has left, top, width and height, as COCO and Kaggle do."""
_MEANING = {"box": "box (left, top, width, height)"}
_OPEN_IMAGES = {"confidence": "confidence", "group": "isgroupof"}
"""Of Open Images, https://storage.googleapis.com/openimages/web/download_v7.html : how sure a label is, and
whether its box is around many objects."""
_OF_BOX = re.compile(r"^(bbox|box|bndbox|bounding_box|bb)_")
_NUMBER = re.compile(r"[1-9][0-9]{0,5}\+?")
_SIDES = frozenset(
    name for role in ("left", "top", "right", "bottom", "width", "height") for name in _NAMES[role]
)
_ONE_OF_LABELS = re.compile(r"(label|class|tag|category)_?\d*")
_LIKE_BOXES = re.compile(
    r"box|region|shape|poly|point|coord|segment|[xy]_?(min|max)|center|centre|_rle|^rle|\broi\b|\b[xy]_?\d$"
)


@dataclass(frozen=True)
class Columns:
    """The columns of a table: where in a row what stands, from 0, by role."""

    at: Mapping[str, int]
    guessed: str = ""
    """What was decided about them, for a note."""
    shares: bool = False
    """Whether boxes are shares of the image's sides."""
    others: Mapping[str, int] = field(default_factory=dict)
    """By name, columns without a role."""
    marks: Mapping[str, int] = field(default_factory=dict)
    """Columns of a label each, with 1 where an image has it and else 0."""
    more_labels: tuple[int, ...] = ()
    """Further columns of labels."""
    open_ended: bool = False
    """Whether every cell from the label on is a label."""
    width: int = 0
    """Number of columns, if rows must not have more."""
    names: tuple[str, ...] = ()
    """The header, if there is one."""
    layout: Layout | None = None
    """Of a table without a header, the order that every row has to have."""

    @property
    def box_roles(self) -> tuple[str, ...]:
        """The columns of a box; empty if the table has none."""
        return next((roles for roles in _BOXES if all(role in self.at for role in roles)), ())

    @property
    def of_open_images(self) -> bool:
        return "confidence" in self.at or "group" in self.at

    @property
    def corners(self) -> bool:
        return self.box_roles == _CORNERS

    @property
    def centers(self) -> bool:
        return "center_x" in self.box_roles

    def cell(self, row: Sequence[str], role: str) -> str:
        """What a row has there; empty if it has nothing."""
        index = self.at.get(role)
        return row[index].strip() if index is not None and index < len(row) else ""

    def labels(self, row: Sequence[str]) -> list[str]:
        """The cells of a row that are labels."""
        first = self.at.get("label")
        if first is None:
            return []
        indices = range(first, len(row)) if self.open_ended else (first, *self.more_labels)
        return [cell for index in indices if index < len(row) and (cell := row[index].strip())]

    def shown(self, role: str) -> str:
        """What a column is called in messages: its role, and what people know it by."""
        index = self.at.get(role)
        if index is None or self.layout:
            return role
        name = self.names[index].strip() if index < len(self.names) else ""
        return f"{role} (column {name!r})" if name else f"{role} (column {index + 1})"

    def check_width(self, row: Sequence[str]) -> None:
        """Check that a row has no cells that no column is of, for they may be labels.

        Raises:
            AnnotationError: it has.
        """
        if len(row) <= self.width or not self.width or self.open_ended:
            return
        if beyond := [cell.strip() for cell in row[self.width :] if cell.strip()]:
            raise AnnotationError(
                "too_many_cells",
                f"{len(row)} cells in a table of {self.width} columns, the first too many {beyond[0][:80]!r}:"
                " quote cells with delimiters; if they are further labels, give them columns or import with"
                f" --columns image={self.at['image'] + 1},label={self.at.get('label', 1) + 1}+",
            )


def of_mapping(
    first: Sequence[str], second: Sequence[str], mapping: Mapping[str, str]
) -> tuple[Columns, bool]:
    """Columns as people name them, and whether the first row is a header.

    Args:
        second: the row after the first, by which a header is told from a row of data.
        mapping: role to a name in the header, or to a number from 1; a label's number with a plus, as in
            label=2+, is of all cells from there on.

    Raises:
        AnnotationError: an unknown role, or a column that is not there.
    """
    # Numbers are no names, though a row of data has them.
    by_number = all(_NUMBER.fullmatch(column.strip()) for column in mapping.values())
    names = [""] * len(first) if by_number else [_normal(name) for name in first]
    at = {}
    by_name = open_ended = False
    for role, column in mapping.items():
        if role not in ROLES:
            raise AnnotationError(
                "bad_columns", f"{role!r} is no role of a column; there are {', '.join(ROLES)}"
            )
        index, further = _column(names, column)
        if index is None or (further and role != "label"):
            shown = ", ".join(name.strip() for name in first)
            raise AnnotationError(
                "bad_columns", f"no column {column!r} for {role}; the first row has {shown}"[:500]
            )
        at[role] = index
        by_name = by_name or _normal(column) in names
        open_ended = open_ended or further
    _check(at)
    if open_ended and Columns(at).box_roles:
        raise AnnotationError("bad_columns", "boxes have one label each: give label without a plus")
    headed = by_name or _is_header(first, second, at)
    left = [
        name.strip() or str(index + 1)
        for index, name in enumerate(first)
        if index not in at.values() and not (open_ended and index > at["label"])
    ]
    return (
        Columns(
            at,
            f"columns left alone: {', '.join(left)}"[:500] if left else "",
            open_ended=open_ended,
            width=len(first),
            names=tuple(first) if headed else (),
        ),
        headed,
    )


def _column(names: Sequence[str], column: str) -> tuple[int | None, bool]:
    """Where a column is, and whether a plus says that those after it belong to it."""
    name = _normal(column)
    if name in names:
        return names.index(name), False
    number = name.removesuffix("+")
    if number.isascii() and number.isdigit() and 0 < int(number[:6]) <= len(names):
        return int(number) - 1, number != name
    return None, False


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()


def _is_header(first: Sequence[str], second: Sequence[str], at: Mapping[str, int]) -> bool:
    """Whether a row is none of data, because it has words for numbers, or another for an image's name."""
    columns = Columns(at)
    numbers = [columns.cell(first, role) for role in columns.box_roles if role != "box"]
    names = [image_references.is_image(columns.cell(row, "image")) for row in (first, second)]
    return any(cell and not is_number(cell) for cell in numbers) or names == [False, True]


def of_header(header: Sequence[str]) -> Columns | None:
    """Columns by their usual names; None if they have none such.

    Raises:
        AnnotationError: a box that is not all there, or columns that seem to be of boxes and are not known.
    """
    words = [_word(name) for name in header]
    at: dict[str, int] = {}
    for role, usual in _NAMES.items():
        index = next((words.index(name) for name in usual if name in words), None)
        if index is not None:
            at[role] = index
    if "image" not in at:
        return None
    _add_sides(at, words)
    if "label" not in at and (of_labels := [i for i, word in enumerate(words) if _is_numbered_label(word)]):
        at["label"] = of_labels[0]
    _check(at)
    if {"imageid", "labelname"} <= set(words):
        at |= {role: words.index(name) for role, name in _OPEN_IMAGES.items() if name in words}
    more = _more_labels(at, words)
    taken = {*at.values(), *more}
    shown = ", ".join(
        f"{_MEANING.get(role, role)} is {header[index].strip()!r}" for role, index in at.items()
    )
    shown += "".join(f", label is {header[index].strip()!r} too" for index in more)
    left = {name.strip(): index for index, name in enumerate(header) if index not in taken and name.strip()}
    rest = f"; left alone: {', '.join(left)}" if left else ""
    columns = Columns(
        at,
        f"columns read by their names: {shown}{rest}"[:500],
        others=left,
        more_labels=more,
        width=len(header),
        names=tuple(header),
    )
    if not columns.box_roles and (like := [name for name in left if _LIKE_BOXES.search(name.lower())]):
        raise unknown(header, f"{like[0]!r} may be of boxes")
    return columns


def _word(name: str) -> str:
    """A name in a header, in small letters and without what boxes' sides are often called besides."""
    word = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    return _OF_BOX.sub("", word) if _OF_BOX.sub("", word) in _SIDES else word


def unknown(first: Sequence[str], why: str) -> AnnotationError:
    """The error of columns whose meaning people have to give."""
    return AnnotationError(
        "unknown_columns",
        f"{why}, and the columns are not known ({', '.join(first)[:200]}): say which is which, by the first"
        " row's names or numbers from 1, as in --columns image=filename,label=class,left=xmin,top=ymin,"
        "right=xmax,bottom=ymax or --columns image=1,label=2",
    )


def _is_numbered_label(word: str) -> bool:
    return bool(_ONE_OF_LABELS.fullmatch(word)) and word[-1].isdigit()


def _more_labels(at: Mapping[str, int], words: Sequence[str]) -> tuple[int, ...]:
    """Further columns called like that of the label, or numbered, in a table of image-level labels."""
    if "label" not in at or Columns(at).box_roles:
        return ()
    same = words[at["label"]]
    stem = same.rstrip("0123456789_")
    return tuple(
        index
        for index, word in enumerate(words)
        if index not in at.values()
        and (word == same or (_is_numbered_label(word) and word.rstrip("0123456789_") == stem))
    )


def _add_sides(at: dict[str, int], words: Sequence[str]) -> None:
    """Width and height are the box's if it has no right and bottom, and the image's if it has."""
    for side in ("width", "height"):
        if side not in words:
            continue
        corners = "right" in at and "bottom" in at
        if not corners and side not in at and ("left" in at or "center_x" in at):
            at[side] = words.index(side)
        else:
            at.setdefault(f"image_{side}", words.index(side))


def _check(at: Mapping[str, int]) -> None:
    if "image" not in at:
        raise AnnotationError("bad_columns", "no column names the images: say which with image=NAME")
    boxes = [role for role in at if any(role in roles for roles in _BOXES)]
    if boxes and not Columns(at).box_roles:
        raise AnnotationError(
            "bad_columns",
            f"of a box only {', '.join(boxes)}: it takes left, top, right and bottom, or left, top, width and"
            " height, or center_x, center_y, width and height; say which columns they are",
        )
    if boxes and "label" not in at:
        raise AnnotationError(
            "bad_columns", "boxes without a column of labels: say which with label=NAME, or add one"
        )


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return isfinite(float(text))
    except ValueError:
        return False
