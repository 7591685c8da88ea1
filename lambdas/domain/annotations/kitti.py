"""KITTI: a text file of objects for each image, https://www.cvlibs.net/datasets/kitti/eval_object.php .

A line has a type, truncation, occlusion, an angle, the corners of the box in pixels, and seven numbers of the
object in space, which are left alone. DontCare marks parts of an image that nobody has looked at.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lambdas.domain.annotations import box_parsing, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.shared.annotation import Kind, RequestedDatasetType

MAX_BYTES = 4 * 1024 * 1024
COLUMNS = (15, 16)
"""The last of sixteen is a detector's score."""
BACKGROUND = "label files without objects were taken as images that nothing is on"
DONT_CARE = "parts marked DontCare were left out"
_DONT_CARE = "dontcare"
_SAMPLE = 20
"""Files of a folder that are looked at to see what they are."""


def label_files(folder: Folder) -> list[str]:
    """The label files of a folder; empty if none looks like one.

    Those in a folder with one that does are too, if they are called like an image: nothing may be on it.
    """
    stems = {posixpath.splitext(posixpath.basename(image))[0] for image in folder.images}
    by_folder: dict[str, list[str]] = defaultdict(list)
    for name in folder.others:
        if name.lower().endswith(".txt") and posixpath.splitext(posixpath.basename(name))[0] in stems:
            by_folder[posixpath.dirname(name)].append(name)
    return [
        name
        for names in by_folder.values()
        if any(looks_like_labels(folder.path(name)) for name in names[:_SAMPLE])
        for name in names
    ]


def looks_like_labels(path: Path) -> bool:
    """Whether a text file's first line is one of this format."""
    with path.open("rb") as file:
        words = file.read(4096).decode(errors="replace").split("\n")[0].split()
    if len(words) not in COLUMNS:
        return False
    try:
        [box_parsing.number(word, "") for word in words[1:]]
    except AnnotationError:
        return False
    return not words[0].replace(".", "").lstrip("-").isdigit()


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a folder.

    Raises:
        OSError: the disk failed.
    """
    inside = folder or Folder(path)
    names = label_files(inside)
    splits = {image_references.dataset_type_of_folders(name, inside.has_test) for name in names}
    for name in names:
        # KITTI's own images to test with have no labels: all that have some lie under training.
        yield from _file(name, inside, keep_split=splits != {"TRAIN"})
    if folder is None:
        yield from inside.events()


def _file(file: str, folder: Folder, *, keep_split: bool) -> Iterator[Event]:
    dataset_type = image_references.dataset_type_of_folders(file, folder.has_test) if keep_split else ""
    if keep_split and image_references.is_validation(file):
        folder.notes.add("", image_references.validation_note(folder.has_test))
    image = ""
    try:
        image = _image(file, folder, dataset_type)
        lines = _lines(folder.path(file))
    except AnnotationError as error:
        yield error.problem(file, image=image)
        return
    boxes: list[LabelledBox] = []
    incomplete = False
    for number, words in lines:
        try:
            if words[0].lower() == _DONT_CARE:
                folder.notes.add("", DONT_CARE)
            else:
                boxes.append(replace(_box(words), line=number))
        except AnnotationError as error:
            incomplete = True
            yield Problem(file, number, error.reason, error.detail, image)
    kind: Kind | None = None if incomplete and not boxes else "detection"
    folder.notes.add("", BACKGROUND, 1 if kind and not boxes else 0)
    yield ImageAnnotation(image, kind, boxes=tuple(boxes), dataset_type=dataset_type, file=file)


def _image(file: str, folder: Folder, dataset_type: RequestedDatasetType) -> str:
    """The image under image_2 whose labels are under label_2, else the one that is called like the file."""
    before, _, name = file.rpartition("/")
    above, _, inside = before.rpartition("/")
    stem = posixpath.splitext(name)[0]
    if "label" in inside.lower():
        swapped = (
            f"{above}/{inside.lower().replace('labels', 'images').replace('label', 'image')}/{stem}".lstrip(
                "/"
            )
        )
        for image in (f"{swapped}{suffix}" for suffix in (".png", ".jpg", ".jpeg")):
            if image in folder.images:
                return folder.find(image, "")
    return folder.find(f"{stem}.png", file, dataset_type, other_suffix=True)


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    if path.stat().st_size > MAX_BYTES:
        raise AnnotationError("file_too_large", "more than the objects of an image need")
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    numbered = ((number, line.split()) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, words) for number, words in numbered if words]


def _box(words: list[str]) -> LabelledBox:
    if len(words) not in COLUMNS:
        raise AnnotationError(
            "wrong_columns", f"{len(words)} columns; a line has {COLUMNS[0]}, or one more with a score"
        )
    label = box_parsing.label(words[0])
    left, top, right, bottom = (box_parsing.number(word, "a side of the box") for word in words[4:8])
    return box_parsing.of_corners(label, left, top, right, bottom)
