"""Whether images that arrive look to the champion as its test images do, with a stated rate of false alarms.

If nothing has changed, test images and those that arrive are drawn from the same; then every test below has a
probability of not more than its level to say otherwise. Numbers of an image are compared by the greatest
difference of two distributions (Smirnov), with the bound of F. Wei and R. M. Dudley, 2012, "Two-sample
Dvoretzky-Kiefer-Wolfowitz inequalities"; whether images show a label, by Fisher's exact test.

The rate is one of alarms in a year. It is divided by the looks of a year, by the stretches of time that are
looked at, and by the features, those of labels again by the labels (Bonferroni): so it holds however much the
tests have to do with each other, as those of one week's every hour do. That costs little: a test at a
hundredth of the level needs a difference that is a seventh greater. benchmarks/drift.py shows both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from lambdas.domain.drift.counts import FEATURES, Counts

LOOKS_A_YEAR = 365 * 24
_BOUND = 2.16863
"""Of Wei and Dudley, for samples of any size."""
_NEGLIGIBLE = 1e-15
"""Of a sum: what is smaller adds nothing to it."""

Kind = Literal["detections", "confidence", "size", "label"]


@dataclass(frozen=True)
class Change:
    """Something that is not as on the test images."""

    kind: Kind
    label: str
    """Which, if it is a label; otherwise empty."""
    window: str
    """The stretch of time in which that shows most clearly."""
    p_value: float
    """How probable a difference as great would be if nothing had changed, before any correction."""

    @property
    def feature(self) -> str:
        """Names it among others of all windows."""
        return f"{self.kind}:{self.label}" if self.label else self.kind


def changes(
    reference: Counts,
    windows: Mapping[str, Counts],
    labels: Collection[str],
    rate: float,
    *,
    looks: int = LOOKS_A_YEAR,
) -> list[Change]:
    """What has changed, the surest first; each once, by the window in which it shows most clearly.

    Args:
        reference: of the test images.
        windows: of the images that arrived, by the name of the stretch of time.
        labels: that the version knows.
        rate: probability that anything is said to have changed, in all looks together, though nothing has.
        looks: how often this is called in the time that the rate is of.
    """
    level = rate / looks / len(windows) / (len(FEATURES) + 1)
    known = sorted(labels)
    seen: list[Change] = []
    for window, arrived in windows.items():
        for feature in FEATURES:
            p_value = smirnov(reference.bins[feature], arrived.bins[feature])
            if p_value <= level:
                seen.append(Change(feature, "", window, p_value))
        for label in known:
            showing = (reference.labels[label], arrived.labels[label])
            p_value = fisher(showing[0], reference.images, showing[1], arrived.images)
            if p_value <= level / len(known):
                seen.append(Change("label", label, window, p_value))
    seen.sort(key=lambda change: change.p_value)
    once: dict[str, Change] = {}
    for change in seen:
        once.setdefault(change.feature, change)
    return list(once.values())


def smirnov(mine: Counter[int], theirs: Counter[int]) -> float:
    """At most how probable it is that two samples of one distribution differ as much as these.

    Args:
        mine, theirs: how many values lie in each bin. Whatever the bins, that is not less than of the values.
    """
    n, m = mine.total(), theirs.total()
    if not n or not m:
        return 1.0
    greatest = below = other_below = 0.0
    for number in sorted({*mine, *theirs}):
        below += mine[number] / n
        other_below += theirs[number] / m
        greatest = max(greatest, abs(below - other_below))
    return min(1.0, _BOUND * math.exp(-2 * greatest**2 * n * m / (n + m)))


def fisher(mine: int, n: int, theirs: int, m: int) -> float:
    """Twice how probable it is that of n and m images that are alike so few, or so many, of the n show it.

    Args:
        mine, theirs: of the n and of the m images, those that do.
    """
    together = mine + theirs
    if not n or not m or not together or together == n + m:
        return 1.0
    least, most = max(0, together - m), min(n, together)
    down = _sum(n, m, together, range(mine, least - 1, -1))
    up = _sum(n, m, together, range(mine, most + 1))
    return min(1.0, 2 * min(down, up))


def _sum(n: int, m: int, together: int, values: range) -> float:
    """Probabilities of a hypergeometric distribution, added up from the first value on."""
    total = previous = 0.0
    for value in values:
        probability = math.exp(
            _log_choose(n, value) + _log_choose(m, together - value) - _log_choose(n + m, together)
        )
        total += probability
        if probability < previous and probability < _NEGLIGIBLE * total:
            break
        previous = probability
    return total


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def least_difference(test_images: int, rate: float, windows: int) -> float:
    """The least difference of two distributions that can be told with so many test images, from 0 to 1.

    It is the one that is told with any number of images that arrive; of two distributions the greatest
    difference of the shares of images up to a value.
    """
    level = rate / LOOKS_A_YEAR / windows / (len(FEATURES) + 1)
    return min(1.0, math.sqrt(math.log(_BOUND / level) / 2 / max(test_images, 1)))
