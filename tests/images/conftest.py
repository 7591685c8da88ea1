from __future__ import annotations

from tests.fixtures.incoming import clients, drop
from tests.fixtures.moto_calls import one_call_at_a_time

__all__ = ["clients", "drop", "one_call_at_a_time"]
