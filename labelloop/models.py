"""What the detection API answers, as frozen dataclasses; members that a later release adds are left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Box(NamedTuple):
    """Where an object is, as shares of the upright image's width and height, between 0 and 1."""

    left: float
    top: float
    width: float
    height: float


class PixelBox(NamedTuple):
    """Where an object is, in whole pixels of the upright image."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class DetectedLabel:
    """One object, or one label of the whole image."""

    label: str
    class_id: int | None
    """Of the label; it stays the same from one model version to the next. None while it has none yet."""
    confidence: float
    """Percent."""
    box: Box | None = None
    """None if it is a label of the whole image."""
    box_pixels: PixelBox | None = None
    """The same in pixels."""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> DetectedLabel:
        box, pixels = document.get("box"), document.get("box_pixels")
        return cls(
            label=document["label"],
            class_id=document.get("class_id"),
            confidence=document["confidence"],
            box=Box(**{name: box[name] for name in Box._fields}) if box else None,
            box_pixels=PixelBox(**{name: pixels[name] for name in PixelBox._fields}) if pixels else None,
        )


@dataclass(frozen=True)
class Detection:
    """What the model sees on one image."""

    id: str
    """For `get` and `feedback`."""
    created_at: str
    """UTC, as in 2026-01-31T12:00:00.000000Z."""
    model_version: str
    width: int
    """Of the upright image, in pixels."""
    height: int
    labels: tuple[DetectedLabel, ...]
    """The surest first."""
    feedback: str = ""
    """`wrong` if the application has said so."""
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    """The whole answer, as it came."""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Detection:
        return cls(
            id=document["id"],
            created_at=document["created_at"],
            model_version=document["model_version"],
            width=document["image"]["width"],
            height=document["image"]["height"],
            labels=tuple(DetectedLabel.from_json(label) for label in document["labels"]),
            feedback=document["feedback"],
            raw=document,
        )
