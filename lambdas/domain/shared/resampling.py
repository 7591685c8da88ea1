"""How far the measured difference of two model versions' F1s may be from the true one.

The images are resampled, and never their labels or boxes: F1 is a ratio of sums, and what two versions get
right or wrong on an image goes together. Each image is drawn with what both versions saw on it, so that an
image that is hard for both says nothing about their difference.

A plain bootstrap is too sure of itself with few images. Two things keep the rates that it is asked for:

- Its percentiles are widened as Student's distribution is wider than the normal one: T. Hesterberg, "What
  Teachers Should Know About the Bootstrap", 2015 (https://doi.org/10.1080/00031305.2015.1089789), 5.3.
- Versions that differ on no image, or on one, are not therefore the same. Each bound is of the images and one
  more that speaks against it, of the label with the fewest objects, which weighs most. So M. P. Fay and E. J.
  Feuer, 1997, bound a weighted sum of rates, where bootstrap intervals turned out too short ("Confidence
  intervals for directly standardized rates: a method based on the gamma distribution", Statistics in Medicine
  16, 791-801). For a single rate it is nearly the exact interval of Clopper and Pearson.

Images on which the same was seen are drawn together. How often is a Poisson number, which does as well for
ratios of sums as draws of a fixed total: J. A. Hanley and B. MacGibbon, 2006, "Creating non-parametric
bootstrap samples using Poisson frequencies" (https://doi.org/10.1016/j.cmpb.2006.04.006).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import NormalDist

from lambdas.domain.shared.frozen import frozen

RESAMPLES = 1000
NORMAL = NormalDist()

_ImageCounts = Mapping[str, tuple[int, int, int]]
"""Of an image, by label: detections that are right and wrong, and objects that were missed."""
Pairs = Sequence[tuple[_ImageCounts, _ImageCounts]]
"""What a version and another one saw on each image."""
_Pattern = tuple[tuple[int, int], ...]
"""What is not 0 of the counts of both on an image, with its place among the sums: a label has six, three of
either version."""


@frozen
class Differences:
    """The F1 of a version less that of another one in each of the resamples, in ascending order."""

    images: int
    lower: Sequence[float]
    """With one image more that speaks against the version."""
    upper: Sequence[float]
    """With one image more that speaks for it."""

    def at_least(self, rate: float) -> float:
        """A bound that the true difference is below in no more than this share of cases."""
        return self.lower[math.floor(_tail(rate, self.images) * RESAMPLES)]

    def at_most(self, rate: float) -> float:
        """A bound that the true difference is above in no more than this share of cases."""
        return self.upper[RESAMPLES - 1 - math.floor(_tail(rate, self.images) * RESAMPLES)]

    def confidence_of_better(self) -> float:
        """How sure it is that the true difference is above 0, from 0 to 1."""
        return _confidence(sum(difference <= 0 for difference in self.lower), self.images)

    def confidence_of_worse(self) -> float:
        """How sure it is that the true difference is below 0, from 0 to 1."""
        return _confidence(sum(difference >= 0 for difference in self.upper), self.images)


def resample(pairs: Pairs, seed: str) -> Differences:
    """The differences in the resamples; the same seed gives the same.

    Args:
        pairs: with an object in one image at least.
    """
    draw = random.Random(seed)  # noqa: S311 nothing secret
    labels = sorted({label for pair in pairs for image in pair for label in image})
    places = {label: 6 * number for number, label in enumerate(labels)}
    sums = [[0] * RESAMPLES for _ in range(6 * len(labels))]
    for pattern, times in Counter(_pattern(pair, places) for pair in pairs).items():
        _add(draw, sums, pattern, times)
    lower, upper = (
        sorted(_differences(_add(draw, list(sums), _pattern(pair, places), 1)))
        for pair in unseen(rarest(pairs))
    )
    return Differences(len(pairs), lower, upper)


def objects(pairs: Pairs) -> dict[str, int]:
    """How many objects of each label the images truly show; no label without any."""
    counts = Counter[str]()
    for image, _ in pairs:
        for label, (right, _, missed) in image.items():
            counts[label] += right + missed
    return {label: count for label, count in counts.items() if count}


def rarest(pairs: Pairs) -> str:
    """The label with the fewest objects; empty if there is no object at all."""
    counts = objects(pairs)
    return min(counts, key=lambda label: (counts[label], label), default="")


def unseen(label: str) -> Pairs:
    """The image that speaks most against a version, and the one that speaks most for it: only one of the two
    sees the object, and the other sees it amiss."""
    right, amiss = {label: (1, 0, 0)}, {label: (0, 0, 1)}
    return (amiss, right), (right, amiss)


def student(z: float, freedom: int) -> float:
    """The quantile of Student's distribution for the normal one's, by the expansion of Fisher and Cornish.

    M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 26.7.5.
    """
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def _tail(rate: float, images: int) -> float:
    """The share of the resamples that lies beyond a bound of this rate."""
    return NORMAL.cdf(student(NORMAL.inv_cdf(rate), images - 1) * math.sqrt(images / (images - 1)))


def _confidence(resamples_against: int, images: int) -> float:
    """The confidence at which a bound just reaches 0, beyond which so many resamples lie."""
    share = (resamples_against + 1) / (RESAMPLES + 2)
    low, high = 1e-6, 1 - 1e-6
    for _ in range(40):
        rate = (low + high) / 2
        low, high = (low, rate) if _tail(rate, images) > share else (rate, high)
    return 1 - low


def _pattern(pair: tuple[_ImageCounts, _ImageCounts], places: Mapping[str, int]) -> _Pattern:
    return tuple(
        sorted(
            (places[label] + 3 * number + place, value)
            for number, image in enumerate(pair)
            for label, counts in image.items()
            for place, value in enumerate(counts)
            if value
        )
    )


def _add(draw: random.Random, sums: list[list[int]], pattern: _Pattern, images: int) -> list[list[int]]:
    """Add images of that pattern to the sums, in each resample as many as a Poisson number says."""
    times = _poisson(draw, images)
    for place, value in pattern:
        sums[place] = [total + value * count for total, count in zip(sums[place], times, strict=True)]
    return sums


def _poisson(draw: random.Random, mean: int) -> list[int]:
    """A Poisson number for each resample; only numbers that are rarer than one in a million are left out."""
    reach = math.ceil(6 * math.sqrt(mean)) + 6
    numbers = range(max(0, mean - reach), mean + reach)
    weights = [math.exp(number * math.log(mean) - mean - math.lgamma(number + 1)) for number in numbers]
    return draw.choices(numbers, weights, k=RESAMPLES)


def _differences(sums: Sequence[Sequence[int]]) -> list[float]:
    """The difference of the labels' mean F1s in each resample; a label without an object does not count."""
    totals, labels = [0.0] * RESAMPLES, [0] * RESAMPLES
    for start in range(0, len(sums), 6):
        for resample, counts in enumerate(zip(*sums[start : start + 6], strict=True)):
            right, wrong, missed, other_right, other_wrong, other_missed = counts
            if right + missed:
                labels[resample] += 1
                totals[resample] += 2 * right / (2 * right + wrong + missed)
                totals[resample] -= 2 * other_right / (2 * other_right + other_wrong + other_missed)
    return [total / max(1, count) for total, count in zip(totals, labels, strict=True)]
