"""Pascal VOC: one XML file for each image.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html .

Corners are taken as they stand: the original counts pixels from 1, most tools that write this format from 0.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from lambdas.domain.annotations import box_parsing, image_references, xml_files
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.types import Event, ImageAnnotation, LabelledBox, Note, Problem
from lambdas.domain.shared.annotation import Kind, RequestedDatasetType

SETS = "/ImageSets/Main/"
BACKGROUND = "files without objects were taken as images that nothing is on"
OTHER_NAME = "files that name another image than the one they are called like, which was taken"
BEYOND = "files whose boxes reach out of the size that they give: that size was left aside"
POLYGON = "polygons were taken by their bounding boxes"
NO_SIZE = "files that give no size of their image, or one that cannot be"


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a folder of VOC files, or one file.

    In a folder, images are found by their files' names whatever their case and extension, and images without
    a file come last. Of one file alone, the image is called as the file calls it.

    Raises:
        OSError: the disk failed.
    """
    if path.is_dir():
        inside = folder or Folder(path)
        yield from _folder(inside)
        if folder is None:
            yield from inside.events()
        return
    notes, dataset_types = NoteCounter(), _DatasetTypes({}, folder.has_test if folder else False)
    yield from _file(path, folder, dataset_types, notes)
    yield from notes.collected()


def _folder(folder: Folder) -> Iterator[Event]:
    notes = NoteCounter()
    dataset_types = yield from _image_sets(folder)
    for name in folder.others:
        if name.lower().endswith(".xml"):
            yield from _file(folder.path(name), folder, dataset_types, notes)
    yield from notes.collected()


class _DatasetTypes:
    """Which dataset an image asks for: what ImageSets says, else its folders."""

    def __init__(self, by_stem: dict[str, RequestedDatasetType], has_test: bool) -> None:
        self._by_stem, self._has_test = by_stem, has_test

    def of(self, file: str, notes: NoteCounter) -> RequestedDatasetType:
        stem = file.rpartition("/")[2].rpartition(".")[0]
        if stem in self._by_stem:
            return self._by_stem[stem]
        if image_references.is_validation(file):
            notes.add("", image_references.validation_note(self._has_test))
        return image_references.dataset_type_of_folders(file, self._has_test)


def _image_sets(folder: Folder) -> Generator[Event, None, _DatasetTypes]:
    """Read the lists of ImageSets, and return the dataset types."""
    by_stem: dict[str, RequestedDatasetType] = {}
    names = [name for name in folder.others if SETS in f"/{name}" and name.endswith(".txt")]
    listed = not folder.without_test and any(name.endswith("/test.txt") for name in names)
    has_test = folder.has_test or listed
    # Sets for one label (cat_train.txt) and of two splits (trainval.txt) say nothing.
    for name in names:
        word = name.rpartition("/")[2].removesuffix(".txt")
        dataset_type = image_references.dataset_type_of_word(word, has_test)
        if not dataset_type:
            continue
        if image_references.split_of_word(word) == "VALIDATION":
            yield Note(name, image_references.validation_note(has_test))
        with folder.path(name).open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                stem = line.split()[0] if line.split() else ""
                if stem and by_stem.setdefault(stem, dataset_type) != dataset_type:
                    detail = f"{stem} is in two lists; {by_stem[stem]} was taken: keep it in one list"
                    yield Problem(name, number, "split_conflict", detail, stem)
    return _DatasetTypes(by_stem, has_test)


@dataclass(frozen=True)
class _Context:
    """What is known before a file is read."""

    file: str
    dataset_type: RequestedDatasetType
    folder: Folder | None
    notes: NoteCounter


def _file(
    path: Path, folder: Folder | None, dataset_types: _DatasetTypes, notes: NoteCounter
) -> Iterator[Event]:
    file = folder.name(path) if folder else path.name
    dataset_type = dataset_types.of(file if folder else f"{path.absolute().parent.name}/{file}", notes)
    try:
        root, lines = xml_files.tree(path)
        if root.tag != "annotation":
            raise AnnotationError("not_voc", f"the file is about {root.tag[:80]!r}, not an annotation")
        yield from _about(root, lines, path.stem, _Context(file, dataset_type, folder, notes))
    except AnnotationError as error:
        yield error.problem(file)
    except xml_files.UnparsedError as error:
        yield Problem(file, error.line, "not_xml", f"{error}: save the file again")


