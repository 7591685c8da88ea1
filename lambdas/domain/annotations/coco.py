"""COCO's object detection format, https://cocodataset.org/#format-data .

Boxes are [left, top, width, height] in pixels. An image without annotations is one that nothing is on, if the
file has annotations at all and was read to its end: COCO's own image_info files have none. It is read an
element at a time, and its sections, which may come in any order, are joined on disk.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from lambdas.domain.annotations import boxes, jsontext, references
from lambdas.domain.annotations.gathering import Gathering
from lambdas.domain.annotations.local import Folder
from lambdas.domain.annotations.telling import Bad, Remarks
from lambdas.domain.annotations.types import Event, Found, Problem
from lambdas.domain.annotations.writing import Spool, Tell, by_split, check_writable, refuse

AS_TEXT = "boxes whose numbers are written as text were read as numbers"
BACKGROUND = "images without annotations were taken as images that nothing is on"
CROWD = "annotations of crowds (iscrowd) were left out"
SAME_ID = "annotations that share their id with another were taken, because they differ in what they say"
NOT_BACKGROUND = "images without annotations are not known to have nothing on them: some were not read"
TWO_IDS = "images listed again under another id: their annotations were put together"


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """What a COCO file says.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    with Gathering() as gathering:
        yield from _Reader(path, folder, gathering).events()


class _Reader:
    def __init__(self, path: Path, folder: Folder | None, gathering: Gathering) -> None:
        self._path, self._folder, self._gathering = path, folder, gathering
        self._file = folder.name(path) if folder else path.name
        self._has_test = folder.has_test if folder else False
        self._split = references.split_of_annotations(path, folder.root if folder else None, self._has_test)
        self._labels: dict[str, str | None] = {}
        """By category id; None of a category that cannot be used."""
        self._remarks = Remarks()
        self._cuts: set[str] = set()
        self._some = False
        """Whether any annotation is one of an image in the file."""

    def events(self) -> Iterator[Event]:
        categories = yield from self._section("categories", self._category)
        images = yield from self._section("images", self._image)
        annotations = yield from self._section("annotations", self._annotation)
        for cut in sorted(self._cuts):
            detail = f"not readable to its end ({cut}); what came before was taken: save it again, in UTF-8"
            yield Problem(self._file, 0, "cut_off", detail)
        if not images and not self._cuts:
            detail = "no list called images: a COCO file has images, annotations and categories"
            yield Problem(self._file, 0, "not_coco", detail)
        elif annotations and not categories:
            yield Problem(self._file, 0, "no_categories", "no list called categories: nothing has a label")
        told = annotations > 0 or "annotations" in jsontext.keys(self._path, sys.maxsize)
        if images and not told and not self._cuts:
            detail = "nothing is known of the images; if nothing is on them, add an empty list of that name"
            yield Problem(self._file, 0, "no_annotations", f"no list called annotations: {detail}")
        # If no annotation speaks of any image, their image_ids are wrong and not the images empty.
        complete = told and not self._cuts and (self._some or not annotations)
        for event in self._gathering.found(self._file):
            yield self._background(event, complete)
        yield from self._remarks.notes()

    def _background(self, event: Found | Problem, complete: bool) -> Found | Problem:
        """The event; of an image without boxes, whether that means that nothing is on it."""
        if not isinstance(event, Found) or event.kind != "detection" or event.boxes:
            return event
        self._remarks.add(self._file, BACKGROUND if complete else NOT_BACKGROUND)
        return event if complete else replace(event, kind=None)

    def _section(
        self, section: str, take: Callable[[Mapping[str, Any]], None]
    ) -> Generator[Event, None, int]:
        """Take each element; returns how many there are."""
        count = 0
        try:
            for element in jsontext.elements(self._path, section):
                count += 1
                try:
                    if not isinstance(element, dict):
                        raise Bad("not_an_object", f"element {count} of {section} has to be an object")
                    take(element)
                except Bad as bad:
                    what = f"{section}, id {_shown_id(element)}" if isinstance(element, dict) else section
                    yield Problem(
                        self._file, 0, bad.reason, f"{what}: {bad.detail}", _shown_image(element, section)
                    )
        except jsontext.CutError as error:
            self._cuts.add(str(error))
        return count

    def _category(self, element: Mapping[str, Any]) -> None:
        id = _id(element.get("id"), "a category")
        try:
            label = boxes.label(element.get("name"))
        except Bad:
            self._labels.setdefault(id, None)
            raise
        if id in self._labels and self._labels[id] != label:
            raise Bad("duplicate_category", f"the id is that of {self._labels[id]!r} too: renumber {label!r}")
        self._labels[id] = label

    def _image(self, element: Mapping[str, Any]) -> None:
        id = _id(element.get("id"), "an image")
        if self._gathering.named("image", id) is not None:
            raise Bad("duplicate_image_id", "another image has this id: its first image was taken")
        try:
            name = references.clean(element.get("file_name"), self._file, self._remarks)
            if self._folder:
                name = self._folder.find(name, self._file, self._split)
        except Bad:
            # Its annotations are lost with it, and are no problems of their own.
            self._gathering.name("image", id, 0)
            raise
        number, new = self._gathering.image(name)
        if not new:
            self._remarks.add(self._file, TWO_IDS)
        self._gathering.name("image", id, number)
        self._gathering.say(
            number,
            kind="detection",
            size=boxes.size(element.get("width"), element.get("height")),
            split=self._split or references.split_of_path(name, self._has_test),
        )

    def _annotation(self, element: Mapping[str, Any]) -> None:
        image = self._gathering.named("image", _id(element.get("image_id"), "an annotation's image_id"))
        if image is None:
            raise Bad(
                "unknown_image", f"image_id {_shown(element['image_id'])} is in no entry of images: add it"
            )
        self._some = True
        if image == 0:
            return
        try:
            self._box(element, image)
        except Bad:
            self._gathering.spoil(image)
            raise

    def _box(self, element: Mapping[str, Any], image: int) -> None:
        if element.get("iscrowd") in (1, True):
            self._remarks.add(self._file, CROWD)
            self._gathering.spoil(image)
            return
        category = _id(element.get("category_id"), "an annotation's category_id")
        if category not in self._labels:
            raise Bad(
                "unknown_category",
                f"category_id {_shown(element['category_id'])} is in no entry of categories",
            )
        label = self._labels[category]
        if label is None:
            raise Bad("bad_label", f"category {_shown(element['category_id'])} has no usable name")
        size, _ = self._gathering.known(image)
        bbox = element.get("bbox")
        box = boxes.of_sides(label, *_four(bbox), size=size)
        if any(isinstance(value, str) for value in bbox or ()):
            self._remarks.add(self._file, AS_TEXT)
        if "id" in element:
            self._check_new(_id(element["id"], "an annotation"), image, (image, *vars(box).values()))
        self._gathering.add_box(image, box)

    def _check_new(self, id: str, image: int, mark: tuple[Any, ...]) -> None:
        number = self._gathering.last_mark() + 1
        if self._gathering.name("annotation", id, number):
            return
        if self._gathering.mark(self._gathering.named("annotation", id) or 0) == mark:
            raise Bad("duplicate_annotation", "the same annotation came before: it was taken once")
        self._remarks.add(self._file, SAME_ID)


