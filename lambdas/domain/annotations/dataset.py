"""A whole dataset on this machine: every annotation file, and every image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lambdas.domain.annotations import coco, folders, sagemaker, tables, voc, yolo
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.format_detection import FORMATS, Recognised, not_understood
from lambdas.domain.annotations.types import Event, ImageAnnotation, Problem

SAID_BEFORE = "images of which another file has said all that this one does"


def read(
    path: Path,
    recognised: Recognised,
    columns: Mapping[str, str] | None = None,
    *,
    folder: Folder | None = None,
) -> Iterator[Event]:
    """What a dataset says of each of its images; those that it says nothing of come last.

    Of a single annotation file only the images that it names are told. An image that more than one file
    speaks of is taken from the first that says what is on it, and is a problem in the others that do.

    Args:
        path: a folder, or an annotation file beside its images.
        columns: of tables; see tables.read.
        folder: what is in it, if it has been looked at before.

    Raises:
        ValueError: the format is none of recognise.FORMATS.
        OSError: the disk failed.
    """
    inside = folder or Folder(path if path.is_dir() else path.parent)
    first: dict[str, str] = {}
    unsaid: dict[str, ImageAnnotation] = {}
    # COCO's own sets tell of persons again, in files of their key points.
    several, said = recognised.format == "coco" and len(recognised.files) > 1, dict[str, frozenset[int]]()
    for event in _events(path, recognised, columns, inside):
        if isinstance(event, ImageAnnotation) and event.kind is None:
            # Another file may say more of it.
            unsaid.setdefault(event.image, event)
        elif (
            not isinstance(event, ImageAnnotation) or first.setdefault(event.image, event.file) == event.file
        ):
            if several and isinstance(event, ImageAnnotation):
                said[event.image] = _marks(event)
            yield event
        elif event.image in said and _marks(event) <= said[event.image]:
            inside.remarks.add(event.file, SAID_BEFORE)
        else:
            detail = f"{first[event.image]} speaks of the image too, and was taken: keep it in one file"
            yield Problem(event.file, event.line, "duplicate_image", detail, event.image)
    yield from (event for image, event in unsaid.items() if image not in first)
    if path.is_dir():
        yield from inside.events()
    else:
        yield from inside.remarks.notes()


def _marks(found: ImageAnnotation) -> frozenset[int]:
    """What is said to be on the image, to be compared; of the boxes their hashes, which take less memory."""
    return frozenset(map(hash, found.boxes))


def _events(
    path: Path, recognised: Recognised, columns: Mapping[str, str] | None, folder: Folder
) -> Iterator[Event]:
    match recognised.format:
        case "coco" | "csv" | "manifest":
            for file in recognised.files:
                yield from _file(file, recognised.format, columns, folder)
        case "voc":
            yield from voc.read(path, folder)
        case "yolo":
            yield from yolo.read(path, folder)
        case "folders":
            yield from folders.read(path, folder)
            yield from not_understood(folder)
        case "unlabelled":
            yield from folders.read_unlabelled(path, folder)
            yield from not_understood(folder)
        case other:
            raise ValueError(f"{other!r} is none of {', '.join(FORMATS)}")


def _file(file: Path, format: str, columns: Mapping[str, str] | None, folder: Folder) -> Iterator[Event]:
    if format == "coco":
        yield from coco.read(file, folder)
    elif format == "csv":
        yield from tables.read(file, columns, folder)
    else:
        yield from sagemaker.read(file, folder)
