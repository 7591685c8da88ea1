"""COCO's object detection format, https://cocodataset.org/#format-data .

Boxes are [left, top, width, height] in pixels. An image without annotations is one that nothing is on, if the
file has annotations at all and was read to its end: COCO's own image_info files have none. It is read once,
an element at a time, and its sections, which may come in any order, are joined on disk.

iscrowd is 1 of COCO's own crowds, which are few, and of every mask that CVAT and others write as runs (RLE):
these are objects like any other.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from lambdas.domain.annotations import box_parsing, image_references, json_stream, masks
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.staging import Image, Mark, Staging, image_annotations
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.annotations.writing import NoteHandler, Spool, by_dataset_type, check_writable, raise_note

AS_TEXT = "boxes whose numbers are written as text were read as numbers"
BACKGROUND = "images without annotations were taken as images that nothing is on"
CROWD = "annotations of crowds (iscrowd) were left out"
INSTANCES = "annotations with iscrowd were taken as single objects, as tools write masks"
Sides = tuple[float, float, float, float]
"""Left, top, width and height."""
ROTATED = "rotated boxes were taken by the upright boxes around them"
FROM_SHAPE = "boxes were drawn around polygons and masks that have no bbox"
SAME_ID = "annotations that share their id with another were taken, because they differ in what they say"
NOT_BACKGROUND = "images without annotations are not known to have nothing on them: some were not read"
TWO_IDS = "images listed again under another id: their annotations were put together"


_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_MAX_CROWDS = 0.1
"""Share of its annotations that are crowds, in a file that has such: of COCO's own it is a hundredth."""
_COCO_CROWDS = 900_100_000_000
"""From here on COCO itself numbers its crowds."""


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a COCO file, image by image.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    with Staging() as staging:
        yield from _Reader(path, folder, staging).events()


