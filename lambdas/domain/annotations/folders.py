"""Images in folders: a folder for each label, or no labels at all.

A folder called images says nothing; one called train, test, val or the like says which split its
images are of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from lambdas.domain.annotations import box_parsing, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import Event, ImageAnnotation, Note, Problem

UNLABELLED = frozenset(("unlabelled", "unlabeled", "pred", "seg_pred"))
"""Names of folders, and columns, of images that nobody has labelled."""
GENERIC = frozenset(("images", "image", "img", "imgs", "jpegimages", "data"))
LAYOUT = (
    GENERIC
    | UNLABELLED
    | frozenset(
        (
            *(
                "photos",
                "photo",
                "pictures",
                "pics",
                "frames",
                "rgb",
                "color",
                "image_2",
                "image_3",
                "image_02",
            ),
            *(
                "img1",
                "leftimg8bit",
                "obj_train_data",
                "obj_valid_data",
                "obj_val_data",
                "obj_test_data",
                "raw",
            ),
            *("masks", "annotations", "labels", "ground_truth", "segmentationclass", "segmentationobject"),
            *("labelled", "labeled", "dataset", "datasets", "all", "input", "inputs"),
        )
    )
)
"""Names of folders that say how a dataset is laid out. Without a word from a person none is a label."""
_COLLECTION = re.compile(
    r"(19|20)\d\d([-_. ]?\d\d){0,2}|\d{3}[A-Z_]{5}"
    r"|(batch|part|chunk|set|split|fold|day|week|session|camera|cam|folder|dir)[-_ ]?\d+",
    re.IGNORECASE,
)
"""Names of folders that say when, or in which turn, images came: of dates, of cameras, and numbered ones."""
DEEPER = "images in folders below their label's folder have that label"
WRAPPED = "the folder that holds all others was not taken for a label"


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
    wrapping = wrapping_folders(folder.images)
    if any(label_folder(image) != label_folder(image, wrapping) for image in list(folder.images)[:1]):
        folder.notes.add("", WRAPPED)
    for image in folder.images:
        dataset_type = image_references.dataset_type_of_folders(image, folder.has_test)
        name, depth = label_folder(image, wrapping)
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


def label_folder(image: str, wrapping: int = 0) -> tuple[str, int]:
    """The folder that gives an image its label, and how many folders deep the image lies in it from there;
    empty if none does.

    Args:
        wrapping: how many of the outermost folders are no labels; see wrapping_folders.
    """
    parts = image.split("/")[wrapping:-1]
    while parts and (parts[0].lower() in GENERIC or image_references.split_of_word(parts[0])):
        parts = parts[1:]
    return (parts[0], len(parts)) if parts and parts[0].lower() not in UNLABELLED else ("", 0)


def wrapping_folders(images: Iterable[str]) -> int:
    """How many outermost folders hold all images and, below them, two folders or more.

    So an archive unpacks, and a label that all images have is none.
    """
    folders = {tuple(image.split("/")[:-1]) for image in images}
    depth = min(map(len, folders), default=0)
    common = 0
    while common < depth and len({parts[: common + 1] for parts in folders}) == 1:
        common += 1
    inside = {parts[common] for parts in folders if len(parts) > common}
    return common if len(inside) > 1 and common < depth else 0


def labels_of_folders(images: Iterable[str]) -> tuple[list[str], list[str]]:
    """The names of folders that may be labels, and the images that lie in none of them.

    Folders whose names say how a dataset is laid out are none, and neither are those above such.
    """
    images = list(images)
    wrapping = wrapping_folders(images)
    names, without = set[str](), list[str]()
    for image in images:
        name = label_folder(image, wrapping)[0]
        innermost = image.split("/")[-2].lower() if "/" in image else ""
        laid_out = name.lower() in LAYOUT or innermost in LAYOUT - GENERIC or innermost == "jpegimages"
        if not name or laid_out or _COLLECTION.fullmatch(name):
            without.append(image)
        else:
            names.add(name)
    return sorted(names), without


def others(folder: Folder) -> Iterator[Note]:
    """A note for each kind of file that is no image."""
    counts = Counter(PurePosixPath(name).suffix.lower() or name for name in folder.others)
    for suffix, count in sorted(counts.items()):
        yield Note("", f"{count} {'file' if count == 1 else 'files'} {suffix} left alone: not an image")
