"""The step drift: whether what the champion is asked about is still what it was tested on."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.alarm import Alarm
from infra.handler import Handler, metric_namespace
from infra.rekognition_project import RekognitionProject
from infra.step import SharedResources, Step
from infra.table import make_table, text
from lambdas.domain.drift.observations import INDEX, SLOT


class Drift(Step):
    """The table of how the champion's answers look, and the function that counts and compares them."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        console_address: str,
    ) -> None:
        super().__init__(scope, id, shared)
        self.table = self._table()
        retrain = self.deployment.state_machine_arn("retrain")
        self.handler = handler = self.make_handler(
            "Drift",
            "lambdas.drift.handle",
            "Counts how the champion's answers look, and compares them with those about its test images",
            timeout=300,
            memory=1024,
            environment={
                "OBSERVATION_TABLE": self.table.table_name,
                "PROJECT_ARN": project.arn,
                "RETRAIN_MACHINE_ARN": retrain,
                "TOPIC_ARN": self.loop_state.topic.topic_arn,
                "CONSOLE_ADDRESS": console_address,
            },
        )
        handler.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[self.table.table_arn])
        handler.allow("dynamodb:Query", on=[self.table.table_arn, self._index])
        self.data_bucket.grant_read(handler, "training/", "evaluations/", "datasets/")
        self.data_bucket.grant_list(handler)
        project.grant_describe_versions(handler)
        handler.allow("states:StartExecution", on=[retrain])
        handler.allow("sns:Publish", on=[self.loop_state.topic.topic_arn])
        Alarm(
            self,
            "DriftAlarm",
            self.deployment,
            name="drift",
            what="What the champion is asked about is not as its test images any more",
            metric=cloudwatch.Metric(
                namespace=metric_namespace(self.deployment),
                metric_name="DriftedFeatures",
                dimensions_map={"service": "drift"},
                statistic="Maximum",
                period=cdk.Duration.hours(1),
            ),
        )
        Alarm(
            self,
            "FailedAlarm",
            self.deployment,
            name="drift-failed",
            what="What arrives could not be counted, or not be compared with the test images",
            metric=handler.function.metric_errors(period=cdk.Duration.minutes(5)),
        )
        target = targets.LambdaFunction(handler.function)  # pyrefly: ignore[bad-argument-type]
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.rate(cdk.Duration.minutes(SLOT.total_seconds() / 60)),
            targets=[target],  # pyrefly: ignore[bad-argument-type]
        )

    def grant_observe(self, handler: Handler) -> None:
        """Let a function note how the champion's answers look."""
        handler.function.add_environment("OBSERVATION_TABLE", self.table.table_name)
        handler.allow("dynamodb:PutItem", on=[self.table.table_arn])

    def grant_show(self, handler: Handler) -> None:
        """Let a function show what was counted, with pictures of what arrives."""
        handler.function.add_environment("OBSERVATION_TABLE", self.table.table_name)
        handler.allow("dynamodb:GetItem", "dynamodb:Query", on=[self.table.table_arn])
        self.data_bucket.grant_read(handler, "detect/", "applications/")

    @property
    def _index(self) -> str:
        return f"{self.table.table_arn}/index/{INDEX}"

    def _table(self) -> dynamodb.Table:
        table = make_table(self, "Observations", self.deployment, partition_key="id", sort_key="part")
        table.add_global_secondary_index(index_name=INDEX, partition_key=text("slot"), sort_key=text("id"))
        cfn = table.node.default_child
        assert isinstance(cfn, dynamodb.CfnTable)  # noqa: S101
        cfn.time_to_live_specification = dynamodb.CfnTable.TimeToLiveSpecificationProperty(
            attribute_name="expires_at", enabled=True
        )
        return table
