"""The check of one image: what Custom Labels will not take of it, found out once for all findings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lambdas.domain.report.limits import Limits
from lambdas.domain.report.model import ReportImage
from lambdas.domain.shared.annotation import Box


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """An image, and what of it a training can use."""

    image: ReportImage
    rank: int
    """Pseudo-random, made from the key: which images are shown as examples does not depend on their order."""
    names: tuple[str, ...]
    """Its labels, each once, sorted."""
    usable_names: tuple[str, ...]
    """Those that Custom Labels learns from this image."""
    refusals: tuple[str, ...]
    """Codes of the findings for which Custom Labels leaves out the whole image."""
    outside: tuple[Box, ...]
    too_small: tuple[Box, ...]


def rank_of(text: str) -> int:
    """A pseudo-random number that is the same for the same text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def check_image(image: ReportImage, limits: Limits) -> ImageCheck:
    """Find out what of an image a training can use."""
    outside = tuple(box for box in image.boxes if reaches_out(box, image))
    too_small = tuple(
        box for box in image.boxes if box not in outside and is_too_small(box, image, limits.training_side)
    )
    refused = (*outside, *too_small)
    names = tuple(sorted(_names(image, image.boxes)))
    refusals = tuple(_refusals(image, len(names), limits))
    usable: tuple[str, ...] = ()
    if not refusals:
        usable = tuple(sorted(_names(image, tuple(box for box in image.boxes if box not in refused))))
        usable = tuple(name for name in usable if len(name) <= limits.max_label_characters)
    return ImageCheck(image, rank_of(image.key), names, usable, refusals, outside, too_small)


def reaches_out(box: Box, image: ReportImage) -> bool:
    """Whether part of the box lies outside of the image."""
    return (
        box.left < 0
        or box.top < 0
        or box.left + box.width > image.width
        or box.top + box.height > image.height
    )


def is_too_small(box: Box, image: ReportImage, training_side: int) -> bool:
    """Whether it is no larger than 1 pixel, either way, once the image is scaled down to train with."""
    scale = min(1.0, training_side / max(image.width, image.height, 1))
    return min(box.width, box.height) * scale <= 1


def _names(image: ReportImage, boxes: tuple[Box, ...]) -> set[str]:
    return set(image.labels) if image.kind == "classification" else {box.label for box in boxes}


def _refusals(image: ReportImage, names: int, limits: Limits) -> list[str]:
    short_side, long_side = sorted((image.width, image.height))
    refusals = {
        "image_too_small": short_side < limits.min_side,
        "image_too_large": long_side > limits.max_side,
        "image_too_elongated": long_side > limits.max_aspect_ratio * max(short_side, 1),
        "too_many_boxes": len(image.boxes) > limits.max_boxes_per_image,
        "too_many_labels_on_image": image.kind == "classification" and names > limits.max_labels_per_image,
    }
    return [code for code, refused in refusals.items() if refused]
