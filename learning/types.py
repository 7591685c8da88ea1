"""What goes into learning and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Task = Literal["detection", "classification"]


@dataclass(frozen=True)
class Box:
    """A labelled rectangle, in pixels of the image turned upright as its EXIF orientation says."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Example:
    """An image file with its truth: `boxes` count for detection, `labels` for classification.

    A detection example without boxes is an image that shows none of the labels.
    """

    path: Path
    labels: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """A label that a model sees, its confidence from 0 to 100, and for detection where."""

    label: str
    confidence: float
    box: Box | None = None


@dataclass(frozen=True)
class Progress:
    """How far training is: `fraction` from 0 to 1, `seconds` since its start, the loss of late, and the F1 of
    the validation images when they were last evaluated. A second stage counts its steps anew."""

    fraction: float
    step: int
    epoch: float
    seconds: float
    loss: float | None
    f1: float | None
    message: str
    second_stage: bool = False


@dataclass(frozen=True)
class LabelMetrics:
    """How well one label is found in test images; all figures from 0 to 1 but `test_images`.

    `assumed_threshold` is the confidence, as a share, from which predictions count.
    `test_images` is the number of test images that show the label.
    """

    label: str
    f1: float
    precision: float
    recall: float
    assumed_threshold: float
    test_images: int


@dataclass(frozen=True)
class Evaluation:
    """A model's figures on test examples: means over the labels that the examples show.

    `labels` leaves out labels that no test example shows, as nothing can be said about them.
    `predictions` holds what the model sees in each example, in the examples' order.
    """

    f1: float
    precision: float
    recall: float
    labels: tuple[LabelMetrics, ...]
    predictions: tuple[tuple[Prediction, ...], ...]
