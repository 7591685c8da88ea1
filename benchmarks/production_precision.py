"""How often the intervals of the precision in production hold the true one, which only a simulation knows.

Images have some detections each, which are right or wrong together as far as `LIKENESS` says: each image has
a share of its own, drawn from a beta distribution. The champion is unsure of some images, and is wrong more
often there. Reviewers see all of those that they come to, and a sample of the others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from lambdas.domain.review.results import precision
from lambdas.domain.review.results.precision import Estimate, Precision
from lambdas.domain.shared.intervals import wilson

TRIALS = 1000
SURE, UNSURE = 0.97, 0.70
"""Share of detections that are right."""
LIKENESS = 0.3
"""Correlation of two detections of one image; 0: they have nothing to do with each other."""
ARRIVED = 20_000
UNSURE_SHARE = 0.2
REVIEWED_UNSURE = 400
"""Images that reviewers come to, of those that the champion is unsure of."""


@dataclass(frozen=True)
class Coverage:
    """The share of trials in which an interval held the true precision, and how wide it was on average."""

    reviewed: int
    """Images of the sample."""
    naive: float
    """As if each detection had an image of its own."""
    by_images: float
    weighted: float
    sample_only: float
    """Of all detections, by the sample of sure ones alone."""
    width: float


def coverage(reviewed: int, seed: int = 1) -> Coverage:
    """What becomes of the intervals when so many sampled images were reviewed."""
    chance = random.Random(seed)  # noqa: S311
    naive = by_images = whole = alone = width = 0.0
    unsure_arrived = round(ARRIVED * UNSURE_SHARE)
    overall = (1 - UNSURE_SHARE) * SURE + UNSURE_SHARE * UNSURE
    for _ in range(TRIALS):
        sure, unsure = _judged(reviewed, SURE, chance), _judged(REVIEWED_UNSURE, UNSURE, chance)
        assert sure.interval and sure.value is not None
        naive += _holds(wilson(sure.value, sure.detections), SURE)
        by_images += _holds(sure.interval, SURE)
        alone += _holds(sure.interval, overall)
        estimate = precision.weighted([(sure, (ARRIVED - unsure_arrived) * 3), (unsure, unsure_arrived * 3)])
        assert isinstance(estimate, Estimate)
        whole += _holds((estimate.low, estimate.high), overall)
        width += estimate.high - estimate.low
    return Coverage(reviewed, *(total / TRIALS for total in (naive, by_images, whole, alone, width)))


def _judged(images: int, right: float, chance: random.Random) -> Precision:
    """What reviewers say of images with three detections each on average."""
    judged = Precision()
    spread = 1 / LIKENESS - 1
    for _ in range(images):
        detections = chance.randint(1, 5)
        share = chance.betavariate(right * spread, (1 - right) * spread)
        confirmed = sum(chance.random() < share for _ in range(detections))
        squares = (detections**2, confirmed**2, detections * confirmed)
        judged += Precision(confirmed, detections - confirmed, 0, 1, 1, *squares)
    return judged


def _holds(interval: tuple[float, float], true: float) -> bool:
    return interval[0] <= true <= interval[1]


def measure() -> None:
    """Print how often 95 % intervals hold: 95 % are promised."""
    print("sampled  naive  by images  weighted  sample for all  width")
    for reviewed in (20, 50, 200, 1000):
        of = coverage(reviewed)
        shares = (of.naive, of.by_images, of.weighted, of.sample_only)
        print(f"{reviewed:7}  " + "  ".join(f"{share:6.1%}" for share in shares) + f"  {of.width:.3f}")