def _four(bbox: Any) -> tuple[float, float, float, float]:
    if bbox is None or bbox == []:
        raise Bad("missing_box", "bbox is missing: add [left, top, width, height]")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise Bad("bad_box", f"bbox has to be four numbers [left, top, width, height], not {_shown(bbox)}")
    left, top, width, height = (boxes.number(value, "bbox") for value in bbox)
    return left, top, width, height


def _id(value: Any, whose: str) -> str:
    """An id as text, in which 1 and "1" differ."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value) < 10**18 and value == int(value):
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        # Python refuses to write numbers of thousands of digits.
        return str(value) if value.bit_length() < 4096 else hex(value)
    raise Bad("bad_id", f"the id of {whose} has to be a number or text, not {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 4096:
        return "a number of many digits"
    return repr(value)[:80]


def _shown_id(element: Mapping[str, Any]) -> str:
    return _shown(element.get("id"))


def _shown_image(element: Any, section: str) -> str:
    name = element.get("file_name") if section == "images" and isinstance(element, dict) else ""
    return name[:200] if isinstance(name, str) else ""


# Writing


def write_coco(folder: Path, founds: Iterable[Found], tell: Tell = refuse) -> None:
    """One file for each split, train.json and test.json, and annotations.json for what has none.

    Args:
        founds: each image once, with its real size and boxes in pixels. Image-level labels have no place in
            this format: such images are left out, and a note says how many.


    Raises:
        ValueError: an image has no size, or its boxes are not in pixels.
        OSError: a file cannot be written.
    """
    remarks = Remarks()
    folder.mkdir(parents=True, exist_ok=True)
    # One numbering for all files: a label that had another id in each would be mistaken for another.
    categories: dict[str, int] = {}
    with by_split(lambda: _Writing(categories)) as writings:
        for found in founds:
            if found.kind != "detection":
                remarks.add("", f"COCO holds boxes only: images of kind {found.kind} were left out")
                continue
            check_writable(found)
            writings[found.split].add(found)
        for split, writing in writings.items():
            name = f"{split.lower()}.json" if split else "annotations.json"
            with (folder / name).open("w", encoding="utf-8") as file:
                writing.write(file)
    for note in remarks.notes():
        tell(note)


class _Writing:
    """One file's sections, the annotations on disk until the images are all there."""

    def __init__(self, categories: dict[str, int]) -> None:
        """Args: categories: by label, their ids; labels that are new are added."""
        self._images, self._annotations = Spool(), Spool()
        self._categories = categories
        self._image_count = self._annotation_count = 0

    def add(self, found: Found) -> None:
        self._image_count += 1
        width, height = found.size or (0, 0)
        self._images.add(
            {"id": self._image_count, "file_name": found.image, "width": width, "height": height}
        )
        for box in found.boxes:
            self._annotation_count += 1
            self._annotations.add(
                {
                    "id": self._annotation_count,
                    "image_id": self._image_count,
                    "category_id": self._categories.setdefault(box.label, len(self._categories) + 1),
                    "bbox": [box.left, box.top, box.width, box.height],
                    "area": box.width * box.height if math.isfinite(box.width * box.height) else 0,
                    "iscrowd": 0,
                }
            )

    def write(self, file: IO[str]) -> None:
        file.write('{"images":[')
        self._images.copy(file)
        file.write('],"annotations":[')
        self._annotations.copy(file)
        categories = [{"id": id, "name": name} for name, id in self._categories.items()]
        file.write(f'],"categories":{json.dumps(categories, ensure_ascii=False)}}}\n')

    def close(self) -> None:
        self._images.close()
        self._annotations.close()
