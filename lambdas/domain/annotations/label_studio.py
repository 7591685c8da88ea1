"""Label Studio's exports JSON, JSON-MIN and CSV, https://labelstud.io/guide/export .

Positions are percentages of the image's sides, which the results name in pixels:
https://labelstud.io/guide/task_format . What people have answered counts, not what models have predicted.
An image that somebody has answered without a mark is one that nothing is on, if the file has boxes at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import box_parsing, image_references, json_stream
from lambdas.domain.annotations.columns import Columns, unknown
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.types import Event, LabelledBox, Problem

META = frozenset(
    (
        *("id", "inner_id", "annotation_id", "annotator", "created_at", "updated_at", "lead_time"),
        *("agreement", "project", "file_upload", "annotation_notes", "history", "reviews", "completed_by"),
    )
)
"""What it says of every answer, besides the task's data and the answer itself."""
LABELS = frozenset(
    ("label", "labels", "choice", "choices", "class", "classes", "category", "tag", "tags", "classification")
)
"""What people usually call the tags that ask for labels."""
TWICE = "boxes that were drawn twice in the same place were taken once"
AROUND = "polygons, ellipses and rotated boxes were taken by their bounding boxes"
NO_LABELS = "texts, ratings, key points and attributes of single boxes were left out"
PREDICTIONS = "predictions of models were left out: nobody has confirmed them"
CANCELLED = "answers that were skipped were left out"
BACKGROUND = "images that were answered without a box were taken as images that nothing is on"
NOT_ANSWERED = "images that were answered with nothing, or not at all, are not known to have nothing on them"
SAME_ANSWER = "answers of several people that agree were taken once"
_SEVERAL = (
    "several people have answered, and not the same: choose one as ground truth in Label Studio, or delete"
    " the others"
)


@dataclass
class Answer:
    """What somebody has answered about an image."""

    labels: list[str] = field(default_factory=list)
    boxes: list[LabelledBox] = field(default_factory=list)
    size: tuple[int, int] | None = None
    errors: list[AnnotationError] = field(default_factory=list)

    def add(self, other: Answer) -> None:
        """Add the answer to another question."""
        self.labels += other.labels
        self.boxes += other.boxes
        self.errors += other.errors
        self.size = self.size or other.size

    def key(self) -> tuple[frozenset[str], frozenset[LabelledBox], int]:
        """The answer, to be compared."""
        return frozenset(self.labels), frozenset(self.boxes), len(self.errors)


# Answers


def answer(value: object, file: str, notes: NoteCounter) -> Answer:
    """What an answer says: a list of marks, the choices of a question, or the one choice as text.

    What cannot be used of it is among its errors.
    """
    result = Answer()
    named = {mark.get("id") for mark in value if _names_labels(mark)} if isinstance(value, list) else set()
    for mark in value if isinstance(value, list) else [value]:
        try:
            _take(mark, named, result, file, notes)
        except AnnotationError as error:
            result.errors.append(error)
    return result


def is_answer(value: object) -> bool:
    """Whether JSON looks like an answer, and not like anything else in a cell."""
    if isinstance(value, dict):
        return any(name in value for name in ("choices", "taxonomy", "rating"))
    marks = value if isinstance(value, list) else []
    return bool(marks) and all(isinstance(mark, dict) and "original_width" in _flat(mark) for mark in marks)


def _flat(mark: Mapping[str, Any]) -> dict[str, Any]:
    """A mark with its value's members among its own, as JSON-MIN and CSV have it."""
    value = mark.get("value")
    return {**mark, **value} if isinstance(value, dict) else dict(mark)


def _labels_of(mark: Mapping[str, Any]) -> list[Any]:
    names = [name for name in mark if name.endswith("labels") and isinstance(mark[name], list)]
    return [label for name in names for label in mark[name]]


def _names_labels(mark: object) -> bool:
    return isinstance(mark, dict) and isinstance(mark.get("id"), str) and bool(_labels_of(_flat(mark)))


