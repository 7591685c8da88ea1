"""The files of a dataset on this machine, and which image a name means."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from lambdas.domain.annotations import image_references
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.types import Event, ImageAnnotation, Problem
from lambdas.domain.shared.annotation import RequestedDatasetType

ELSEWHERE = "images taken by their names, as the annotations name no folder, or another one"
OTHER_FORM = "images whose names differ from the annotations' in Unicode's normal form"
ENCODED = "images whose names differ from the annotations' in percent-encoding"
BACKSLASHES = "images with backslashes in their names, as some programs unpack archives"
UPLOADED = (
    "images were taken for those that Label Studio put eight digits in front of when they were uploaded"
)
OTHER_CASE = "images whose names differ from the annotations' in upper and lower case"
OTHER_SUFFIX = "images whose names differ from the annotations' in their extensions"
_ANNOTATIONS = frozenset((".json", ".jsonl", ".manifest", ".csv", ".tsv", ".xml", ".txt"))


class Folder:
    """A dataset's folder: its files by their paths seen from there, with forward slashes, in order.

    Links are followed to files and folders inside; what leads out is a problem, and no file of the dataset.
    Hidden files are left alone, and counted.
    """

    def __init__(self, root: Path, *, without_test: bool = False) -> None:
        """List a folder.

        Args:
            without_test: whether it has no images to test with, whatever files are called.
        """
        self.root, self.without_test = root, without_test
        self.images: dict[str, None] = {}
        self.others: list[str] = []
        self.problems: list[Problem] = []
        self.notes = NoteCounter()
        self._named: dict[str, str] = {}
        self._root = root.resolve()
        self._walk(root, {self._root})
        self.images = dict.fromkeys(sorted(self.images))
        self.others.sort()
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_meaning: dict[str, list[str]] = defaultdict(list)
        for image in self.images:
            self._by_stem[_stem(image)].append(image)
            self._by_meaning[_stem(image_references.meaning(image))].append(image)
        self.has_test_images = not without_test and any(map(_has_test, self.images))
        self.has_test = self.has_test_images or (not without_test and any(map(_has_test, self.others)))

    def path(self, name: str) -> Path:
        return self.root / name

    def name(self, path: Path) -> str:
        """A file's name as seen from the folder."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return path.name

    def find(
        self,
        reference: str,
        annotation: str,
        dataset_type: RequestedDatasetType = "",
        *,
        other_suffix: bool = False,
    ) -> str:
        """The image that an annotation file means; it counts as named from then on.

        Names in a bucket are found by their ends, and those that are not here are left as they are, to
        whoever has the bucket.

        Args:
            reference: as image_references.clean gives it.
            annotation: the annotation file, as seen from the folder.
            dataset_type: of the annotation; it decides between images of one name.
            other_suffix: whether the image may have another extension than the reference.

        Raises:
            AnnotationError: there is no such image, it may be any of several, or it lies outside the folder.
        """
        if reference.startswith("s3://"):
            return self._of_bucket(reference, annotation, dataset_type)
        exact = self._exact(reference, annotation)
        name = exact or self._like(reference, annotation, dataset_type, other_suffix)
        meaning = image_references.meaning(reference)
        before = self._named.setdefault(name, meaning)
        if not exact and before != meaning:
            raise AnnotationError(
                "ambiguous_name", f"{name} was taken for {before}, {reference} is not there"
            )
        if not exact:
            self._add_note(name, reference)
        return name

    def _of_bucket(self, reference: str, annotation: str, dataset_type: RequestedDatasetType) -> str:
        try:
            # As an absolute path: the bucket's folders need not be this machine's.
            return self.find("/" + reference.removeprefix("s3://"), annotation, dataset_type)
        except AnnotationError as error:
            if error.reason == "ambiguous_name":
                raise
            return reference

    def unnamed(self) -> Iterator[ImageAnnotation]:
        """The images that no annotation has named."""
        for image in self.images:
            if image not in self._named:
                yield ImageAnnotation(
                    image,
                    None,
                    dataset_type=image_references.dataset_type_of_folders(image, self.has_test),
                    file=image,
                )

    def events(self) -> Iterator[Event]:
        """Problems, images and notes that are left when the annotations have been read."""
        yield from self.problems
        yield from self.unnamed()
        yield from self.notes.collected()

    def _exact(self, reference: str, annotation: str) -> str:
        return next((name for name in (_beside(reference, annotation), reference) if name in self.images), "")

    def _like(
        self, reference: str, annotation: str, dataset_type: RequestedDatasetType, other_suffix: bool
    ) -> str:
        """The one image whose path agrees with the reference as far as both go."""
        closest = _closest(self._alike(reference, other_suffix), reference, posixpath.dirname(annotation))
        if len(closest) > 1:
            split = image_references.split_of_name(annotation) or dataset_type
            closest = [name for name in closest if image_references.split_of_name(name) == split] or closest
        outside = _beside(reference, annotation).startswith("../")
        if not closest and outside:
            raise AnnotationError(
                "leaves_folder", f"{reference} is outside of the dataset's folder: move it inside"
            )
        if not closest:
            others = self._alike(reference, other_suffix=True)
            advice = (
                f", but {others[0]} is: correct the name if it is meant"
                if others
                else ": put it beside its annotations"
            )
            raise AnnotationError("image_missing", f"{reference} is not there{advice}")
        if len(closest) > 1:
            shown = ", ".join(closest[:3])
            raise AnnotationError("ambiguous_name", f"{reference} may be any of {shown}: name it in full")
        elsewhere = outside or image_references.is_absolute(reference)
        if not _may_be(closest[0], reference, elsewhere):
            raise AnnotationError(
                "image_missing", f"{reference} is not there, but {closest[0]} is: correct one of them"
            )
        return closest[0]

    def _alike(self, reference: str, other_suffix: bool) -> list[str]:
        """The images whose names, without their folders, mean the same as the reference's."""
        meant = image_references.meaning(reference)
        for names in (
            self._by_stem.get(_stem(reference), []),
            self._by_meaning.get(_stem(meant), []),
            self._uploaded.get(image_references.before_upload(reference), []),
        ):
            if other_suffix or not image_references.is_image(meant):
                alike = names
            else:
                alike = [name for name in names if _format(name) == _format(meant)]
            if alike:
                return alike
        return []

    @cached_property
    def _uploaded(self) -> dict[str, list[str]]:
        """The images by what Label Studio would call them."""
        names: dict[str, list[str]] = defaultdict(list)
        for image in self.images:
            names[image_references.as_uploaded(image)].append(image)
        return names

    def other(self, name: str) -> str:
        """The file, other than an image, that a name means; empty if there is none, or may be several."""
        if name in self._other_names:
            return name
        names = self._others_by_meaning.get(image_references.meaning(name), [])
        return names[0] if len(names) == 1 else ""

    @cached_property
    def _other_names(self) -> frozenset[str]:
        return frozenset(self.others)

    @cached_property
    def _others_by_meaning(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = defaultdict(list)
        for other in self.others:
            names[image_references.meaning(other)].append(other)
        return names

    def _add_note(self, name: str, reference: str) -> None:
        self.notes.add("", _difference(name, reference))

    def _walk(self, folder: Path, inside: set[Path]) -> None:
        """Add the files of a folder.

        Args:
            inside: the folders that this one lies in, so that no link leads round in circles.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._refuse(self.name(folder), "unreadable", f"{error.strerror}: change its permissions")
            return
        for entry in entries:
            name = self.name(Path(entry.path))
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                self.notes.add("", "hidden files and folders were left alone")
            elif not _is_utf8(name):
                shown = name.encode(errors="surrogateescape").decode(errors="replace")
                self._refuse(shown, "name_not_utf8", "the file's name is not UTF-8: rename it")
            else:
                self._enter(Path(entry.path), name, entry.is_symlink(), inside)

    def _enter(self, path: Path, name: str, is_link: bool, inside: set[Path]) -> None:
        try:
            real = path.resolve(strict=True) if is_link else path
        except (OSError, RuntimeError):
            self._refuse(name, "broken_link", "a link that leads to no file: remove it, or copy the file")
            return
        if is_link and not real.is_relative_to(self._root):
            self._refuse(name, "leaves_folder", "a link out of the dataset's folder: copy what it leads to")
        elif path.is_dir():
            real = path.resolve()
            if real not in inside:
                self._walk(path, inside | {real})
        elif not path.is_file():
            self._refuse(name, "unreadable", "neither a file nor a folder: remove it")
        elif image_references.is_image(name):
            self.images[name] = None
        else:
            self.others.append(name)

    def _refuse(self, name: str, reason: str, detail: str) -> None:
        self.problems.append(
            Problem(name, 0, reason, detail, name if image_references.is_image(name) else "")
        )


def _closest(names: list[str], reference: str, folder: str) -> list[str]:
    """The names that agree with the reference in most of its last folders.

    If they are several, then those below `folder`, of these those of exactly its file name, and of these
    those below the innermost folder above `folder` that has any.
    """
    best = max((_agreement(name, reference) for name in names), default=0)
    closest = [name for name in names if _agreement(name, reference) == best]
    if len(closest) > 1 and folder:
        closest = _below(folder, closest) or closest
    exact = [name for name in closest if posixpath.basename(name) == posixpath.basename(reference)]
    closest = exact or closest
    while len(closest) > 1 and folder:
        folder = posixpath.dirname(folder)
        closest = (_below(folder, closest) if folder else []) or closest
    return closest


def _below(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(folder + "/")]


def _difference(name: str, reference: str) -> str:
    """The note on how an image's name differs from the reference that was taken for it."""
    shown, given = posixpath.basename(name), posixpath.basename(reference)
    if "\\" in shown:
        return BACKSLASHES
    if image_references.as_uploaded(shown) == image_references.before_upload(given):
        return UPLOADED
    if _suffix(shown) != _suffix(image_references.decoded(given)):
        return OTHER_SUFFIX
    if image_references.literal(shown) != image_references.literal(given):
        return ENCODED
    if unicodedata.normalize("NFC", shown) != unicodedata.normalize("NFC", given):
        return OTHER_CASE
    return OTHER_FORM if shown != given else ELSEWHERE


def _beside(reference: str, annotation: str) -> str:
    """A path as seen from the folder; an absolute one stays so."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(annotation), reference))


def _may_be(name: str, reference: str, elsewhere: bool) -> bool:
    """Whether an image's folders speak against its being meant.

    Args:
        elsewhere: whether the reference names folders of another machine. These mean nothing here, but for
            those of a split; those of the dataset do.
    """
    if elsewhere:
        splits = {image_references.split_of_name(path) for path in (name, reference)} - {""}
        return len(splits) < 2
    return _agreement(name, reference) >= min(name.count("/"), reference.count("/"))


def _agreement(name: str, reference: str) -> int:
    """How many of the two paths' last folders are the same."""
    parts = [image_references.meaning(path).split("/")[-2::-1] for path in (name, reference)]
    pairs = zip(*parts, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _has_test(name: str) -> bool:
    """Whether a file is called like an image to test with, or like annotations of such."""
    if not image_references.is_image(name) and _suffix(name) not in _ANNOTATIONS:
        return False
    in_folder = any(image_references.split_of_word(part) == "TEST" for part in name.split("/")[:-1])
    return in_folder or (
        not image_references.is_image(name)
        and image_references.dataset_type_of_file_name(name, has_test=True) == "TEST"
    )


def _stem(name: str) -> str:
    base = posixpath.basename(name)
    return image_references.literal(posixpath.splitext(base)[0] if image_references.is_image(base) else base)


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _format(name: str) -> str:
    """An extension as its images' format has it: a JPEG may be called in two ways."""
    suffix = _suffix(name)
    return ".jpg" if suffix in (".jpeg", ".jpe", ".jfif") else suffix


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class AnnotationFile:
    """An annotation file in a dataset's folder, or alone: what it is called, and which images it names.

    Attributes:
        name: of the file, in problems and notes.
        notes: of the file; of one that is of a single image the folder's, for they are many files' together.
        has_test: whether there are images to test with; to be set before the dataset types are asked for.
    """

    def __init__(self, path: Path, folder: Folder | None, *, is_of_one_image: bool = False) -> None:
        self.path, self._folder = path, folder
        self.name = folder.name(path) if folder else path.name
        self.notes = folder.notes if folder and is_of_one_image else NoteCounter()
        self.has_test = folder.has_test if folder else False
        self._noted_as = "" if is_of_one_image else self.name

    @cached_property
    def dataset_types(self) -> image_references.DatasetTypes:
        """Which datasets its images ask for."""
        root = self._folder.root if self._folder else None
        return image_references.DatasetTypes(self.path, root, self.has_test, self._noted_as, self.notes)

    def find(self, image: str, dataset_type: RequestedDatasetType = "") -> str:
        """The image that the file calls so, by its name in the folder; without a folder it is called so.

        Raises:
            AnnotationError: there is none, or there are several.
        """
        if not self._folder:
            return image
        return self._folder.find(image, self.name, dataset_type or self.dataset_types.of_file)
