from __future__ import annotations

from tests.fixtures.deployment import aws, world
from tests.fixtures.reviews import reviews

__all__ = ["aws", "reviews", "world"]
