from __future__ import annotations

from tests.calls import one_call_at_a_time
from tests.retrain.world import aws, world

__all__ = ["aws", "one_call_at_a_time", "world"]
