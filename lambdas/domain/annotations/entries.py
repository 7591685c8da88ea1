"""Manifest entries of what foreign annotation files say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Box

if TYPE_CHECKING:
    from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox


def entry(annotation: ImageAnnotation, bucket: str, key: str, changed_at: str) -> dict[str, Any]:
    """The manifest entry of an image that has labels or boxes; boxes rounded to whole pixels.

    Args:
        annotation: with boxes in pixels; without a size its boxes cannot be held against it before they are
            held against the image itself.
        changed_at: when it was labelled, as the catalogue holds it.
    """
    dataset_type = {manifests.SPLIT_ATTRIBUTE: annotation.dataset_type} if annotation.dataset_type else {}
    if annotation.kind == "classification":
        return manifests.classification_entry(bucket, key, annotation.labels, changed_at) | dataset_type
    width, height = annotation.size or (0, 0)
    boxes = [whole(box) for box in annotation.boxes]
    made = manifests.detection_entry(
        bucket, key, width=width, height=height, boxes=boxes, changed_at=changed_at
    )
    if not annotation.size:
        del made["bounding-box"]["image_size"]
    return made | dataset_type


def whole(box: LabelledBox) -> Box:
    """The box in whole pixels: its edges rounded, so that one inside the image stays inside."""
    left, top = round(box.left), round(box.top)
    right, bottom = round(box.left + box.width), round(box.top + box.height)
    return Box(box.label, left, top, right - left, bottom - top)
