"""What a training is going to cost, by what trainings have taken before, and the champion, by its policy."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from lambdas.domain.shared import clock, opening_hours
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.records import Run, SnapshotSummary, is_serverless
from lambdas.domain.shared.tuning import Tuning

SHADOW_HOURS = 1.0
"""Of one inference unit that the shadow gate is reckoned to take: from the challenger's start to its stop."""
SHORTEST_SECONDS = 1800.0
"""Of a training, where no other tells more. "Typically training takes from 30 minutes to 24 hours":
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/training-model.html"""
_LATEST = 5
"""Trainings that a forecast goes by."""


@frozen
class Forecast:
    """What a run's training and its shadow gate are expected to cost."""

    seconds: float
    """Of training."""
    usd: float
    trainings: int
    """How many earlier ones it goes by; 0: only the shortest time that AWS names is known."""
    is_serverless: bool = False

    @property
    def text(self) -> str:
        """The forecast in words, without a full stop."""
        usd = f"{self.usd:.2f} USD" + ("" if self.is_serverless else " with the shadow gate")
        if not self.trainings and self.is_serverless:
            return f"a first training on a machine of SageMaker is reckoned with half an hour: {usd}, or more"
        if not self.trainings:
            return f"a first training takes 30 minutes to 24 hours: {usd}, or more"
        last = "one" if self.trainings == 1 else str(self.trainings)
        return f"a training takes about {clock.duration(self.seconds)} by the last {last}, so about {usd}"


def training(
    runs: Iterable[Run],
    images: SnapshotSummary | None,
    prices: Prices,
    units: int,
    *,
    serverless: bool = False,
) -> Forecast:
    """The forecast for a training on so many images, by seconds for each image of the engine's latest ones.

    Args:
        runs: newest first.
        images: of the snapshot; None: as many as the last time.
        units: inference units that the shadow gate starts the version with.
        serverless: the engine is that one: nothing is started for its shadow gate.
    """
    known = [
        (run.billable_seconds, _count(run.images))
        for run in runs
        if run.billable_seconds and is_serverless(run.version or "") == serverless
    ]
    rates = [seconds / count for seconds, count in known if count][:_LATEST]
    count = _count(images) or next((count for _, count in known if count), 0)
    seconds = median(rates) * count if rates else SHORTEST_SECONDS
    shadow = 0.0 if serverless else prices.inference_usd(SHADOW_HOURS * 3600, units)
    usd = prices.training_usd(seconds, serverless=serverless) + shadow
    return Forecast(round(seconds, 1), round(usd, 2), len(rates), serverless)


def serving_words(tuning: Tuning, prices: Prices, asked: str = "") -> str:
    """What the champion is going to cost with the serving policy, without a full stop.

    Args:
        asked: `stop` or `start` if a person has said so just now or, of a stop, at any time. Either overrides
            the policy, a start until the champion was idle.
    """
    hour = prices.inference_usd(3600, tuning.min_inference_units)
    words = f"{hour:.2f} USD for each hour in which the champion runs"
    if tuning.max_inference_units > tuning.min_inference_units:
        words += f", up to {prices.inference_usd(3600, tuning.max_inference_units):.2f} with all its units"
    if asked == "stop":
        return f"{words}; nothing while it sleeps, until `labelloop start`"
    match "idle" if asked and tuning.serving_policy != "always" else tuning.serving_policy:
        case "always":
            return f"{words}; it always runs, so {24 * hour:.2f} USD a day"
        case "hours":
            hours = opening_hours.parse(tuning.serving_hours, tuning.serving_time_zone)
            weekly = sum(span.end - span.begin for span in hours.spans) / 60
            return f"{words}; it runs {weekly:g} hours a week, so {weekly * hour:.2f} USD a week"
        case "idle":
            return f"{words}; {_until_idle(tuning, prices)}"
        case "demand":
            return f"{words}; images under detect/ start it, and it sleeps once they are answered"
        case _:
            return f"{words}; only `labelloop start` starts it, and {_until_idle(tuning, prices)}"


def _until_idle(tuning: Tuning, prices: Prices) -> str:
    idle = tuning.serving_idle_seconds
    least = prices.inference_usd(idle, tuning.min_inference_units)
    return (
        f"it sleeps once it was not used for {clock.duration(idle)}, so a start costs {least:.2f} USD or more"
    )


def _count(images: SnapshotSummary | None) -> int:
    return images.train_images + images.test_images if images else 0
