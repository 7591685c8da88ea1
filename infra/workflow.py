"""A state machine that is defined in `statemachines/<step>.asl.json`, and its alarm."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.alarm import Alarm
from infra.deployment import Deployment
from infra.handler import VENDED_LOGS, Handler, log_group_of
from infra.permissions import Permissions

DEFINITIONS = Path(__file__).parent.parent / "statemachines"


class Workflow(Construct):
    """The state machine of a step of the loop.

    Args:
        handlers: the functions that the definition calls, by the names of its substitutions.
        substitutions: values of the definition's other substitutions.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        step: str,
        handlers: Mapping[str, Handler],
        substitutions: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.name = deployment.named(step)
        self.arn = deployment.state_machine_arn(step)
        log_group = log_group_of(self, deployment, name=f"{VENDED_LOGS}states/{self.name}")
        self.permissions = Permissions(self, "Permissions", service="states.amazonaws.com")
        self.permissions.allow("lambda:InvokeFunction", on=[handler.arn for handler in handlers.values()])
        self._allow_observability()
        self.machine = sfn.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=self.name,
            role_arn=self.permissions.role.role_arn,
            definition_string=(DEFINITIONS / f"{step}.asl.json").read_text(),
            definition_substitutions={
                **{name: handler.arn for name, handler in handlers.items()},
                **(substitutions or {}),
            },
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log_group.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        self.permissions.before(self.machine)
        self.failures = cloudwatch.Metric(
            namespace="AWS/States",
            metric_name="ExecutionsFailed",
            dimensions_map={"StateMachineArn": self.arn},
            statistic="Sum",
            period=cdk.Duration.minutes(5),
        )
        self.alarm = Alarm(
            self,
            "FailedAlarm",
            deployment,
            name=f"{step}-failed",
            what=f"An execution of {self.name} failed",
            metric=self.failures,
        )

    def _allow_observability(self) -> None:
        self.permissions.allow(
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
            on=["*"],
            why="log delivery has no resource-level permissions:"
            " https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html",
        )
        self.permissions.allow(
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            on=["*"],
            why="X-Ray has no resource-level permissions for writing traces",
        )
