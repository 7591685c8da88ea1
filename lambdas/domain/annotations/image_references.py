"""Image references: how annotations name images, and which split of a dataset a name stands for.

A split is what the foreign dataset has: training, validation or test. LabelLoop has two datasets, TRAIN and
TEST; which one an image asks for is its dataset type.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Literal

from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.shared.annotation import RequestedDatasetType
from lambdas.domain.shared.manifests import MAX_KEY_BYTES

IMAGES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png"))
OTHER_IMAGES = frozenset(
    (".gif", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".heif", ".avif", ".jp2", ".mpo")
)
"""Named all the same, so that they are reported as not usable rather than passed over."""

WINDOWS = "paths with backslashes were read as paths with slashes"
ABSOLUTE = "absolute paths: the images are looked for by their names"

_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_SPLITS: dict[str, Literal["TRAIN", "TEST", "VALIDATION"]] = {
    "train": "TRAIN",
    "training": "TRAIN",
    "test": "TEST",
    "testing": "TEST",
    "val": "VALIDATION",
    "valid": "VALIDATION",
    "validate": "VALIDATION",
    "validation": "VALIDATION",
    "dev": "VALIDATION",
}


def is_image(name: str) -> bool:
    """Whether a file is called like an image, usable or not."""
    return posixpath.splitext(name)[1].lower() in IMAGES | OTHER_IMAGES


def clean(given: object, file: str, notes: NoteCounter) -> str:
    """Clean a reference to an image, still as seen from its annotation file.

    Raises:
        AnnotationError: it names no image.
    """
    if not isinstance(given, str) or not given.strip():
        raise AnnotationError("no_image", "no image is named")
    text = given.strip()
    shown = repr(text if len(text) < 200 else text[:200] + "...")
    if text.startswith("="):
        raise AnnotationError(
            "formula", f"{shown} is a spreadsheet's formula: save the values, not the formulas"
        )
    if _CONTROL.search(text) or not _is_utf8(text):
        raise AnnotationError("bad_path", f"{shown} cannot be a file's name: correct it")
    if scheme := _SCHEME.match(text):
        return _of_scheme(text, scheme[1].lower(), shown, file, notes)
    return _path(text, shown, file, notes)


def is_absolute(reference: str) -> bool:
    return reference.startswith("/") or bool(_DRIVE.match(reference))


def split_of_word(word: str) -> Literal["", "TRAIN", "TEST", "VALIDATION"]:
    """The split that a word stands for; empty if it stands for none."""
    return _SPLITS.get(word.strip().lower().rstrip("0123456789"), "")


def split_of_name(path: str) -> str:
    """The split that a file's name or the innermost of its folders is called like."""
    *folders, name = path.split("/")
    words = (
        set() if is_image(name) else {split_of_word(word) for word in re.split(r"[^A-Za-z0-9]+", name)} - {""}
    )
    splits = [split_of_word(folder) for folder in reversed(folders)]
    return words.pop() if len(words) == 1 else next((split for split in splits if split), "")


def dataset_type_of_word(word: str, has_test: bool) -> RequestedDatasetType:
    """The dataset type that a word stands for.

    Validation images are TEST if the dataset has no test images, else TRAIN: there are two datasets only, and
    the data's own test images are what it is to be measured by.
    """
    split = split_of_word(word)
    return ("TRAIN" if has_test else "TEST") if split == "VALIDATION" else split


def validation_note(has_test: bool) -> str:
    """The note on what has become of validation images."""
    if has_test:
        return "validation images were taken for training: there are others to test with"
    return "validation images were taken to test with: there are no others"


def is_validation(path: str) -> bool:
    """Whether the folders that a file lies in make it one of validation images."""
    return dataset_type_of_folders(path, has_test=True) != dataset_type_of_folders(path, has_test=False)


