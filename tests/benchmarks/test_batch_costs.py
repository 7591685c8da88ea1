from __future__ import annotations

import pytest

from benchmarks import batch_costs
from lambdas.domain.shared.pricing import USAGE_PRICES, Usage


def test_what_is_billed_by_use_is_reckoned_with_the_table() -> None:
    usd = USAGE_PRICES.usd(Usage(transitions=1000, s3_puts=1000, queue_requests=1e6))
    assert usd == pytest.approx({"transitions": 0.025, "functions": 0.0, "s3": 0.005, "queues": 0.4})


@pytest.mark.parametrize(("rate", "limit"), [(1.0, 0.55), (2.0, 0.3), (5.0, batch_costs.LIMIT)])
def test_a_batch_costs_a_share_of_one_execution_for_each_image(rate: float, limit: float) -> None:
    """A fifth where units are quick. Where they are slow the workers wait for them, and are paid for it."""
    share = batch_costs.dollars("batch", rate) / batch_costs.dollars("an execution each", rate)
    assert share <= limit


def test_it_costs_less_than_the_sample_where_units_are_quick() -> None:
    assert batch_costs.dollars("batch", 5.0) < batch_costs.dollars("AWS's sample", 5.0)
