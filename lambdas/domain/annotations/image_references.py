"""How annotations name images, and which side of a dataset a name speaks of."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Literal

from lambdas.domain.annotations.problems import AnnotationError, Problems
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

_SIDES: dict[str, Literal["TRAIN", "TEST", "VALIDATION"]] = {
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


def clean(given: object, file: str, remarks: Problems) -> str:
    """A reference to an image as Found.image has it, still as seen from its annotation file.

    Raises:
        Bad: it names no image.
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
        return _of_scheme(text, scheme[1].lower(), shown, file, remarks)
    return _path(text, shown, file, remarks)


def is_absolute(reference: str) -> bool:
    return reference.startswith("/") or bool(_DRIVE.match(reference))


def side_named(word: str) -> Literal["", "TRAIN", "TEST", "VALIDATION"]:
    """The side that a word stands for."""
    return _SIDES.get(word.strip().lower().rstrip("0123456789"), "")


def side_of(path: str) -> str:
    """The side that a file's name or the innermost of its folders is called like."""
    *folders, name = path.split("/")
    words = (
        set() if is_image(name) else {side_named(word) for word in re.split(r"[^A-Za-z0-9]+", name)} - {""}
    )
    sides = [side_named(folder) for folder in reversed(folders)]
    return words.pop() if len(words) == 1 else next((side for side in sides if side), "")


def split_named(word: str, has_test: bool) -> RequestedDatasetType:
    """The split that a word stands for. Validation images are TEST if the dataset has no others, else TRAIN:
    there are two sides only, and the data's own test images are what it is to be measured by."""
    side = side_named(word)
    return ("TRAIN" if has_test else "TEST") if side == "VALIDATION" else side


def validation(has_test: bool) -> str:
    """What has become of validation images, for a note."""
    if has_test:
        return "validation images were taken for training: there are others to test with"
    return "validation images were taken to test with: there are no others"


def says_validation(path: str) -> bool:
    """Whether the split of the folders that a file lies in depends on there being test images."""
    return split_of_path(path, has_test=True) != split_of_path(path, has_test=False)


def split_of_path(path: str, has_test: bool) -> RequestedDatasetType:
    """The split of the folders that a file lies in: the innermost that is called like one."""
    found = (split_named(folder, has_test) for folder in reversed(path.split("/")[:-1]))
    return next((split for split in found if split), "")


def split_of_file_name(path: str, has_test: bool) -> RequestedDatasetType:
    """The split that a file's name tells, as instances_train2017.json does; only if it tells one."""
    words = re.split(r"[^A-Za-z0-9]+", posixpath.splitext(posixpath.basename(path))[0])
    found = {split_named(word, has_test) for word in words} - {""}
    return found.pop() if len(found) == 1 else ""


def split_of_annotations(path: Path, root: Path | None, has_test: bool) -> RequestedDatasetType:
    """The split of an annotation file: what its name tells, else its folders; without a root, its own."""
    inside = path.is_relative_to(root) if root else False
    name = (
        path.relative_to(root).as_posix() if root and inside else f"{path.absolute().parent.name}/{path.name}"
    )
    return split_of_file_name(name, has_test) or split_of_path(name, has_test)


class Sides:
    """Which sides the images of an annotation file are on: what its name says, else its folders, else the
    images' own. What became of validation images is remarked on."""

    def __init__(self, path: Path, root: Path | None, has_test: bool, file: str, remarks: Problems) -> None:
        self.of_file = split_of_annotations(path, root, has_test)
        self._has_test, self._file, self._remarks = has_test, file, remarks
        self._validation = self.of_file != split_of_annotations(path, root, not has_test)

    def of_image(self, image: str) -> RequestedDatasetType:
        """Told of an image that nothing more is said of."""
        if self._validation if self.of_file else says_validation(image):
            self._remarks.add(self._file, validation(self._has_test))
        return self.of_file or split_of_path(image, self._has_test)

    def named(self, word: str) -> RequestedDatasetType:
        """The split that a word in the file stands for; empty if it stands for none."""
        if side_named(word) == "VALIDATION":
            self._remarks.add(self._file, validation(self._has_test))
        return split_named(word, self._has_test)


def _of_scheme(text: str, scheme: str, shown: str, file: str, remarks: Problems) -> str:
    if scheme == "s3":
        if not _S3.fullmatch(text):
            raise AnnotationError("bad_path", f"{shown} has to read s3://bucket/key")
        return text
    if scheme in ("gs", "file"):
        return _path("/" + text.partition("://")[2].lstrip("/"), shown, file, remarks)
    raise AnnotationError("remote_image", f"{shown} is not a file: download it, and name the file")


def _path(text: str, shown: str, file: str, remarks: Problems) -> str:
    path = posixpath.normpath(text.replace("\\", "/"))
    if len(path.encode()) > MAX_KEY_BYTES:
        raise AnnotationError(
            "bad_path", f"{shown}: S3 takes names of up to {MAX_KEY_BYTES} bytes: shorten it"
        )
    if path in (".", "/") or path.endswith("..") or text.endswith(("/", "\\")):
        raise AnnotationError("bad_path", f"{shown} names a folder, not an image")
    if "\\" in text:
        remarks.add(file, WINDOWS)
    if is_absolute(path):
        remarks.add(file, ABSOLUTE)
    return path


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
