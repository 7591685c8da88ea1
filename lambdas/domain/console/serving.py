"""The champion's sleep as the console shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.domain.detect.backlog import MAX_COUNTED
from lambdas.domain.shared import pricing
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine
    from lambdas.domain.shared.records import Champion


def document(
    engine: Engine, loop_state: LoopState, tuning: Tuning, champion: Champion | None
) -> dict[str, Any]:
    """Whether the champion runs and is to run, who said so and why, and what waits for it."""
    serving, version = loop_state.serving(), None
    if champion:
        version = engine.describe_version(champion.version_name)
    is_free = version is not None and version.is_always_on
    hour = pricing.prices(engine.region, tuning).inference_usd(3600, tuning.min_inference_units)
    return {
        "champion": champion.version_name if champion else None,
        "status": version.status if version else None,
        "state": serving.state,
        "since": serving.since or None,
        "reason": serving.reason,
        "trouble": serving.trouble,
        "asked": serving.asked or None,
        "policy": tuning.serving_policy,
        "usd_per_hour": 0.0 if is_free else hour,
        "waiting_images": loop_state.count_waiting(MAX_COUNTED),
        "changes": [change.__dict__ for change in reversed(serving.changes)],
    }
