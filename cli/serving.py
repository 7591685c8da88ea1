"""`labelloop stop` and `labelloop start`: the champion put to sleep and started, by the function that looks
after it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape

from cli.deployment import Deployment
from cli.output import CommandError
from cli.user import user
from lambdas.domain.shared import clock
from lambdas.domain.shared.reasons import reason_problem
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.state import LoopState


def ask(deployment: Deployment, request: str, why: str) -> dict[str, Any]:
    """Ask for a start or a stop: what has come of it at once.

    Raises:
        CommandError: the reason cannot be kept, there is no champion, or the function has failed.
    """
    if problem := reason_problem(why):
        raise CommandError(f"the reason {problem}", 2)
    champion = deployment.loop_state.champion()
    if champion is None:
        raise CommandError(f"there is no champion to {request}: no version has been promoted yet")
    payload = json.dumps({"request": request, "by": user(), "why": why})
    answer = deployment.functions.invoke(FunctionName=deployment.serve_function, Payload=payload.encode())
    document = json.loads(answer["Payload"].read() or "null")
    if answer.get("FunctionError"):
        error = document or {}
        raise CommandError(
            f"the request may be on record, and was not carried out yet: {error.get('errorMessage', error)};"
            " it is tried again every minute, and `labelloop status` shows what has come of it"
        )
    trouble = deployment.loop_state.serving().trouble
    return {"request": request, "champion": champion.version_name, **document, "trouble": trouble}


def note_use(deployment: Deployment) -> None:
    """Tell the step serve that the champion is used, so that it is not taken for idle.

    Whoever may not call that function can run the champion all the same.
    """
    payload = json.dumps({"request": "use", "by": user()}).encode()
    with suppress(ClientError):
        deployment.functions.invoke(
            FunctionName=deployment.serve_function, InvocationType="Event", Payload=payload
        )


def show(console: Console, document: dict[str, Any]) -> None:
    """What a request has led to, for people."""
    name, act, wanted = document["champion"], document["act"], document["wanted"]
    words = {
        ("start", True): f"{name} starts, which takes 10 to 20 minutes on AWS",
        ("wake", True): f"{name} goes on running",
        ("none", True): f"{name} is to run",
        ("sleep", False): f"{name} sleeps, and is stopped once detections under way have ended",
        ("stop", False): f"{name} is being stopped",
        ("none", False): f"{name} sleeps",
    }
    if wanted and document["trouble"]:
        later = "as soon as nothing keeps it from that, unless somebody stops it"
        text = f"{name} is not started yet: {document['trouble']}. It is started {later}"
        console.print(f"[yellow]{escape(text)}[/yellow]")
    else:
        console.print(escape(f"{words.get((act, wanted), name)}; {document['reason']}"))


def summary(loop_state: LoopState) -> dict[str, Any] | None:
    """Whether the champion is to run, who said so and why; None if there is no champion."""
    if loop_state.champion() is None:
        return None
    serving = loop_state.serving()
    return {
        "state": serving.state,
        "since": serving.since,
        "reason": serving.reason,
        "asked": serving.asked,
        "asked_by": serving.asked_by,
        "asked_at": serving.asked_at,
        "asked_why": serving.asked_why,
        "trouble": serving.trouble,
        "starts": _starts(serving),
    }


def _starts(serving: Serving) -> float | None:
    """For how many seconds it has been starting; None if it is not."""
    if not serving.start_asked_at:
        return None
    return round(clock.seconds_between(serving.start_asked_at, clock.now()))
