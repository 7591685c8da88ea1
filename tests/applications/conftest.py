from __future__ import annotations

from tests.fixtures.applications import asked
from tests.fixtures.deployment import aws, world

__all__ = ["asked", "aws", "world"]
