"""How often a comparison of two model versions on the same test images is wrong, by a simulation.

Each image has an object, and is as hard for one model as for the other: models of one lineage mostly fail on
the same images. Labels have 70, 20 and 10 % of the objects. The F1s that two models truly have follow from
how many objects they see, so that a challenger can be made that is worse by just the margin: the one that is
hardest to tell from those that may pass.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Comparison, Counts, ImageCounts, Rates

LABELS = {"bolt": 0.7, "nut": 0.2, "washer": 0.1}
"""Share of the objects."""
SKILL = 0.9
"""Share of the objects that the champion sees; it sees one that is not there as often as it misses one."""
AGREEMENT = 0.8
"""Share of the images on which two models of the same skill do the same."""
IMAGES = (20, 100, 1000)
TRIALS, FEWER_TRIALS = 1000, 200


@dataclass(frozen=True)
class Image:
    """A test image with one object."""

    label: str
    seen_below: float
    """A model of this skill or more sees the object, unless it happens to differ on this image."""
    amiss_below: float
    """A model of less skill sees one that is not there."""


Images = Sequence[Image]


def true_f1(skill: float) -> float:
    """The mean of the labels' F1s of a model that sees this share of the objects."""
    missed = wrong = 1 - skill
    return sum(
        2 * skill * share / (2 * skill * share + missed * share + wrong / len(LABELS))
        for share in LABELS.values()
    ) / len(LABELS)


def skill_of(f1: float) -> float:
    """The share of the objects that a model of this true F1 sees."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if true_f1(middle) < f1 else (low, middle)
    return low


def compared(draw: random.Random, images: int, skill: float, rates: Rates) -> Comparison:
    """A challenger of that skill compared with the champion on so many new test images."""
    tested = drawn_images(draw, images)
    mine, others = see(draw, tested, skill), see(draw, tested, SKILL)
    return comparison.compare(mine, others, rates=rates, seed=str(draw.random()))


def drawn_images(draw: random.Random, count: int) -> list[Image]:
    """Test images as they come."""
    labels, weights = list(LABELS), list(LABELS.values())
    return [Image(draw.choices(labels, weights)[0], draw.random(), draw.random()) for _ in range(count)]


def see(draw: random.Random, images: Images, skill: float) -> list[ImageCounts]:
    """What a model of that skill gets right on each image, gets wrong, and misses."""
    seen: list[ImageCounts] = []
    for image in images:
        agrees = draw.random() < AGREEMENT
        sees = (image.seen_below if agrees else draw.random()) < skill
        counts = {image.label: Counts(right=int(sees), missed=int(not sees))}
        if (image.amiss_below if agrees else draw.random()) > skill:
            label = draw.choice(list(LABELS))
            right, wrong, missed = counts.get(label, Counts())
            counts[label] = Counts(right, wrong + 1, missed)
        seen.append(counts)
    return seen


def shares(images: int, difference: float, rates: Rates, trials: int, seed: int = 1) -> dict[str, float]:
    """The share of comparisons that come to each conclusion, of challengers whose true F1 differs so much."""
    draw = random.Random(seed)  # noqa: S311 nothing secret
    skill = skill_of(true_f1(SKILL) + difference)
    done = [compared(draw, images, skill, rates) for _ in range(trials)]
    concluded = {
        "no worse": sum(one.is_surely_no_worse and not one.is_surely_worse for one in done),
        "worse": sum(one.is_surely_worse for one in done),
    }
    return {conclusion: count / trials for conclusion, count in concluded.items()}


def measure() -> None:
    """Challengers that are worse by the margin, as good as the champion, and better."""
    for margin in (0.02, 0.05):
        rates = Rates(margin=margin)
        print(
            f"  share of comparisons; F1 of the champion {true_f1(SKILL):.3f}, margin {margin},"
            f" rates {rates.wrong_promotion:.0%} and {rates.wrong_refusal:.0%};"
            f" {TRIALS} comparisons where worse by the margin, else {FEWER_TRIALS}"
        )
        print("  images   F1 truly    surely no worse   surely worse")
        for images in IMAGES:
            for difference in (-0.1, -margin, 0, 0.05):
                trials = TRIALS if difference == -margin else FEWER_TRIALS
                print(
                    f"  {images:6d}   {difference:+8.2f}"
                    + "".join(
                        f"{share:16.1%} " for share in shares(images, difference, rates, trials).values()
                    ),
                    flush=True,
                )
