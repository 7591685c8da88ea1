"""Reads what a version saw on test images: from its training's evaluation, or from the shadow gate's answers.

The evaluation has a line for each test image, with what it is labelled with and what the version saw. The
documentation (https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-evaluation-manifest-snapshot-api.html
) does not say that it lists every detection with less confidence than a label's assumed threshold: of those
it has the ones on true objects, which it calls false negatives, and so an object that nothing saw has an
entry as well. So only what it calls a true or false positive is taken for a detection, and no figure is told
for lower thresholds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation import file_lines
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, Thresholds, TrueObject
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Annotation, Kind
from lambdas.domain.shared.boxes import RelativeBox

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class _Line:
    """An image, and whether it has boxes."""

    image: TestImage
    kind: Kind


def read_evaluation(
    s3: S3Client, file: tuple[str, str], thresholds: Thresholds, limit: int = file_lines.MAX_IMAGES
) -> Evaluation | None:
    """A training's evaluation; None if there is no such file, or nothing in it can be read.

    Args:
        file: its bucket and key.
        thresholds: the version's assumed thresholds, as far as they are known.
        limit: how many images are read at most.
    """
    texts = file_lines.read_lines(s3, file)
    return None if texts is None else from_lines(texts, thresholds, limit)


def from_lines(
    texts: Iterable[bytes], thresholds: Thresholds, limit: int = file_lines.MAX_IMAGES
) -> Evaluation | None:
    """The evaluation that these lines are; None if none of them can be read."""
    lines: list[_Line] = []
    unread, has_more = 0, False
    for text in texts:
        if len(lines) == limit:
            has_more = True
            break
        if not text.strip():
            continue
        try:
            lines.append(_line(json.loads(text)))
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError, OverflowError):
            unread += 1
    if not lines:
        return None
    kind: Kind = "detection" if any(line.kind == "detection" for line in lines) else "classification"
    images = tuple(line.image for line in lines)
    return Evaluation("training", kind, images, _floors(images, thresholds), unread, has_more)


def from_answers(
    manifest_lines: Iterable[str],
    answers: Mapping[str, Iterable[Mapping[str, Any]]],
    thresholds: Thresholds,
    unread: int = 0,
) -> Evaluation | None:
    """What the endpoint answered about test images; None if it was never asked.

    Args:
        manifest_lines: of the snapshot that the version was tested on.
        answers: detections by the image's key, as shadow_answers.read returns them.
        thresholds: the version's assumed thresholds, from which on the endpoint answers.
        unread: answers that could not be read.
    """
    missing = set(answers)
    images: list[TestImage] = []
    kind: Kind = "classification"
    has_more = False
    for text in manifest_lines:
        if not missing:
            break
        try:
            entry = manifests.parse_line(text, 1)
        except manifests.BrokenLineError:
            unread += 1
            continue
        if entry.source_key not in missing:
            continue
        if len(images) == file_lines.MAX_IMAGES:
            has_more = True
            break
        missing.discard(entry.source_key)
        if entry.kind == "detection":
            kind = "detection"
        seen = (_answered(detection) for detection in answers[entry.source_key])
        images.append(replace(as_labelled(entry), detections=_surest_first(seen)))
    if not images:
        return None
    return Evaluation("endpoint", kind, tuple(images), _floors(images, thresholds), unread, has_more)


def as_labelled(entry: Annotation) -> TestImage:
    """An image as a manifest's entry labels it; nothing is seen on it."""
    width, height = entry.image_size or (0, 0)
    truths = [
        TrueObject(box.label, _relative(box.label, vars(box), width, height)) for box in entry.boxes
    ] or [TrueObject(label) for label in entry.labels]
    return TestImage(entry.source_key, width, height, tuple(truths), ())


def _answered(detection: Mapping[str, Any]) -> Detection:
    label, box = detection["label"], detection.get("box")
    sides = RelativeBox(label, **box) if box else None
    return Detection(label, detection["confidence"] / 100, sides)


def _floors(images: Iterable[TestImage], thresholds: Thresholds) -> dict[str, float]:
    """The assumed threshold of each label or, where that is not known, the least confidence that counted."""
    floors: dict[str, float] = {}
    for detection in (detection for image in images for detection in image.detections):
        floors[detection.label] = min(detection.confidence, floors.get(detection.label, 1.0))
    return {**floors, **thresholds}


def _surest_first(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    return tuple(sorted(detections, key=lambda detection: -detection.confidence))


# A line of the evaluation


def _line(line: Mapping[str, Any]) -> _Line:
    bucket_and_key = line["source-ref"].removeprefix("s3://")
    truths: list[TrueObject] = []
    detections: list[Detection] = []
    kind: Kind = "classification"
    size = (0, 0)
    for value, metadata in file_lines.attributes(line, file_lines.TRAINING):
        if isinstance(value, Mapping):
            kind, size = "detection", _size(value)
            truths += (TrueObject(box.label, box) for box in _boxes(value, metadata))
        else:
            truths.append(TrueObject(_text(metadata["class-name"])))
    for value, metadata in file_lines.attributes(line, file_lines.EVALUATION):
        if isinstance(value, Mapping):
            kind = "detection"
            judged = zip(_boxes(value, metadata), metadata["objects"], strict=True)
            detections += (
                Detection(box.label, _confidence(details), box) for box, details in judged if _counts(details)
            )
        elif _counts(metadata):
            detections.append(Detection(_text(metadata["class-name"]), _confidence(metadata)))
    image = TestImage(bucket_and_key.partition("/")[2], *size, tuple(truths), _surest_first(detections))
    return _Line(image, kind)


def _size(value: Mapping[str, Any]) -> tuple[int, int]:
    size = value["image_size"][0]
    width, height = int(size["width"]), int(size["height"])
    if width < 1 or height < 1:
        raise ValueError("an image of no size")
    return width, height


def _boxes(value: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[RelativeBox]:
    width, height = _size(value)
    labels = metadata.get("class-map", {})
    return [
        _relative(_text(labels[str(box["class_id"])]), box, width, height) for box in value["annotations"]
    ]


def _relative(label: str, box: Mapping[str, Any], width: int, height: int) -> RelativeBox:
    """A box in pixels as one in shares of the image."""
    left, top, across, down = (float(box[side]) for side in ("left", "top", "width", "height"))
    if not (math.isfinite(left) and math.isfinite(top) and 0 < across < math.inf and 0 < down < math.inf):
        raise ValueError("a box of no size")
    return RelativeBox(label, left / width, top / height, across / width, down / height)


def _text(label: Any) -> str:
    if not isinstance(label, str):
        raise TypeError("a label is text")
    return label


def _counts(details: Mapping[str, Any]) -> bool:
    """Whether an entry is a detection from its label's assumed threshold on."""
    judged = details[file_lines.DETAILS]
    return judged["is-true-positive"] is True or judged["is-false-positive"] is True


def _confidence(details: Mapping[str, Any]) -> float:
    confidence = float(details["confidence"])
    if not 0 <= confidence <= 1:
        raise ValueError("a confidence lies between 0 and 1")
    return confidence
