"""Supervisely: a JSON file of objects for each image,
https://docs.supervisely.com/data-organization/00_ann_format_navi .

The file of ds0/img/a.jpg is ds0/ann/a.jpg.json. Rectangles are taken, polygons by their bounding boxes, and
of an image without objects its tags, as labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lambdas.domain.annotations import box_parsing, image_references, json_files
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.shared.annotation import Kind, RequestedDatasetType

BACKGROUND = "files without objects and tags were taken as images that nothing is on"
OUTLINES = "polygons were taken by their bounding boxes"
LEFT_OUT = "objects that are neither rectangles nor polygons were left out"
_FEWEST_POINTS = {"rectangle": 2, "polygon": 3}


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read the file of one image.

    Args:
        folder: of the image, if it is to be found there; else it is called as the file is. Notes go to the
            folder's, for they are many files' together.

    Raises:
        OSError: the disk failed.
    """
    source = AnnotationFile(path, folder, is_of_one_image=True)
    file, notes, dataset_types = source.name, source.notes, source.dataset_types
    image = ""
    try:
        document = json_files.whole(path)
        if "objects" not in document:
            # meta.json of a project, which lies beside its datasets.
            return
        image = _image(file, folder, dataset_types.of_file)
    except AnnotationError as error:
        yield error.problem(file, image=image)
        return
    given = document.get("size")
    size = box_parsing.size(given.get("width"), given.get("height")) if isinstance(given, dict) else None
    boxes, problems, left_out = box_parsing.of_shapes(
        document["objects"], "objects", lambda each: _box(each, size, notes)
    )
    notes.add("", LEFT_OUT, left_out)
    labels: list[str] = []
    try:
        labels = [] if boxes or left_out else _tags(document.get("tags"))
    except AnnotationError as error:
        problems.append(error)
    yield from (Problem(file, 0, error.reason, error.detail, image) for error in problems)
    kind: Kind | None = "classification" if labels else "detection"
    if not boxes and not labels:
        kind = None if problems or left_out else "detection"
        notes.add("", BACKGROUND, 1 if kind else 0)
    yield ImageAnnotation(
        image,
        kind,
        tuple(dict.fromkeys(labels)),
        tuple(boxes),
        size,
        dataset_type=dataset_types.of_image(image),
        file=file,
    )
    if not folder:
        yield from notes.collected()


def _image(file: str, folder: Folder | None, dataset_type: RequestedDatasetType) -> str:
    """The image that the file is called like: a.jpg of a.jpg.json, under img where the file is under ann."""
    name = file.removesuffix(".json")
    if not folder:
        return PurePosixPath(name).name
    before, inside, after = f"/{name}".rpartition("/ann/")
    swapped = f"{before}/img/{after}".lstrip("/") if inside else ""
    if swapped in folder.images:
        return folder.find(swapped, "")
    bare = PurePosixPath(name).name
    other_suffix = not image_references.is_image(bare)
    return folder.find(f"{bare}.jpg" if other_suffix else bare, file, dataset_type, other_suffix=other_suffix)


def _box(each: Mapping[str, Any], size: tuple[int, int] | None, notes: NoteCounter) -> LabelledBox | None:
    # The first versions of the format name no geometry: they know these two.
    geometry = str(each.get("geometryType") or "polygon")
    if geometry not in _FEWEST_POINTS:
        return None
    notes.add("", OUTLINES, 1 if geometry == "polygon" else 0)
    fewest = _FEWEST_POINTS[geometry]
    label = box_parsing.label(each.get("classTitle"))
    points = each.get("points")
    outline = points.get("exterior") if isinstance(points, dict) else None
    if not isinstance(outline, list) or len(outline) < fewest:
        raise AnnotationError("missing_box", f"points.exterior needs {fewest} points or more")
    if any(not isinstance(point, list) or len(point) != 2 for point in outline):
        raise AnnotationError("bad_number", "each point has to be a list of x and y")
    numbers = [(box_parsing.number(x, "x"), box_parsing.number(y, "y")) for x, y in outline]
    return box_parsing.of_corners(label, *box_parsing.around(numbers), size=size)


def _tags(tags: Any) -> list[str]:
    if not isinstance(tags, list):
        return []
    return [box_parsing.label(tag.get("name") if isinstance(tag, dict) else tag) for tag in tags]
