"""The champion's sleep as the console shows it, and what people ask for there.

The console's functions face the internet and only read: what is asked for goes to the step serve, as an event
that it takes on its own time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from lambdas.domain.detect.backlog import MAX_COUNTED
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.serve import policy
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

Request = Literal["start", "stop", "wake", "use"]


def send(functions: Any, function_name: str, request: Request, by: str, why: str = "") -> None:
    """Ask the step serve for something, without waiting until it is done.

    Args:
        functions: a client of Lambda.
        by: who asks.
    """
    payload = json.dumps({"request": request, "by": by, "why": why, "at": clock.now()}).encode()
    functions.invoke(FunctionName=function_name, InvocationType="Event", Payload=payload)


def document(
    rekognition: RekognitionClient, loop_state: LoopState, project_arn: str, tuning: Tuning
) -> dict[str, Any]:
    """Whether the champion runs and is to run, who said so and why, and what waits for it."""
    champion, serving = loop_state.champion(), loop_state.serving()
    version = None
    region = project_arn.split(":")[3]
    if champion:
        version = custom_labels.describe_version(rekognition, project_arn, champion.version_name)
    return {
        "champion": champion.version_name if champion else None,
        "status": version.status if version else None,
        "state": serving.state,
        "since": serving.since or None,
        "reason": serving.reason,
        "trouble": serving.trouble,
        "asked": serving.asked or None,
        "policy": tuning.serving_policy,
        "usd_per_hour": pricing.prices(region, tuning).inference_usd(3600, tuning.min_inference_units),
        "waiting_images": loop_state.count_waiting(MAX_COUNTED),
        "changes": [change.__dict__ for change in reversed(serving.changes)],
    }


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
