"""How many more test images of which labels would tell two model versions apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lambdas.domain.shared import resampling
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.resampling import NORMAL, Pairs

MAX_IMAGES = 100_000
"""More than anybody would label are not named."""


@frozen
class _LabelVariance:
    label: str
    images: int
    """With an object of the label."""
    variance: float
    """What the label contributes to the variance of the difference of the F1s."""

    @property
    def root(self) -> float:
        """In proportion to which the images of several labels reduce the variance at least cost (J. Neyman,
        1934, "On the two different aspects of the representative method")."""
        return math.sqrt(self.variance * self.images)


def needed_images(
    pairs: Pairs, *, difference: float, margin: float, wrong_promotion: float, wrong_refusal: float
) -> dict[str, int]:
    """About how many more test images of each label would settle a comparison, most first.

    So many that both rates hold if the true difference is the measured one: the version is then shown to be
    no worse by the margin, or to be worse. The variance is that of the images, by the influence that each has
    on the difference (the first term of its expansion in the counts), with one image more that speaks against
    the version, as in its lower bound.

    Returns:
        Nothing if more than MAX_IMAGES would be needed.
    """
    distance = max(difference + margin, -difference)
    deviations = -NORMAL.inv_cdf(wrong_promotion) - NORMAL.inv_cdf(wrong_refusal)
    variances = _variances([*pairs, resampling.unseen(resampling.rarest(pairs))[0]])
    # Of two rates of a half any images will do.
    target = (distance / deviations) ** 2 if deviations else math.inf

    def missing(density: float) -> dict[str, float]:
        return {v.label: max(0.0, density * v.root - v.images) for v in variances}

    def remaining(density: float) -> float:
        return sum(v.variance * v.images / max(v.images, density * v.root) for v in variances)

    low, high = 0.0, 1.0
    while remaining(high) > target and sum(missing(high).values()) <= MAX_IMAGES:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if remaining(middle) <= target else (middle, high)
    needed = {label: _about(count) for label, count in missing(high).items() if count > 0}
    if sum(needed.values()) > MAX_IMAGES:
        return {}
    return dict(sorted(needed.items(), key=lambda item: (-item[1], item[0])))


def _variances(pairs: Pairs) -> list[_LabelVariance]:
    """What each label contributes to the variance."""
    labels = sorted({label for image, _ in pairs for label, counts in image.items() if counts[0] + counts[2]})
    weights = [_influence([pair[side] for pair in pairs], labels) for side in (0, 1)]
    influences = [
        {label: mine.get(label, 0.0) - theirs.get(label, 0.0) for label in {*mine, *theirs}}
        for mine, theirs in zip(*weights, strict=True)
    ]
    variances = dict.fromkeys(labels, 0.0)
    for influence in influences:
        whole = sum(influence.values())
        for label, part in influence.items():
            variances[label] += whole * part
    images = {
        label: sum(1 for image, _ in pairs if label in image and image[label][0] + image[label][2])
        for label in labels
    }
    return [_LabelVariance(label, images[label], max(0.0, variances[label])) for label in labels]


def _influence(
    images: Sequence[Mapping[str, tuple[int, int, int]]], labels: Sequence[str]
) -> list[dict[str, float]]:
    """By how much each image moves the mean of the labels' F1s, by label."""
    f1s: dict[str, float] = {}
    totals: dict[str, int] = {}
    for label in labels:
        right, wrong, missed = (
            sum(values) for values in zip(*(image.get(label, (0, 0, 0)) for image in images), strict=True)
        )
        totals[label] = 2 * right + wrong + missed
        f1s[label] = 2 * right / totals[label]
    return [
        {
            label: (2 * right - f1s[label] * (2 * right + wrong + missed)) / totals[label] / len(labels)
            for label, (right, wrong, missed) in image.items()
            if label in totals
        }
        for image in images
    ]


def _about(count: float) -> int:
    """Rounded up to two digits at most, of which nobody believes more."""
    step = int(10 ** max(0, math.floor(math.log10(max(count, 1))) - int(count >= 100)))
    return math.ceil(count / step) * step
