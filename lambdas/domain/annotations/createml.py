"""Apple Create ML: a JSON file with a list of images,
https://developer.apple.com/documentation/createml/building-an-object-detector-data-source .

A box is given by its middle, width and height in pixels. Roboflow and makesense.ai write this format as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import box_parsing, image_references, json_stream
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.shared.annotation import Kind

BACKGROUND = "images without annotations were taken as images that nothing is on"
NAMED_AGAIN = "named again in the same file: the first was taken"
_IMAGES = ("image", "imagefilename", "imageFilename")
_ANNOTATIONS = ("annotations", "annotation")


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a file, image by image.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    source = AnnotationFile(path, folder)
    file, notes = source.name, source.notes
    seen = set[str]()
    try:
        for number, element in enumerate(json_stream.list_elements(path), start=1):
            image = ""
            try:
                image = _image(element, file, notes)
                image = source.find(image)
                if image in seen:
                    raise AnnotationError("duplicate_image", NAMED_AGAIN)
            except AnnotationError as error:
                yield Problem(file, 0, error.reason, f"element {number}: {error.detail}", image)
                continue
            seen.add(image)
            boxes, problems = _boxes(next((element[name] for name in _ANNOTATIONS if name in element), None))
            for error in problems:
                yield Problem(file, 0, error.reason, f"element {number}: {error.detail}", image)
            kind: Kind | None = None if problems and not boxes else "detection"
            notes.add("", BACKGROUND, 1 if kind and not boxes else 0)
            dataset_type = source.dataset_types.of_image(image)
            yield ImageAnnotation(image, kind, boxes=tuple(boxes), dataset_type=dataset_type, file=file)
    except json_stream.CutError as error:
        yield Problem(file, 0, "cut_off", f"{error}: what comes before was taken; export the file again")
    yield from notes.collected()


def _image(element: Any, file: str, notes: NoteCounter) -> str:
    if not isinstance(element, dict):
        raise AnnotationError("not_an_object", "each element has to be an object")
    return image_references.clean(
        next((element[name] for name in _IMAGES if name in element), None), file, notes
    )


def _boxes(annotations: Any) -> tuple[list[LabelledBox], list[AnnotationError]]:
    if not isinstance(annotations, list):
        return [], [AnnotationError("bad_boxes", "annotations has to be a list")]
    boxes: list[LabelledBox] = []
    problems: list[AnnotationError] = []
    for annotation in annotations:
        try:
            boxes.append(_box(annotation))
        except AnnotationError as error:
            problems.append(error)
    return boxes, problems


def _box(annotation: Any) -> LabelledBox:
    if not isinstance(annotation, dict):
        raise AnnotationError("bad_boxes", "each of the annotations has to be an object")
    label = box_parsing.label(annotation.get("label"))
    sides = annotation.get("coordinates")
    if not isinstance(sides, dict):
        raise AnnotationError("missing_box", f"{label!r} has no coordinates")
    x, y, width, height = (
        box_parsing.number(sides.get(name), name) for name in ("x", "y", "width", "height")
    )
    return box_parsing.of_sides(label, x - width / 2, y - height / 2, width, height)
