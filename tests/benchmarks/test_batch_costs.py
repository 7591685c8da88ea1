from __future__ import annotations

import pytest

from benchmarks import batch_costs
from lambdas.domain.shared.pricing import USAGE_PRICES, Usage


def test_what_is_billed_by_use_is_reckoned_with_the_table() -> None:
    usd = USAGE_PRICES.usd(Usage(transitions=1000, s3_puts=1000, queue_requests=1e6))
    assert usd == pytest.approx({"transitions": 0.025, "functions": 0.0, "s3": 0.005, "queues": 0.4})


@pytest.mark.parametrize("rate", batch_costs.RATES)
def test_a_batch_costs_a_fifth_of_one_execution_for_each_image(rate: float) -> None:
    """Also where units are slow, for which the workers wait and are paid."""
    share = batch_costs.dollars("batch", rate) / batch_costs.dollars("an execution each", rate)
    assert share <= batch_costs.LIMIT


def test_it_costs_less_than_the_sample_where_units_are_quick() -> None:
    assert batch_costs.dollars("batch", 5.0) < batch_costs.dollars("AWS's sample", 5.0)
