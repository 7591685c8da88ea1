from __future__ import annotations

from tests.fixtures.deployment import aws, world
from tests.fixtures.moto_calls import one_call_at_a_time

__all__ = ["aws", "one_call_at_a_time", "world"]
