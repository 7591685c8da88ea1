"""What a training is going to cost, by what trainings have taken before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.records import Run, SnapshotSummary

SHADOW_HOURS = 1.0
"""Of one inference unit that the shadow gate is reckoned to take: from the challenger's start to its stop."""
SHORTEST_SECONDS = 1800.0
"""Of a training, where no other tells more. "Typically training takes from 30 minutes to 24 hours":
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/training-model.html"""
_LATEST = 5
"""Trainings that a forecast goes by."""


@dataclass(frozen=True)
class Forecast:
    """What a run's training and its shadow gate are expected to cost."""

    seconds: float
    """Of training."""
    usd: float
    trainings: int
    """How many earlier ones it goes by; 0: only the shortest time that AWS names is known."""

    @property
    def text(self) -> str:
        """The forecast in words, without a full stop."""
        usd = f"{self.usd:.2f} USD with the shadow gate"
        if not self.trainings:
            return f"a first training takes 30 minutes to 24 hours, so {usd} or more"
        last = "last training" if self.trainings == 1 else f"last {self.trainings} trainings"
        return f"about {self.seconds / 3600:.1f} hours of training by the {last}, so about {usd}"


def training(runs: Iterable[Run], images: SnapshotSummary | None, prices: Prices, units: int) -> Forecast:
    """The forecast for a training on so many images, by seconds for each image of the latest trainings.

    Args:
        runs: newest first.
        images: of the snapshot; None: as many as the last time.
        units: inference units that the shadow gate starts the version with.
    """
    known = [(run.billable_seconds, _count(run.images)) for run in runs if run.billable_seconds]
    rates = [seconds / count for seconds, count in known if count][:_LATEST]
    count = _count(images) or next((count for _, count in known if count), 0)
    seconds = median(rates) * count if rates else SHORTEST_SECONDS
    shadow = prices.inference_usd(SHADOW_HOURS * 3600, units)
    return Forecast(round(seconds, 1), round(prices.training_usd(seconds) + shadow, 2), len(rates))


def _count(images: SnapshotSummary | None) -> int:
    return images.train_images + images.test_images if images else 0
