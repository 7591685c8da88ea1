"""VGG Image Annotator (VIA) 1 and 2: projects, and annotations exported as JSON or CSV,
https://www.robots.ox.ac.uk/~vgg/software/via/ .

A region has a shape in pixels, and attributes that people name as they like: the label is that called label,
class, name or the like, or the only one. An image without regions is one of which nothing is
known: a project lists every image that was loaded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import box_parsing, image_references, json_stream
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.table_rows import Rows
from lambdas.domain.annotations.types import Event, LabelledBox, Note, Problem

AROUND = "circles, ellipses and polygons were taken by their bounding boxes"
NO_BOX = "points and lines were left out"
EMPTY = "images without regions are not known to have nothing on them"
_METADATA = "_via_img_metadata"
_SHAPES, _ATTRIBUTES, _OF_FILE = "region_shape_attributes", "region_attributes", "file_attributes"
_USUAL = (
    "label",
    "class",
    "class_name",
    "classname",
    "name",
    "category",
    "type",
    "object",
    "object_name",
    "tag",
)


@dataclass(frozen=True)
class _Region:
    shape: object
    attributes: object
    line: int = 0


@dataclass(frozen=True)
class _Entry:
    """What the file says of an image, or a row of it."""

    image: object
    regions: tuple[_Region, ...]
    of_file: object = None
    """Attributes of the whole image."""
    line: int = 0
    error: AnnotationError | None = None


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a project or an export, image by image; as CSV if the file is called so.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    with Staging() as staging:
        yield from _Reader(path, folder, staging).events()


def is_header(names: Sequence[str]) -> bool:
    """Whether the header of a table is one of VIA's."""
    return {"filename", _SHAPES, _ATTRIBUTES} <= {name.strip().lstrip("#").strip() for name in names}


class _Reader:
    def __init__(self, path: Path, folder: Folder | None, staging: Staging) -> None:
        self._path, self._staging = path, staging
        self._source = AnnotationFile(path, folder)
        self._file, self._notes = self._source.name, self._source.notes
        self._problems: list[Problem] = []
        self._regions = self._of_files = ""
        """The attribute that is the label, of regions and of whole images."""

    def events(self) -> Iterator[Event]:
        try:
            yield from self._choose_attributes()
        except AnnotationError as error:
            yield error.problem(self._file)
            return
        self._problems.clear()
        for entry in self._entries():
            for error, image in self._take(entry):
                yield Problem(self._file, error[0], error[1].reason, error[1].detail, image)
        yield from self._problems
        yield from self._staging.image_annotations(self._file)
        yield from self._notes.collected()

    def _choose_attributes(self) -> Iterator[Note]:
        """Find out which attributes are labels. Raises AnnotationError if that is not clear."""
        regions, files = Counter[str](), Counter[str]()
        count = 0
        for entry in self._entries():
            count += len(entry.regions)
            for region in entry.regions:
                regions.update(_with_value(region.attributes))
            files.update(name for name in _with_value(entry.of_file) if name.lower() in _USUAL)
        if count:
            self._regions = _chosen(regions)
            others = ", ".join(sorted(set(regions) - {self._regions}))
            more = f"; left alone: {others}"[:300] if others else ""
            yield Note(self._file, f"the label of a region is its attribute {self._regions!r}{more}")
        elif files:
            self._of_files = _chosen(files)
            yield Note(self._file, f"the label of an image is its attribute {self._of_files!r}")

    def _take(self, entry: _Entry) -> Iterator[tuple[tuple[int, AnnotationError], str]]:
        """Stage an entry; yields what cannot be used, with its line, and the image."""
        shown = entry.image[:200] if isinstance(entry.image, str) else ""
        try:
            if entry.error:
                raise entry.error
            name = image_references.clean(entry.image, self._file, self._notes)
            name = self._source.find(name)
        except AnnotationError as error:
            yield (entry.line, error), shown
            return
        number, _ = self._staging.image(
            name, line=entry.line, dataset_type=self._source.dataset_types.of_image(name)
        )
        for region in entry.regions:
            try:
                for box in _boxes(region, self._regions, self._file, self._notes):
                    self._staging.add_box(number, replace(box, line=region.line))
            except AnnotationError as error:
                self._staging.mark_incomplete(number)
                yield (region.line, error), name
        try:
            labels = _labels(entry.of_file, self._of_files) if self._of_files else []
        except AnnotationError as error:
            yield (entry.line, error), name
            return
        for label in labels:
            self._staging.add_label(number, label)
        if not entry.regions and not labels:
            self._notes.add(self._file, EMPTY)

    def _entries(self) -> Iterator[_Entry]:
        if self._path.suffix.lower() in (".csv", ".tsv"):
            return self._of_rows()
        return self._of_json()

    def _of_json(self) -> Iterator[_Entry]:
        try:
            for key, entry in json_stream.members(self._path, _METADATA):
                if key.startswith("_via_"):
                    continue
                if isinstance(entry, dict):
                    yield _of_entry(entry)
                else:
                    shown = f"{key[:80]!r} has to be an object with filename and regions"
                    yield _Entry(None, (), error=AnnotationError("not_an_object", shown))
        except json_stream.CutError as error:
            detail = f"{error}: what comes before was taken; export the file again"
            self._problems.append(Problem(self._file, 0, "cut_off", detail))

    def _of_rows(self) -> Iterator[_Entry]:
        rows = Rows(self._path, self._file)
        _, header = next(rows, (0, list[str]()))
        at = {name.strip().lstrip("#").strip(): index for index, name in enumerate(header)}

        def cell(row: Sequence[str], name: str) -> str:
            return row[at[name]].strip() if name in at and at[name] < len(row) else ""

        for line, row in rows:
            try:
                shape, attributes, of_file = (
                    _of_cell(cell(row, name), name) for name in (_SHAPES, _ATTRIBUTES, _OF_FILE)
                )
                regions = tuple(_Region(each, attributes, line) for each in (shape,) if each)
                yield _Entry(cell(row, "filename"), regions, of_file, line)
            except AnnotationError as error:
                yield _Entry(cell(row, "filename"), (), line=line, error=error)
        self._problems += rows.problems