def _take(given: object, named: set[Any], result: Answer, file: str, notes: NoteCounter) -> None:
    """Add what a mark says to the answer.

    Args:
        named: ids of marks with labels; a box without any and with such an id is said of there.
    """
    if isinstance(given, str):
        result.labels.append(box_parsing.label(given))
        return
    if not isinstance(given, dict):
        raise AnnotationError("bad_answer", f"a mark has to be an object, not a {type(given).__name__}")
    mark = _flat(given)
    choices = mark.get("choices")
    if isinstance(choices, list) and "x" not in mark and "points" not in mark:
        result.labels += [box_parsing.label(choice) for choice in choices]
        return
    shape = _shape(mark)
    labels = _labels_of(mark)
    if "rle" in mark:
        raise AnnotationError("mask", "masks of brushes are not read: export them as COCO")
    said_elsewhere = isinstance(mark.get("id"), str) and mark["id"] in named
    if shape is None or (not labels and (said_elsewhere or "choices" in mark or "text" in mark)):
        notes.add(file, NO_LABELS)
        return
    if not labels:
        raise AnnotationError("bad_label", "a box has no label: choose one in Label Studio")
    result.size = result.size or box_parsing.size(mark.get("original_width"), mark.get("original_height"))
    for label in labels:
        box = _box(box_parsing.label(label), mark, shape, file, notes)
        if box in result.boxes:
            notes.add(file, TWICE)
        else:
            result.boxes.append(box)


def _shape(mark: Mapping[str, Any]) -> str | None:
    """The kind of a mark that a box can be drawn around; None of any other."""
    if "points" in mark:
        return "polygon"
    if "radiusX" in mark:
        return "ellipse"
    return "rectangle" if all(name in mark for name in ("x", "y", "width", "height")) else None


def _box(label: str, mark: Mapping[str, Any], shape: str, file: str, notes: NoteCounter) -> LabelledBox:
    size = box_parsing.size(mark.get("original_width"), mark.get("original_height"))
    if not size:
        raise AnnotationError("no_size", "original_width and original_height are missing: export it again")
    if mark.get("image_rotation") not in (None, 0):
        detail = "the image was rotated in Label Studio: rotate the file itself, and label it again"
        raise AnnotationError("rotated_image", detail)
    points = _points(mark, shape, size)
    left, top, right, bottom = box_parsing.around(points)
    if shape != "rectangle" or mark.get("rotation"):
        notes.add(file, AROUND)
        left, top = max(left, 0.0), max(top, 0.0)
        right, bottom = min(right, float(size[0])), min(bottom, float(size[1]))
    return box_parsing.of_corners(label, left, top, right, bottom, size=size)


def _points(mark: Mapping[str, Any], shape: str, size: tuple[int, int]) -> list[tuple[float, float]]:
    """Corners, or the points of a polygon, in pixels."""
    width, height = size[0] / 100, size[1] / 100
    if shape == "polygon":
        points = mark["points"]
        if not isinstance(points, list) or not points:
            raise AnnotationError("bad_box", "points have to be a list of [x, y]")
        pairs = [point if isinstance(point, list) and len(point) == 2 else [None, None] for point in points]
        return [(_number(x, "x") * width, _number(y, "y") * height) for x, y in pairs]
    x, y = _number(mark.get("x"), "x") * width, _number(mark.get("y"), "y") * height
    angle = math.radians(_number(mark.get("rotation") or 0, "rotation"))
    if shape == "ellipse":
        a = _number(mark["radiusX"], "radiusX") * width
        b = _number(mark.get("radiusY"), "radiusY") * height
        wide, high = box_parsing.turned(a, b, angle)
        return [(x - wide, y - high), (x + wide, y + high)]
    w, h = _number(mark["width"], "width") * width, _number(mark["height"], "height") * height
    if min(w, h) <= 0:
        raise AnnotationError("box_too_small", "a box without width or height")
    cos, sin = math.cos(angle), math.sin(angle)
    # It turns around its upper left corner.
    return [(x + dx * cos - dy * sin, y + dx * sin + dy * cos) for dx in (0, w) for dy in (0, h)]


