"""Images in folders: a folder for each label, or no labels at all.

A folder called images says nothing; one called train, test, val or the like says which split its
images are of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lambdas.domain.annotations import box_parsing, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import Event, ImageAnnotation, Note, Problem

GENERIC = frozenset(("images", "image", "img", "imgs", "jpegimages", "data"))
DEEPER = "images in folders below their label's folder have that label"


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read every image with the label of its folder, or without a label if it lies in none.

    Raises:
        OSError: the disk failed.
    """
    if folder is None:
        folder = Folder(path)
        yield from read(path, folder)
        yield from folder.events()
        return
    for image in folder.images:
        dataset_type = image_references.dataset_type_of_folders(image, folder.has_test)
        name, depth = label_folder(image)
        folder.find(image, "")
        if image_references.is_validation(image):
            folder.notes.add("", image_references.validation_note(folder.has_test))
        if not name:
            yield ImageAnnotation(image, None, dataset_type=dataset_type, file=image)
            continue
        try:
            label = box_parsing.label(name)
        except AnnotationError as error:
            yield Problem(image, 0, error.reason, f"{error.detail}: rename the folder", image)
        else:
            if depth > 1:
                folder.notes.add("", DEEPER)
            yield ImageAnnotation(
                image, "classification", labels=(label,), dataset_type=dataset_type, file=image
            )
    yield from others(folder)


def read_unlabelled(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read every image without a label, whatever folder it lies in."""
    inside = folder or Folder(path)
    yield from others(inside)
    if folder is None:
        yield from inside.events()


def label_folder(image: str) -> tuple[str, int]:
    """The folder that gives an image its label, and how many folders deep the image lies in it from there;
    empty if none does."""
    parts = image.split("/")[:-1]
    while parts and (parts[0].lower() in GENERIC or image_references.split_of_word(parts[0])):
        parts = parts[1:]
    return (parts[0], len(parts)) if parts else ("", 0)


def others(folder: Folder) -> Iterator[Note]:
    """A note for each kind of file that is no image."""
    counts = Counter(PurePosixPath(name).suffix.lower() or name for name in folder.others)
    for suffix, count in sorted(counts.items()):
        yield Note("", f"{count} {'file' if count == 1 else 'files'} {suffix} left alone: not an image")
