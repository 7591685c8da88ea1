"""CVAT for images 1.1: an XML file of many images, https://docs.cvat.ai/docs/other/xml_format .

An image without shapes is one that nothing is on, if any image of the file has shapes. The tracks of CVAT for
video are refused: the same task exports "CVAT for images", with the shapes of each frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

from lambdas.domain.annotations import box_parsing, image_references, xml_files
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Problem
from lambdas.domain.shared.annotation import Kind, RequestedDatasetType

BACKGROUND = "images without shapes were taken as images that nothing is on"
OUTLINES = "polygons, masks and ellipses were taken by their bounding boxes"
ROTATED = "rotated boxes were taken by the upright boxes around them"
LEFT_OUT = "points, lines, skeletons and cuboids were left out: they are no boxes"
NAMED_AGAIN = "named again in the same file: the first was taken"
MIXED = "tags and shapes on one image: its boxes were taken, its tags left out"
VIDEO = "tracks of a video: export the task as 'CVAT for images 1.1', which has the boxes of each frame"
_LEFT_OUT = frozenset(("points", "polyline", "skeleton", "cuboid"))
_SHAPES = frozenset(("box", "polygon", "mask", "ellipse")) | _LEFT_OUT
_MARKS = tuple(f"<{name} ".encode() for name in sorted(_SHAPES | {"tag"}))


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a file, image by image.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    yield from _Reader(path, folder).events()


class _Reader:
    def __init__(self, path: Path, folder: Folder | None) -> None:
        self._path, self._folder = path, folder
        self._source = AnnotationFile(path, folder)
        self._file, self._notes = self._source.name, self._source.notes
        self._seen: set[str] = set()

    def events(self) -> Iterator[Event]:
        self._annotated = _has_marks(self._path)
        tracks = 0
        try:
            for element, line in xml_files.elements(self._path, "annotations", ("image", "track", "meta")):
                tracks += element.tag == "track"
                if element.tag == "image":
                    yield from self._image(element, line)
        except AnnotationError as error:
            yield error.problem(self._file)
        except xml_files.UnparsedError as error:
            yield Problem(self._file, error.line, "not_xml", f"{error}: export it again")
        if tracks:
            yield Problem(self._file, 0, "video_annotations", f"{tracks} {VIDEO}")
        elif not self._seen:
            yield Problem(
                self._file, 0, "no_images", "the file has no image: export the task with its frames"
            )
        yield from self._notes.collected()

    def _image(self, element: Element, line: int) -> Iterator[Event]:
        image = ""
        try:
            image = image_references.clean(element.get("name"), self._file, self._notes)
            given = element.get("subset") or ""
            dataset_type = self._source.dataset_types.of_word(given)
            if self._folder:
                image = self._find(self._folder, image, given, dataset_type)
            if image in self._seen:
                raise AnnotationError("duplicate_image", NAMED_AGAIN)
        except AnnotationError as error:
            yield error.problem(self._file, line, image)
            return
        self._seen.add(image)
        size = box_parsing.size(element.get("width"), element.get("height"))
        boxes: list[LabelledBox] = []
        incomplete = False
        for shape in element:
            if shape.tag in _LEFT_OUT:
                self._notes.add("", LEFT_OUT)
                incomplete = True
            elif shape.tag in _SHAPES:
                try:
                    boxes.append(replace(self._box(shape, size), line=line))
                except AnnotationError as error:
                    incomplete = True
                    yield error.problem(self._file, line, image)
        labels: list[str] = []
        for tag in element.findall("tag"):
            try:
                labels.append(box_parsing.label(tag.get("label")))
            except AnnotationError as error:
                incomplete = True
                yield error.problem(self._file, line, image)
        if boxes and labels:
            yield Problem(self._file, line, "mixed_kinds", MIXED, image)
        yield ImageAnnotation(
            image,
            self._kind(boxes, labels, incomplete),
            labels=() if boxes else tuple(dict.fromkeys(labels)),
            boxes=tuple(boxes),
            size=size,
            dataset_type=dataset_type or self._source.dataset_types.of_image(image),
            file=self._file,
            line=line,
        )

    def _find(self, folder: Folder, image: str, subset: str, dataset_type: RequestedDatasetType) -> str:
        """The image; of several of its name the one in its subset's folder."""
        try:
            return folder.find(image, self._file, dataset_type or self._source.dataset_types.of_file)
        except AnnotationError as error:
            if error.reason != "ambiguous_name" or not subset:
                raise
            return folder.find(f"{subset}/{image}", self._file)

    def _kind(self, boxes: list[LabelledBox], labels: list[str], incomplete: bool) -> Kind | None:
        if boxes:
            return "detection"
        if labels:
            return "classification"
        if incomplete or not self._annotated:
            return None
        self._notes.add("", BACKGROUND)
        return "detection"

    def _box(self, shape: Element, size: tuple[int, int] | None) -> LabelledBox:
        label = box_parsing.label(shape.get("label"))
        if shape.tag == "box":
            left, top, right, bottom = (_number(shape, side) for side in ("xtl", "ytl", "xbr", "ybr"))
            if turned := box_parsing.number(shape.get("rotation", "0"), "rotation") % 360:
                self._notes.add("", ROTATED)
                return _around_rotated(label, (left, top, right, bottom), turned, size)
            return box_parsing.of_corners(label, left, top, right, bottom, size=size)
        self._notes.add("", OUTLINES)
        if shape.tag == "mask":
            left, top, width, height = (_number(shape, side) for side in ("left", "top", "width", "height"))
            return box_parsing.of_sides(label, left, top, width, height, size=size)
        if shape.tag == "ellipse":
            x, y, across, down = (_number(shape, side) for side in ("cx", "cy", "rx", "ry"))
            return box_parsing.of_corners(label, x - across, y - down, x + across, y + down, size=size)
        return box_parsing.of_corners(label, *box_parsing.around(_points(shape)), size=size)


def _has_marks(path: Path) -> bool:
    """Whether any image of the file has a shape or a tag."""
    with path.open("rb") as file:
        rest = b""
        while data := file.read(1024**2):
            if any(mark in rest + data for mark in _MARKS):
                return True
            rest = data[-16:]
    return False


def _number(shape: Element, name: str) -> float:
    return box_parsing.number(shape.get(name), f"{name} of a {shape.tag}")


def _points(shape: Element) -> list[tuple[float, float]]:
    """The corners of a polygon, written x,y;x,y. Raises AnnotationError."""
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    if len(pairs) < 3 or any(len(pair) != 2 for pair in pairs):
        raise AnnotationError("missing_box", "a polygon needs 3 points or more, written x,y;x,y;x,y")
    return [(box_parsing.number(x, "a point's x"), box_parsing.number(y, "a point's y")) for x, y in pairs]


def _around_rotated(
    label: str, sides: tuple[float, float, float, float], degrees: float, size: tuple[int, int] | None
) -> LabelledBox:
    """The upright box around one that is turned about its middle, less what then lies out of the image."""
    left, top, right, bottom = sides
    x, y = (left + right) / 2, (top + bottom) / 2
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    across = ((right - left) * cosine + (bottom - top) * sine) / 2
    down = ((right - left) * sine + (bottom - top) * cosine) / 2
    far_x, far_y = size or (box_parsing.MAX_PIXELS, box_parsing.MAX_PIXELS)
    return box_parsing.of_corners(
        label, max(x - across, 0), max(y - down, 0), min(x + across, far_x), min(y + down, far_y)
    )