def dataset_type_of_folders(path: str, has_test: bool) -> RequestedDatasetType:
    """The dataset type of the folders that a file lies in: that of the innermost called like a split."""
    candidates = (dataset_type_of_word(folder, has_test) for folder in reversed(path.split("/")[:-1]))
    return next((dataset_type for dataset_type in candidates if dataset_type), "")


def dataset_type_of_file_name(path: str, has_test: bool) -> RequestedDatasetType:
    """The dataset type in a file's name, as in instances_train2017.json; only if there is just one."""
    words = re.split(r"[^A-Za-z0-9]+", posixpath.splitext(posixpath.basename(path))[0])
    candidates = {dataset_type_of_word(word, has_test) for word in words} - {""}
    return candidates.pop() if len(candidates) == 1 else ""


def split_of_file_name(path: str) -> Literal["", "TRAIN", "TEST", "VALIDATION"]:
    """The split in a file's name, as in 2007_test.txt; only if there is just one."""
    words = re.split(r"[^A-Za-z0-9]+", posixpath.splitext(posixpath.basename(path))[0])
    splits = {split for word in words if (split := split_of_word(word))}
    return splits.pop() if len(splits) == 1 else ""


def dataset_type_of_annotation_file(path: Path, root: Path | None, has_test: bool) -> RequestedDatasetType:
    """The dataset type in an annotation file's name, else of its folders; without a root, of its own one."""
    inside = path.is_relative_to(root) if root else False
    name = (
        path.relative_to(root).as_posix() if root and inside else f"{path.absolute().parent.name}/{path.name}"
    )
    return dataset_type_of_file_name(name, has_test) or dataset_type_of_folders(name, has_test)


class DatasetTypes:
    """Which datasets the images of an annotation file ask for.

    Its name says so, else its folders, else the images' own. What became of validation images is noted.
    """

    def __init__(self, path: Path, root: Path | None, has_test: bool, file: str, notes: NoteCounter) -> None:
        self.of_file = dataset_type_of_annotation_file(path, root, has_test)
        self._has_test, self._file, self._notes = has_test, file, notes
        self._validation = self.of_file != dataset_type_of_annotation_file(path, root, not has_test)

    def of_image(self, image: str) -> RequestedDatasetType:
        """The dataset type of an image about which the file itself says nothing."""
        if self._validation if self.of_file else is_validation(image):
            self._notes.add(self._file, validation_note(self._has_test))
        return self.of_file or dataset_type_of_folders(image, self._has_test)

    def of_word(self, word: str) -> RequestedDatasetType:
        """The dataset type that a word in the file stands for; empty if it stands for none."""
        if split_of_word(word) == "VALIDATION":
            self._notes.add(self._file, validation_note(self._has_test))
        return dataset_type_of_word(word, self._has_test)


def _of_scheme(text: str, scheme: str, shown: str, file: str, notes: NoteCounter) -> str:
    if scheme == "s3":
        if not _S3.fullmatch(text):
            raise AnnotationError("bad_path", f"{shown} has to read s3://bucket/key")
        return text
    if scheme in ("gs", "file"):
        return _path("/" + text.partition("://")[2].lstrip("/"), shown, file, notes)
    raise AnnotationError("remote_image", f"{shown} is not a file: download it, and name the file")


def _path(text: str, shown: str, file: str, notes: NoteCounter) -> str:
    path = posixpath.normpath(text.replace("\\", "/"))
    if len(path.encode()) > MAX_KEY_BYTES:
        raise AnnotationError(
            "bad_path", f"{shown}: S3 takes names of up to {MAX_KEY_BYTES} bytes: shorten it"
        )
    if path in (".", "/") or path.endswith("..") or text.endswith(("/", "\\")):
        raise AnnotationError("bad_path", f"{shown} names a folder, not an image")
    if "\\" in text:
        notes.add(file, WINDOWS)
    if is_absolute(path):
        notes.add(file, ABSOLUTE)
    return path


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
