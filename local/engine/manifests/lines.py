"""SageMaker Ground Truth manifests as Custom Labels reads them: lines, and what is wrong with them.

Formats: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-classification.html
and https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-object-detection.html

An error of an annotation costs that annotation; any other error costs the line; a warning costs nothing:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/debugging-datasets-non-terminal-errors.html

Where errors and warnings are written:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-scope-json-line.html
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from local.engine.manifests.errors import problem
from local.engine.quotas import LARGEST_TRAINED_SIDE, MAX_BOXES, MAX_LABEL_LENGTH, MAX_LINE_LENGTH

Task = Literal["classification", "detection"]

_MAX_NUMBER = 1e9
"""A number that no coordinate or size of an image is anywhere near, and below which every number is exact."""
_SOURCE_REF = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)", re.IGNORECASE | re.DOTALL)
_TYPES: dict[str, Task] = {
    "groundtruth/image-classification": "classification",
    "groundtruth/object-detection": "detection",
}
_NOTES = ("errors", "warnings")
_SIDES = ("left", "top", "width", "height")
_UNLABELLED = {"source-ref", "creation-date", "cl-metadata"}
"""All that a line may have that was imported but not labelled yet."""


@dataclass(frozen=True)
class LabelledBox:
    """A box in pixels from the image's upper left corner."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """One manifest line as it was understood. Small: the rest is read from the text again when needed."""

    source_ref: str
    """The image's location; empty if the line has none that can be used."""
    labels: tuple[str, ...]
    """The image-level labels."""
    boxed: tuple[str, ...]
    """Labels of the boxes, each once."""
    errors: tuple[str, ...]
    text: str
    """The line with `errors` and `warnings` lists where AWS writes them; as it came if there are none."""

    @property
    def bucket(self) -> str:
        return location(self.source_ref)[0]

    @property
    def all_labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.labels, *self.boxed)))

    @property
    def annotated(self) -> dict[str, Any]:
        """The line's text as JSON."""
        document: dict[str, Any] = json.loads(self.text)
        return document

    @property
    def boxes(self) -> tuple[LabelledBox, ...]:
        """The boxes that have no error."""
        if not self.boxed:
            return ()
        line = self.annotated
        _without_notes(line)
        return tuple(_understand(line).boxes)

    def usable_for(self, task: Task) -> tuple[str, ...]:
        """The labels that a model of the task learns from this line."""
        return self.labels if task == "classification" else self.boxed

    def with_error(self, code: str) -> Line:
        """The same line, not usable because of `code`."""
        annotated = self.annotated
        _note(annotated, "errors", code)
        return Line(self.source_ref, (), (), (*self.errors, code), json.dumps(annotated))


@dataclass
class _Reading:
    """What is found in a line while it is read; errors and warnings are written into `line` itself."""

    line: dict[str, Any]
    labels: list[str] = field(default_factory=list)
    boxes: list[LabelledBox] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    usable: bool = True
    noted: bool = False

    def error(self, where: dict[str, Any], code: str, attribute: str = "") -> None:
        """An error that costs the whole line."""
        self.usable = False
        self.annotation_error(where, code, attribute)

    def annotation_error(self, where: dict[str, Any], code: str, attribute: str = "") -> None:
        self.errors.append(code)
        self.noted = True
        _note(where, "errors", code, attribute)

    def warning(self, where: dict[str, Any], code: str) -> None:
        self.noted = True
        _note(where, "warnings", code)


def location(source_ref: str) -> tuple[str, str]:
    """Bucket and key of an s3:// location; two empty strings if it is none."""
    match = _SOURCE_REF.fullmatch(source_ref)
    return (match["bucket"], match["key"]) if match else ("", "")