def _number(value: object, name: str) -> float:
    number = box_parsing.number(value, name)
    if abs(number) > box_parsing.MAX_PIXELS:
        raise AnnotationError("box_outside", f"{name} of {number:g} is no position in an image")
    return number


# Files


def is_header(names: Sequence[str]) -> bool:
    """Whether the header is one of an export as CSV."""
    known = {name.strip() for name in names}
    return "annotation_id" in known or {"annotator", "lead_time"} <= known


def columns_of(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Columns:
    """The columns of an export as CSV, by some of its rows: the image, and answers to one question or more.

    Raises:
        AnnotationError: it is not clear which have the image and the labels.
    """
    header = [name.strip() for name in names]
    data = [index for index, name in enumerate(header) if name not in META]
    cells = {index: [row[index] for row in rows if index < len(row) and row[index].strip()] for index in data}
    images = [index for index in data if cells[index] and all(map(_names_image, cells[index]))]
    usual = [index for index in images if header[index].lower() in ("image", "img", "picture", "photo")]
    answers = [index for index in data if any(is_answer(of_json(cell)) for cell in cells[index])]
    answers += [index for index in data if header[index].lower() in LABELS and index not in answers]
    if (len(images) != 1 and len(usual) != 1) or not answers:
        raise unknown(names, "Label Studio's table has no column that is surely the image's, or the labels'")
    image = images[0] if len(images) == 1 else usual[0]
    shown = ", ".join(repr(header[index]) for index in answers)
    left = [header[index] for index in data if index not in (image, *answers)]
    rest = f"; left alone: {', '.join(left)}" if left else ""
    return Columns(
        {"image": image, "label": answers[0]},
        f"read as Label Studio's: image is {header[image]!r}, answers are {shown}{rest}"[:500],
        more_labels=tuple(answers[1:]),
        width=len(header),
        names=tuple(names),
    )


def of_json(cell: str) -> object:
    """What a cell with JSON holds; None if it is none."""
    try:
        return json.loads(cell) if cell.lstrip()[:1] in ("[", "{") else None
    except (ValueError, RecursionError):
        return None


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a JSON or JSON-MIN export, task by task.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    with Staging() as staging:
        yield from _Reader(path, folder, staging).events()


class Answers:
    """The answers of a file about its images, which may come from several people."""

    def __init__(self, staging: Staging, file: str, notes: NoteCounter) -> None:
        self._staging, self._file, self._notes = staging, file, notes
        self._before: dict[int, int] = {}
        """Hashes of answers by the number of their image."""
        self._empty: list[int] = []
        self._has_boxes = False

    def add(self, number: int, given: Answer, line: int = 0) -> list[AnnotationError]:
        """Take an answer about an image. Returns what cannot be used of it."""
        key = hash(given.key())
        if number in self._before:
            if self._before[number] == key:
                self._notes.add(self._file, SAME_ANSWER)
                return []
            self._staging.refuse(number)
            return [AnnotationError("several_answers", _SEVERAL)]
        self._before[number] = key
        self._staging.update(number, size=given.size)
        for label in given.labels:
            self._staging.add_label(number, label)
        for box in given.boxes:
            self._staging.add_box(number, replace(box, line=line))
        self._has_boxes = self._has_boxes or bool(given.boxes)
        if given.errors:
            self._staging.mark_incomplete(number)
        elif not given.labels and not given.boxes:
            self._empty.append(number)
        return given.errors

    def finish(self) -> None:
        """Say of what was answered without a mark what that means, now that the whole file is known."""
        for number in self._empty if self._has_boxes else ():
            self._staging.update(number, kind="detection")
        if self._empty:
            note = BACKGROUND if self._has_boxes else NOT_ANSWERED
            self._notes.add(self._file, note, len(self._empty))


def image_of(data: Mapping[str, Any], file: str, notes: NoteCounter) -> tuple[str, str]:
    """The image of a task, and the name of the member that names it.

    Raises:
        AnnotationError: none does, or several do.
    """
    names = [name for name, value in data.items() if _names_image(value)]
    usual = [name for name in names if name.lower() in ("image", "img", "picture", "photo")]
    if len(names) != 1 and len(usual) != 1:
        seen = ", ".join(names or data)[:200]
        detail = f"no image, or several, are named ({seen}): one member with an image's name is expected"
        raise AnnotationError("no_image", detail)
    name = names[0] if len(names) == 1 else usual[0]
    return image_references.clean(data[name], file, notes), name


def _names_image(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return image_references.is_image(image_references.clean(value, "", NoteCounter()))
    except AnnotationError:
        return False


class _Reader:
    def __init__(self, path: Path, folder: Folder | None, staging: Staging) -> None:
        self._path, self._staging = path, staging
        self._source = AnnotationFile(path, folder)
        self._file, self._notes = self._source.name, self._source.notes
        self._answers = Answers(staging, self._file, self._notes)

    def events(self) -> Iterator[Event]:
        try:
            for number, task in enumerate(json_stream.list_elements(self._path), start=1):
                where = (
                    f"task {task.get('id', number)!r}"[:80] if isinstance(task, dict) else f"task {number}"
                )
                image = ""
                try:
                    if not isinstance(task, dict):
                        raise AnnotationError("not_an_object", "a task has to be an object")
                    data = task.get("data")
                    image, key = image_of(data if isinstance(data, dict) else task, self._file, self._notes)
                    image = self._source.find(image)
                except AnnotationError as error:
                    yield Problem(self._file, 0, error.reason, f"{where}: {error.detail}", image)
                    continue
                for error in self._task(image, task, key):
                    yield Problem(self._file, 0, error.reason, f"{where}: {error.detail}", image)
        except json_stream.CutError as error:
            yield Problem(
                self._file, 0, "cut_off", f"{error}: what comes before was taken; export the file again"
            )
        self._answers.finish()
        yield from self._staging.image_annotations(self._file)
        yield from self._notes.collected()

    def _task(self, image: str, task: dict[str, Any], key: str) -> list[AnnotationError]:
        """Take a task's answers. Returns what cannot be used."""
        number, _ = self._staging.image(image, dataset_type=self._source.dataset_types.of_image(image))
        try:
            answers = self._given(task, key)
        except AnnotationError as error:
            self._staging.mark_incomplete(number)
            return [error]
        if not answers:
            self._staging.mark_incomplete(number)
            self._notes.add(self._file, NOT_ANSWERED)
        return [error for value in answers for error in self._answers.add(number, self._answer(value))]

    def _answer(self, values: Sequence[object]) -> Answer:
        """One person's answer, which may be to several questions."""
        whole = Answer()
        for value in values:
            whole.add(answer(value, self._file, self._notes))
        return whole

    def _given(self, task: dict[str, Any], key: str) -> list[list[object]]:
        """The answers that count: of each person what was said to each question."""
        if "data" not in task:
            return [self._of_min(task, key)]
        people = task.get("annotations", task.get("completions"))
        if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
            raise AnnotationError("bad_answer", "annotations have to be a list of objects")
        taken = [person for person in people if person.get("was_cancelled") is not True]
        self._notes.add(self._file, CANCELLED, len(people) - len(taken))
        self._notes.add(self._file, PREDICTIONS, 1 if task.get("predictions") else 0)
        truth = [person for person in taken if person.get("ground_truth") is True]
        return [[person.get("result")] for person in truth or taken]

    def _of_min(self, task: dict[str, Any], key: str) -> list[object]:
        """What JSON-MIN, which mixes a task's data with the answer, says to each question."""
        others = {name: value for name, value in task.items() if name not in META and name != key}
        answers = [value for value in others.values() if is_answer(value)]
        texts = {name: value for name, value in others.items() if isinstance(value, str) and value}
        usual = [value for name, value in texts.items() if name.lower() in LABELS]
        if not answers and not usual and len(texts) > 1:
            raise AnnotationError(
                "unknown_label",
                f"any of {', '.join(texts)[:200]} may be the label: export it as JSON instead of JSON-MIN",
            )
        return answers + (usual or (list(texts.values()) if not answers else []))
