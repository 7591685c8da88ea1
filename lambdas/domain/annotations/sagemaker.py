"""Manifests of Amazon SageMaker Ground Truth and Rekognition Custom Labels: JSON Lines, one image a line.

What lines may say is in lambdas/domain/shared/manifests.py. Here source-ref may also be a path,
for datasets on disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import entries, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError, Problems
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.annotations.writing import Tell, check_writable, refuse
from lambdas.domain.shared import annotation as shared_annotation
from lambdas.domain.shared import manifests

NAMED_AGAIN = "named by more lines than one: the first line was taken"
WRITTEN_AT = "1970-01-01T00:00:00.000Z"
"""Manifests want a creation-date; the same dataset gives the same file whenever it is written."""
_CHUNK = 1024 * 1024
_STAND_IN = "s3://stand-in/image"


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """What a manifest says.

    Args:
        folder: of the images, if they are to be found there; s3:// names are then found by their ends, and
            those that are not there are left to whoever has the bucket.

    Raises:
        OSError: the disk failed.
    """
    file = folder.name(path) if folder else path.name
    root, has_test = (folder.root, folder.has_test) if folder else (None, False)
    remarks = Problems()
    sides = image_references.Sides(path, root, has_test, file, remarks)
    lines = 0
    with Staging() as staging, path.open("rb") as opened:
        for line, text in manifests.numbered_lines(iter(lambda: opened.read(_CHUNK), b"")):
            lines += 1
            image = ""
            bad_boxes: list[manifests.BrokenLineError] = []
            try:
                image, annotation = _line(text, line, file, remarks, bad_boxes)
                if folder:
                    image = folder.find(image, file, annotation.requested_dataset_type or sides.of_file)
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
                    split=annotation.requested_dataset_type or sides.of_image(image),
                    file=file,
                    line=line,
                )
            except (AnnotationError, manifests.BrokenLineError) as bad:
                yield Problem(file, line, bad.reason, bad.detail, image)
            for broken in bad_boxes:
                yield Problem(file, line, broken.reason, broken.detail, image)
    if not lines:
        yield Problem(file, 0, "empty", "the manifest has no lines")
    yield from remarks.notes()


def _line(
    text: bytes, line: int, file: str, remarks: Problems, bad_boxes: list[manifests.BrokenLineError]
) -> tuple[str, shared_annotation.Annotation]:
    """The image and what the line says of it, but for boxes that cannot be used."""
    try:
        entry = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not isinstance(given := entry.get("source-ref"), str):
        return "", manifests.parse_line(text, line, bad_boxes=bad_boxes)
    image = image_references.clean(given, file, remarks)
    if image.startswith("s3://"):
        return image, manifests.parse_line(text, line, bad_boxes=bad_boxes)
    # The limit on lines is of the line as it stands.
    if len(text) > manifests.MAX_LINE_CHARACTERS * 4:
        raise AnnotationError(
            "line_too_long", f"up to {manifests.MAX_LINE_CHARACTERS} characters a line are taken"
        )
    entry["source-ref"] = _STAND_IN
    return image, manifests.parse_line(manifests.entry_line(entry), line, bad_boxes=bad_boxes)


# Writing


def write_manifest(folder: Path, founds: Iterable[ImageAnnotation], tell: Tell = refuse) -> None:
    """One file for each split, train.manifest and test.manifest, and annotations.manifest for what has none.

    Boxes are rounded to whole pixels, as the format has them.

    Args:
        founds: each image once, with its real size and boxes in pixels.

    Raises:
        ValueError: an image has no size, or its boxes are not in pixels.
        OSError: a file cannot be written.
    """
    remarks = Problems()
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Any] = {}
    try:
        for found in founds:
            written = _writable(found, remarks)
            if written is None:
                continue
            if found.split not in files:
                name = f"{found.split.lower() or 'annotations'}.manifest"
                files[found.split] = (folder / name).open("w", encoding="utf-8")
            files[found.split].write(_entry(written) + "\n")
    finally:
        for opened in files.values():
            opened.close()
    for note in remarks.notes():
        tell(note)


def _entry(found: ImageAnnotation) -> str:
    entry = entries.entry(found, "stand-in", "image", WRITTEN_AT)
    entry["source-ref"] = found.image
    return manifests.entry_line(entry)


def _writable(found: ImageAnnotation, remarks: Problems) -> ImageAnnotation | None:
    """With the boxes that are some in whole pixels; None if nothing is left to say."""
    check_writable(found)
    boxes = [box for box in found.boxes if _has_area(entries.whole(box))]
    remarks.add("", "boxes of less than a pixel were left out", len(found.boxes) - len(boxes))
    if found.kind is None or (found.kind == "classification" and not found.labels):
        remarks.add("", "images without annotations were left out")
        return None
    return None if found.boxes and not boxes else replace(found, boxes=tuple(boxes))


def _has_area(box: shared_annotation.Box) -> bool:
    return box.width > 0 and box.height > 0
