"""Requests above the documented rates are refused, if the engine is asked to refuse them.

A bucket for each operation of each account in each Region fills at its rate and holds one second of it.
Above a rate the answer is ProvisionedThroughputExceededException: "the number of requests exceeded your
throughput limit" (https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from local.engine.errors import ProvisionedThroughputExceededException
from local.engine.quotas import Quotas


@dataclass
class _Bucket:
    left: float
    filled: float
    """The time when the bucket was last filled, in seconds of the clock."""


class Throttle:
    def __init__(self, quotas: Quotas, clock: Callable[[], float] = time.monotonic) -> None:
        self._quotas = quotas
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, ...], _Bucket] = {}

    def take(self, operation: str, account: str, region: str) -> None:
        """Count a request of the account.

        Raises:
            ProvisionedThroughputExceededException: it is above the account's rate.
        """
        self._take((operation, account, region), self._quotas.tps(operation), f"{operation} of this account")

    def take_detection(self, version_arn: str, inference_units: int) -> None:
        """Count a request to a model.

        Raises:
            ProvisionedThroughputExceededException: it is above the rate of the model's inference units.
        """
        rate = inference_units * self._quotas.detection_tps_per_unit
        self._take((version_arn,), rate, f"a model of {inference_units} inference units")

    def _take(self, key: tuple[str, ...], rate: int, what: str) -> None:
        now = self._clock()
        with self._lock:
            bucket = self._buckets.setdefault(key, _Bucket(rate, now))
            bucket.left = min(rate, bucket.left + rate * (now - bucket.filled))
            bucket.filled = now
            if bucket.left < 1:
                raise ProvisionedThroughputExceededException(
                    f"More than {rate} requests per second for {what}; try again"
                )
            bucket.left -= 1
