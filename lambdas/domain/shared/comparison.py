"""Whether one model version is better than another on the same test images, as far as these can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import NamedTuple

from lambdas.domain.shared import resampling
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.needed_images import needed_images

MIN_IMAGES = 5
"""Fewer images tell nothing: an interval of four would have to reach beyond what resampling shows."""
_MEASURES = 2
"""By which a version may be refused as worse: its training's evaluation, and its endpoint."""
_NAMED = 3
"""Labels that are named as missing images; the others are added up."""
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
class Rates:
    """How often a decision may be wrong, and from which difference on it is."""

    wrong_promotion: float = 0.05
    """Of versions that are worse by `margin` or more, the share that may pass as no worse."""
    wrong_refusal: float = 0.05
    """Of versions that are no worse, the share that may be refused as worse."""
    margin: float = 0.02
    """Difference of F1s that does not matter."""


@frozen
class Comparison:
    """The F1s of two model versions on the same images, and what is sure of their difference."""

    images: int
    f1: float
    other_f1: float
    interval: tuple[float, float] | None
    """Bounds of the true difference: above the first with the confidence 1 - wrong_promotion, and below the
    second with 1 - wrong_refusal / 2, as two measures may refuse. None of fewer than MIN_IMAGES."""
    confidence: float = 0.0
    """That the version is worse than the other one if it was measured so, else that it is better."""
    rates: Rates = field(default_factory=Rates)
    needed: Mapping[str, int] = field(default_factory=dict)
    """How many more test images of which labels would settle it if the difference is what was measured, most
    first; nothing where it is settled, or more than MAX_NEEDED would be needed."""

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

    @property
    def is_surely_better(self) -> bool:
        """Whether the version's F1 is higher by more than chance explains."""
        return self.interval is not None and self.interval[0] > 0

    @property
    def is_surely_no_worse(self) -> bool:
        """Whether the version's F1 is surely not lower by the margin or more."""
        return self.is_surely_better or (self.interval is not None and self.interval[0] > -self.rates.margin)

    @property
    def conclusion(self) -> str:
        """What can be told, in words, such as "better with 97 % confidence"."""
        rates = self.rates
        if self.is_surely_worse:
            sure = max(self.confidence, 1 - rates.wrong_refusal / _MEASURES)
            return f"worse with {_percent(sure)} confidence"
        if self.is_surely_better:
            return f"better with {_percent(max(self.confidence, 1 - rates.wrong_promotion))} confidence"
        if self.is_surely_no_worse:
            sure = _percent(1 - rates.wrong_promotion)
            return f"no worse than {rates.margin:.3g} with {sure} confidence"
        return ": ".join(filter(None, ("too few test images to tell", self.needed_in_words)))

    @property
    def needed_in_words(self) -> str:
        """Such as "about 60 more of `hex-nut` would settle it"; empty where nothing is needed or known."""
        if not self.needed:
            return ""
        named = [f"{count} more of `{label}`" for label, count in self.needed.items()]
        if others := sum(list(self.needed.values())[_NAMED:]):
            named[_NAMED:] = [f"{others} of other labels"]
        first = ", ".join(named[:-1])
        return (
            f"about {first} and {named[-1]} would settle it" if first else f"about {named[0]} would settle it"
        )

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
            interval = f"the true difference is between {self.interval[0]:+.3f} and {self.interval[1]:+.3f}"
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


def compare(
    version: Sequence[ImageCounts],
    other: Sequence[ImageCounts],
    *,
    rates: Rates | None = None,
    best_of: int = 1,
    seed: str = "",
) -> Comparison:
    """Compare two versions by what they saw on the same images, image by image.

    Args:
        version, other: the counts of one version each, in the same order of images.
        rates: how sure the comparison has to be.
        best_of: among how many versions the other one was chosen because it is so good on these images. By
            chance alone the best of many looks better than it is, and is held to a rate that is divided by
            their number, as Bonferroni does.
        seed: of the resampling, such as the snapshot's id: the same seed and counts give the same comparison.
    """
    rates = rates or Rates()
    pairs = list(zip(version, other, strict=True))
    measured = f1(version), f1(other)
    if len(pairs) < MIN_IMAGES or not resampling.rarest(pairs):
        return Comparison(len(pairs), *measured, None, rates=rates)
    differences = resampling.resample(pairs, seed)
    interval = (
        differences.at_least(rates.wrong_promotion),
        differences.at_most(rates.wrong_refusal / _MEASURES / best_of),
    )
    compared = Comparison(len(pairs), *measured, interval, rates=rates)
    confidence = differences.confidence_of_better()
    if compared.is_worse:
        confidence = max(0.0, 1 - best_of * (1 - differences.confidence_of_worse()))
    needed: Mapping[str, int] = {}
    if not (compared.is_surely_worse or compared.is_surely_no_worse):
        needed = needed_images(
            pairs,
            difference=compared.difference,
            margin=rates.margin,
            wrong_promotion=rates.wrong_promotion,
            wrong_refusal=rates.wrong_refusal,
        )
    return replace(compared, confidence=confidence, needed=needed)


def _percent(share: float) -> str:
    """Rounded down: 99.9 % is the most that is said."""
    percent = min(999, int(share * 1000 + 1e-6)) / 10
    return f"{percent:.1f} %" if percent > 99 else f"{int(percent)} %"
