"""The human task UI and the flow definition by which Amazon A2I asks workers.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHumanTaskUi.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateFlowDefinition.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from lambdas.domain.review.workforce import worker_template
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.shared.frozen import frozen

MAX_TASK_COUNT = 3
"""Workers who are asked about one image: HumanLoopConfig in the API's model."""
_TITLE, _DESCRIPTION = "Say what is on an image", "Draw boxes, or choose labels, as the page asks"
_POLL_SECONDS = 2.0


@frozen
class FlowDefinition:
    """The properties of a flow definition."""

    name: str
    """Of its human task UI too."""
    workteam_arn: str
    role_arn: str
    output: str
    """S3 URI under which loops write the answers of workers."""
    task_count: int
    available_seconds: int
    """After which a loop that nobody answered fails."""


def ensure(sagemaker: Any, definition: FlowDefinition, deadline: float) -> str:
    """Make both, unless they are there: the flow definition's ARN, once loops can be started by it.

    Args:
        deadline: of time.monotonic, until which it may take to be active.

    Raises:
        RouteError: SageMaker cannot make it, or not in time.
        ClientError: SageMaker refuses it.
    """
    template = {"Content": worker_template.for_loops()}
    _unless(
        "ResourceInUse",
        lambda: sagemaker.create_human_task_ui(HumanTaskUiName=definition.name, UiTemplate=template),
    )
    ui = sagemaker.describe_human_task_ui(HumanTaskUiName=definition.name)["HumanTaskUiArn"]
    _unless(
        "ResourceInUse",
        lambda: sagemaker.create_flow_definition(
            FlowDefinitionName=definition.name,
            HumanLoopConfig={
                "WorkteamArn": definition.workteam_arn,
                "HumanTaskUiArn": ui,
                "TaskTitle": _TITLE,
                "TaskDescription": _DESCRIPTION,
                "TaskCount": definition.task_count,
                "TaskAvailabilityLifetimeInSeconds": definition.available_seconds,
            },
            OutputConfig={"S3OutputPath": definition.output},
            RoleArn=definition.role_arn,
        ),
    )
    return _active(sagemaker, definition.name, deadline)


def delete(sagemaker: Any, name: str) -> None:
    """Delete both, as far as they are there."""
    _unless("ResourceNotFound", lambda: sagemaker.delete_flow_definition(FlowDefinitionName=name))
    _unless("ResourceNotFound", lambda: sagemaker.delete_human_task_ui(HumanTaskUiName=name))


def _unless(code: str, call: Callable[[], Any]) -> None:
    """Make a call, which may be refused with this error: it was made before."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise


def _active(sagemaker: Any, name: str, deadline: float) -> str:
    while True:
        described = sagemaker.describe_flow_definition(FlowDefinitionName=name)
        status = described["FlowDefinitionStatus"]
        if status == "Active":
            return str(described["FlowDefinitionArn"])
        if status != "Initializing" or time.monotonic() > deadline:
            raise RouteError(
                f"flow definition {name} is {status}: {described.get('FailureReason', 'no reason')}"
            )
        time.sleep(_POLL_SECONDS)
