"""Manifest entries: JSON Lines in Amazon SageMaker Ground Truth's format, as Custom Labels reads them.

Image-level labels:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-classification.html
Bounding boxes:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-object-detection.html
What makes Custom Labels leave a line out of a training:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-json-line-errors.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lambdas.domain.shared.annotation import (
    MAX_BOXES_PER_IMAGE,
    MAX_BOXES_PER_ORIGINAL,
    MAX_LABELS_PER_IMAGE,
    TRAINING_SIDE,
    Annotation,
    Box,
    clean_label,
)
from lambdas.domain.shared.errors import UnusableInputError
from lambdas.domain.shared.label_attributes import (
    CLASSIFICATION_TYPE,
    DETECTION_TYPE,
    METADATA,
    MULTILABEL_TYPE,
    LabelAttribute,
    LabelAttributeError,
    counting,
)

SPLIT_ATTRIBUTE = "labelloop-split"
"""TRAIN or TEST: the dataset type that the data's makers want the image in. Rekognition sees none of these
three."""
ALSO_ATTRIBUTE = "labelloop-also"
"""A second name (s3://bucket/key) under which the image may come."""
LINE_ATTRIBUTE = "labelloop-line"
"""Of a line that was made of another file's: the line there, to name in messages."""
MAX_LINE_CHARACTERS = 100_000
"""Rekognition's API model, shape DatasetEntry."""
MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
_MAX_PIXELS = 1_000_000


_MAX_LINE_BYTES = 4 * MAX_LINE_CHARACTERS
_SOURCE_REF = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", re.DOTALL)


_NO_IMAGES = {
    **dict.fromkeys(("json", "jsonl"), "as jobs for videos and point clouds do for a sequence of frames"),
    **dict.fromkeys(("mp4", "mov", "avi", "webm", "mkv", "ogg"), "a video"),
    **dict.fromkeys(("txt", "csv", "pdf"), "text"),
    **dict.fromkeys(("pcd", "bin", "xyz"), "a point cloud"),
}
"""What jobs of Ground Truth label that are not about images, by the suffixes of their files:
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-supported-data-formats.html"""


class BrokenLineError(UnusableInputError):
    """A line of a manifest, or a box of it, cannot be used."""

    def __init__(self, line: int, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}: {self.detail}"


# Reading


def numbered_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Every line that is not blank, with its number from 1; memory for one line at most.

    Of a line that is longer than any manifest entry only the beginning is given, long enough to be seen
    as too long.
    """
    number, rest = 1, b""
    for chunk in chunks:
        *lines, tail = chunk.split(b"\n")
        for line in lines:
            if whole := (rest + line).strip():
                yield number, whole
            number, rest = number + 1, b""
        rest = (rest + tail)[: _MAX_LINE_BYTES + 1]
    if last := rest.strip():
        yield number, last


def parse_line(
    text: str | bytes, line_number: int, *, bad_boxes: list[BrokenLineError] | None = None
) -> Annotation:
    """What a line of a manifest says.

    Args:
        bad_boxes: takes what is wrong with single boxes, and the others are taken; as Custom Labels itself
            has it: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-scope-json-line.html
            None: one bad box breaks the line.

    Raises:
        BrokenLineError: it cannot be used; the error says why. So too if none of its boxes can be.
    """
    try:
        annotation, bad = _annotation(_json_object(text))
        if bad and (bad_boxes is None or not annotation.boxes):
            raise bad[0]
    except (_BrokenError, LabelAttributeError) as error:
        raise BrokenLineError(line_number, error.reason, error.detail) from error
    if bad_boxes is not None:
        bad_boxes += [BrokenLineError(line_number, error.reason, error.detail) for error in bad]
    return annotation


def check_source(source: str, line_number: int) -> None:
    """Raises BrokenLineError if no line could have this source-ref."""
    try:
        _source({"source-ref": source}, "source-ref")
    except _BrokenError as error:
        raise BrokenLineError(line_number, error.reason, error.detail) from error


def check_fits(annotation: Annotation, width: int, height: int) -> tuple[str, str] | None:
    """Why the annotation's boxes cannot be on an image of this size (reason, detail); None if they fit."""
    _, problems = fit(annotation, width, height)
    return problems[0] if problems else None


def fit(
    annotation: Annotation, width: int, height: int, *, is_cut: bool = False
) -> tuple[Annotation, list[tuple[str, str]]]:
    """The annotation with those of its boxes that can be on an image of this size, and what is wrong with
    each of the others (reason, detail); with all of them, if they were drawn on an image of another size.

    Args:
        is_cut: whether the image is cut into tiles, so that it is neither scaled down nor are all of its
            boxes on one image.
    """
    if len(annotation.boxes) > MAX_BOXES_PER_IMAGE and not is_cut:
        detail = f"{len(annotation.boxes)} boxes; up to {MAX_BOXES_PER_IMAGE} on an image are taken"
        return replace(annotation, boxes=()), [("too_many_boxes", detail)]
    if annotation.image_size and annotation.image_size != (width, height):
        drawn_width, drawn_height = annotation.image_size
        detail = (
            f"image_size is {drawn_width} x {drawn_height}, but the image is {width} x {height};"
            " boxes are of the image upright, turned as its EXIF orientation says"
        )
        return replace(annotation, boxes=()), [("image_size_differs", detail)]
    problems: list[tuple[str, str]] = []
    boxes: list[Box] = []
    for box in annotation.boxes:
        try:
            _check_box(box, width, height, is_cut=is_cut)
            boxes.append(box)
        except _BrokenError as error:
            problems.append((error.reason, error.detail))
    return replace(annotation, boxes=tuple(boxes)), problems


class _BrokenError(UnusableInputError):
    """Something about a line whose number is not known here."""


def _json_object(text: str | bytes) -> dict[str, Any]:
    if isinstance(text, bytes):
        _check_length(len(text), 4)
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise _BrokenError(
                "not_utf8", f"the line is not UTF-8 text ({error.reason}); save it as UTF-8"
            ) from error
    _check_length(len(text))
    try:
        value = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise _BrokenError("not_json", f"each line has to be one JSON object ({error})") from error
    if not isinstance(value, dict):
        raise _BrokenError("not_an_object", "each line has to be one JSON object")
    return value


def _check_length(length: int, bytes_each: int = 1) -> None:
    if length > MAX_LINE_CHARACTERS * bytes_each:
        raise _BrokenError(
            "line_too_long", f"Custom Labels takes up to {MAX_LINE_CHARACTERS} characters a line"
        )


def _annotation(line: Mapping[str, Any]) -> tuple[Annotation, list[_BrokenError]]:
    """What the line says, and what is wrong with those of its boxes that cannot be used."""
    bucket, key = _source(line, "source-ref")
    more = _more(line, bucket)
    attributes = _counting(line, key)
    boxed = [attribute for attribute in attributes if attribute.type == DETECTION_TYPE]
    if boxed and len(boxed) < len(attributes):
        raise _BrokenError(
            "mixed_kinds", "image-level labels and boxes for one image: put one of them on the line"
        )
    if not boxed:
        return Annotation(bucket, key, "classification", labels=_image_labels(attributes), **more), []
    drawn = [box for attribute in boxed for box in _drawn(attribute.value, attribute.metadata)]
    size = _image_size(attributes)
    boxes, bad = _boxes(drawn, size)
    if len(boxes) > MAX_BOXES_PER_ORIGINAL:
        raise _BrokenError(
            "too_many_boxes",
            f"{len(boxes)} boxes; up to {MAX_BOXES_PER_IMAGE} on an image are taken, and up to"
            f" {MAX_BOXES_PER_ORIGINAL} on one that is cut into tiles",
        )
    return Annotation(bucket, key, "detection", boxes=boxes, image_size=size, **more), bad


def _source(line: Mapping[str, Any], name: str) -> tuple[str, str]:
    if name not in line:
        if isinstance(line.get("source"), str):
            raise _BrokenError("not_an_image", "the line has text to label (source), and names no image")
        raise _BrokenError("no_source_ref", f'the line names no image: add "{name}": "s3://bucket/key"')
    match = _SOURCE_REF.fullmatch(line[name]) if isinstance(line[name], str) else None
    if not match or not _is_key(match[2]):
        raise _BrokenError("bad_source_ref", f"{name} has to read s3://bucket/key, not {line[name]!r}"[:300])
    return match[1], match[2]


def _counting(line: Mapping[str, Any], key: str) -> list[LabelAttribute]:
    """The label attributes that count. Raises also if it is plain that what has them is no image."""
    suffix = key.rpartition(".")[2].lower()
    error = None
    if what := _NO_IMAGES.get(suffix):
        error = _BrokenError("not_an_image", f"source-ref names a .{suffix} file, {what}, and no image")
    try:
        attributes = counting(line)
    except LabelAttributeError as without:
        # The type of another kind of job says it best.
        raise (error if error and without.reason == "unlabelled" else without) from without
    if error:
        raise error
    return attributes


def _more(line: Mapping[str, Any], bucket: str) -> dict[str, Any]:
    """What LabelLoop's own attributes say."""
    more: dict[str, Any] = {}
    if SPLIT_ATTRIBUTE in line:
        more["requested_dataset_type"] = line[SPLIT_ATTRIBUTE]
        if more["requested_dataset_type"] not in ("TRAIN", "TEST"):
            given = repr(line[SPLIT_ATTRIBUTE])[:100]
            raise _BrokenError("bad_split", f"{SPLIT_ATTRIBUTE} has to be TRAIN or TEST, not {given}")
    if ALSO_ATTRIBUTE in line:
        also_bucket, more["also_key"] = _source(line, ALSO_ATTRIBUTE)
        if also_bucket != bucket:
            raise _BrokenError(
                "bad_source_ref", f"{ALSO_ATTRIBUTE} has to name the same bucket as source-ref"
            )
    if isinstance(number := line.get(LINE_ATTRIBUTE), int) and 0 < number < 10**9:
        more["file_line"] = number
    return more


def _is_key(text: str) -> bool:
    try:
        return len(text.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def _image_labels(attributes: Sequence[LabelAttribute]) -> tuple[str, ...]:
    labels = sorted({label for attribute in attributes for label in _labels_of(attribute)})
    if len(labels) > MAX_LABELS_PER_IMAGE:
        raise _BrokenError(
            "too_many_labels", f"{len(labels)} labels; up to {MAX_LABELS_PER_IMAGE} on an image are taken"
        )
    return tuple(labels)


def _labels_of(attribute: LabelAttribute) -> Iterator[str]:
    """The image-level label of an attribute, or the labels of a job that takes several."""
    if attribute.type != MULTILABEL_TYPE:
        yield _label(attribute.metadata.get("class-name"))
        return
    names = attribute.metadata.get("class-map")
    if not isinstance(attribute.value, list) or not isinstance(names, dict):
        raise _BrokenError(
            "bad_label", f"{attribute.name} has to be a list of class ids, with a class-map"[:300]
        )
    if not attribute.value:
        raise _BrokenError("bad_label", f"{attribute.name} has no label"[:300])
    for class_id in attribute.value:
        if str(class_id) not in names:
            raise _BrokenError(
                "class_id_without_label", f"class id {class_id!r} is not in the class-map"[:300]
            )
        yield _label(names[str(class_id)])


def _label(name: object) -> str:
    try:
        return clean_label(name)
    except ValueError as error:
        raise _BrokenError("bad_label", str(error)) from error


_Drawn = tuple[Any, Mapping[str, Any]]
"""One of the annotations, and the class-map that names its label."""


def _drawn(value: Any, metadata: Mapping[str, Any]) -> Iterator[_Drawn]:
    annotations = value.get("annotations") if isinstance(value, dict) else None
    if not isinstance(annotations, list):
        raise _BrokenError("bad_boxes", "a bounding-box attribute needs a list called annotations")
    names = metadata.get("class-map")
    for annotation in annotations:
        yield annotation, names if isinstance(names, dict) else {}


def _boxes(
    drawn: Iterable[_Drawn], size: tuple[int, int] | None
) -> tuple[tuple[Box, ...], list[_BrokenError]]:
    boxes: list[Box] = []
    bad: list[_BrokenError] = []
    for annotation, names in drawn:
        try:
            box = _box(annotation, names)
            if size:
                _check_box(box, *size)
            boxes.append(box)
        except _BrokenError as error:
            bad.append(error)
    return tuple(boxes), bad


def _box(annotation: Any, names: Mapping[str, Any]) -> Box:
    if not isinstance(annotation, dict):
        raise _BrokenError("bad_boxes", "each of the annotations has to be an object")
    class_id = annotation.get("class_id")
    if isinstance(class_id, bool) or not isinstance(class_id, int | str) or str(class_id) not in names:
        raise _BrokenError("class_id_without_label", f"class_id {class_id!r} is not in the class-map"[:300])
    left, top = _pixels(annotation, "left"), _pixels(annotation, "top")
    width, height = _pixels(annotation, "width"), _pixels(annotation, "height")
    if width <= 0 or height <= 0:
        raise _BrokenError("box_too_small", f"a box of {width} x {height} pixels")
    # The far edges are rounded, not the sizes, so that a box inside the image stays inside.
    return Box(
        label=_label(names[str(class_id)]),
        left=round(left),
        top=round(top),
        width=round(left + width) - round(left),
        height=round(top + height) - round(top),
    )


def _pixels(annotation: Mapping[str, Any], name: str) -> float:
    value = annotation.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BrokenError("bad_boxes", f"{name} of a box has to be a number of pixels, not {value!r}"[:300])
    if value < 0:
        raise _BrokenError("box_outside", f"{name} of a box is {value!r}, below 0"[:300])
    # NaN is not below or above anything.
    if not value <= _MAX_PIXELS:
        raise _BrokenError("bad_boxes", f"{name} of a box is {float('inf') if value > 0 else value}"[:300])
    return value


def _image_size(attributes: Sequence[LabelAttribute]) -> tuple[int, int] | None:
    values = [attribute.value for attribute in attributes]
    sizes = {_one_size(value["image_size"]) for value in values if "image_size" in value}
    if len(sizes) > 1:
        raise _BrokenError("bad_image_size", "the line's attributes give the image different sizes")
    return sizes.pop() if sizes else None


def _one_size(value: Any) -> tuple[int, int]:
    first = value[0] if isinstance(value, list) and value else None
    sides = [first.get("width"), first.get("height")] if isinstance(first, dict) else [None, None]
    width, height = (side if isinstance(side, int) and not isinstance(side, bool) else 0 for side in sides)
    if not (0 < width <= _MAX_PIXELS and 0 < height <= _MAX_PIXELS):
        raise _BrokenError(
            "bad_image_size", "image_size has to be a list of one object with width and height in pixels"
        )
    return width, height


def _check_box(box: Box, width: int, height: int, *, is_cut: bool = False) -> None:
    where = f"{box.label}: left {box.left}, top {box.top}, {box.width} x {box.height}"
    if box.left < 0 or box.top < 0 or box.left + box.width > width or box.top + box.height > height:
        raise _BrokenError(
            "box_outside", f"{where} reaches out of the image, which is {width} x {height} pixels"
        )
    scale = 1.0 if is_cut else min(1.0, TRAINING_SIDE / max(width, height))
    if box.width * scale <= 1 or box.height * scale <= 1:
        raise _BrokenError(
            "box_too_small", f"{where}: Custom Labels needs more than 1 x 1 pixels after scaling down"
        )


# Writing


def classification_entry(bucket: str, key: str, labels: Sequence[str], changed_at: str) -> dict[str, Any]:
    """The manifest entry of an image with image-level labels.

    Args:
        changed_at: when it was labelled, as the catalogue holds it; becomes the creation-date.
    """
    entry: dict[str, Any] = {"source-ref": f"s3://{bucket}/{key}"}
    for index, label in enumerate(sorted(set(labels))):
        entry[f"label-{index}"] = 1
        entry[f"label-{index}{METADATA}"] = {
            "confidence": 1,
            "class-name": label,
            "type": CLASSIFICATION_TYPE,
            **_origin(changed_at),
        }
    return entry


def detection_entry(
    bucket: str, key: str, *, width: int, height: int, boxes: Sequence[Box], changed_at: str
) -> dict[str, Any]:
    """The manifest entry of an image with bounding boxes; the image's width and height in pixels.

    Args:
        changed_at: when it was labelled, as the catalogue holds it; becomes the creation-date.
    """
    ids = {label: index for index, label in enumerate(sorted({box.label for box in boxes}))}
    return {
        "source-ref": f"s3://{bucket}/{key}",
        "bounding-box": {
            "image_size": [{"width": width, "height": height, "depth": 3}],
            "annotations": [
                {
                    "class_id": ids[box.label],
                    "left": box.left,
                    "top": box.top,
                    "width": box.width,
                    "height": box.height,
                }
                for box in boxes
            ],
        },
        f"bounding-box{METADATA}": {
            "objects": [{"confidence": 1} for _ in boxes],
            "class-map": {str(index): label for label, index in ids.items()},
            "type": DETECTION_TYPE,
            **_origin(changed_at),
        },
    }


def entry_line(entry: Mapping[str, Any]) -> str:
    """An entry as a line of a manifest, without its line break; the same for the same entry."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def _origin(changed_at: str) -> dict[str, str]:
    return {
        "human-annotated": "yes",
        "creation-date": changed_at.removesuffix("Z"),
        "job-name": "labelloop",
    }
