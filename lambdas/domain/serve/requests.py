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
from lambdas.domain.shared.reasons import reason_problem
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

Request = Literal["start", "stop", "wake", "use"]


def send(functions: Any, function_name: str, request: Request, by: str, why: str = "") -> None:
    """Ask the step serve for something, without waiting until it is done.

    Args:
        functions: a client of Lambda.
        by: who asks.

    Raises:
        ApiError: the reason cannot be kept.
    """
    if problem := reason_problem(why):
        raise ApiError(422, "bad_request", f"the reason {problem}", "why")
    payload = json.dumps({"request": request, "by": by, "why": why, "at": clock.now()}).encode()
    functions.invoke(FunctionName=function_name, InvocationType="Event", Payload=payload)


def set_threshold(
    functions: Any, function_name: str, label: str, percent: float | None, by: str
) -> dict[str, float]:
    """Have the deployment's threshold of a label set, in percent: those of all labels then.

    Args:
        functions: a client of Lambda.
        by: who asks.

    Raises:
        ApiError: it is refused, or could not be done.
    """
    payload = json.dumps({"label": label, "percent": percent, "by": by}).encode()
    answer = functions.invoke(FunctionName=function_name, InvocationType="RequestResponse", Payload=payload)
    document = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise ApiError(503, "busy", "the threshold could not be set; try again")
    if error := document.get("error"):
        raise ApiError(error["status"], error["code"], error["message"])
    changed: dict[str, float] = document["label_thresholds"]
    return changed


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
