"""YOLO: a text file of boxes for each image, and a data.yaml, https://docs.ultralytics.com/datasets/detect/ .

A line is a class and a box's centre, width and height as shares of the image's sides, or a class and the
corners of a polygon. The text file lies beside the image, or under labels/ where the image is under images/.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from lambdas.domain.annotations import box_parsing, folders, image_references, yolo_config
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.annotations.writing import (
    NoteHandler,
    check_path,
    check_writable,
    file_identity,
    raise_note,
)
from lambdas.domain.annotations.yolo_config import CONFIGS, NAMES, Config
from lambdas.domain.shared.annotation import Kind

MAX_BYTES = 16 * 1024 * 1024
LISTS = {"TRAIN": "train-images.txt", "TEST": "test-images.txt", "": "unassigned-images.txt"}
"""By split, the images that are written; called as the label file of no image is likely to be."""
_IMAGE_FOLDERS = ("images", "JPEGImages")
"""Instead of which label files are under labels: Ultralytics' and Darknet's."""
_IMAGES = re.compile(r"(?<![a-z])images?(?![a-z])", re.IGNORECASE)
"""In a folder's name, as in train_images: instead of which it may be called train_labels."""
BACKGROUND = "label files without lines were taken as images that nothing is on"
ALIKE = "label files whose names mean the same as the images', but are written in another way"
SHARED = "label files of more images than one, called alike but for their extensions, were taken for each"
POLYGON = "polygons were taken by their bounding boxes"
POSE = "key points were left out, their boxes taken"


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a YOLO dataset: a folder, or its data.yaml.

    Boxes come as shares of the image's sides (ImageAnnotation.normalised).

    Raises:
        OSError: the disk failed.
    """
    if folder is None:
        folder = Folder(path if path.is_dir() else path.parent)
        yield from read(path, folder)
        yield from folder.events()
        return
    config = yield from yolo_config.read(folder, "" if path.is_dir() else path.name)
    notes = NoteCounter()
    files = files_of_images(folder, config.lists)
    used = set(files.values())
    for image in folder.images:
        file = files.get(image)
        folder.find(image, "")
        if not config.folders and not config.images and image_references.is_validation(image):
            notes.add("", image_references.validation_note(config.has_test))
        if file is None:
            yield ImageAnnotation(image, None, dataset_type=config.dataset_type_of(image), file=image)
            continue
        yield from _image(folder, image, file, config, notes)
    candidates = _Candidates(folder, files)
    for file in folder.others:
        if file not in used | config.lists and _is_orphan(folder, file):
            alike = candidates.of(file)
            if alike:
                detail = f"may be of any of {', '.join(alike[:3])}: call it exactly like its image"
                yield Problem(file, 0, "ambiguous_name", detail, alike[0])
            else:
                detail = "no image is called like this label file: add it"
                yield Problem(file, 0, "image_missing", detail, PurePosixPath(file).stem)
    yield from notes.collected()


def label_files(image: str) -> tuple[str, ...]:
    """Where the boxes of an image may be."""
    text = PurePosixPath(image).with_suffix(".txt").as_posix()
    below = PurePosixPath(text)
    swapped = [_swapped(text, folder) for folder in _IMAGE_FOLDERS]
    inside = (below.parent / "labels" / below.name).as_posix()
    renamed = [
        PurePosixPath(*below.parts[:at], _IMAGES.sub("labels", part), *below.parts[at + 1 :]).as_posix()
        for at, part in enumerate(below.parts[:-1])
        if _IMAGES.search(part)
    ]
    others = [
        PurePosixPath(*below.parts[:at], labels, *below.parts[at + 1 :]).as_posix()
        for at, part in enumerate(below.parts[:-1])
        if part.lower() in folders.LAYOUT
        for labels in ("labels", "Labels")
    ]
    return tuple(dict.fromkeys(name for name in (*swapped, text, inside, *renamed, *others) if name))


def files_of_images(folder: Folder, lists: Collection[str] = ()) -> dict[str, str]:
    """The label file of each image that has one: of its name, else the one whose name means the same.

    Args:
        lists: files that name images, and so are no label files.
    """
    others = set(folder.others).difference(lists)
    files: dict[str, str] = {}
    for image in folder.images:
        if literal := next((name for name in label_files(image) if name in others), ""):
            files[image] = literal
    for count in Counter(files.values()).values():
        if count > 1:
            folder.notes.add("", SHARED)
    others.difference_update(files.values())
    images = defaultdict[str, list[str]](list)
    for image in folder.images:
        if image not in files:
            alike = (folder.other(name) for name in label_files(image))
            if name := next((name for name in alike if name in others), ""):
                images[name].append(image)
    for name, alike in images.items():
        if len(alike) == 1:
            files[alike[0]] = name
            folder.notes.add("", ALIKE)
    return files


class _Candidates:
    """The images without a label file, by what theirs may be called."""

    def __init__(self, folder: Folder, files: Mapping[str, str]) -> None:
        self._images = [image for image in folder.images if image not in files]

    def of(self, file: str) -> list[str]:
        return self._by_meaning.get(image_references.meaning(file), [])

    @cached_property
    def _by_meaning(self) -> dict[str, list[str]]:
        images = defaultdict[str, list[str]](list)
        for image in self._images:
            for name in dict.fromkeys(map(image_references.meaning, label_files(image))):
                images[name].append(image)
        return images


def _swapped(text: str, folder: str) -> str:
    """The file under labels instead of the folder; empty if it is not under the folder."""
    before, inside, after = f"/{text}".rpartition(f"/{folder}/")
    return f"{before}/labels/{after}".lstrip("/") if inside else ""


def looks_like_labels(path: Path) -> bool:
    """Whether a text file's first line is one of this format."""
    with path.open("rb") as file:
        words = file.read(4096).split(b"\n")[0].split()
    if len(words) < 5 or not words[0].isdigit():
        return False
    try:
        return all(-1 <= float(word) <= 2 for word in words[1:])
    except ValueError:
        return False


