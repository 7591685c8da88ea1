"""What a batch is going to cost, and how long it will take, at how many inference units: pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from lambdas.domain.batch import files
from lambdas.domain.serve.policy import IMAGES_PER_SECOND, START_SECONDS
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.pricing import USAGE_PRICES, Prices, Usage
from lambdas.domain.shared.records import Serving

WORKER_MEMORY_MB = 1769
"""Of a worker; there is one for each inference unit, and one more. It waits most of the time; so much it
needs to cut an image of 100 million pixels into tiles, one at a time. It is one whole processor:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
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


def make(
    images: int, uploads: int, serving: Serving, prices: Prices, units: Sequence[int], *, runs: bool
) -> Estimate:
    """Reckon what a batch comes to.

    Args:
        uploads: images that have to be sent to the bucket first.
        units: the numbers of inference units to compare.
        runs: the version runs already, with those units.
    """
    rate = serving.unit_rate or IMAGES_PER_SECOND
    start = 0.0 if runs else fmean(serving.start_seconds or [START_SECONDS])
    options = tuple(
        Option(
            count,
            round(start + images / (rate * count), 1),
            round(prices.inference_usd(images / (rate * count), count), 2),
            round(sum(USAGE_PRICES.usd(usage(images, uploads, rate, count)).values()), 4),
        )
        for count in units
    )
    return Estimate(images, rate, bool(serving.unit_rate), start, options)


def usage(images: int, uploads: int, unit_rate: float, units: int) -> Usage:
    """What is billed by use for a batch that is not interrupted, at this number of inference units.

    Of each image one reading by the worker and one by Rekognition. Of each part of the input its writing and
    reading, a look for earlier results, and the writing and reading of its shard's summary beside the shard.
    A child execution of a Distributed Map is a transition, as is its one state:
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html
    """
    parts = -(-images // files.PART_LINES)
    return Usage(
        transitions=MACHINE_TRANSITIONS + 2 * parts,
        function_requests=MACHINE_TRANSITIONS + parts,
        function_gb_seconds=WORKER_MEMORY_MB / 1024 * (units + 1) * images / (unit_rate * units),
        s3_puts=uploads + 3 * parts + 2 * parts / 1000 + 3,
        s3_gets=2 * images + 3 * parts,
    )
