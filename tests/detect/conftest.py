from __future__ import annotations

from tests.retrain.world import aws, world

__all__ = ["aws", "world"]