def _of_cell(cell: str, name: str) -> object:
    try:
        return json.loads(cell) if cell else None
    except (ValueError, RecursionError) as error:
        raise AnnotationError("not_json", f"{name} has to hold JSON, not {cell[:80]!r}") from error


def _of_entry(entry: Mapping[str, Any]) -> _Entry:
    regions: Any = entry.get("regions") or ()
    # VIA 1 numbers them in an object.
    regions = list(regions.values()) if isinstance(regions, dict) else regions
    if not isinstance(regions, (list, tuple)) or not all(isinstance(region, dict) for region in regions):
        error = AnnotationError("bad_regions", "regions have to be a list of objects")
        return _Entry(entry.get("filename"), (), error=error)
    return _Entry(
        entry.get("filename"),
        tuple(_Region(region.get("shape_attributes"), region.get("region_attributes")) for region in regions),
        entry.get("file_attributes"),
    )


def _with_value(attributes: object) -> list[str]:
    return (
        [name for name, value in attributes.items() if value not in ("", None)]
        if isinstance(attributes, dict)
        else []
    )


def _chosen(names: Counter[str]) -> str:
    """The attribute that is the label. Raises AnnotationError if it may be any of several."""
    if not names:
        raise AnnotationError("no_labels", "no region has an attribute: give each a label in VIA")
    if len(names) == 1:
        return next(iter(names))
    usual = {name.strip().lower(): name for name in reversed(names)}
    for name in _USUAL:
        if name in usual:
            return usual[name]
    shown = ", ".join(names)[:300]
    raise AnnotationError(
        "unknown_label", f"any of {shown} may be the label: call the attribute label, class or name in VIA"
    )


def _labels(attributes: object, name: str) -> list[str]:
    """The labels that an attribute has: a text, a number, or the boxes that are ticked."""
    value = attributes.get(name) if isinstance(attributes, dict) else None
    if isinstance(value, dict):
        return [box_parsing.label(option) for option, ticked in value.items() if ticked in (True, "true", 1)]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = f"{value:g}"
    return [box_parsing.label(value)] if value not in (None, "") else []


def _boxes(region: _Region, attribute: str, file: str, notes: NoteCounter) -> list[LabelledBox]:
    """A region's box, for each of its labels. Raises AnnotationError."""
    shape = region.shape
    if not isinstance(shape, dict):
        raise AnnotationError("bad_box", "a region has no shape")
    if shape.get("name") in ("point", "polyline"):
        notes.add(file, NO_BOX)
        return []
    labels = _labels(region.attributes, attribute)
    if not labels:
        raise AnnotationError("bad_label", f"a region has no {attribute}: give it one in VIA")
    sides = _sides(shape)
    if shape.get("name") != "rect":
        notes.add(file, AROUND)
    return [box_parsing.of_corners(label, *sides) for label in labels]


def _sides(shape: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a shape."""

    def number(name: str) -> float:
        return box_parsing.number(shape.get(name), name)

    match shape.get("name"):
        case "rect":
            left, top = number("x"), number("y")
            return left, top, left + number("width"), top + number("height")
        case "circle":
            x, y, radius = number("cx"), number("cy"), number("r")
            return max(x - radius, 0), max(y - radius, 0), x + radius, y + radius
        case "ellipse":
            x, y, wide, high = number("cx"), number("cy"), number("rx"), number("ry")
            # It may be turned by theta, which VIA has from 2.0.8 on.
            angle = box_parsing.number(shape.get("theta") or 0, "theta")
            wide, high = box_parsing.turned(wide, high, angle)
            return max(x - wide, 0), max(y - high, 0), x + wide, y + high
        case "polygon":
            xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
            if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys) or len(xs) < 3:
                raise AnnotationError("bad_box", "a polygon has to have as many x as y, and 3 or more")
            points = [
                (box_parsing.number(x, "x"), box_parsing.number(y, "y")) for x, y in zip(xs, ys, strict=True)
            ]
            return box_parsing.around(points)
        case other:
            raise AnnotationError(
                "bad_box", f"{str(other)[:80]!r} is no shape that a box can be drawn around"
            )
