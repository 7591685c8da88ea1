"""Image references: how annotations name images, which names mean the same, and what split a name is of.

Tools write one name in several ways: letters with accents as one character or as two (Unicode's normal forms;
macOS unpacks archives into the second), as in an address of the web (%20), with backslashes, in another case,
with all folders of another machine in front, or with eight digits of their own (Label Studio's uploads).

A split is what the foreign dataset has: training, validation or test. LabelLoop has two datasets, TRAIN and
TEST; which one an image asks for is its dataset type.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote

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

WEB = "addresses of the web: the images are looked for by their names"

_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+", re.DOTALL)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_DRIVE = re.compile(r"[A-Za-z]:")
_UPLOAD = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts in front of the names of files that are uploaded to it."""
_NOT_UPLOADED = re.compile(r"[^-\w.]")
"""Characters that it leaves out of them."""
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
_SPLIT_WORD = re.compile(
    rf"(?:(?:seg|data|dataset|images?|imgs?)[-_ ])?({'|'.join(_SPLITS)})\d*"
    r"(?:[-_ ]?(?:set|data|dataset|images?|imgs?|samples|folder))?"
)
"""A split, alone or as in training_set, images_test and seg_train; other words may be of a label."""


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


def literal(name: str) -> str:
    """A name that is the same for all that differ in case and in Unicode's normal form only."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def meaning(name: str) -> str:
    """A name that is the same for all that mean the same file.

    As `literal`, and without percent-encoding and backslashes. A file of literally that name comes first; two
    others of one meaning cannot be told apart.
    """
    return literal(decoded(name).replace("\\", "/"))


def decoded(name: str) -> str:
    """A name without percent-encoding, once; the name itself if it has none that is UTF-8."""
    try:
        return unquote(name, errors="strict") if "%" in name else name
    except UnicodeDecodeError:
        return name


def before_upload(name: str) -> str:
    """A name without what Label Studio puts in front of those of uploads, to be compared with `as_uploaded`.

    Empty if there is nothing of that kind.
    """
    base = posixpath.basename(decoded(name))
    without = _UPLOAD.sub("", base, count=1) if _UPLOAD.match(base) else ""
    return literal(without)


def as_uploaded(name: str) -> str:
    """What Label Studio makes of a file's name, but for the digits in front."""
    return literal(_NOT_UPLOADED.sub("", posixpath.basename(name).replace(" ", "_")))


def is_absolute(reference: str) -> bool:
    return reference.startswith("/") or bool(_DRIVE.match(reference))


def split_of_word(word: str) -> Literal["", "TRAIN", "TEST", "VALIDATION"]:
    """The split that a word stands for; empty if it stands for none."""
    match = _SPLIT_WORD.fullmatch(word.strip().lower())
    return _SPLITS[match[1]] if match else ""


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
    rest = text.partition("://")[2].lstrip("/")
    if scheme in ("gs", "file"):
        return _path("/" + rest, shown, file, notes)
    if scheme in ("http", "https"):
        path = _of_web(rest)
        if is_image(path):
            notes.add(file, WEB)
            return _path(f"/{path.lstrip('/')}", shown, file, NoteCounter())
    raise AnnotationError("remote_image", f"{shown} is not a file: download it, and name the file")


def _of_web(rest: str) -> str:
    """The path in an address, or in Label Studio's query for a file of its machine (?d=)."""
    path, _, query = rest.partition("#")[0].partition("?")
    local = dict(parse_qsl(query)).get("d", "")
    return local or decoded(path)


def _of_label_studio(text: str) -> str:
    """The path in Label Studio's address of a file of its machine; any other text as it is."""
    _, local, path = text.partition("/data/local-files/?d=")
    return f"/{decoded(path)}" if local else text


def _path(text: str, shown: str, file: str, notes: NoteCounter) -> str:
    text = _of_label_studio(text)
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
