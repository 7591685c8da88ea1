"""The parts of the dataset report: images, findings and their examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lambdas.domain.shared.annotation import Box, DatasetType, Kind

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first.

error: a training would fail or be wasted. warning: the model gets worse, or its F1 means less. info: good to
know.
"""


@dataclass(frozen=True)
class ReportImage:
    """An image of the snapshot; width and height in pixels, as stored."""

    key: str
    width: int
    height: int
    dataset_type: DatasetType
    kind: Kind
    labels: tuple[str, ...]
    """The image-level labels of a classification; a detection's labels are those of its boxes."""
    boxes: tuple[Box, ...]
    perceptual_hash: str
    """Alike for images that look alike; the snapshot made the groups from it."""
    group: str
    """Images that are near-duplicates of each other share it; empty if there is no other."""


@dataclass(frozen=True)
class UnusableCounts:
    """Images that are registered, or annotated, and are not in the snapshot."""

    unlabelled: int
    """Without labels until a person gives some."""
    conflicts: int
    """Labelled in two ways at once."""
    excluded: int
    pending_annotations: int
    """Of images that are named by annotation files and have not come."""
    left_out: dict[str, int]
    """Labelled images that are not in it, by reason."""


@dataclass(frozen=True)
class SnapshotFacts:
    """What is known of the snapshot as a whole."""

    manifest_bytes: Mapping[str, int] = field(default_factory=dict)
    """By dataset."""
    not_as_requested: int = 0
    """Images that are not in the dataset that was asked for."""


@dataclass(frozen=True)
class Example:
    """An image to show for a finding, with the boxes that it is about."""

    key: str
    width: int
    height: int
    dataset_type: DatasetType
    labels: tuple[str, ...]
    boxes: tuple[Box, ...]
    caption: str = ""


@dataclass(frozen=True)
class Finding:
    """Something about the dataset that a person should know, or fix, before the training."""

    code: str
    severity: Severity
    title: str
    what_it_does: str
    how_to_fix: str
    count: int
    """Of what the title names: images, boxes, labels."""
    examples: tuple[Example, ...] = ()
    details: tuple[str, ...] = ()
    """One line for each label or reason that it is about."""
    source: str = ""
    """The page of AWS's documentation that says so, where it is AWS's rule."""
