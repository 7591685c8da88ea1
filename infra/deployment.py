"""What every construct of a deployment shares: its settings, its code and how its resources are named."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from infra.settings import Settings

NAMED_AT_START = "executions are named when they start"
"""Why permissions on executions have a wildcard."""


@dataclass(frozen=True)
class Deployment:
    stack: cdk.Stack
    settings: Settings
    code: lambda_.Code

    def named(self, suffix: str) -> str:
        """Physical name for the few resources that others must be able to name in advance."""
        return f"{self.settings.name}-{suffix}"

    def state_machine_arn(self, step: str) -> str:
        """Known before the machine exists, so that a step can start the one that comes after it."""
        return self.stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name=self.named(step),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        keep = self.settings.retain_data
        return cdk.RemovalPolicy.RETAIN if keep else cdk.RemovalPolicy.DESTROY


def executions_of(state_machine_arn: str) -> str:
    """ARN of all executions of a state machine."""
    return state_machine_arn.replace(":stateMachine:", ":execution:") + ":*"
