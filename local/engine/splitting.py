"""Which images of a training dataset become test images: for a training, and for DistributeDatasetEntries.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_TestingData.html (AutoCreate)
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DistributeDatasetEntries.html
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Sequence

TEST_SHARE = 0.2
"""The share of test images, as both operations document it."""

_NO_LABEL = ""
"""Stands for the labels of images that have none; no label is empty."""


class TooFewImagesError(Exception):
    """No image has a label, or some label has one image only."""


def choose_test_images(images: Iterable[tuple[str, Sequence[str]]]) -> set[str]:
    """The source-refs of about a fifth of each label's images, the same for the same images in any order.

    Rare labels choose first, and no label loses its last image to learn from. Of the images without a label a
    fifth is chosen too.

    Args:
        images: source-ref and labels of each.

    Raises:
        TooFewImagesError: some label would have images in one of the two datasets only.
    """
    by_label: dict[str, list[tuple[str, Sequence[str]]]] = {}
    for source_ref, own in sorted(images, key=lambda image: hashlib.sha256(image[0].encode()).digest()):
        labels = own or (_NO_LABEL,)
        for label in labels:
            by_label.setdefault(label, []).append((source_ref, labels))
    left = Counter({label: len(shown) for label, shown in by_label.items()})
    if min((count for label, count in left.items() if label != _NO_LABEL), default=0) < 2:
        raise TooFewImagesError
    tested: Counter[str] = Counter()
    chosen: set[str] = set()
    for label, shown in sorted(by_label.items(), key=lambda item: (len(item[1]), item[0])):
        wanted = max(1, math.floor(TEST_SHARE * len(shown) + 0.5))
        for source_ref, labels in shown:
            if tested[label] >= wanted:
                break
            if source_ref in chosen or min(left[other] for other in labels) < 2:
                continue
            chosen.add(source_ref)
            tested.update(labels)
            left.subtract(labels)
    return chosen