def _is_orphan(folder: Folder, file: str) -> bool:
    name = PurePosixPath(file)
    if name.suffix.lower() != ".txt" or name.name.lower() in NAMES:
        return False
    return "labels" in name.parts[:-1] or looks_like_labels(folder.path(file))


def _image(folder: Folder, image: str, file: str, config: Config, notes: NoteCounter) -> Iterator[Event]:
    boxes: list[LabelledBox] = []
    lines: list[tuple[int, list[str]]] = []
    incomplete = False
    try:
        lines = _lines(folder.path(file))
    except AnnotationError as error:
        yield error.problem(file, image=image)
        incomplete = True
    for number, words in lines:
        try:
            boxes.append(replace(_box(words, config, notes), line=number))
        except AnnotationError as error:
            incomplete = True
            yield error.problem(file, number, image)
    if not boxes and not incomplete:
        notes.add("", BACKGROUND)
    kind: Kind | None = None if incomplete and not boxes else "detection"
    dataset_type = config.dataset_type_of(image)
    yield ImageAnnotation(
        image, kind, boxes=tuple(boxes), normalised=True, dataset_type=dataset_type, file=file
    )


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    if path.stat().st_size > MAX_BYTES:
        raise AnnotationError("file_too_large", "more than the boxes of an image need")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnnotationError(
            "wrong_encoding", f"not UTF-8 text ({error.reason}): save it as UTF-8"
        ) from error
    numbered = ((number, line.split()) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, words) for number, words in numbered if words]


