from __future__ import annotations

from tests.fixtures.incoming import clients, data_bucket
from tests.fixtures.moto_calls import one_call_at_a_time

__all__ = ["clients", "data_bucket", "one_call_at_a_time"]