class _Reader:
    def __init__(self, path: Path, folder: Folder | None, staging: Staging) -> None:
        self._path, self._staging = path, staging
        self._source = AnnotationFile(path, folder)
        self._file, self._notes = self._source.name, self._source.notes
        self._labels: dict[str, str | None] = {}
        """By category id; None of a category that cannot be used."""
        self._counts: Counter[str] = Counter()
        """Elements by section."""
        self._of_images = 0
        """Annotations that name an image."""
        self._bare = 0
        """Annotations without category and box."""
        self._crowds = 0
        """Annotations with iscrowd that may be crowds or not."""

    def events(self) -> Iterator[Event]:
        with json_stream.Lists(self._path) as lists:
            cut = yield from self._elements(lists)
            has_annotations = "annotations" in lists.names
        yield from self._of_sections(has_annotations, cut)
        strays = 0
        for id, mark in self._staging.orphans():
            strays += 1
            detail = f"annotations, id {mark.id}: image_id {id} is in no entry of images: add it"
            yield Problem(self._file, 0, "unknown_image", detail[:200])
        # If no box is one of any image, their image_ids are wrong and not the images empty.
        some = self._of_images > strays + self._bare or not self._counts["annotations"]
        for image, marks in self._staging.images():
            yield from self._image_annotation(image, marks, complete=has_annotations and not cut and some)
        yield from self._notes.collected()

    def _elements(self, lists: json_stream.Lists) -> Generator[Event, None, bool]:
        """Take each element, in whatever order the sections come; returns whether the file is cut."""
        takes = {"categories": self._category, "images": self._image, "annotations": self._annotation}
        try:
            for section, element in lists.elements():
                if section not in takes:
                    continue
                self._counts[section] += 1
                try:
                    if not isinstance(element, dict):
                        detail = f"element {self._counts[section]} of {section} has to be an object"
                        raise AnnotationError("not_an_object", detail)
                    takes[section](element)
                except AnnotationError as error:
                    what = f"{section}, id {_shown_id(element)}" if isinstance(element, dict) else section
                    yield Problem(
                        self._file, 0, error.reason, f"{what}: {error.detail}", _shown_image(element, section)
                    )
        except json_stream.CutError as error:
            detail = f"not readable to its end ({error}); what came before was taken: save it again, in UTF-8"
            yield Problem(self._file, 0, "cut_off", detail)
            return True
        return False

    def _of_sections(self, has_annotations: bool, cut: bool) -> Iterator[Problem]:
        """The problems of the file as a whole."""
        if not self._counts["images"] and not cut:
            detail = "no list called images: a COCO file has images, annotations and categories"
            yield Problem(self._file, 0, "not_coco", detail)
        elif self._counts["annotations"] > self._bare and not self._counts["categories"]:
            yield Problem(self._file, 0, "no_categories", "no list called categories: nothing has a label")
        if self._counts["images"] and not has_annotations and not cut:
            detail = "nothing is known of the images; if nothing is on them, add an empty list of that name"
            yield Problem(self._file, 0, "no_annotations", f"no list called annotations: {detail}")
        if self._bare:
            every = self._bare == self._counts["annotations"]
            some = "its annotations" if every else f"{self._bare} of its annotations"
            detail = f"{some} have neither category_id nor bbox: captions, or something else than boxes"
            yield Problem(self._file, 0, "no_boxes", detail)

    def _category(self, element: Mapping[str, Any]) -> None:
        id = _id(element.get("id"), "a category")
        try:
            label = box_parsing.label(element.get("name"))
        except AnnotationError:
            self._labels.setdefault(id, None)
            raise
        if id in self._labels and self._labels[id] != label:
            raise AnnotationError(
                "duplicate_category", f"the id is that of {self._labels[id]!r} too: renumber {label!r}"
            )
        self._labels[id] = label

    def _image(self, element: Mapping[str, Any]) -> None:
        id = _id(element.get("id"), "an image")
        if self._staging.is_named(id):
            raise AnnotationError(
                "duplicate_image_id", "another image has this id: its first image was taken"
            )
        try:
            name = image_references.clean(element.get("file_name"), self._file, self._notes)
            name = self._source.find(name)
        except AnnotationError:
            # Its annotations are lost with it, and are no problems of their own.
            self._staging.name(id, 0)
            raise
        number, new = self._staging.image(
            name,
            kind="detection",
            size=box_parsing.size(element.get("width"), element.get("height")),
            dataset_type=self._source.dataset_types.of_image(name),
        )
        if not new:
            self._notes.add(self._file, TWO_IDS)
        self._staging.name(id, number)

    def _annotation(self, element: Mapping[str, Any]) -> None:
        """Stage an annotation until all images and categories are known, which may come later."""
        image = _id(element.get("image_id"), "an annotation's image_id")
        self._of_images += 1
        try:
            self._staging.add_to_named(image, self._mark(element))
        except AnnotationError:
            self._staging.add_to_named(image, Mark(None))
            raise

    def _mark(self, element: Mapping[str, Any]) -> Mark:
        bbox, shape = element.get("bbox"), element.get("segmentation")
        if "category_id" not in element and "bbox" not in element and not shape:
            self._bare += 1
            return Mark(None)
        category = _id(element.get("category_id"), "an annotation's category_id")
        if not bbox and shape:
            self._notes.add(self._file, FROM_SHAPE)
            sides = masks.bounds(shape)
        else:
            sides = self._upright(_four(bbox), element.get("attributes"))
        if str in map(type, bbox or ()):
            self._notes.add(self._file, AS_TEXT)
        id = _id(element["id"], "an annotation") if "id" in element else ""
        return Mark(category, sides, id=id, crowd=self._may_be_crowd(element))

    def _upright(self, sides: Sides, attributes: object) -> Sides:
        """The upright box around one that CVAT says is turned about its middle.

        Its bbox is that of the box before it was turned, https://github.com/cvat-ai/cvat/issues/4745 .
        """
        turned = attributes.get("rotation") if isinstance(attributes, dict) else None
        degrees = box_parsing.number(turned, "rotation") % 360 if turned else 0
        if not degrees:
            return sides
        self._notes.add(self._file, ROTATED)
        left, top, width, height = sides
        sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
        across, down = width * cosine + height * sine, width * sine + height * cosine
        begin_x, begin_y = left + (width - across) / 2, top + (height - down) / 2
        inside_x, inside_y = max(begin_x, 0), max(begin_y, 0)
        return inside_x, inside_y, begin_x + across - inside_x, begin_y + down - inside_y

    def _may_be_crowd(self, element: Mapping[str, Any]) -> bool:
        if element.get("iscrowd") not in (1, True, "1"):
            return False
        # CVAT says of each object whether it is occluded; COCO says no such thing.
        attributes = element.get("attributes")
        if isinstance(attributes, dict) and "occluded" in attributes:
            self._notes.add(self._file, INSTANCES)
            return False
        self._crowds += 1
        return True

    def _is_crowd(self, mark: Mark) -> bool:
        """Whether it is one after all, now that the whole file is known."""
        if not mark.crowd:
            return False
        if mark.id.isdigit() and int(mark.id) >= _COCO_CROWDS:
            return True
        return self._crowds <= _MAX_CROWDS * self._counts["annotations"]

    def _image_annotation(
        self, image: Image, marks: Iterable[Mark], *, complete: bool
    ) -> Iterator[ImageAnnotation | Problem]:
        taken: list[LabelledBox] = []
        by_id: dict[str, LabelledBox] = {}
        incomplete = False
        crowds = 0
        for mark in marks:
            try:
                if self._is_crowd(mark):
                    crowds += 1
                    continue
                self._notes.add(self._file, INSTANCES, int(mark.crowd))
                box = self._box(mark, image.size)
                if box and self._is_new(mark.id, box, by_id):
                    taken.append(box)
                incomplete = incomplete or not box
            except AnnotationError as error:
                incomplete = True
                detail = f"annotations, id {mark.id}: {error.detail}"
                yield Problem(self._file, 0, error.reason, detail, image.name)
        if crowds:
            incomplete = True
            self._notes.add(self._file, CROWD, crowds)
            yield Problem(self._file, 0, "crowd", _of_crowds(crowds, len(taken)), image.name)
        if not taken and not incomplete:
            self._notes.add(self._file, BACKGROUND if complete else NOT_BACKGROUND)
            incomplete = not complete
        yield image_annotations(
            replace(image, incomplete=True) if incomplete else image, self._file, (), tuple(taken)
        )

    def _box(self, mark: Mark, size: tuple[int, int] | None) -> LabelledBox | None:
        if mark.label is None or mark.sides is None:
            return None
        if mark.label not in self._labels:
            raise AnnotationError(
                "unknown_category", f"category_id {mark.label[:80]} is in no entry of categories"
            )
        label = self._labels[mark.label]
        if label is None:
            raise AnnotationError("bad_label", f"category {mark.label[:80]} has no usable name")
        return box_parsing.of_sides(label, *mark.sides, size=size)

    def _is_new(self, id: str, box: LabelledBox, by_id: dict[str, LabelledBox]) -> bool:
        """Whether the image has not had this box by this id. Raises AnnotationError."""
        before = by_id.setdefault(id, box) if id else box
        if before is box:
            return True
        if before == box:
            raise AnnotationError(
                "duplicate_annotation", "the same annotation came before: it was taken once"
            )
        self._notes.add(self._file, SAME_ID)
        return True


