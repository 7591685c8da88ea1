"""What a batch is going to cost, and how long it will take, at how many inference units: pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from lambdas.domain.batch import files
from lambdas.domain.serve.policy import IMAGES_PER_SECOND, START_SECONDS
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.pricing import USAGE_PRICES, Prices, Usage
from lambdas.domain.shared.records import Batch, Serving

WORKER_MEMORY_MB = 1204
"""Of a worker, which waits most of the time and is paid for it: no more than it takes to cut an image of 100
million pixels into tiles, one at a time."""
LAST_BATCHES = 3
"""By whose rates the next one is estimated."""
MACHINE_TRANSITIONS = 60
"""State transitions of one execution beside those of the map: two looks a minute while the version starts."""


@frozen
class Option:
    """A batch at a number of inference units."""

    units: int
    seconds: float
    """From its start to its end, the version's start included."""
    units_usd: float
    use_usd: float
    """Requests, state transitions and functions."""

    @property
    def usd(self) -> float:
        return self.units_usd + self.use_usd


@frozen
class Estimate:
    """What a batch comes to at each number of inference units, and what that goes by."""

    images: int
    unit_rate: float
    """Images that an inference unit answers in a second."""
    is_measured: bool
    """Whether that rate was measured here; else nobody knows it yet."""
    start_seconds: float
    """What the version's start takes; 0 if it runs."""
    options: tuple[Option, ...]


def measured_rate(batches: Iterable[Batch], version: str) -> float:
    """Images that an inference unit answered in a second, by the last batches that were large enough to tell.

    Those of the same model version come first: rates depend on the model as they do on images.

    Args:
        batches: newest first.

    Returns:
        0.0 if none tells.
    """
    rates = [(batch.version == version, batch.unit_rate) for batch in batches if batch.unit_rate]
    own = [rate for is_own, rate in rates if is_own]
    return _mean((own or [rate for _, rate in rates])[:LAST_BATCHES] or [0.0])


def _mean(values: Sequence[float]) -> float:
    """As `statistics.fmean`, whose module is a tenth of what a cold start imports."""
    return math.fsum(values) / len(values)


def make(
    images: int,
    uploads: int,
    serving: Serving,
    prices: Prices,
    units: Sequence[int],
    *,
    runs: bool,
    batch_rate: float = 0.0,
) -> Estimate:
    """Reckon what a batch comes to.

    Args:
        batch_rate: images that an inference unit answered in a second in earlier batches; 0: there are none.
        uploads: images that have to be sent to the bucket first.
        units: the numbers of inference units to compare.
        runs: the version runs already, with those units.
    """
    rate = batch_rate or serving.unit_rate or IMAGES_PER_SECOND
    start = 0.0 if runs else _mean(serving.start_seconds or [START_SECONDS])
    options = tuple(
        Option(
            count,
            round(start + images / (rate * count), 1),
            round(prices.inference_usd(images / (rate * count), count), 2),
            round(sum(USAGE_PRICES.usd(usage(images, uploads, rate, count)).values()), 4),
        )
        for count in units
    )
    return Estimate(images, rate, bool(batch_rate or serving.unit_rate), start, options)


def workers(units: int) -> int:
    """Workers that keep so many inference units busy, also while one of them takes its next part.

    One has eight requests under way: four for a unit, or nearly three while another is away.
    """
    return max(2, -(-(units + 1) // 2))


def usage(images: int, uploads: int, unit_rate: float, units: int) -> Usage:
    """What is billed by use for a batch that is not interrupted, at this number of inference units.

    Of each image one reading by the worker and one by Rekognition. Of each part of the input its writing and
    reading, a look for earlier results, and the writing and reading of its shard's summary beside the shard.
    A child execution of a Distributed Map is a transition, as is its one state:
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html
    """
    parts = -(-images // files.PART_LINES)
    seconds = images / (unit_rate * units)
    return Usage(
        transitions=MACHINE_TRANSITIONS + 2 * parts,
        function_requests=MACHINE_TRANSITIONS + parts,
        function_gb_seconds=WORKER_MEMORY_MB / 1024 * workers(units) * seconds,
        s3_puts=uploads + 3 * parts + 2 * parts / 1000 + 3,
        s3_gets=2 * images + 3 * parts,
    )
