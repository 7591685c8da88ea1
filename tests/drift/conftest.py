from __future__ import annotations

from tests.fixtures.deployment import aws, world

__all__ = ["aws", "world"]
