"""What a model version was evaluated to: test images, what they show, and what the version saw on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from lambdas.domain.shared.annotation import TRAINING_SIDE, Kind
from lambdas.domain.shared.boxes import RelativeBox

Source = Literal["training", "endpoint"]
"""The training's own evaluation, or the shadow gate's questions to the endpoint."""
Size = Literal["small", "medium", "large"]
SIZES: tuple[Size, ...] = ("small", "medium", "large")
_SMALL, _MEDIUM = 32, 96
"""Below these sides, in pixels, a square object is small, or medium: https://cocodataset.org/#detection-eval"""

Thresholds = Mapping[str, float]
"""Confidence between 0 and 1 from which on detections of a label count, by label."""


@dataclass(frozen=True)
class TrueObject:
    """An object that an image is labelled with; without a box it is a label of the whole image."""

    label: str
    box: RelativeBox | None = None


@dataclass(frozen=True)
class Detection:
    """An object that a version saw, with a confidence between 0 and 1."""

    label: str
    confidence: float
    box: RelativeBox | None = None


@dataclass(frozen=True)
class TestImage:
    """A test image as it was labelled then, and what a version saw on it, the surest first."""

    __test__ = False

    key: str
    width: int
    height: int
    truths: tuple[TrueObject, ...]
    detections: tuple[Detection, ...]

    @property
    def sha256(self) -> str:
        """The hash that names the image in the catalogue."""
        return sha256_of(self.key)

    def size_of(self, thing: TrueObject | Detection) -> Size | None:
        """How large an object is, by the area of its box; None of a label of the whole image.

        It is measured as Custom Labels sees it, which scales larger images down to TRAINING_SIDE.
        """
        if thing.box is None or not self.width or not self.height:
            return None
        scale = min(1.0, TRAINING_SIDE / max(self.width, self.height))
        area = thing.box.width * self.width * thing.box.height * self.height * scale**2
        return "small" if area < _SMALL**2 else "medium" if area < _MEDIUM**2 else "large"


def sha256_of(key: str) -> str:
    """The hash that names an image in the catalogue, by the image's key."""
    return key.rpartition("/")[2].partition(".")[0]


@dataclass(frozen=True)
class Evaluation:
    """Test images of a version with what it saw on them.

    Of what it saw with less confidence than a label's floor nothing is known: no figure can be told there.
    """

    source: Source
    kind: Kind
    images: tuple[TestImage, ...]
    floors: Thresholds = field(default_factory=dict)
    unread_lines: int = 0
    """Lines of the file that are missing or could not be read: it was cut off, or has another form."""
    has_more: bool = False
    """Whether the file has more images than were read."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every label that an image shows or the version saw, in alphabetical order."""
        shown = {truth.label for image in self.images for truth in image.truths}
        seen = {detection.label for image in self.images for detection in image.detections}
        return tuple(sorted(shown | seen))

    def thresholds(self, chosen: Thresholds | None = None) -> dict[str, float]:
        """The threshold of each label: the chosen one, but never below the label's floor."""
        chosen = chosen or {}
        return {label: max(chosen.get(label, 0.0), self.floors.get(label, 0.0)) for label in self.labels}
