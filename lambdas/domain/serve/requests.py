"""What people and applications ask of the champion's running, and what they hear while it sleeps.

Functions that face the internet only read: what is asked for goes to the step serve, as an event that it
takes on its own time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from lambdas.domain.serve import policy
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

Request = Literal["start", "stop", "wake", "use"]


def send(functions: Any, function_name: str, request: Request, by: str, why: str = "") -> None:
    """Ask the step serve for something, without waiting until it is done.

    Args:
        functions: a client of Lambda.
        by: who asks.
    """
    payload = json.dumps({"request": request, "by": by, "why": why, "at": clock.now()}).encode()
    functions.invoke(FunctionName=function_name, InvocationType="Event", Payload=payload)


def asleep(loop_state: LoopState, tuning: Tuning, message: str, tell: Callable[[Request], None]) -> ApiError:
    """The error of who finds the champion asleep; with the serving policy demand it is woken for them.

    Args:
        message: why it does not answer.
        tell: asks the step serve for something.
    """
    serving, champion = loop_state.serving(), loop_state.champion()
    may_wake = serving.asked != "stop" and tuning.serving_policy == "demand"
    if champion is None:
        return ApiError(409, "no_champion", message)
    if not may_wake and serving.state == "asleep":
        return ApiError(409, "champion_sleeps", message)
    if may_wake:
        tell("wake")
    seconds = _seconds_left(serving)
    again = f"it is being started; try again in {max(1, round(seconds / 60))} minutes"
    return ApiError(503, "asleep", f"{message}; {again}", retry_after=round(seconds))


def _seconds_left(serving: Serving) -> float:
    """Until it runs, about."""
    takes = policy.start_seconds(serving) + policy.TURN_SECONDS
    if not serving.start_asked_at:
        return takes
    return max(policy.TURN_SECONDS, takes - clock.seconds_between(serving.start_asked_at, clock.now()))
