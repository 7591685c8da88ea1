"""serve: starts and stops the champion outside promotions, as the serving policy and people want it."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.costs import accounts, budget, ledger
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.serve import thresholds
from lambdas.domain.serve.serving import Server
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.metrics import gauge, with_metrics
from lambdas.services import services, variable

logger = Logger()
_RESERVE_SECONDS = 15
"""Of the function's time, for all that is not waiting."""


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Runs every minute, and when somebody wants something of the champion (`request`, `by`, `why`, `at`)."""
    s = services()
    notifier = Notifier(
        s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS")
    )
    server = Server(
        s.engine,
        s.sqs,
        s.loop_state,
        notifier,
        s.bucket,
        variable("DETECT_QUEUE_URL"),
        variable("VIDEO_QUEUE_URL"),
        s.tuning,
        is_scheduled="request" not in event,
    )
    versions = server.look()
    if request := event.get("request"):
        by, why, at = (str(event.get(name, "")) for name in ("by", "why", "at"))
        server.ask(str(request), by, why, versions, at=at)
    try:
        ledger.observe(s.loop_state, versions, clock.now())
    finally:
        # Nothing may run for nobody because the books cannot be kept.
        decision = server.serve(versions)
    _measure(s.loop_state, s.tuning())
    budget.tell(s.loop_state, s.tuning(), clock.now(), notifier.warn)
    if not request and ledger.is_changing(versions):
        _look_again(server, context, min(ledger.SECOND_LOOK_SECONDS, s.tuning().poll_seconds / 2))
    return {"act": decision.act, "wanted": decision.wanted, "reason": decision.reason}


@logger.inject_lambda_context
def set_threshold(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Sets the deployment's threshold of a `label` to `percent`; null takes it away.

    Functions that face the internet ask for it, and may not write settings. It answers `label_thresholds` as
    they are then, or the `error` that refuses it.
    """
    label, percent = str(event["label"]), event["percent"]
    try:
        changed = thresholds.set_threshold(services().ssm, variable("TUNING_PARAMETER"), label, percent)
    except ApiError as error:
        return {"error": {"status": error.status, "code": error.code, "message": str(error)}}
    logger.info("label threshold", label=label, percent=percent, by=str(event.get("by", "")))
    return {"label_thresholds": changed}


def _measure(loop_state: LoopState, tuning: Tuning) -> None:
    """How good the champion is, what runs, and what it costs; nothing depends on it."""
    try:
        running = accounts.running(loop_state, tuning)
        gauge("InferenceUnits", sum(version.units for version in running), MetricUnit.Count)
        gauge("UsdPerHour", sum(version.usd_per_hour for version in running))
        gauge("MonthUsd", budget.spending(loop_state, tuning, clock.now()).usd)
        champion = loop_state.champion()
        version = loop_state.version(champion.version_name) if champion else None
        if version and version.f1 is not None:
            gauge("ChampionF1", version.f1)
    except Exception:
        logger.exception("no metrics of the champion and its cost")


def _look_again(server: Server, context: LambdaContext, seconds: float) -> None:
    """Book what has started or stopped after some seconds, if the function has the time.

    Half a minute, or less where things are looked at more often than once a minute, as on the embedded stack.
    """
    if context.get_remaining_time_in_millis() / 1000 < seconds + _RESERVE_SECONDS:
        return
    time.sleep(seconds)
    ledger.observe(server.loop_state, server.look(), clock.now())
