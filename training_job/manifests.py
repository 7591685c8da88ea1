"""A snapshot's manifests, which LabelLoop has written, as examples to learn from.

Formats: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-classification.html
and https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-object-detection.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning.types import Box, Example, Task

_CLASSIFICATION, _DETECTION = "groundtruth/image-classification", "groundtruth/object-detection"


class ManifestError(ValueError):
    """The snapshot cannot be trained on; the message says why."""


@dataclass(frozen=True)
class Line:
    """A manifest line, and the example that it is."""

    source_ref: str
    annotated: Mapping[str, Any]
    """The line as JSON."""
    example: Example


def read(path: Path, images: Path) -> list[Line]:
    """The lines of a manifest whose images lie somewhere in a folder, under their names.

    Raises:
        ManifestError: there is no such manifest, or an image of it is missing.
    """
    if not path.exists():
        raise ManifestError(f"the snapshot has no {path.name}")
    files = {file.name: file for file in images.rglob("*") if file.is_file()}
    return [_line(text, files) for text in path.read_text().splitlines() if text.strip()]


def task_of(lines: Iterable[Line]) -> Task:
    """What the lines ask for: boxes, where any line has some."""
    return "detection" if any(_values(line.annotated, _DETECTION) for line in lines) else "classification"


def of_labels(lines: Iterable[Line], labels: Iterable[str], task: Task) -> list[Line]:
    """The lines that show one of these labels, without any others: what a model can be tested with."""
    known = set(labels)
    kept = []
    for line in lines:
        shown = tuple(label for label in line.example.labels if label in known)
        boxes = tuple(box for box in line.example.boxes if box.label in known)
        if shown if task == "classification" else boxes:
            kept.append(Line(line.source_ref, line.annotated, Example(line.example.path, shown, boxes)))
    return kept


def _line(text: str, files: Mapping[str, Path]) -> Line:
    line = json.loads(text)
    name = line["source-ref"].rpartition("/")[2]
    if name not in files:
        raise ManifestError(f"{line['source-ref']} is in the snapshot, and not among the images")
    boxes = tuple(box for value, metadata in _values(line, _DETECTION) for box in _boxes(value, metadata))
    labels = tuple(dict.fromkeys(metadata["class-name"] for _, metadata in _values(line, _CLASSIFICATION)))
    return Line(line["source-ref"], line, Example(files[name], labels, boxes))


def _values(line: Mapping[str, Any], kind: str) -> list[tuple[Any, Mapping[str, Any]]]:
    """Values and metadata of the label attributes of a kind."""
    named = ((value, line.get(f"{name}-metadata")) for name, value in line.items())
    return [
        (value, metadata)
        for value, metadata in named
        if isinstance(metadata, Mapping) and metadata.get("type") == kind
    ]


def _boxes(value: Mapping[str, Any], metadata: Mapping[str, Any]) -> Iterator[Box]:
    for box in value["annotations"]:
        label = metadata["class-map"][str(box["class_id"])]
        yield Box(label, *(float(box[side]) for side in ("left", "top", "width", "height")))
