from __future__ import annotations

from tests.fixtures.applications import asked
from tests.fixtures.deployment import aws, world
from tests.fixtures.moto_calls import one_call_at_a_time

__all__ = ["asked", "aws", "one_call_at_a_time", "world"]
