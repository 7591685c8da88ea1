"""SageMaker Ground Truth manifests as Custom Labels reads them: lines, their errors, what can be trained.

- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-classification.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-object-detection.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-json-line-errors.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-aggregate-errors.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Task = Literal["classification", "detection"]

USE_CASES: dict[Task, str] = {"classification": "IMAGE_LEVEL_LABELS", "detection": "OBJECT_LOCALIZATION"}
MIN_LABELS: dict[Task, int] = {"classification": 2, "detection": 1}
"""limits.html; the page of the terminal errors has the two numbers the other way round."""

MAX_LABELS = 250
MAX_BOXES = 50
MAX_LABEL_LENGTH = 255
MAX_LINE_LENGTH = 100_000
MAX_INVALID_SHARE = 0.2
MIN_LABEL_OVERLAP = 0.5

_SOURCE_REF = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)", re.IGNORECASE)
_TYPES = {"groundtruth/image-classification": "classification", "groundtruth/object-detection": "detection"}

MESSAGES = {
    "ERROR_BOUNDING_BOX_TOO_SMALL": "The height and width of the bounding box is too small.",
    "ERROR_EMPTY_MANIFEST": "The manifest file is empty.",
    "ERROR_FAILED_IMAGES_S3_COPY": "Failed to copy images from S3 bucket.",
    "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS": "The manifest file contains images from multiple S3 buckets.",
    "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP": (
        "Less than 50% usable label overlap between the training and testing manifest files."
    ),
    "ERROR_INVALID_BOUNDING_BOX": "The bounding box has off frame values.",
    "ERROR_INVALID_IMAGE": "The image is invalid. Check S3 path and/or image properties.",
    "ERROR_INVALID_IMAGE_DIMENSION": "The image dimension(s) do not conform to allowed dimensions.",
    "ERROR_INVALID_JSON_LINE": "The JSON Line has an invalid format.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT": "The format of the label attribute is invalid.",
    "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT": "The format of the label attribute metadata is invalid.",
    "ERROR_INVALID_LABEL_NAME_LENGTH": "The length of the label name is invalid.",
    "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET": "The permissions for the images S3 bucket are invalid.",
    "ERROR_INVALID_SOURCE_REF_FORMAT": "The format of the source-ref value is invalid.",
    "ERROR_MANIFEST_TOO_FEW_LABELS": "The manifest file has too few labels.",
    "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS": "The manifest file has too few usable labels.",
    "ERROR_MANIFEST_TOO_MANY_LABELS": "The manifest file has too many labels.",
    "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE": "One or more bounding boxes has a missing confidence value.",
    "ERROR_MISSING_CLASS_MAP_ID": "One or more class ids is missing from the class map.",
    "ERROR_MISSING_SOURCE_REF": "The source-ref key is missing.",
    "ERROR_NO_LABEL_ATTRIBUTES": "No label attributes found.",
    "ERROR_NO_VALID_ANNOTATIONS": "No valid annotations found.",
    "ERROR_NO_VALID_LABEL_ATTRIBUTES": "No valid label attributes found.",
    "ERROR_TOO_MANY_BOUNDING_BOXES": "There are more bounding boxes than the allowed maximum.",
    "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST": "The manifest file contains too many invalid rows.",
    "WARNING_NO_ANNOTATIONS": "No annotations were found.",
    "WARNING_NO_ATTRIBUTE_ANNOTATIONS": "No attribute annotations were found.",
    "WARNING_UNANNOTATED_RECORD": "Record is unannotated.",
}


@dataclass(frozen=True)
class LabelledBox:
    """A box in pixels from the image's upper left corner."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """One manifest line as it was understood."""

    source_ref: str
    """Empty if the line has none that can be used."""
    labels: tuple[str, ...]
    """Image-level labels."""
    boxes: tuple[LabelledBox, ...]
    errors: tuple[str, ...]
    annotated: dict[str, Any]
    """The line with `errors` and `warnings` lists written where AWS writes them."""
    text: str
    """`annotated` as JSON; the line as it came where there is nothing to note."""

    @property
    def bucket(self) -> str:
        return location(self.source_ref)[0]

    @property
    def all_labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.labels, *(box.label for box in self.boxes))))

    def usable_for(self, task: Task) -> tuple[str, ...]:
        """The labels that a model of the task learns from this line."""
        if not self.source_ref:
            return ()
        return self.labels if task == "classification" else tuple(dict.fromkeys(b.label for b in self.boxes))

    def with_error(self, code: str) -> Line:
        """The same line, not usable because of `code`."""
        annotated = copy.deepcopy(self.annotated)
        _note(annotated, "errors", code)
        return Line(self.source_ref, (), (), (*self.errors, code), annotated, json.dumps(annotated))


