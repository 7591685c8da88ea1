"""project: the custom resources that make the Rekognition project and, on destroy, stop its models."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.domain import custom_labels, project
from lambdas.domain.services import services

logger = Logger()
PROJECT_TYPE = "Custom::RekognitionProject"
"""Makes the project. The other type, Custom::ModelsStopped, does nothing until it is deleted, which is before
everything that could start a model."""
RESERVE_SECONDS = 20
"""Kept of the function's time to tell CloudFormation how it went."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """A CloudFormation custom resource request; always answered, or the stack would wait for an hour.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html
    """
    try:
        data = _do(event, context)
    except Exception as error:
        logger.exception("failed")
        _answer(event, "FAILED", str(error), {})
    else:
        _answer(event, "SUCCESS", "", data)


def _do(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    s = services()
    name, begins = event["ResourceProperties"]["ProjectName"], event["RequestType"] != "Delete"
    if event["ResourceType"] == PROJECT_TYPE:
        return {"ProjectArn": custom_labels.ensure_project(s.rekognition, name)} if begins else {}
    if begins:
        return {}
    remaining = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    stopped = project.close(
        s.rekognition,
        s.stepfunctions,
        s.records,
        name,
        event["ResourceProperties"]["MachineArns"],
        deadline=time.monotonic() + remaining,
    )
    logger.info("closed", extra={"stopped": stopped})
    return {}


def _answer(event: dict[str, Any], status: str, reason: str, data: dict[str, str]) -> None:
    body = {
        "Status": status,
        "Reason": reason or "done",
        "PhysicalResourceId": event["ResourceProperties"]["ProjectName"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": data,
    }
    request = urllib.request.Request(  # noqa: S310 CloudFormation's own presigned address
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"Content-Type": ""},
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
