"""What a selftest has cost so far, by estimate, and the cap at which it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cli.following import Display, Phase
from cli.output import CommandError
from lambdas.domain.engines.port import BUSY, Version
from lambdas.domain.retrain.run_progress import RunProgress
from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.records import is_serverless


class CapReachedError(CommandError):
    """The selftest has cost as much as it may."""


@dataclass
class Spending:
    """Adds up what the project's versions cost from one look to the next.

    It is on the safe side: a version that starts or stops counts as one that runs.

    Attributes:
        list_versions: the project's versions now.
        pause: seconds between two looks.
    """

    cap_usd: float
    prices: Prices
    list_versions: Callable[[], Iterable[Version]]
    pause: float
    clock: Callable[[], float] = time.monotonic
    usd: float = 0.0
    _looked_at: float = field(default=0.0, init=False)
    _usd_per_second: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._looked_at = self.clock() - self.pause

    def look(self) -> None:
        """Bring the estimate up to now.

        Raises:
            CapReachedError: the cap is reached.
        """
        now = self.clock()
        elapsed = now - self._looked_at
        if elapsed < self.pause:
            return
        self.usd += elapsed * self._usd_per_second
        versions = self.list_versions()
        self._looked_at = now
        self._usd_per_second = sum(usd_per_second(version, self.prices) for version in versions)
        if self.usd >= self.cap_usd:
            raise CapReachedError(
                f"the cap of {self.cap_usd:.2f} USD is reached, by estimate: the selftest ends here"
            )


def usd_per_second(version: Version, prices: Prices) -> float:
    """What a version costs while it is as it is."""
    if version.status == "TRAINING_IN_PROGRESS":
        return prices.training_usd(3600, serverless=is_serverless(version.name)) / 3600
    if version.is_always_on:
        return 0.0
    return prices.inference_usd(3600, version.inference_units) / 3600 if version.status in BUSY else 0.0


@dataclass(frozen=True)
class CountingDisplay:
    """A display that also looks at what is being spent, as often as it is shown something."""

    display: Display
    spending: Spending

    def show(self, phases: Sequence[Phase], detail: str, progress: RunProgress) -> None:
        self.spending.look()
        spent = f"{detail} (about {self.spending.usd:.2f} USD so far)".strip()
        self.display.show(phases, spent, progress)
