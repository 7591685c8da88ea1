"""A Lambda function with its role, its log group and its environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import embedded
from infra.deployment import Deployment
from infra.permissions import Permissions

WHY_THIS_RUNTIME = "the compiled packages in the asset are chosen for Python 3.13, and tested for it"
VENDED_LOGS = "/aws/vendedlogs/"
"""Begins the names of log groups that AWS services write to. Any other has to be named in a resource policy
that all share, of 5,120 characters; that of a busy account is full.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html"""
ARCHITECTURES = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}


class Handler(Construct):
    """A Lambda function of the package `lambdas`, with a role that allows it nothing but what is granted.

    Args:
        entry: dotted path of the function that is called, such as lambdas.register.handle.
        timeout: seconds.
        memory: megabytes.
        code: another asset than that of the package.
        name: physical name, where others name it before it exists; empty: CloudFormation's.
        code: its code asset; None: that of all functions.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        entry: str,
        description: str,
        environment: Mapping[str, str],
        timeout: int = 60,
        memory: int = 512,
        name: str = "",
        code: lambda_.Code | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.timeout = timeout
        log_group = log_group_of(self, deployment)
        self.permissions = Permissions(self, "Permissions", service="lambda.amazonaws.com")
        self._allow_observability(log_group)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=ARCHITECTURES[deployment.settings.architecture],
            code=code or deployment.code,
            handler=entry,
            description=description,
            function_name=name or None,
            timeout=cdk.Duration.seconds(timeout),
            memory_size=memory,
            log_group=log_group,
            role=self.permissions.role.without_policy_updates(),
            environment={
                "POWERTOOLS_SERVICE_NAME": entry.split(".")[1],
                "POWERTOOLS_METRICS_NAMESPACE": metric_namespace(deployment),
                "POWERTOOLS_LOG_LEVEL": "INFO",
                "DEPLOYMENT": deployment.settings.name,
                **embedded.s3_addressing(deployment.settings),
                **environment,
            },
        )
        cfn = self.function.node.default_child
        assert isinstance(cfn, lambda_.CfnFunction)  # noqa: S101
        cfn.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        Validations.of(self.function).acknowledge(
            Acknowledgment(id="AwsSolutions::AwsSolutions-L1", reason=WHY_THIS_RUNTIME)
        )
        self.permissions.before(self.function)

    @property
    def arn(self) -> str:
        """ARN of the function."""
        return self.function.function_arn

    def allow(
        self, *actions: str, on: list[str], why: str = "", when: Mapping[str, Any] | None = None
    ) -> None:
        """Allow the function to do something; the arguments are those of Permissions.allow."""
        self.permissions.allow(*actions, on=on, why=why, when=when)

    def _allow_observability(self, log_group: logs.LogGroup) -> None:
        self.allow(
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            on=[log_group.log_group_arn],
            why="the ARN of a log group ends in :*, which stands for the log streams Lambda makes in it",
        )
        self.allow(
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            on=["*"],
            why="X-Ray has no resource-level permissions for writing traces",
        )


def metric_namespace(deployment: Deployment) -> str:
    """Where the functions' own metrics are: those of another deployment are elsewhere."""
    return f"LabelLoop/{deployment.settings.name}"


def log_group_of(scope: Construct, deployment: Deployment, name: str | None = None) -> logs.LogGroup:
    """Make a log group that keeps its entries as long as the deployment's settings say.

    It is deleted with the stack: one that stayed would have the name that the next deployment needs.
    """
    group = logs.LogGroup(scope, "Logs", log_group_name=name, removal_policy=cdk.RemovalPolicy.DESTROY)
    cfn = group.node.default_child
    assert isinstance(cfn, logs.CfnLogGroup)  # noqa: S101
    cfn.retention_in_days = deployment.settings.log_retention_days
    return group
