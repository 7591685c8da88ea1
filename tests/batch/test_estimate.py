"""What a batch is said to cost and take, by what is known of earlier ones."""

from __future__ import annotations

import pytest

from lambdas.domain.batch import estimate
from lambdas.domain.shared.pricing import PRICES
from lambdas.domain.shared.records import Batch, Serving

PRICE = PRICES["us-east-1"]


def batch(version: str, rate: float) -> Batch:
    return Batch("night", version=version, unit_rate=rate)


@pytest.mark.parametrize(
    ("batches", "rate"),
    [
        ([], 0.0),
        ([batch("v1", 0.0)], 0.0),
        ([batch("v1", 3.0), batch("v2", 5.0)], 5.0),
        ([batch("v1", 3.0), batch("v3", 1.0)], 2.0),
        ([batch("v2", rate) for rate in (1.0, 2.0, 3.0, 100.0)], 2.0),
    ],
)
def test_the_last_batches_say_how_quick_a_unit_is_those_of_the_version_first(
    batches: list[Batch], rate: float
) -> None:
    assert estimate.measured_rate(batches, "v2") == rate


def test_what_batches_say_comes_before_what_was_measured_of_single_images() -> None:
    serving = Serving(unit_rate=4.0)
    measured = estimate.make(1000, 0, serving, PRICE, [2], runs=True, batch_rate=5.0)
    assert (measured.unit_rate, measured.is_measured) == (5.0, True)
    assert measured.options[0].seconds == 100.0
    single = estimate.make(1000, 0, serving, PRICE, [2], runs=True)
    assert (single.unit_rate, single.is_measured) == (4.0, True)
    assert not estimate.make(1000, 0, Serving(), PRICE, [2], runs=True).is_measured
