"""How often the gates let a challenger pass, by how good it truly is, which only a simulation knows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.domain.promote import shadow_gate
from lambdas.domain.promote.shadow_gate import ChampionAnswers, Rival
from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Counts, ImageCounts
from lambdas.domain.shared.scores import Scores
from lambdas.domain.shared.tuning import Tuning

LABELS = ("bolt", "nut", "washer")
SKILL = 0.9
"""Share of the objects that the champion sees, and of its detections that are right."""
TRIALS = 200
LINEAGES = 20


@dataclass(frozen=True)
class SimulatedImage:
    """A test image with one object; how hard it is, from 0 to 1, is so for every model."""

    label: str
    difficulty: float


def simulated_images(draw: random.Random, count: int) -> list[SimulatedImage]:
    """Test images with the labels in turn."""
    return [SimulatedImage(LABELS[i % len(LABELS)], draw.betavariate(2, 2)) for i in range(count)]


def see(draw: random.Random, images: Sequence[SimulatedImage], skill: float) -> list[ImageCounts]:
    """What a model of that skill gets right on each image, gets wrong, and misses."""
    return [_see_one(draw, image, skill) for image in images]


def _see_one(draw: random.Random, image: SimulatedImage, skill: float) -> ImageCounts:
    chance = skill + 1.6 * skill * (1 - skill) * (0.5 - image.difficulty)
    sees = draw.random() < chance
    counts = {image.label: Counts(right=int(sees), missed=int(not sees))}
    if draw.random() > chance:
        label = draw.choice(LABELS)
        right, wrong, missed = counts.get(label, Counts())
        counts[label] = Counts(right, wrong + 1, missed)
    return counts


def passes(draw: random.Random, images: int, skill: float, earlier: int = 0) -> bool:
    """Whether a challenger of that skill passes the shadow gate beside a champion of SKILL.

    The evaluations are of the same images as the shadow evaluation, and independent of it: a training tests
    at thresholds of its own.

    Args:
        earlier: versions of SKILL that served before the champion.
    """
    tested = simulated_images(draw, images)
    mine, my_evaluation = see(draw, tested, skill), see(draw, tested, skill)

    def best_of(versions: int) -> Rival:
        shadows = [see(draw, tested, SKILL) for _ in range(versions)]
        evaluations = [see(draw, tested, SKILL) for _ in range(versions)]
        return Rival(
            "v1",
            comparison.compare(mine, max(shadows, key=comparison.f1), best_of=versions),
            comparison.compare(my_evaluation, max(evaluations, key=comparison.f1), best_of=versions),
        )

    champion = best_of(1)
    if champion.evaluation and champion.evaluation.is_surely_worse:
        return False
    scores = Scores(comparison.f1(mine), ())
    answers = ChampionAnswers(champion, scores, scores, is_running=True)
    others = [best_of(earlier)] if earlier else []
    return shadow_gate.judge(scores, answers, others, Tuning()).passed


def rate(images: int, skill: float, *, trials: int = TRIALS, earlier: int = 0, seed: int = 1) -> float:
    """The share of challengers of that skill that pass."""
    draw = random.Random(seed)  # noqa: S311 nothing secret
    return sum(passes(draw, images, skill, earlier) for _ in range(trials)) / trials


def lineage(draw: random.Random, *, by_tolerance: bool, images: int = 100, challengers: int = 25) -> float:
    """The skill of the champion that is left after so many challengers, which are a little worse on average
    than the first champion.

    Args:
        by_tolerance: let pass whatever is not more than f1_tolerance below the champion, and nothing else.
    """
    tested = simulated_images(draw, images)
    served = [(SKILL, see(draw, tested, SKILL), see(draw, tested, SKILL))]
    for _ in range(challengers):
        skill = min(0.99, draw.gauss(SKILL - 0.02, 0.03))
        mine, my_evaluation = see(draw, tested, skill), see(draw, tested, skill)
        _, shadow, evaluation = served[-1]
        champion = Rival(
            "v1", comparison.compare(mine, shadow), comparison.compare(my_evaluation, evaluation)
        )
        scores = Scores(comparison.f1(mine), ())
        if by_tolerance:
            passed = bool(champion.shadow and champion.shadow.difference >= -Tuning().f1_tolerance)
        else:
            earlier = _best_of(mine, my_evaluation, [version[1:] for version in served[-11:-1]])
            answers = ChampionAnswers(champion, scores, scores, is_running=True)
            passed = shadow_gate.judge(scores, answers, earlier, Tuning()).passed
        if passed:
            served.append((skill, mine, my_evaluation))
    return served[-1][0]


def _best_of(
    mine: Sequence[ImageCounts],
    my_evaluation: Sequence[ImageCounts],
    earlier: Sequence[tuple[Sequence[ImageCounts], Sequence[ImageCounts]]],
) -> list[Rival]:
    """The earlier version that is best through its endpoint, and the one that is by its evaluation."""
    if not earlier:
        return []
    shadow = max((shadow for shadow, _ in earlier), key=comparison.f1)
    evaluation = max((evaluation for _, evaluation in earlier), key=comparison.f1)
    count = len(earlier)
    return [
        Rival("v0", comparison.compare(mine, shadow, best_of=count), None),
        Rival("v0", None, comparison.compare(my_evaluation, evaluation, best_of=count)),
    ]


def measure() -> None:
    """Challengers as good as the champion, better and worse, with few images and many."""
    print(f"share of simulated challengers that are promoted; the champion sees {SKILL:.0%} of the objects")
    skills = (0.95, 0.9, 0.85, 0.8, 0.7)
    print("  test images    " + "".join(f"sees {skill:.0%}   " for skill in skills))
    for images in (10, 30, 100):
        rates = "".join(f"{rate(images, skill):8.0%}   " for skill in skills)
        print(f"  {images:11d}    {rates}")
    print(f"  as good as the champion and ten before it, 100 images: {rate(100, SKILL, earlier=10):.0%}")
    for by_tolerance, rule in ((True, "a tolerance alone"), (False, "the gates")):
        draw = random.Random(2)  # noqa: S311 nothing secret
        left = sum(lineage(draw, by_tolerance=by_tolerance) for _ in range(LINEAGES)) / LINEAGES
        print(f"  after 25 challengers that see 88 % on average the champion sees, by {rule}: {left:.1%}")
