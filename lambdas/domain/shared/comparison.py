"""Whether one model version is better than another on the same test images, as far as these can tell."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

from lambdas.domain.shared.frozen import frozen

RESAMPLES = 1000
MIN_IMAGES = 5
"""Fewer images give no interval: with four of them it would have to reach beyond what resampling can show."""
CONFIDENCE = 0.95
_SEED = 20260101
_LEAST_DIFFERENCE = 1e-9
"""Below it two F1s are the same, and the sums were only added in another order."""


class Counts(NamedTuple):
    """Detections of one label on one image that were right, wrong, and true objects that were missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0


ImageCounts = Mapping[str, Counts]
"""Of one image, by label."""


@frozen
class Comparison:
    """The F1s of two model versions on the same images, and between which bounds their difference lies."""

    images: int
    f1: float
    other_f1: float
    interval: tuple[float, float] | None
    """In which the true difference of the F1s lies with 95 % certainty; None of fewer than MIN_IMAGES."""

    @property
    def difference(self) -> float:
        """Below 0 if the version is worse than the other one."""
        return self.f1 - self.other_f1

    @property
    def is_worse(self) -> bool:
        """Whether the version's F1 is lower, be that chance or not."""
        return self.difference < -_LEAST_DIFFERENCE

    @property
    def is_surely_worse(self) -> bool:
        """Whether the version's F1 is lower by more than chance explains."""
        return self.is_worse and self.interval is not None and self.interval[1] < 0

    def in_words(self, where: str, other: str, images: str) -> str:
        """The figures in one sentence.

        Args:
            where: the F1 was measured, such as "through the endpoint".
            other: whose the other F1 is, such as "the champion's".
            images: which images they are, such as "the same 40 images".
        """
        if abs(self.difference) <= _LEAST_DIFFERENCE:
            relation = f"as {other} {self.other_f1:.3f}"
        else:
            below = "below" if self.is_worse else "above"
            relation = f"{abs(self.difference):.3f} {below} {other} {self.other_f1:.3f}"
        interval = "too few for an interval"
        if self.interval is not None:
            interval = f"95 % interval {self.interval[0]:+.3f} to {self.interval[1]:+.3f}"
        return f"F1 {self.f1:.3f} {where}, {relation} on {images} ({interval})"


def f1(counts: Iterable[ImageCounts]) -> float:
    """The mean of the labels' F1s; only labels that an image truly shows are counted."""
    sums: dict[str, list[int]] = {}
    for image in counts:
        for label, (right, wrong, missed) in image.items():
            label_sums = sums.setdefault(label, [0, 0, 0])
            label_sums[0] += right
            label_sums[1] += wrong
            label_sums[2] += missed
    shown = [label_sums for label_sums in sums.values() if label_sums[0] + label_sums[2]]
    f1s = [2 * right / (2 * right + wrong + missed) for right, wrong, missed in shown]
    return sum(f1s) / len(f1s) if f1s else 0.0


def compare(version: Sequence[ImageCounts], other: Sequence[ImageCounts], *, best_of: int = 1) -> Comparison:
    """Compare two versions by what they saw on the same images, image by image.

    The interval is a bootstrap's: images are drawn anew with replacement, each with what both versions saw
    on it, so that an image that is hard for both says nothing about their difference. Its percentiles are
    widened for few images, as in T. Hesterberg, 2015, "What Teachers Should Know About the Bootstrap"
    (https://doi.org/10.1080/00031305.2015.1089789), section 5.3. The same images give the same interval.

    Args:
        version, other: the counts of one version each, in the same order of images.
        best_of: among how many versions the other one was chosen because it is so good on these images. By
            chance alone the best of many looks better than it is, and the interval is widened for that, as
            Bonferroni does.
    """
    pairs = list(zip(version, other, strict=True))
    interval = _interval(pairs, best_of) if len(pairs) >= MIN_IMAGES else None
    return Comparison(len(pairs), f1(version), f1(other), interval)


def _interval(pairs: Sequence[tuple[ImageCounts, ImageCounts]], best_of: int) -> tuple[float, float]:
    count, draw = len(pairs), random.Random(_SEED)  # noqa: S311 nothing secret
    labels = sorted({label for pair in pairs for image in pair for label in image})
    places = {label: 6 * number for number, label in enumerate(labels)}
    # Most images are alike in what is right and wrong on them: they are counted before they are added.
    images = [_places(pair, places) for pair in pairs]
    differences = []
    for _ in range(RESAMPLES):
        sums = [0] * (6 * len(labels))
        for image, times in Counter(draw.choices(images, k=count)).items():
            for place, value in image:
                sums[place] += times * value
        differences.append(_difference(sums))
    differences.sort()
    low = math.floor(_tail(count, best_of) * RESAMPLES)
    return differences[low], differences[RESAMPLES - 1 - low]


def _places(pair: tuple[ImageCounts, ImageCounts], places: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    """What is not 0 of the counts of two versions on an image, with its place among the sums: each label has
    six, three of either version."""
    return tuple(
        sorted(
            (places[label] + 3 * number + place, value)
            for number, image in enumerate(pair)
            for label, counts in image.items()
            for place, value in enumerate(counts)
            if value
        )
    )


def _difference(sums: Sequence[int]) -> float:
    total, labels = 0.0, 0
    for start in range(0, len(sums), 6):
        right, wrong, missed, other_right, other_wrong, other_missed = sums[start : start + 6]
        if right + missed:
            labels += 1
            total += right / (2 * right + wrong + missed)
            total -= other_right / (2 * other_right + other_wrong + other_missed)
    return 2 * total / labels if labels else 0.0


def _tail(images: int, best_of: int) -> float:
    """The share of the resamples that lies beyond either end of the interval."""
    normal = NormalDist()
    student = _student(normal.inv_cdf(1 - (1 - CONFIDENCE) / 2 / best_of), images - 1)
    return normal.cdf(-student * math.sqrt(images / (images - 1)))


def _student(z: float, freedom: int) -> float:
    """The quantile of Student's distribution for the normal one's, by the expansion of Fisher and Cornish.

    M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 26.7.5.
    """
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
