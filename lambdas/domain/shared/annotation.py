"""What an image's annotation is: labels or boxes, and the dataset that it asks for."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["classification", "detection"]
RequestedDatasetType = Literal["", "TRAIN", "TEST"]


MAX_LABELS_PER_IMAGE = 50
MAX_BOXES_PER_IMAGE = 50
"""Both: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
MAX_BOXES_PER_ORIGINAL = 1000
"""Of an image that is cut into tiles, of which each may have MAX_BOXES_PER_IMAGE; an item of the catalogue
holds no more than 400 KB."""
MAX_LABEL_CHARACTERS = 255
"""Rekognition's API model, shape DatasetLabel."""
TRAINING_SIDE = 1280
"""Custom Labels scales larger images down to this, and boxes must stay larger than 1 x 1 pixels: see
ERROR_BOUNDING_BOX_TOO_SMALL."""


@dataclass(frozen=True)
class Box:
    """Where a labelled object is, in whole pixels from the image's top left corner."""

    label: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Annotation:
    """What one line says about one image.

    A detection without boxes is valid: somebody looked and found nothing.
    """

    source_bucket: str
    source_key: str
    kind: Kind
    labels: tuple[str, ...] = ()
    """Sorted; of a classification only."""
    boxes: tuple[Box, ...] = ()
    """In the line's order; of a detection only."""
    image_size: tuple[int, int] | None = None
    """Width and height that the boxes were drawn on, if the line says so."""
    requested_dataset_type: RequestedDatasetType = ""
    also_key: str = ""
    """A second key under which the image may have come, or come yet."""
    file_line: int = 0
    """The line of the file that this one was made of; 0 if it was not made of another."""


def clean_label(name: object) -> str:
    """The label as Custom Labels and the catalogue know it: trimmed, and in one Unicode form (NFC).

    Raises:
        ValueError: it cannot be a label; the message says why.
    """
    if not isinstance(name, str):
        raise ValueError(f"a label is text, not {name!r}"[:200])
    return _clean_label(name)


@lru_cache(maxsize=1024)
def _clean_label(name: str) -> str:
    """Remembered, for few labels are on many boxes."""
    label = unicodedata.normalize("NFC", name).strip()
    if not label:
        raise ValueError("a label cannot be empty")
    if len(label) > MAX_LABEL_CHARACTERS:
        raise ValueError(f"a label of {len(label)} characters; up to {MAX_LABEL_CHARACTERS} are taken")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in label):
        raise ValueError(f"label {label!r} has control characters or line breaks")
    return label


DatasetType = Literal["TRAIN", "TEST"]
DATASET_TYPES: tuple[DatasetType, ...] = ("TRAIN", "TEST")
