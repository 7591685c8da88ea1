"""rekognition_project: the custom resources that make the project and, on destroy, stop its models."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import custom_resource
from lambdas.domain.engines.rekognition import custom_labels, project
from lambdas.domain.engines.rekognition.engine import RekognitionEngine
from lambdas.domain.promote import shutdown
from lambdas.services import services

logger = Logger()
PROJECT_TYPE = "Custom::RekognitionProject"
"""Makes the project. The other type, Custom::ModelsStopped, does nothing until it is deleted, which is before
everything that could start a model."""
RESERVE_SECONDS = 20
"""Kept of the function's time for the response to CloudFormation."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """Handle a CloudFormation custom resource request."""
    name = event["ResourceProperties"]["ProjectName"]
    custom_resource.answered(event, name, lambda: _do(event, context))


def _do(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    s = services()
    name, begins = event["ResourceProperties"]["ProjectName"], event["RequestType"] != "Delete"
    if event["ResourceType"] == PROJECT_TYPE:
        if not begins:
            return {}
        may_adopt = event["ResourceProperties"].get("AdoptProject") == "true" or _has_it(event)
        return {"ProjectArn": project.ensure_project(s.rekognition, name, may_adopt=may_adopt)}
    if begins:
        return {}
    remaining = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    stopped = shutdown.close(
        lambda: _engine(name),
        s.stepfunctions,
        s.loop_state,
        event["ResourceProperties"]["MachineArns"],
        deadline=time.monotonic() + remaining,
    )
    logger.info("closed", extra={"stopped": stopped})
    return {}


def _engine(name: str) -> RekognitionEngine | None:
    rekognition = services().rekognition
    project_arn = custom_labels.find_project(rekognition, name)
    return RekognitionEngine(rekognition, project_arn) if project_arn else None


def _has_it(event: dict[str, Any]) -> bool:
    """Whether the stack has this project already: one that was made without a tag then gets it."""
    before = event.get("OldResourceProperties", {}).get("ProjectName")
    return event["RequestType"] == "Update" and bool(before == event["ResourceProperties"]["ProjectName"])
