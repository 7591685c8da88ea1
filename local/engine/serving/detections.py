"""What a model sees in an image, as it leaves the model's process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Detection:
    """A label that a model sees in an image."""

    label: str
    confidence: float
    """The confidence, from 0 to 100."""
    box: tuple[float, float, float, float] | None = None
    """Left, top, width, height as ratios of the upright image's size; None for an image-level label."""
