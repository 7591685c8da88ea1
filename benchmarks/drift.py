"""How often an alarm is false, and how soon a real change is noticed, by how many test images there are.

Images show some of eight labels; each has a mean confidence and a mean size, all drawn at random. What is
measured is the function that is deployed, `statistics.changes`, at every look that there would be.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from lambdas.domain.drift import statistics
from lambdas.domain.drift.counts import Counts, merged
from lambdas.domain.drift.observations import Look
from lambdas.domain.drift.watch import WINDOWS

LABELS = {f"label-{number}": 0.4 / (number + 1) for number in range(8)}
"""Share of the images that show each."""
IMAGES_AN_HOUR = 20
TEST_IMAGES = (30, 200, 2000)
RATES = (0.05, 0.5)
DAYS, TRIALS = 30, 20
MAX_DAYS, CHANGED_TRIALS = 4, 3


@dataclass(frozen=True)
class Scene:
    """What arrives."""

    confidence: float = 85.0
    size: float = 0.3
    shares: tuple[tuple[str, float], ...] = tuple(LABELS.items())

    def image(self, chance: random.Random) -> Look:
        """One image, as it looks to the champion."""
        labels = {label: chance.randint(1, 3) for label, share in self.shares if chance.random() < share}
        if not labels:
            return Look()
        confidence = min(99.9, max(30.0, chance.gauss(self.confidence, 8)))
        return Look(labels, confidence, min(1.0, max(0.02, chance.gauss(self.size, 0.08))))


USUAL = Scene()
CHANGES = {
    "confidence 5 points lower": replace(USUAL, confidence=80.0),
    "confidence 10 points lower": replace(USUAL, confidence=75.0),
    "objects a third smaller": replace(USUAL, size=0.2),
    "a label on 25 %, not 5 %": replace(USUAL, shares=(*list(LABELS.items())[:-1], ("label-7", 0.25))),
}


def false_alarms(test_images: int, rate: float, seed: int = 1) -> float:
    """The share of trials in which anything was said to have changed in a month of daily looks."""
    alarms = 0
    for trial in range(TRIALS):
        chance = random.Random(f"{seed} {trial} {test_images}")  # noqa: S311
        tested, days = _images(USUAL, test_images, chance), list[Counts]()
        for _ in range(DAYS):
            days.append(_images(USUAL, 24 * IMAGES_AN_HOUR, chance))
            if statistics.changes(tested, _windows(days), LABELS, rate, looks=DAYS):
                alarms += 1
                break
    return alarms / TRIALS


def hours_to_notice(change: Scene, test_images: int, seed: int = 1) -> list[float]:
    """After how many hours of hourly looks a change was noticed, sorted; infinite: not in ten days."""
    return sorted(
        _noticed(change, test_images, random.Random(f"{seed} {trial}"))  # noqa: S311
        for trial in range(CHANGED_TRIALS)
    )


def _noticed(change: Scene, test_images: int, chance: random.Random) -> float:
    tested = _images(USUAL, test_images, chance)
    days = [_images(USUAL, 24 * IMAGES_AN_HOUR, chance) for _ in range(27)]
    for hour in range(24 * MAX_DAYS):
        if hour % 24 == 0:
            days.append(Counts())
        days[-1].merge(_images(change, IMAGES_AN_HOUR, chance))
        if statistics.changes(tested, _windows(days), LABELS, 0.05):
            return hour + 1
    return float("inf")


def _windows(days: list[Counts]) -> dict[str, Counts]:
    return {name: merged(days[-length:]) for name, length in WINDOWS.items()}


def _images(scene: Scene, images: int, chance: random.Random) -> Counts:
    counts = Counts()
    for _ in range(images):
        counts.add(scene.image(chance))
    return counts


def measure() -> None:
    """Print both."""
    print(f"false alarms in {TRIALS} times {DAYS} daily looks (at most)")
    for test_images in TEST_IMAGES:
        shares = [f"{false_alarms(test_images, rate):.0%} ({rate:.0%})" for rate in RATES]
        print(f"  {test_images:5} test images: {', '.join(shares)}", flush=True)
    print(f"hours to notice a change, {IMAGES_AN_HOUR} images an hour, at 5 % a year: median (most)")
    _print_changes(lambda hours: f"{hours:.0f}")


def _print_changes(text: Callable[[float], str]) -> None:
    for name, change in CHANGES.items():
        shown = []
        for test_images in TEST_IMAGES:
            hours = hours_to_notice(change, test_images)
            shown.append(f"{test_images}: {text(hours[len(hours) // 2])} ({text(hours[-1])})")
        print(f"  {name}: {', '.join(shown)}", flush=True)
