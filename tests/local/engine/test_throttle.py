"""Requests above the documented rates, with a clock that stands until it is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.engine import errors
from local.engine.quotas import Quotas
from local.engine.throttle import Throttle
from tests.fixtures.engine import Bench


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_account_has_its_rate_for_each_operation() -> None:
    clock = Clock()
    throttle = Throttle(Quotas(), clock)
    for operation, rate in (("DescribeProjects", 5), ("TagResource", 10), ("DetectCustomLabels", 50)):
        for _ in range(rate):
            throttle.take(operation, "1", "r")
        with pytest.raises(errors.ProvisionedThroughputExceededException, match=f"More than {rate} "):
            throttle.take(operation, "1", "r")
    throttle.take("DescribeProjects", "2", "r")
    throttle.take("DescribeProjects", "1", "other")
    clock.now += 0.2
    throttle.take("DescribeProjects", "1", "r")
    with pytest.raises(errors.ProvisionedThroughputExceededException):
        throttle.take("DescribeProjects", "1", "r")


def test_a_model_has_the_rate_of_its_inference_units() -> None:
    throttle = Throttle(Quotas(detection_tps_per_unit=2), Clock())
    for _ in range(4):
        throttle.take_detection("arn", 2)
    with pytest.raises(errors.ProvisionedThroughputExceededException, match="2 inference units"):
        throttle.take_detection("arn", 2)


def test_the_engine_throttles_if_it_is_told_to(tmp_path: Path) -> None:
    quotas = Quotas(control_plane_tps=2)
    bench = Bench(tmp_path, quotas, Throttle(quotas, Clock()))
    bench.call("DescribeProjects")
    bench.call("DescribeProjects")
    with pytest.raises(errors.ProvisionedThroughputExceededException):
        bench.call("DescribeProjects")
    bench.close()