def _of_crowds(crowds: int, boxes: int) -> str:
    others = f"its {boxes} other boxes are taken" if boxes else "it is taken without labels"
    return (
        f"{crowds} of its annotations are crowds (iscrowd), which no box is of: {others}; draw a box around"
        " each object, or set iscrowd to 0"
    )


def _four(bbox: Any) -> Sides:
    if bbox is None or bbox == []:
        raise AnnotationError("missing_box", "bbox is missing: add [left, top, width, height]")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise AnnotationError(
            "bad_box", f"bbox has to be four numbers [left, top, width, height], not {_shown(bbox)}"
        )
    left, top, width, height = (box_parsing.number(side, "bbox") for side in bbox)
    return left, top, width, height


def _id(value: Any, whose: str) -> str:
    """An id as text, in which 1 and "1" are the same, and "01" is another."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return value if _NUMBER.fullmatch(value) else json.dumps(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    raise AnnotationError("bad_id", f"the id of {whose} has to be a number or text, not {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"a list of {len(value)}" if isinstance(value, list) else "an object"
    return repr(value)[:80]


def _shown_id(element: Mapping[str, Any]) -> str:
    return _shown(element.get("id"))


def _shown_image(element: Any, section: str) -> str:
    name = element.get("file_name") if section == "images" and isinstance(element, dict) else ""
    return name[:200].encode(errors="replace").decode() if isinstance(name, str) else ""


# Writing


def write_coco(
    folder: Path, annotations: Iterable[ImageAnnotation], on_note: NoteHandler = raise_note
) -> None:
    """Write COCO files: train.json, test.json, and annotations.json for what asks for neither dataset.

    Args:
        annotations: each image once, with its real size and boxes in pixels. Image-level labels have no
            place in this format: such images are left out, and a note says how many.

    Raises:
        ValueError: an image has no size, or its boxes are not in pixels.
        OSError: a file cannot be written.
    """
    notes = NoteCounter()
    folder.mkdir(parents=True, exist_ok=True)
    # One numbering for all files: a label that had another id in each would be mistaken for another.
    categories: dict[str, int] = {}
    with by_dataset_type(lambda: _Writing(categories)) as writings:
        for annotation in annotations:
            if annotation.kind != "detection":
                notes.add("", f"COCO holds boxes only: images of kind {annotation.kind} were left out")
                continue
            check_writable(annotation)
            writings[annotation.dataset_type].add(annotation)
        for dataset_type, writing in writings.items():
            name = f"{dataset_type.lower()}.json" if dataset_type else "annotations.json"
            with (folder / name).open("w", encoding="utf-8") as file:
                writing.write(file)
    for note in notes.collected():
        on_note(note)


class _Writing:
    """A file that is being written: its annotations are on disk until the images are all there."""

    def __init__(self, categories: dict[str, int]) -> None:
        """Args: categories: by label, their ids; labels that are new are added."""
        self._images, self._annotations = Spool(), Spool()
        self._categories = categories
        self._image_count = self._annotation_count = 0

    def add(self, annotation: ImageAnnotation) -> None:
        self._image_count += 1
        width, height = annotation.size or (0, 0)
        self._images.add(
            {"id": self._image_count, "file_name": annotation.image, "width": width, "height": height}
        )
        for box in annotation.boxes:
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