@dataclass
class _Reading:
    labels: list[str] = field(default_factory=list)
    boxes: list[LabelledBox] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def error(self, where: dict[str, Any], code: str) -> None:
        self.errors.append(code)
        _note(where, "errors", code)


def location(source_ref: str) -> tuple[str, str]:
    """Bucket and key of an s3:// location; two empty strings if it is none."""
    found = _SOURCE_REF.fullmatch(source_ref)
    return (found["bucket"], found["key"]) if found else ("", "")


def parse(text: str) -> Line:
    """Read one line. Nothing is raised: what is wrong with it stands in `errors`."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or len(text) > MAX_LINE_LENGTH:
        return _unusable({}, "ERROR_INVALID_JSON_LINE")
    annotated = _without_notes(value)
    source_ref = annotated.get("source-ref")
    if not source_ref:
        return _unusable(annotated, "ERROR_MISSING_SOURCE_REF")
    if not isinstance(source_ref, str) or not location(source_ref)[0]:
        return _unusable(annotated, "ERROR_INVALID_SOURCE_REF_FORMAT")
    reading = _Reading()
    _read_attributes(annotated, reading)
    labels, boxes, errors = tuple(reading.labels), tuple(reading.boxes), tuple(reading.errors)
    written = text.strip() if annotated == value else json.dumps(annotated)
    return Line(source_ref, labels, boxes, errors, annotated, written)


def parse_all(text: str) -> list[Line]:
    """Every line of a manifest, blank ones left out."""
    return [parse(line) for line in text.splitlines() if line.strip()]


def task_of(lines: Iterable[Line]) -> Task:
    """Boxes anywhere make a model that finds object locations, else it classifies images."""
    return "detection" if any(line.boxes for line in lines) else "classification"


def labels_of(lines: Iterable[Line], task: Task) -> list[str]:
    return sorted({label for line in lines for label in line.usable_for(task)})


def is_ignored(line: Line, task: Task) -> bool:
    """Not trained on, and not counted as invalid: right in itself, but without a label for this task."""
    return not line.errors and not line.usable_for(task)


def content_errors(lines: Sequence[Line], task: Task) -> list[str]:
    """Codes of the terminal errors that forbid a training with this one dataset."""
    if not lines:
        return ["ERROR_EMPTY_MANIFEST"]
    codes = []
    invalid = sum(1 for line in lines if line.errors and not line.usable_for(task))
    if invalid > MAX_INVALID_SHARE * len(lines):
        codes.append("ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST")
    if len({line.bucket for line in lines if line.source_ref}) > 1:
        codes.append("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS")
    usable, labels = labels_of(lines, task), {label for line in lines for label in line.all_labels}
    if len(labels) < MIN_LABELS[task]:
        codes.append("ERROR_MANIFEST_TOO_FEW_LABELS")
    elif len(usable) < MIN_LABELS[task]:
        codes.append("ERROR_MANIFEST_TOO_FEW_USABLE_LABELS")
    if len(usable) > MAX_LABELS:
        codes.append("ERROR_MANIFEST_TOO_MANY_LABELS")
    return codes


def shared_errors(training: Sequence[Line], testing: Sequence[Line], task: Task) -> list[str]:
    """Codes of the terminal errors that two datasets make only together."""
    trained = set(labels_of(training, task))
    shared = trained & set(labels_of(testing, task))
    if trained and len(shared) < MIN_LABEL_OVERLAP * len(trained):
        return ["ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP"]
    return []


def summary(training: Sequence[Line], testing: Sequence[Line], task: Task) -> dict[str, Any]:
    """manifest_summary.json, https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-summary.html"""
    return {
        "statistics": {"training": _statistics(training, task), "testing": _statistics(testing, task)},
        "errors": [problem(code) for code in shared_errors(training, testing, task)],
    }


def problem(code: str) -> dict[str, str]:
    return {"code": code, "message": MESSAGES[code]}


def _statistics(lines: Sequence[Line], task: Task) -> dict[str, Any]:
    valid = sum(1 for line in lines if line.usable_for(task))
    ignored = sum(1 for line in lines if is_ignored(line, task))
    return {
        "use_case": USE_CASES[task] if valid else "NOT_DETERMINED",
        "total_json_lines": len(lines),
        "valid_json_lines": valid,
        "invalid_json_lines": len(lines) - valid - ignored,
        "ignored_json_lines": ignored,
        "error_json_line_indices": [number for number, line in enumerate(lines, start=1) if line.errors],
        "errors": [problem(code) for code in content_errors(lines, task)],
    }


def _read_attributes(line: dict[str, Any], reading: _Reading) -> None:
    names = [name for name in line if f"{name}-metadata" in line]
    if not names:
        # An image imported but not labelled yet has its source-ref and nothing else.
        if set(line) <= {"source-ref", "creation-date"}:
            _note(line, "warnings", "WARNING_UNANNOTATED_RECORD")
        else:
            reading.error(line, "ERROR_NO_LABEL_ATTRIBUTES")
        return
    understood = [_read_attribute(line, name, reading) for name in names]
    if not any(understood):
        reading.error(line, "ERROR_NO_VALID_LABEL_ATTRIBUTES")
    elif not reading.labels and not reading.boxes and not reading.errors:
        _note(line, "warnings", "WARNING_NO_ANNOTATIONS")


def _read_attribute(line: dict[str, Any], name: str, reading: _Reading) -> bool:
    """Whether the attribute is one that could be understood."""
    value, metadata = line[name], line[f"{name}-metadata"]
    if not isinstance(metadata, dict) or not _TYPES.get(str(metadata.get("type"))):
        where = metadata if isinstance(metadata, dict) else line
        reading.error(where, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
        return False
    if _TYPES[metadata["type"]] == "classification":
        return _read_label(line, value, metadata, reading)
    return _read_boxes(line, value, metadata, reading)


def _read_label(line: dict[str, Any], value: Any, metadata: dict[str, Any], reading: _Reading) -> bool:
    label = metadata.get("class-name")
    if not isinstance(label, str) or "confidence" not in metadata or "human-annotated" not in metadata:
        reading.error(metadata, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
        return False
    if not isinstance(value, int):
        reading.error(line, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT")
        return False
    if not 1 <= len(label) <= MAX_LABEL_LENGTH:
        reading.error(metadata, "ERROR_INVALID_LABEL_NAME_LENGTH")
        return False
    if label not in reading.labels:
        reading.labels.append(label)
    return True


def _read_boxes(line: dict[str, Any], value: Any, metadata: dict[str, Any], reading: _Reading) -> bool:
    size = _image_size(value)
    annotations = value.get("annotations", []) if isinstance(value, dict) else None
    if size is None or not isinstance(annotations, list):
        reading.error(value if isinstance(value, dict) else line, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT")
        return False
    classes, objects = metadata.get("class-map"), metadata.get("objects", [])
    if not isinstance(classes, dict) or not isinstance(objects, list):
        reading.error(metadata, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT")
        return False
    if not annotations:
        _note(value, "warnings", "WARNING_NO_ATTRIBUTE_ANNOTATIONS")
        return True
    if len(annotations) > MAX_BOXES:
        reading.error(value, "ERROR_TOO_MANY_BOUNDING_BOXES")
        return False
    confident = sum(1 for found in objects if isinstance(found, dict) and "confidence" in found)
    if confident < len(annotations):
        reading.error(metadata, "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE")
        return False
    boxes = [box for found in annotations if (box := _read_box(value, found, classes, size, reading))]
    if not boxes:
        reading.error(value, "ERROR_NO_VALID_ANNOTATIONS")
    reading.boxes.extend(boxes)
    return bool(boxes)


def _read_box(
    attribute: dict[str, Any], found: Any, classes: dict[str, Any], size: tuple[int, int], reading: _Reading
) -> LabelledBox | None:
    sides = [
        found.get(side) if isinstance(found, dict) else None for side in ("left", "top", "width", "height")
    ]
    if any(isinstance(side, bool) or not isinstance(side, (int, float)) for side in sides):
        reading.error(attribute, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT")
        return None
    left, top, width, height = (float(side or 0) for side in sides)
    label = classes.get(str(found.get("class_id")))
    code = None
    if not isinstance(label, str):
        code = "ERROR_MISSING_CLASS_MAP_ID"
    elif not 1 <= len(label) <= MAX_LABEL_LENGTH:
        code = "ERROR_INVALID_LABEL_NAME_LENGTH"
    elif min(left, top, width, height) < 0 or left + width > size[0] or top + height > size[1]:
        code = "ERROR_INVALID_BOUNDING_BOX"
    elif width <= 1 or height <= 1:
        code = "ERROR_BOUNDING_BOX_TOO_SMALL"
    if code:
        reading.error(found, code)
        return None
    return LabelledBox(str(label), left, top, width, height)


def _image_size(attribute: Any) -> tuple[int, int] | None:
    try:
        (size,) = attribute["image_size"]
        width, height = int(size["width"]), int(size["height"])
    except (KeyError, TypeError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def _unusable(line: dict[str, Any], code: str) -> Line:
    _note(line, "errors", code)
    return Line("", (), (), (code,), line, json.dumps(line))


def _note(where: dict[str, Any], kind: str, code: str) -> None:
    where.setdefault(kind, []).append(problem(code))


def _without_notes(value: Any) -> Any:
    """The line as it was before an earlier reading wrote its errors and warnings into it."""
    if isinstance(value, dict):
        return {
            name: _without_notes(item) for name, item in value.items() if name not in ("errors", "warnings")
        }
    if isinstance(value, list):
        return [_without_notes(item) for item in value]
    return value
