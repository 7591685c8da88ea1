"""flow_definition: the custom resource that makes the human task UI and the flow definition of Amazon A2I."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import custom_resource
from lambdas.domain.review.workforce import flow_definition
from lambdas.domain.review.workforce.flow_definition import FlowDefinition
from lambdas.services import services

logger = Logger()
RESERVE_SECONDS = 20
"""Kept of the function's time to tell CloudFormation how it went."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """A CloudFormation custom resource request. An update under another name is a new flow definition;
    CloudFormation has the old one deleted then."""
    begins = event["RequestType"] != "Delete"
    name = event["ResourceProperties"]["Name"] if begins else event["PhysicalResourceId"]
    custom_resource.answered(event, name, lambda: _make(event, context) if begins else _delete(name))


def _make(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    properties = event["ResourceProperties"]
    definition = FlowDefinition(
        name=properties["Name"],
        workteam_arn=properties["WorkteamArn"],
        role_arn=properties["RoleArn"],
        output=properties["OutputPath"],
        task_count=int(properties["TaskCount"]),
        available_seconds=int(properties["AvailableSeconds"]),
    )
    remaining = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    return {
        "FlowDefinitionArn": flow_definition.ensure(
            services().sagemaker, definition, time.monotonic() + remaining
        )
    }


def _delete(name: str) -> dict[str, str]:
    flow_definition.delete(services().sagemaker, name)
    return {}
