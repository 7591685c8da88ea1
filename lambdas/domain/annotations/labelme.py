"""labelme: a JSON file of shapes for each image, https://github.com/wkentaro/labelme .

A shape's points are in pixels. Flags of the image that are set are its labels if it has no shapes. The
picture that a file may have inside, as text, is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import box_parsing, image_references, json_files
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.shared.annotation import Kind

BACKGROUND = "files without shapes were taken as images that nothing is on"
OUTLINES = "polygons, circles, masks and rotated boxes were taken by their bounding boxes"
LEFT_OUT = "points and lines were left out: they are no boxes"
FLAGS = "flags that are set on images without shapes were taken as their labels"
_LEFT_OUT = frozenset(("point", "points", "line", "linestrip"))
_FEWEST_POINTS = {"rectangle": 2, "circle": 2, "mask": 2, "polygon": 3, "rotation": 3}


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read the file of one image.

    Args:
        folder: of the image, if it is to be found there; else it is called as the file calls it. Notes go to
            the folder's, for they are many files' together.

    Raises:
        OSError: the disk failed.
    """
    source = AnnotationFile(path, folder, is_of_one_image=True)
    file, notes, dataset_types = source.name, source.notes, source.dataset_types
    image = ""
    try:
        document = json_files.whole(path)
        image = image_references.clean(document.get("imagePath"), "", notes)
        if folder:
            image = _find(folder, image, file, dataset_types)
    except AnnotationError as error:
        yield error.problem(file, image=image)
        return
    size = box_parsing.size(document.get("imageWidth"), document.get("imageHeight"))
    boxes, problems, left_out = box_parsing.of_shapes(
        document.get("shapes"), "shapes", lambda shape: _box(shape, size, notes)
    )
    notes.add("", LEFT_OUT, left_out)
    yield from (Problem(file, 0, error.reason, error.detail, image) for error in problems)
    labels = () if boxes or problems or left_out else _flags(document.get("flags"), notes)
    kind: Kind | None = "classification" if labels else "detection"
    if not boxes and not labels:
        kind = None if problems or left_out else "detection"
        notes.add("", BACKGROUND, 1 if kind else 0)
    dataset_type = dataset_types.of_image(image)
    yield ImageAnnotation(image, kind, labels, tuple(boxes), size, dataset_type=dataset_type, file=file)
    if not folder:
        yield from notes.collected()


def _find(folder: Folder, named: str, file: str, dataset_types: image_references.DatasetTypes) -> str:
    """The image that the file names; if that is not there, the one that is called like the file."""
    try:
        return folder.find(named, file, dataset_types.of_file)
    except AnnotationError as error:
        if error.reason == "ambiguous_name":
            raise
        suffix = Path(named).suffix or ".jpg"
        try:
            return folder.find(Path(file).stem + suffix, file, dataset_types.of_file, other_suffix=True)
        except AnnotationError:
            raise error from None


def _box(shape: Mapping[str, Any], size: tuple[int, int] | None, notes: NoteCounter) -> LabelledBox | None:
    if str(shape.get("shape_type")) in _LEFT_OUT:
        return None
    label = box_parsing.label(shape.get("label"))
    # Files of the first versions name no type: all their shapes are polygons.
    kind = shape.get("shape_type") or "polygon"
    if not isinstance(kind, str) or kind not in _FEWEST_POINTS:
        raise AnnotationError("unknown_shape", f"a shape_type of {str(kind)[:40]!r} is not known")
    points = _points(shape.get("points"), _FEWEST_POINTS[kind], kind)
    if kind != "rectangle":
        notes.add("", OUTLINES)
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points[:2]
        radius = math.hypot(edge_x - x, edge_y - y)
        points = [(x - radius, y - radius), (x + radius, y + radius)]
    left, top, right, bottom = box_parsing.around(points)
    if size and kind in ("circle", "polygon", "rotation"):
        # Outlines may be drawn over the edge; what lies outside of the image is not on it.
        left, top = max(left, 0.0), max(top, 0.0)
        right, bottom = min(right, float(size[0])), min(bottom, float(size[1]))
    return box_parsing.of_corners(label, left, top, right, bottom)


def _points(given: Any, fewest: int, kind: str) -> list[tuple[float, float]]:
    if not isinstance(given, list) or len(given) < fewest:
        raise AnnotationError("missing_box", f"a {kind} needs {fewest} points or more")
    points = []
    for point in given:
        if not isinstance(point, list) or len(point) != 2:
            raise AnnotationError("bad_number", "each point has to be a list of x and y")
        points.append(
            (box_parsing.number(point[0], "a point's x"), box_parsing.number(point[1], "a point's y"))
        )
    return points


def _flags(flags: Any, notes: NoteCounter) -> tuple[str, ...]:
    """The names of flags that are set, as far as they can be labels."""
    labels: list[str] = []
    for name, is_set in flags.items() if isinstance(flags, dict) else ():
        if is_set is True:
            try:
                labels.append(box_parsing.label(name))
            except AnnotationError:
                continue
    if labels:
        notes.add("", FLAGS)
    return tuple(dict.fromkeys(labels))
