"""drift: counts how the champion's answers look, and says when that is not as on its test images any more."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain.drift import counting
from lambdas.domain.drift.watch import Watch
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared import clock
from lambdas.metrics import gauge, with_metrics
from lambdas.services import services, variable

logger = Logger()


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Runs every ten minutes, counts what has arrived, and once an hour compares it."""
    s, now = services(), clock.now()
    counted = counting.count_arrivals(s.observations, now)
    watch = Watch(
        observations=s.observations,
        loop_state=s.loop_state,
        s3=s.s3,
        bucket=s.bucket,
        engine=s.engine,
        notifier=Notifier(
            s.sns, s.events, variable("TOPIC_ARN"), variable("DEPLOYMENT"), variable("CONSOLE_ADDRESS")
        ),
        stepfunctions=s.stepfunctions,
        retrain_machine_arn=variable("RETRAIN_MACHINE_ARN"),
    )
    state = watch.look(s.tuning(), now)
    if state is None:
        return {"counted": counted}
    gauge("DriftedFeatures", len(state.findings), MetricUnit.Count)
    if state.problem:
        logger.info("not compared", extra={"version": state.version, "reason": state.problem})
    changed = [finding.feature for finding in state.findings]
    return {"counted": counted, "version": state.version, "changed": changed, "problem": state.problem}