def _about(root: Element, lines: dict[Element, int], stem: str, context: _Context) -> Iterator[Event]:
    image = _image(_text(root, "filename"), stem, context)
    size = box_parsing.size(_text(root, "size/width"), _text(root, "size/height"))
    if not size:
        context.notes.add("", NO_SIZE)
    boxes: list[LabelledBox] = []
    objects = [each for each in root.findall("object") if _text(each, "deleted") != "1"]
    for each in objects:
        for outline in _outlines(each):
            line = lines.get(outline, 0)
            try:
                boxes.append(replace(_box(each, outline, context.notes), line=line))
            except AnnotationError as error:
                yield error.problem(context.file, line, image)
    if not objects:
        context.notes.add("", BACKGROUND)
    if size and any(_reaches_out(box, size) for box in boxes):
        context.notes.add("", BEYOND)
        size = None
    kind: Kind | None = None if objects and not boxes else "detection"
    yield ImageAnnotation(
        image, kind, boxes=tuple(boxes), size=size, dataset_type=context.dataset_type, file=context.file
    )


def _image(named: str, stem: str, context: _Context) -> str:
    """The image that is called like its file; if there is none, the one that the file names."""
    if not context.folder:
        return image_references.clean(named or stem, context.file, context.notes)
    suffix = PurePosixPath(named).suffix if image_references.is_image(named) else ".jpg"
    try:
        image = context.folder.find(stem + suffix, context.file, context.dataset_type, other_suffix=True)
        if (
            named
            and PurePosixPath(named.replace("\\", "/")).stem.lower() != PurePosixPath(image).stem.lower()
        ):
            context.notes.add("", OTHER_NAME)
        return image
    except AnnotationError as error:
        if not named or error.reason == "ambiguous_name":
            raise
        reference = image_references.clean(named, "", context.notes)
        return context.folder.find(reference, context.file, context.dataset_type, other_suffix=True)


def _outlines(element: Element) -> list[Element]:
    """What an object's outline is written in: its boxes, of which some tools write several, else another.

    The object itself, if nothing of it is one.
    """
    for tag in ("bndbox", "robndbox", "polygon"):
        if outlines := element.findall(tag):
            return outlines
    return [element]


def _box(element: Element, outline: Element, notes: NoteCounter) -> LabelledBox:
    names = {(name.text or "").strip() for name in element.findall("name")}
    if len(names) > 1:
        shown = ", ".join(sorted(names))[:200]
        raise AnnotationError("bad_label", f"one object has the names {shown}: write an object for each")
    label = box_parsing.label(_text(element, "name") or "")
    if outline.tag == "bndbox":
        sides = (_text(outline, side) for side in ("xmin", "ymin", "xmax", "ymax"))
        left, top, right, bottom = (box_parsing.number(text or "", "a side of bndbox") for text in sides)
        return box_parsing.of_corners(label, left, top, right, bottom)
    if outline.tag == "polygon":
        notes.add("", POLYGON)
        return box_parsing.of_corners(label, *box_parsing.around(_points(outline)))
    if outline.tag == "robndbox":
        raise AnnotationError(
            "rotated_box", f"an object {label!r} has a rotated box (robndbox): draw an upright one, a bndbox"
        )
    raise AnnotationError("missing_box", f"an object {label!r} has no bndbox: draw one")


def _points(polygon: Element) -> list[tuple[float, float]]:
    """The corners of a polygon: pt with x and y, or x1, y1, x2 and so on. Raises AnnotationError."""
    points = [(_text(point, "x"), _text(point, "y")) for point in polygon.findall("pt")]
    if not points:
        sides = {child.tag.lower(): (child.text or "").strip() for child in polygon}
        numbers = range(1, len(sides) // 2 + 1)
        points = [(sides.get(f"x{number}", ""), sides.get(f"y{number}", "")) for number in numbers]
    if len(points) < 3:
        raise AnnotationError("missing_box", f"a polygon of {len(points)} corners: it takes 3 or more")
    return [(box_parsing.number(x, "a corner's x"), box_parsing.number(y, "a corner's y")) for x, y in points]


def _reaches_out(box: LabelledBox, size: tuple[int, int]) -> bool:
    right, bottom = box.left + box.width, box.top + box.height
    return right > size[0] + box_parsing.ROUNDING or bottom > size[1] + box_parsing.ROUNDING


def _text(element: Element, path: str) -> str:
    child = element.find(path)
    return (child.text or "").strip() if child is not None else ""