def _box(words: list[str], config: Config, notes: NoteCounter) -> LabelledBox:
    label = config.label(box_parsing.number(words[0], "the class"))
    values = [box_parsing.number(word, "a value") for word in words[1:]]
    if config.key_point_values and len(values) == 4 + config.key_point_values:
        notes.add("", POSE)
        values = values[:4]
    elif len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise AnnotationError(
            "wrong_columns",
            f"{len(words)} columns: write a class and a box's 4 numbers, or the x and y of 3 corners or more"
            + ("; the last of 6 may be how sure a detector was: leave it out" if len(words) == 6 else ""),
        )
    if any(not -box_parsing.ROUNDED_SHARE <= value <= 1 + box_parsing.ROUNDED_SHARE for value in values):
        raise AnnotationError("box_outside", "values have to be shares of the image's sides, between 0 and 1")
    if len(values) > 4:
        notes.add("", POLYGON)
        points = list(zip(values[::2], values[1::2], strict=True))
        return _inside(box_parsing.of_shares(label, *box_parsing.around(points)))
    x, y, width, height = values
    return _inside(box_parsing.of_shares(label, x - width / 2, y - height / 2, x + width / 2, y + height / 2))


def _inside(box: LabelledBox) -> LabelledBox:
    """The box without what rounding has put out of the image."""
    left, top = max(box.left, 0.0), max(box.top, 0.0)
    right, bottom = min(box.left + box.width, 1.0), min(box.top + box.height, 1.0)
    if right <= left or bottom <= top:
        raise AnnotationError("box_too_small", "nothing of the box lies in the image")
    return replace(box, left=left, top=top, width=right - left, height=bottom - top)


# Writing


def write_yolo(
    folder: Path, annotations: Iterable[ImageAnnotation], on_note: NoteHandler = raise_note
) -> None:
    """Write a label file for each image, a list of the images of each dataset, and data.yaml.

    Args:
        annotations: each image once, with its real size and boxes in pixels. Image-level labels have no
            place in this format: such images are left out, and a note says how many.

    Raises:
        ValueError: an image has no size, its boxes are not in pixels, or its name leads out of the folder.
        OSError: a file cannot be written.
    """
    notes = NoteCounter()
    classes: dict[str, int] = {}
    taken = set(LISTS.values())
    folder.mkdir(parents=True, exist_ok=True)
    lists: dict[str, Any] = {}
    try:
        for annotation in annotations:
            check_path(annotation)
            target = label_files(annotation.image)[0]
            if annotation.kind == "classification":
                notes.add("", "YOLO's boxes have no place for image-level labels: their images were left out")
            elif file_identity(target) in taken:
                notes.add("", "images called like others but for their extension were left out")
            else:
                check_writable(annotation)
                taken.add(file_identity(target))
                _write_image(folder / target, annotation, classes)
                _list(folder, annotation, lists)
    finally:
        for opened in lists.values():
            opened.close()
    _write_config(folder, set(lists), classes)
    for note in notes.collected():
        on_note(note)


def _write_image(path: Path, annotation: ImageAnnotation, classes: dict[str, int]) -> None:
    if annotation.kind is None:
        return
    width, height = annotation.size or (1, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for box in annotation.boxes:
            x, y = (box.left + box.width / 2) / width, (box.top + box.height / 2) / height
            number = classes.setdefault(box.label, len(classes))
            file.write(f"{number} {x!r} {y!r} {box.width / width!r} {box.height / height!r}\n")


def _list(folder: Path, annotation: ImageAnnotation, lists: dict[str, Any]) -> None:
    if annotation.dataset_type not in lists:
        lists[annotation.dataset_type] = (folder / LISTS[annotation.dataset_type]).open("w", encoding="utf-8")
    lists[annotation.dataset_type].write(f"./{annotation.image}\n")


def _write_config(folder: Path, lists: set[str], classes: dict[str, int]) -> None:
    config: dict[str, Any] = {
        dataset_type.lower(): name
        for dataset_type, name in LISTS.items()
        if dataset_type and dataset_type in lists
    }
    # Trainers insist on a list to validate with.
    if config:
        config["val"] = config.get("test") or config["train"]
    config["names"] = {number: label for label, number in classes.items()}
    with (folder / CONFIGS[0]).open("w", encoding="utf-8") as file:
        yaml.safe_dump(config, file, allow_unicode=True, sort_keys=False)
