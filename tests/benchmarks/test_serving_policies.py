"""The simulation of serving policies: its cheapest schedule is the cheapest, and the policy is near to it."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import serving_policies
from benchmarks.serving_policies import STOP, Trace, by_policy, clairvoyant
from lambdas.domain.shared.tuning import Tuning

DEMAND = Tuning(serving_policy="demand", serving_wait_seconds=3600)


def cheapest_by_trying(trace: Trace, limit: int, drain: int) -> int | None:
    """What the cheapest of all schedules costs: in each minute the model is let be, started or stopped."""
    length = len(trace.images)
    best: int | None = None
    for wanted in product((False, True), repeat=length):
        cost = _cost(trace, wanted, limit, drain)
        if cost is not None and (best is None or cost < best):
            best = cost
    return best


def _cost(trace: Trace, wanted: tuple[bool, ...], limit: int, drain: int) -> int | None:
    """Of the schedule by which the model is to run in these minutes; None if an image waits for too long."""
    status, ready_at, answered, cost = "STOPPED", 0, 0, 0
    for minute in range(len(trace.images)):
        if status in ("STARTING", "STOPPING") and minute >= ready_at:
            status = "RUNNING" if status == "STARTING" else "STOPPED"
        if status == "STOPPED" and wanted[minute]:
            status, ready_at = "STARTING", minute + trace.starts[minute]
        if status == "RUNNING" and not wanted[minute]:
            status, ready_at = "STOPPING", minute + drain + STOP
        cost += status in ("RUNNING", "STOPPING")
        if status == "RUNNING":
            if answered < trace.arrived[minute] and minute > trace.minutes[answered] + limit:
                return None
            answered = trace.arrived[minute]
    return cost if answered == len(trace.minutes) and status == "STOPPED" else None


@settings(max_examples=25, deadline=None)
@given(
    images=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    start=st.integers(1, 2),
    limit=st.integers(2, 4),
    drain=st.integers(0, 1),
)
def test_no_schedule_is_cheaper_than_the_cheapest(
    images: list[int], start: int, limit: int, drain: int
) -> None:
    trace = Trace("small", (*images, *[0] * (11 - len(images))), (start,) * 11)
    tried = cheapest_by_trying(trace, limit, drain)
    assert tried is None or clairvoyant(trace, limit, drain=drain) == tried


@pytest.mark.long
@pytest.mark.parametrize("name", serving_policies.TRACES)
def test_demand_costs_little_more_than_the_cheapest_schedule_and_keeps_the_limit(name: str) -> None:
    trace = serving_policies.TRACES[name](5)
    demand = by_policy(trace, DEMAND)
    assert demand.unit_minutes <= 1.15 * clairvoyant(trace)
    assert demand.longest_wait <= serving_policies.LIMIT
    assert 5 * demand.unit_minutes <= serving_policies.always_on(trace).unit_minutes


@pytest.mark.long
def test_the_batch_sample_answers_everything_and_stops() -> None:
    trace = serving_policies.bursts(5)
    outcome = serving_policies.batch_sample(trace)
    assert 0 < outcome.starts < outcome.unit_minutes / 59
