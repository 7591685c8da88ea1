"""What keeps a run from its training though its images are enough: the budget, and the last training."""

from __future__ import annotations

from datetime import timedelta

from lambdas.domain.costs import budget
from lambdas.domain.shared import clock
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning


def why_held(
    loop_state: LoopState, tuning: Tuning, at: str, *, adds_usd: float, started_by_hand: bool = False
) -> str:
    """Why no training begins now; empty if one may.

    Args:
        adds_usd: what the training is expected to cost.
        started_by_hand: it does not wait for hours since the last training.
    """
    verdict = budget.check(loop_state, tuning, at, adds_usd=adds_usd)
    if not verdict.allowed:
        return verdict.reason
    return "" if started_by_hand else _too_early(loop_state, tuning, at)


def _too_early(loop_state: LoopState, tuning: Tuning, at: str) -> str:
    hours = tuning.min_hours_between_trainings
    begun = [version.created_at for version in loop_state.versions() if version.created_at] if hours else []
    if not begun:
        return ""
    due = clock.to_iso(clock.parse(max(begun)) + timedelta(hours=hours))
    if not max(begun) <= at < due:
        # Also of a training that began in the future, by a clock that was wrong.
        return ""
    return (
        f"the last training began at {max(begun)}; the next one by itself is due at {due}"
        f" (min_hours_between_trainings is {hours}), and `labelloop train` starts one at once"
    )
