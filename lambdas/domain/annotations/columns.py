"""What the columns of a table of annotations mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from lambdas.domain.annotations import image_references
from lambdas.domain.annotations.problems import AnnotationError

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
    "label": ("label", "class", "class_name", "label_name", "labelname", "category", "name", "labels", "tag"),
    "left": ("left", "xmin", "x_min", "x1", "bbox_left", "bbox_x", "x"),
    "top": ("top", "ymin", "y_min", "y1", "bbox_top", "bbox_y", "y"),
    "right": ("right", "xmax", "x_max", "x2", "bbox_right"),
    "bottom": ("bottom", "ymax", "y_max", "y2", "bbox_bottom"),
    "width": ("box_width", "bbox_width", "w"),
    "height": ("box_height", "bbox_height", "h"),
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
_LIKE_BOXES = re.compile(r"box|region|shape|poly|point|coord|segment|[xy]_?(min|max)|center|centre|_rle|^rle")


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

    @property
    def box_roles(self) -> tuple[str, ...]:
        """The columns of a box; empty if the table has none."""
        return next((roles for roles in _BOXES if all(role in self.at for role in roles)), ())

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


def of_mapping(header: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """Columns as people name them: role to header, or to a number from 1 where there is none.

    Raises:
        AnnotationError: an unknown role, or a column that is not there.
    """
    names = [name.strip() for name in header]
    at = {}
    for role, column in mapping.items():
        if role not in ROLES:
            raise AnnotationError(
                "bad_columns", f"{role!r} is no role of a column; there are {', '.join(ROLES)}"
            )
        if column in names:
            at[role] = names.index(column)
        elif column.isascii() and column.isdigit() and 0 < int(column[:6]) <= len(names):
            at[role] = int(column) - 1
        else:
            raise AnnotationError(
                "bad_columns", f"no column {column!r} for {role}; there are {', '.join(names)}"[:500]
            )
    _check(at)
    return Columns(at)


def of_header(header: Sequence[str]) -> Columns | None:
    """Columns by their usual names; None if they have none such.

    Raises:
        AnnotationError: a box that is not all there, or columns that seem to be of boxes and are not known.
    """
    words = [re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_") for name in header]
    at: dict[str, int] = {}
    for role, usual in _NAMES.items():
        index = next((words.index(name) for name in usual if name in words), None)
        if index is not None:
            at[role] = index
    if "image" not in at:
        return None
    _add_sides(at, words)
    _check(at)
    taken = set(at.values())
    shown = ", ".join(f"{role} is {header[index].strip()!r}" for role, index in at.items())
    left = {name.strip(): index for index, name in enumerate(header) if index not in taken and name.strip()}
    rest = f"; left alone: {', '.join(left)}" if left else ""
    columns = Columns(at, f"columns read by their names: {shown}{rest}"[:500], others=left)
    if not columns.box_roles and (like := [name for name in left if _LIKE_BOXES.search(name.lower())]):
        raise unknown(header, f"{like[0]!r} may be of boxes")
    return columns


def unknown(header: Sequence[str], why: str) -> AnnotationError:
    """The error of columns whose meaning people have to give."""
    return AnnotationError(
        "unknown_columns",
        f"{why}, and the columns are not known ({', '.join(header)[:200]}): say which is which, as in"
        " --columns image=filename,label=class,left=xmin,top=ymin,right=xmax,bottom=ymax",
    )


def of_rows(row: Sequence[str]) -> Columns | None:
    """Columns of a table without a header, by its first row; None if it is like no known one.

    Known are an optional set (TRAIN), an image, a label, and then nothing, four numbers, or eight cells of
    which the first, second, fifth and sixth are the corners as shares, as AutoML has them.
    """
    cells = [cell.strip() for cell in row]
    first = 1 if cells and _is_set(cells[0]) else 0
    rest = cells[first:]
    if not rest or not image_references.is_image(rest[0]):
        return None
    at = {"image": first} | ({"split": 0} if first else {})
    if len(rest) == 1:
        return Columns(at, "no header: read as an image in each row")
    start = first + 2
    if len(rest) == 6 and _are_numbers(rest[1:5]) and not _are_numbers(rest[5:]):
        guessed = "no header: read as image, left, top, right, bottom, label"
        return Columns(at | _corners_at(first + 1) | {"label": first + 5}, guessed)
    at["label"] = first + 1
    numbers = rest[2:]
    if len(numbers) in (4, 8) and _are_numbers(cell for cell in numbers if cell):
        shares = len(numbers) == 8
        order = "AutoML's set, image, label, corners" if shares else "image, label, left, top, right, bottom"
        at |= _corners_at(start, 4 if shares else 2)
        return Columns(at, f"no header: read as {order}", shares=shares)
    if any(numbers):
        return None
    return Columns(at, "no header: read as an image and a label in each row")


def _corners_at(first: int, second: int = 2) -> dict[str, int]:
    """Columns of the corners, the second corner so many after the first."""
    return dict(zip(_CORNERS, (first, first + 1, first + second, first + second + 1), strict=True))


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
        raise AnnotationError("bad_columns", "boxes without a column of labels: say which with label=NAME")


def _is_set(text: str) -> bool:
    return text.lower() == "unassigned" or bool(image_references.split_of_word(text))


def _are_numbers(cells: Iterable[str]) -> bool:
    try:
        return all(isfinite(float(cell)) for cell in cells)
    except ValueError:
        return False
