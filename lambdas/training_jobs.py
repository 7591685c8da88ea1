"""training_jobs: tells runs of the ends of their training jobs, and stops those when the engine goes."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import custom_resource
from lambdas.domain.engines.serverless import training_jobs
from lambdas.domain.promote import shutdown
from lambdas.domain.retrain import awaited_training
from lambdas.services import services, variable

logger = Logger()
RESERVE_SECONDS = 20
"""Kept of the function's time for the response to CloudFormation."""


@logger.inject_lambda_context
def ended(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    """Let the run go on whose training job has ended, by SageMaker's event."""
    s, job = services(), event["detail"]["TrainingJobName"]
    name = training_jobs.version_name(variable("DEPLOYMENT"), job)
    return {"waited": awaited_training.tell_end(s.stepfunctions, s.loop_state, name)}


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle a CloudFormation custom resource request, which does nothing until it is a deletion.

    That comes when the stack is destroyed, after the loop was closed, and where an update leaves the engine
    away.
    """
    name = event["ResourceProperties"]["Deployment"]
    custom_resource.answered(event, name, lambda: _do(event, context))


def _do(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    if event["RequestType"] != "Delete":
        return {}
    properties = event["ResourceProperties"]
    remaining = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    stopped = shutdown.stop_trainings(
        lambda: training_jobs.stop(services().sagemaker, properties["Deployment"], properties["Bucket"]),
        deadline=time.monotonic() + remaining,
    )
    logger.info("stopped", extra={"stopped": stopped})
    return {}
