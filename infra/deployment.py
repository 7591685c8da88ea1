"""The settings, the code and the names that all constructs of a deployment share."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from infra.settings import Settings

NAMED_AT_START = "executions are named when they start"
"""Why permissions on executions have a wildcard."""
TASK_TOKENS = (
    "task tokens have no resource-level permissions:"
    " https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html"
)
"""Why permissions to let executions go on have a wildcard."""


@dataclass(frozen=True)
class Deployment:
    """One deployment: its stack, its settings and the code of its Lambda functions."""

    stack: cdk.Stack
    settings: Settings
    code: lambda_.Code

    def named(self, suffix: str) -> str:
        """The physical name of one of the few resources that have one, because others name it in advance."""
        return f"{self.settings.name}-{suffix}"

    def named_worldwide(self, suffix: str) -> str:
        """The physical name of a resource whose names are of a whole account, whichever the Region.

        A deployment of the same name in a second Region has to find its own name free.
        """
        return f"{self.named(suffix)}-{self.stack.region}"

    def state_machine_arn(self, step: str) -> str:
        """ARN of a step's state machine, known before that exists, so that an earlier step can start it."""
        return self.stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=self.named(step),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def function_arn(self, step: str) -> str:
        """ARN of a step's function that has a name, known before that exists."""
        return self.stack.format_arn(
            service="lambda",
            resource="function",
            resource_name=self.named(step),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        """What happens to data when the stack is destroyed.

        What is kept is kept but when its own creation is rolled back: it holds nothing yet, and the next try
        would make it again beside it.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
        """
        policies = cdk.RemovalPolicy
        return policies.RETAIN_ON_UPDATE_OR_DELETE if self.settings.retain_data else policies.DESTROY


def executions_of(state_machine_arn: str) -> str:
    """ARN of all executions of a state machine."""
    return state_machine_arn.replace(":stateMachine:", ":execution:") + ":*"
