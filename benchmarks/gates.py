"""How often the gates promote a challenger, by how good it truly is, which only a simulation knows.

Test images, models and their true F1s are those of benchmarks/comparisons.py. A training's evaluation is of
all test images, the shadow evaluation of those that the settings allow; a model says the same of an image in
both.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from benchmarks import comparisons
from benchmarks.comparisons import SKILL, Images, skill_of, true_f1
from lambdas.domain.promote import shadow_gate
from lambdas.domain.promote.shadow_gate import ChampionAnswers, Rival
from lambdas.domain.retrain import evaluation_gate
from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Comparison, ImageCounts, Rates
from lambdas.domain.shared.scores import LabelScore, Scores
from lambdas.domain.shared.tuning import Tuning

IMAGES = (20, 100, 1000)
TRIALS, FEWER_TRIALS = 1000, 150
LINEAGES = 20
TOLERANCE = 0.05
"""Of F1, by which alone challengers were judged before 0.2.0."""
RULES = ("keep", "better", "tolerance")
WITH_PRODUCTION = ("keep", "better")
"""Rules by which production images keep a challenger from serving as well; the tolerance knew none."""
UNSURE_WHEN_WRONG, UNSURE_WHEN_RIGHT = 0.6, 0.1
"""Share of the images that the champion gets wrong, or right, of which it is unsure: people are asked about
all of those, and about a sample of the others."""
_FLOORS: Mapping[str, Any] = {"min_f1": 0.0, "min_label_f1": 0.0, "min_test_images_per_label": 0}
"""Gates that only compare."""
_RATES = Rates.of(Tuning())

Seen = Sequence[ImageCounts]


@dataclass(frozen=True)
class Trial:
    """What a challenger and the champion see, and those that served before."""

    tested: Images
    mine: Seen
    champion: Seen
    earlier: Sequence[Seen] = ()
    production: tuple[Seen, Seen] | None = None
    """What both see on production images that people answered; None without any."""

    def passes(self, rule: str) -> bool:
        """Whether both gates let the challenger pass, with the setting undecided or by the tolerance."""
        if rule == "tolerance":
            mine, theirs = self._shadow(self.mine), self._shadow(self.champion)
            return comparison.f1(mine) - comparison.f1(theirs) >= -TOLERANCE
        tuning = Tuning(undecided=rule, **_FLOORS)
        scored = Scores(1, tuple(LabelScore(label, 1, 1, 1, 1) for label in comparisons.LABELS))
        labels = {image.label: 1 for image in self.tested}
        if not evaluation_gate.judge(scored, labels, tuning, self._evaluation).passed:
            return False
        return shadow_gate.judge(scored, self._answers, self._best_earlier, tuning).verdict.passed

    @property
    def is_called_worse(self) -> bool:
        """Whether a test of the two calls the challenger surely worse than the champion."""
        answers = self._answers
        tests = [self._evaluation, answers.rival.shadow, answers.production, *answers.labels.values()]
        return any(test.is_surely_worse for test in tests if test)

    @cached_property
    def _evaluation(self) -> Comparison:
        return comparison.compare(self.mine, self.champion, rates=_RATES)

    @cached_property
    def _answers(self) -> ChampionAnswers:
        mine, theirs = self._shadow(self.mine), self._shadow(self.champion)
        rates, production = _RATES, None
        if self.production:
            # As lambdas/domain/promote/shadow.py does.
            rates = replace(_RATES, share=comparison.SHARE_BESIDE_PRODUCTION)
            production = comparison.compare(*self.production, rates=rates)
        rival = Rival("v1", comparison.compare(mine, theirs, rates=rates), self._evaluation)
        labels = comparison.compare_labels(mine, theirs, rates=rates)
        return ChampionAnswers(rival, labels, is_running=True, production=production)

    @cached_property
    def _best_earlier(self) -> list[Rival]:
        """The best of the earlier versions, through its endpoint and by its evaluation."""
        if not self.earlier:
            return []
        count = len(self.earlier)
        best = max(self.earlier, key=comparison.f1)
        best_shadow = max(map(self._shadow, self.earlier), key=comparison.f1)
        shadow = comparison.compare(self._shadow(self.mine), best_shadow, rates=_RATES, best_of=count)
        evaluation = comparison.compare(self.mine, best, rates=_RATES, best_of=count)
        return [Rival("v0", shadow, None), Rival("v0", None, evaluation)]

    @staticmethod
    def _shadow(seen: Seen) -> Seen:
        return seen[: Tuning().shadow_test_images]


@dataclass(frozen=True)
class Shares:
    """Of challengers of one skill, those that each rule promotes, and those that a test calls worse."""

    promoted: Mapping[str, float]
    beside_production: Mapping[str, float]
    """The same where people have answered production images."""
    called_worse: tuple[float, float]
    """Without production images, and with them."""


def shares(images: int, skill: float, *, trials: int = FEWER_TRIALS, earlier: int = 0) -> Shares:
    """What becomes of challengers of that skill, each beside a champion of SKILL."""
    draw = random.Random(1)  # noqa: S311 nothing secret
    of_production = random.Random(3)  # noqa: S311 nothing secret
    passed, beside, worse = Counter[str](), Counter[str](), [0, 0]
    for _ in range(trials):
        trial = _trial(draw, images, skill, earlier)
        passed.update(rule for rule in RULES if trial.passes(rule))
        more = replace(trial, production=answered(of_production, skill))
        beside.update(rule for rule in WITH_PRODUCTION if more.passes(rule))
        worse[0] += trial.is_called_worse
        worse[1] += more.is_called_worse
    return Shares(
        {rule: passed[rule] / trials for rule in RULES},
        {rule: beside[rule] / trials for rule in WITH_PRODUCTION},
        (worse[0] / trials, worse[1] / trials),
    )


def answered(draw: random.Random, skill: float) -> tuple[Seen, Seen]:
    """What challenger and champion see on the last production images that people answered: those that the
    champion was unsure of, where it is wrong more often, and a sample of the others."""
    tuning = Tuning()
    count = tuning.shadow_production_images
    mine: list[ImageCounts] = []
    champion: list[ImageCounts] = []
    while len(mine) < count:
        arrived = comparisons.drawn_images(draw, 100)
        for image, theirs in zip(arrived, comparisons.see(draw, arrived, SKILL), strict=True):
            is_wrong = any(counts.wrong or counts.missed for counts in theirs.values())
            is_unsure = draw.random() < (UNSURE_WHEN_WRONG if is_wrong else UNSURE_WHEN_RIGHT)
            if is_unsure or draw.random() < tuning.review_sample_rate:
                mine += comparisons.see(draw, [image], skill)
                champion.append(theirs)
    return mine[:count], champion[:count]


def _trial(draw: random.Random, images: int, skill: float, earlier: int) -> Trial:
    tested = comparisons.drawn_images(draw, images)
    mine, champion, *others = (
        comparisons.see(draw, tested, one) for one in (skill, SKILL, *[SKILL] * earlier)
    )
    return Trial(tested, mine, champion, others)


def lineage(draw: random.Random, rule: str, *, images: int = 100, challengers: int = 25) -> float:
    """The skill of the champion that is left after so many challengers, which are a little worse on average
    than the first champion."""
    tested = comparisons.drawn_images(draw, images)
    served = [(SKILL, comparisons.see(draw, tested, SKILL))]
    for _ in range(challengers):
        skill = min(0.99, draw.gauss(SKILL - 0.02, 0.03))
        seen = comparisons.see(draw, tested, skill)
        earlier = [other for _, other in served[-11:-1]]
        if Trial(tested, seen, served[-1][1], earlier).passes(rule):
            served.append((skill, seen))
    return served[-1][0]


def measure() -> None:
    """Challengers that are worse, as good as the champion and better, with few images and many."""
    margin = Tuning().f1_margin
    print(
        f"share of simulated challengers that are promoted; F1 of the champion {true_f1(SKILL):.3f};"
        f" {TRIALS} where worse by the margin, else {FEWER_TRIALS}"
    )
    columns = [*RULES, *(f"{rule} +" for rule in WITH_PRODUCTION), "worse", "worse +"]
    print("  test images   F1 truly" + "".join(f"{name:>12s}" for name in columns))
    print(f"  +: with {Tuning().shadow_production_images} production images; worse: called so by any test")
    for images in IMAGES:
        for difference in (-0.1, -margin, 0.0, 0.05, 0.1):
            trials = TRIALS if difference == -margin else FEWER_TRIALS
            of_skill = shares(images, skill_of(true_f1(SKILL) + difference), trials=trials)
            every = [
                *of_skill.promoted.values(),
                *of_skill.beside_production.values(),
                *of_skill.called_worse,
            ]
            figures = "".join(f"{share:12.1%}" for share in every)
            print(f"  {images:11d}   {difference:+8.2f}{figures}", flush=True)
    for rule in RULES:
        draw = random.Random(2)  # noqa: S311 nothing secret
        left = [lineage(draw, rule) for _ in range(LINEAGES)]
        print(
            "  after 25 challengers that see 88 % on average the champion sees,"
            f" by {rule}: {sum(left) / LINEAGES:.1%}, {min(left):.1%} in the worst of {LINEAGES} series"
        )
