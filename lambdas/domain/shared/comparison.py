"""Whether one model version is better than another on the same test images, as far as these can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, NamedTuple

from lambdas.domain.shared import resampling
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.needed_images import needed_images

if TYPE_CHECKING:
    from lambdas.domain.shared.tuning import Tuning

MIN_IMAGES = 5
"""Fewer images tell nothing: an interval of four would have to reach beyond what resampling shows."""
TEST_SHARE = 1 / 3
"""Of wrong_refusal, for each test by which a version may be refused as worse: by its training's evaluation,
through its endpoint, and of a single label through its endpoint."""
SHARE_BESIDE_PRODUCTION = 2 / 9
"""The same for each test through the endpoint where production images are a third one: the three share what
the two have without."""
ANY_DIFFERENCE = (-1.0, 1.0)
"""Bounds of the true difference of two F1s of which nothing is known."""
_TAIL = 0.025
"""Beyond either end of an interval that holds with 95 % confidence."""
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
    wrong_refusal: float = 0.2
    """Of versions that are no worse, the share that may be refused as worse; and that may be left undecided
    by as many images as are said to be needed."""
    margin: float = 0.02
    """Difference of F1s that does not matter."""
    share: float = TEST_SHARE
    """Of wrong_refusal, that a single test may use up."""

    @classmethod
    def of(cls, tuning: Tuning) -> Rates:
        """Those that the settings ask for."""
        return cls(tuning.wrong_promotion_rate, tuning.wrong_refusal_rate, tuning.f1_margin)


@frozen
class Comparison:
    """The F1s of two model versions on the same images, and what is sure of their difference."""

    images: int
    f1: float
    other_f1: float
    interval: tuple[float, float] = ANY_DIFFERENCE
    """Bounds of the true difference: above the first with the confidence 1 - wrong_promotion, and below the
    second with 1 - wrong_refusal * share, as several tests may refuse."""
    confidence: float = 0.0
    """That the version is worse than the other one if it was measured so, else that it is better."""
    rates: Rates = field(default_factory=Rates)
    labels: int = 0
    """That the images truly show."""
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
        return self.is_worse and self.interval[1] < 0

    @property
    def is_surely_better(self) -> bool:
        """Whether the version's F1 is higher by more than chance explains."""
        return self.interval[0] > 0

    @property
    def is_surely_no_worse(self) -> bool:
        """Whether the version's F1 is surely not lower by the margin or more."""
        return self.is_surely_better or self.interval[0] >= -self.rates.margin

    @property
    def conclusion(self) -> str:
        """What can be told, in words, such as "better with 97 % confidence"."""
        rates = self.rates
        if self.is_surely_worse:
            sure = max(self.confidence, 1 - rates.wrong_refusal * rates.share)
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
        low, high = self.interval
        return (
            f"F1 {self.f1:.3f} {where}, {relation} on {images}"
            f" (the true difference is between {low:+.3f} and {high:+.3f})"
        )


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
    compared = Comparison(
        len(pairs), f1(version), f1(other), rates=rates, labels=len(resampling.objects(pairs))
    )
    if len(pairs) < MIN_IMAGES or not compared.labels:
        return compared
    differences = resampling.resample(pairs, seed)
    interval = (
        differences.at_least(rates.wrong_promotion),
        differences.at_most(rates.wrong_refusal * rates.share / best_of),
    )
    compared = replace(compared, interval=interval)
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


def f1_interval(images: Sequence[ImageCounts], *, seed: str = "") -> tuple[float, float] | None:
    """In which the true F1 of a version lies with 95 % confidence; None where its images are too few to tell.

    It is the interval of the difference from a version that sees nothing, whose F1 is 0.
    """
    nothing = [
        {label: Counts(0, 0, seen.right + seen.missed) for label, seen in image.items()} for image in images
    ]
    pairs = list(zip(images, nothing, strict=True))
    if len(pairs) < MIN_IMAGES or not resampling.objects(pairs):
        return None
    differences = resampling.resample(pairs, seed)
    return max(0.0, differences.at_least(_TAIL)), min(1.0, differences.at_most(_TAIL))


def compare_labels(
    version: Sequence[ImageCounts], other: Sequence[ImageCounts], *, rates: Rates, seed: str = ""
) -> dict[str, Comparison]:
    """The same for each label by itself, on the images on which something of it is or was seen.

    One of many labels looks worse by chance alone, so that all of them together are held to the rate.
    """
    pairs = list(zip(version, other, strict=True))
    labels = sorted(resampling.objects(pairs))
    compared = {}
    for label in labels:
        shown = [(mine, theirs) for mine, theirs in pairs if label in mine or label in theirs]
        mine, theirs = (
            [{label: image[label]} if label in image else {} for image in side]
            for side in zip(*shown, strict=True)
        )
        compared[label] = compare(mine, theirs, rates=rates, best_of=len(labels), seed=seed)
    return compared


def _percent(share: float) -> str:
    """Rounded down: 99.9 % is the most that is said."""
    percent = min(999, int(share * 1000 + 1e-6)) / 10
    return f"{percent:.1f} %" if percent > 99 else f"{int(percent)} %"
