"""A whole dataset on this machine: every annotation file, and every image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lambdas.domain.annotations import (
    coco,
    createml,
    cvat,
    folders,
    kitti,
    label_studio,
    labelme,
    recognition,
    sagemaker,
    supervisely,
    tables,
    vertex,
    via,
    voc,
    yolo,
)
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.format_detection import FORMATS, DetectedFormat, is_example, not_understood
from lambdas.domain.annotations.types import Event, ImageAnnotation, Problem

READERS: Mapping[str, Callable[[Path, Folder | None], Iterator[Event]]] = {
    "coco": coco.read,
    "manifest": sagemaker.read,
    "cvat": cvat.read,
    "labelme": labelme.read,
    "createml": createml.read,
    "labelstudio": label_studio.read,
    "supervisely": supervisely.read,
    "via": via.read,
    "vertex": vertex.read,
}
"""Of the formats whose files are read one by one, the reader."""
EXAMPLE = "left out, as a competition's example of an answer, whose labels mean nothing"
REPEATED = "images of which another file says all that this one does"


def read(
    path: Path,
    detected: DetectedFormat,
    columns: Mapping[str, str] | None = None,
    *,
    folder: Folder | None = None,
) -> Iterator[Event]:
    """Read a whole dataset, image by image; those that it says nothing about come last.

    Of a single annotation file only the images that it names come. An image that more than one file
    speaks of is taken from the first that says what is on it, and is a problem in the others that do.

    Args:
        path: a folder, or an annotation file beside its images.
        columns: of tables; see tables.read.
        folder: what is in it, if it has been looked at before.

    Raises:
        ValueError: the format is none of format_detection.FORMATS.
        OSError: the disk failed.
    """
    inside = folder or Folder(path if path.is_dir() else path.parent)
    first: dict[str, str] = {}
    without_labels: dict[str, ImageAnnotation] = {}
    # COCO's own datasets have persons again, in files of their key points.
    repeats, marks_by_image = (
        detected.format == "coco" and len(detected.files) > 1,
        dict[str, frozenset[int]](),
    )
    for event in _events(path, detected, columns, inside):
        if isinstance(event, ImageAnnotation) and event.kind is None:
            # Another file may say more of it.
            without_labels.setdefault(event.image, event)
        elif (
            not isinstance(event, ImageAnnotation) or first.setdefault(event.image, event.file) == event.file
        ):
            if repeats and isinstance(event, ImageAnnotation):
                marks_by_image[event.image] = _marks(event)
            yield event
        elif event.image in marks_by_image and _marks(event) <= marks_by_image[event.image]:
            inside.notes.add(event.file, REPEATED)
        else:
            detail = f"{first[event.image]} speaks of the image too, and was taken: keep it in one file"
            yield Problem(event.file, event.line, "duplicate_image", detail, event.image)
    yield from (event for image, event in without_labels.items() if image not in first)
    if path.is_dir() and first:
        yield from _masks(inside, first)
    if path.is_dir():
        for name in filter(is_example, inside.others):
            inside.notes.add(name, EXAMPLE)
        yield from inside.events()
    else:
        yield from inside.notes.collected()


def _masks(folder: Folder, labelled: Mapping[str, str]) -> Iterator[Problem]:
    """A problem for pictures without labels that look like masks of those with labels."""
    if masks := [name for name in recognition.masks(folder) if name not in labelled]:
        others = f", as do {len(masks) - 1} more," if len(masks) > 1 else ""
        detail = (
            f"looks like a mask for segmentation{others} and is taken for an image without labels: import"
        )
        yield Problem(masks[0], 0, "mask", f"{detail} a folder without masks if it is one", masks[0])


def _marks(annotation: ImageAnnotation) -> frozenset[int]:
    """The boxes of an image, to be compared: their hashes, which take less memory."""
    return frozenset(map(hash, annotation.boxes))


def _events(
    path: Path, detected: DetectedFormat, columns: Mapping[str, str] | None, folder: Folder
) -> Iterator[Event]:
    match detected.format:
        case "csv":
            for file in detected.files:
                yield from tables.read(file, columns, folder)
        case format if format in READERS:
            for file in detected.files:
                yield from READERS[format](file, folder)
        case "voc":
            yield from voc.read(path, folder)
        case "yolo":
            yield from yolo.read(path, folder)
        case "kitti":
            yield from kitti.read(path, folder)
        case "folders":
            yield from folders.read(path, folder)
            yield from not_understood(folder)
        case "unlabelled":
            yield from folders.read_unlabelled(path, folder)
            yield from not_understood(folder)
        case other:
            raise ValueError(f"{other!r} is none of {', '.join(FORMATS)}")