def lines_of(manifest: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a manifest's file, blank ones between others too, as they count as lines:
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-validation-rules.html

    Only \\n ends a line: other characters that str.splitlines takes for ends may stand in JSON strings.
    """
    begun, blank = False, 0
    for number, line in enumerate(manifest):
        content = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
        if not content.strip():
            blank += begun
            continue
        yield from itertools.repeat(b"", blank)
        begun, blank = True, 0
        yield content.removesuffix(b"\n")


def parse(line: str | bytes) -> Line:
    """Read one line. Nothing is raised: what is wrong with it stands in `errors`."""
    try:
        text = (line.decode() if isinstance(line, bytes) else line).removeprefix("\ufeff").strip()
        read = _load(text)
        changed = _without_notes(read)
        reading = _understand(read)
        written = json.dumps(read) if changed or reading.noted else text
    except (ValueError, RecursionError):
        # The line is replaced by one that holds the error only, as documented for this code.
        bare: dict[str, Any] = {}
        _note(bare, "errors", "ERROR_INVALID_JSON_LINE")
        return Line("", (), (), ("ERROR_INVALID_JSON_LINE",), json.dumps(bare))
    source_ref = read.get("source-ref")
    located = isinstance(source_ref, str) and location(source_ref)[0] != ""
    return Line(
        str(source_ref) if located else "",
        tuple(reading.labels),
        tuple(dict.fromkeys(box.label for box in reading.boxes)),
        tuple(reading.errors),
        written,
    )


def task_of(lines: Iterable[Line]) -> Task:
    """The task of a model that learns from these lines: boxes anywhere make it a detector, else it
    classifies."""
    return "detection" if any(line.boxed for line in lines) else "classification"


def labels_of(lines: Iterable[Line], task: Task) -> list[str]:
    return sorted({label for line in lines for label in line.usable_for(task)})


def is_ignored(line: Line, task: Task) -> bool:
    """Whether a line is neither trained on nor counted as invalid: right in itself, but without a label for
    this task."""
    return not line.errors and not line.usable_for(task)


def _load(text: str) -> dict[str, Any]:
    """The line's JSON object.

    Raises:
        ValueError, RecursionError: the line is not a JSON object that can be written again."""
    if len(text) > MAX_LINE_LENGTH:
        raise ValueError("too long")
    value = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if not text.isascii() or "\\u" in text:
        # Half a surrogate pair can be neither stored nor sent.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits} is too large")
    return number


def _understand(line: dict[str, Any]) -> _Reading:
    """Labels and boxes of a line without notes; those errors that end the reading come first, see
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-fixing-validation-errors.html"""
    reading = _Reading(line)
    source_ref = line.get("source-ref")
    if not source_ref:
        reading.error(line, "ERROR_MISSING_SOURCE_REF")
    elif not isinstance(source_ref, str) or not location(source_ref)[0]:
        reading.error(line, "ERROR_INVALID_SOURCE_REF_FORMAT")
    else:
        _read_attributes(reading)
    if not reading.usable:
        reading.labels = []
        reading.boxes = []
    return reading


def _read_attributes(reading: _Reading) -> None:
    line = reading.line
    names = [name for name in line if name != "source-ref" and f"{name}-metadata" in line]
    if not names:
        if set(line) <= _UNLABELLED:
            reading.warning(line, "WARNING_UNANNOTATED_RECORD")
        else:
            reading.error(line, "ERROR_NO_LABEL_ATTRIBUTES")
        return
    understood = [_read_attribute(reading, name) for name in names]
    if not any(understood):
        reading.error(line, "ERROR_NO_VALID_LABEL_ATTRIBUTES")
    elif not reading.labels and not reading.boxes and not reading.errors:
        reading.warning(line, "WARNING_NO_ANNOTATIONS")


def _read_attribute(reading: _Reading, name: str) -> bool:
    """Whether the label attribute `name` and its metadata are as they should be."""
    metadata = reading.line[f"{name}-metadata"]
    if not isinstance(metadata, dict):
        reading.error(reading.line, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
        return False
    if not all(isinstance(metadata.get(key), str) for key in ("type", "human-annotated", "creation-date")):
        reading.error(metadata, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
        return False
    task = _TYPES.get(metadata["type"])
    if task is None:
        reading.error(metadata, "ERROR_UNSUPPORTED_USE_CASE_TYPE", name)
        return False
    read = _read_label if task == "classification" else _read_boxes
    return read(reading, name, metadata)


def _read_label(reading: _Reading, name: str, metadata: dict[str, Any]) -> bool:
    label, confidence = metadata.get("class-name"), _number(metadata.get("confidence"))
    if not isinstance(label, str) or confidence is None or not 0 <= confidence <= 1:
        reading.error(metadata, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
        return False
    value = reading.line[name]
    if not isinstance(value, int) or isinstance(value, bool):
        reading.error(reading.line, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", name)
        return False
    if not 1 <= len(label) <= MAX_LABEL_LENGTH:
        reading.error(metadata, "ERROR_INVALID_LABEL_NAME_LENGTH")
        return False
    if label not in reading.labels:
        reading.labels.append(label)
    return True


def _read_boxes(reading: _Reading, name: str, metadata: dict[str, Any]) -> bool:
    value = reading.line[name]
    if not isinstance(value, dict):
        reading.error(reading.line, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", name)
        return False
    size, annotations = _image_size(value), value.get("annotations", [])
    if size is None or not isinstance(annotations, list) or not all(map(_is_annotation, annotations)):
        reading.error(value, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", name)
        return False
    if code := _boxes_metadata_error(metadata, len(annotations)):
        reading.error(metadata, code)
        return False
    if not annotations:
        reading.warning(value, "WARNING_NO_ATTRIBUTE_ANNOTATIONS")
        return True
    if len(annotations) > MAX_BOXES:
        reading.error(value, "ERROR_TOO_MANY_BOUNDING_BOXES")
        return False
    boxes = [box for each in annotations if (box := _read_box(reading, each, metadata["class-map"], size))]
    if not boxes:
        reading.error(value, "ERROR_NO_VALID_ANNOTATIONS")
    reading.boxes.extend(boxes)
    return bool(boxes)


def _boxes_metadata_error(metadata: dict[str, Any], boxes: int) -> str | None:
    objects = metadata.get("objects")
    if not isinstance(metadata.get("class-map"), dict) or not isinstance(objects, list):
        return "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"
    sure = [
        isinstance(each, dict) and _number(each.get("confidence")) is not None for each in objects[:boxes]
    ]
    return None if len(sure) == boxes and all(sure) else "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE"


def _is_annotation(annotation: Any) -> bool:
    if not isinstance(annotation, dict) or any(_number(annotation.get(side)) is None for side in _SIDES):
        return False
    class_id = annotation.get("class_id")
    return isinstance(class_id, int) and not isinstance(class_id, bool) and abs(class_id) < _MAX_NUMBER


def _read_box(
    reading: _Reading, annotation: dict[str, Any], classes: dict[str, Any], size: tuple[float, float]
) -> LabelledBox | None:
    left, top, width, height = (float(annotation[side]) for side in _SIDES)
    label = classes.get(str(annotation["class_id"]))
    smaller = min(1.0, LARGEST_TRAINED_SIDE / max(size))
    code = None
    if not isinstance(label, str):
        code = "ERROR_MISSING_CLASS_MAP_ID"
    elif not 1 <= len(label) <= MAX_LABEL_LENGTH:
        code = "ERROR_INVALID_LABEL_NAME_LENGTH"
    elif min(left, top, width, height) < 0 or left + width > size[0] or top + height > size[1]:
        code = "ERROR_INVALID_BOUNDING_BOX"
    elif min(width, height) * smaller <= 1:
        code = "ERROR_BOUNDING_BOX_TOO_SMALL"
    if code:
        reading.annotation_error(annotation, code)
        return None
    return LabelledBox(str(label), left, top, width, height)


def _image_size(attribute: dict[str, Any]) -> tuple[float, float] | None:
    sizes = attribute.get("image_size")
    if not isinstance(sizes, list) or len(sizes) != 1 or not isinstance(sizes[0], dict):
        return None
    width, height = _number(sizes[0].get("width")), _number(sizes[0].get("height"))
    return (width, height) if width and height and width > 0 and height > 0 else None


def _number(value: Any) -> float | None:
    """The value if it is a number that an image can have."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) >= _MAX_NUMBER:
        return None
    return float(value)


def _note(where: dict[str, Any], kind: str, code: str, attribute: str = "") -> None:
    where.setdefault(kind, []).append(problem(code, attribute))


def _without_notes(line: dict[str, Any]) -> bool:
    """Take out what an earlier reading noted in the line; whether there was anything."""
    noted = False
    for place in _places(line):
        for kind in _NOTES:
            if kind in place:
                del place[kind]
                noted = True
    return noted


def _places(line: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where errors and warnings may stand: the line, label attributes, their annotations and metadata."""
    attributes = [value for value in line.values() if isinstance(value, dict)]
    yield line
    yield from attributes
    for attribute in attributes:
        annotations = attribute.get("annotations")
        if isinstance(annotations, list):
            yield from (each for each in annotations if isinstance(each, dict))
