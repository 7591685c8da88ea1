"""Manifests of Amazon SageMaker Ground Truth and Rekognition Custom Labels: JSON Lines, one image a line.

What lines may say is in lambdas/domain/shared/manifests.py. Here source-ref may also be a path,
for datasets on disk.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import entries, image_references
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.annotations.writing import NoteHandler, check_writable, raise_note
from lambdas.domain.shared import annotation as shared_annotation
from lambdas.domain.shared import label_attributes, manifests

SUPERSEDED = "of boxes that a later labeling job has adjusted, the adjusted ones were taken"
INPUT = (
    "lines that name an image and no label, as the input of a labeling job does: the images are unlabelled"
)
WITHOUT_LABELS = frozenset(("unlabelled", "labeling_failed", "verified_as_wrong"))
"""Reasons of lines whose images are to be labelled."""
NAMED_AGAIN = "named by more lines than one: the first line was taken"
WRITTEN_AT = "1970-01-01T00:00:00.000Z"
"""Manifests want a creation-date; the same dataset gives the same file whenever it is written."""
_CHUNK = 1024 * 1024
_STAND_IN = "s3://stand-in/image"


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a manifest, line by line.

    Args:
        folder: of the images, if they are to be found there; s3:// names are then found by their ends, and
            those that are not there are left to whoever has the bucket.

    Raises:
        OSError: the disk failed.
    """
    source = AnnotationFile(path, folder)
    file, notes = source.name, source.notes
    lines = 0
    with Staging() as staging, path.open("rb") as opened:
        for line, text in manifests.numbered_lines(iter(lambda: opened.read(_CHUNK), b"")):
            lines += 1
            image = ""
            bad_boxes: list[manifests.BrokenLineError] = []
            try:
                image, annotation = _line(text, line, file, notes, bad_boxes)
                image = source.find(image, annotation.requested_dataset_type)
                if not staging.image(image, line=line)[1]:
                    raise AnnotationError("duplicate_image", NAMED_AGAIN)
                yield ImageAnnotation(
                    image,
                    annotation.kind,
                    labels=annotation.labels,
                    boxes=tuple(
                        LabelledBox(box.label, box.left, box.top, box.width, box.height, line)
                        for box in annotation.boxes
                    ),
                    size=annotation.image_size,
                    dataset_type=annotation.requested_dataset_type or source.dataset_types.of_image(image),
                    file=file,
                    line=line,
                )
            except (AnnotationError, manifests.BrokenLineError) as error:
                if error.reason in WITHOUT_LABELS:
                    image = yield from _without_labels(text, line, file, folder)
                if error.reason == "unlabelled":
                    notes.add(file, INPUT)
                else:
                    yield Problem(file, line, error.reason, error.detail, image)
            for broken in bad_boxes:
                yield Problem(file, line, broken.reason, broken.detail, image)
    if not lines:
        yield Problem(file, 0, "empty", "the manifest has no lines")
    yield from notes.collected()


def _line(
    text: bytes, line: int, file: str, notes: NoteCounter, bad_boxes: list[manifests.BrokenLineError]
) -> tuple[str, shared_annotation.Annotation]:
    """The image and what the line says of it, but for boxes that cannot be used."""
    try:
        entry = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not isinstance(given := entry.get("source-ref"), str):
        return "", manifests.parse_line(text, line, bad_boxes=bad_boxes)
    image = image_references.clean(given, file, notes)
    if label_attributes.superseded(entry):
        notes.add(file, SUPERSEDED)
    if image.startswith("s3://"):
        return image, manifests.parse_line(text, line, bad_boxes=bad_boxes)
    # The limit on lines is of the line as it stands.
    if len(text) > manifests.MAX_LINE_CHARACTERS * 4:
        raise AnnotationError(
            "line_too_long", f"up to {manifests.MAX_LINE_CHARACTERS} characters a line are taken"
        )
    # Its suffix may be that of what is no image.
    entry["source-ref"] = _STAND_IN + posixpath.splitext(image)[1]
    return image, manifests.parse_line(manifests.entry_line(entry), line, bad_boxes=bad_boxes)


def _without_labels(text: bytes, line: int, file: str, folder: Folder | None) -> Generator[Event, None, str]:
    """Read the image of a line that has no labels for it, and return its name, empty if there is no such."""
    try:
        # What is to be noted about the name has been.
        image = image_references.clean(
            json.loads(text.decode("utf-8-sig"))["source-ref"], file, NoteCounter()
        )
        if folder:
            image = folder.find(image, file)
    except AnnotationError as error:
        yield error.problem(file, line)
        return ""
    yield ImageAnnotation(image, None, file=file, line=line)
    return image


# Writing


def write_manifest(
    folder: Path, annotations: Iterable[ImageAnnotation], on_note: NoteHandler = raise_note
) -> None:
    """Write manifests: train, test, and annotations.manifest for what asks for neither dataset.

    Boxes are rounded to whole pixels, as the format has them.

    Args:
        annotations: each image once, with its real size and boxes in pixels.

    Raises:
        ValueError: an image has no size, or its boxes are not in pixels.
        OSError: a file cannot be written.
    """
    notes = NoteCounter()
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {}
    try:
        for annotation in annotations:
            written = _writable(annotation, notes)
            if written is None:
                continue
            if annotation.dataset_type not in files:
                name = f"{annotation.dataset_type.lower() or 'annotations'}.manifest"
                files[annotation.dataset_type] = (folder / name).open("w", encoding="utf-8")
            files[annotation.dataset_type].write(_entry(written) + "\n")
    finally:
        for opened in files.values():
            opened.close()
    for note in notes.collected():
        on_note(note)


def _entry(annotation: ImageAnnotation) -> str:
    entry = entries.entry(annotation, "stand-in", "image", WRITTEN_AT)
    entry["source-ref"] = annotation.image
    return manifests.entry_line(entry)


def _writable(annotation: ImageAnnotation, notes: NoteCounter) -> ImageAnnotation | None:
    """The annotation with those boxes that have an area in whole pixels; None if nothing is left of it."""
    check_writable(annotation)
    boxes = [box for box in annotation.boxes if _has_area(entries.whole(box))]
    notes.add("", "boxes of less than a pixel were left out", len(annotation.boxes) - len(boxes))
    if annotation.kind is None or (annotation.kind == "classification" and not annotation.labels):
        notes.add("", "images without annotations were left out")
        return None
    return None if annotation.boxes and not boxes else replace(annotation, boxes=tuple(boxes))


def _has_area(box: shared_annotation.Box) -> bool:
    return box.width > 0 and box.height > 0
