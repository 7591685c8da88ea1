"""retrain: from a burst of new images to a judged model version."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import NAMED_AT_START, Deployment, executions_of
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.register import Register
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject
from infra.review import Review
from infra.workflow import Workflow

SNAPSHOTS = "a snapshot is named by its content, a training's output by its model version"
SNAPSHOT_MEMORY_MB = 1769
"""One whole processor, https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
SNAPSHOT_STORAGE_MB = 2 * 1024
"""Manifests of 250,000 images in the making; an entry takes about 1 KB, and is there twice."""


class Retrain(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        data_bucket: DataBucket,
        loop_state: LoopState,
        register: Register,
        project: RekognitionProject,
        review: Review,
        console_address: str,
    ) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        self._data_bucket, self._records, self._register, self._project = (
            data_bucket,
            loop_state,
            register,
            project,
        )
        self._review = review
        self._environment = {
            "DATA_BUCKET": data_bucket.bucket.bucket_name,
            "CATALOGUE_TABLE": register.catalogue.table_name,
            "PROJECT_ARN": project.arn,
            "TOPIC_ARN": loop_state.topic.topic_arn,
            "RETRAIN_MACHINE_ARN": deployment.state_machine_arn("retrain"),
            **loop_state.environment,
        }
        handlers = {
            "WaitForBurst": self._wait_for_burst(),
            "TakeLease": self._handler("TakeLease", "take_lease", "Lets one run at a time go on"),
            "CountOpenReviews": self._count_open_reviews(),
            "Snapshot": self._snapshot(),
            "CheckData": self._check_data(),
            "SyncDatasets": self._sync_datasets(),
            "Train": self._train(),
            "WatchTraining": self._watch_training(),
            "Evaluate": self._evaluate(),
            "Report": self._report(console_address),
        }
        promote = deployment.state_machine_arn("promote")
        self.workflow = Workflow(
            self,
            "Workflow",
            deployment,
            step="retrain",
            handlers=handlers,
            substitutions={"PromoteMachine": promote},
        )
        self._allow_promote(promote)
        if deployment.settings.retrain_schedule != "never":
            self._schedule(deployment.settings.retrain_schedule)

    def _handler(
        self,
        id: str,
        function: str,
        description: str,
        *,
        timeout: int = 60,
        memory: int = 512,
        environment: Mapping[str, str] | None = None,
    ) -> Handler:
        handler = Handler(
            self,
            id,
            self._deployment,
            entry=f"lambdas.retrain.{function}",
            description=description,
            timeout=timeout,
            memory=memory,
            environment={**self._environment, **(environment or {})},
        )
        self._records.grant_read_write(handler)
        return handler

    def _wait_for_burst(self) -> Handler:
        event_queue = self._register.event_queue.queue
        handler = self._handler(
            "WaitForBurst",
            "wait_for_burst",
            "Waits for a burst of uploads to end",
            environment={"REGISTER_QUEUE_URL": event_queue.queue_url},
        )
        self._register.grant_query(handler)
        handler.allow("sqs:GetQueueAttributes", on=[event_queue.queue_arn])
        return handler

    def _count_open_reviews(self) -> Handler:
        handler = self._handler("CountOpenReviews", "count_open_reviews", "Counts open reviews")
        self._review.grant_count(handler)
        return handler

    def _snapshot(self) -> Handler:
        handler = self._handler(
            "Snapshot",
            "snapshot",
            "Writes an immutable dataset snapshot",
            timeout=900,
            memory=SNAPSHOT_MEMORY_MB,
        )
        cfn = handler.function.node.default_child
        assert isinstance(cfn, lambda_.CfnFunction)  # noqa: S101
        cfn.ephemeral_storage = lambda_.CfnFunction.EphemeralStorageProperty(size=SNAPSHOT_STORAGE_MB)
        self._register.grant_query(handler)
        handler.allow("dynamodb:BatchGetItem", "dynamodb:PutItem", on=[self._register.catalogue.table_arn])
        handler.allow(
            "s3:GetObject", "s3:PutObject", on=[self._data_bucket.objects("datasets/")], why=SNAPSHOTS
        )
        handler.allow("s3:ListBucket", on=[self._data_bucket.bucket.bucket_arn])
        return handler

    def _check_data(self) -> Handler:
        handler = self._handler(
            "CheckData", "check_data", "Makes a snapshot's data-set report", timeout=900, memory=1024
        )
        self._register.grant_query(handler)
        handler.allow(
            "s3:GetObject", "s3:PutObject", on=[self._data_bucket.objects("datasets/")], why=SNAPSHOTS
        )
        self._allow_images(handler)
        return handler

    def _sync_datasets(self) -> Handler:
        handler = self._handler(
            "SyncDatasets", "sync_datasets", "Brings the Rekognition datasets to a snapshot", timeout=300
        )
        handler.allow(
            "rekognition:DescribeProjects", on=["*"], why="DescribeProjects has no resource-level permissions"
        )
        handler.allow("rekognition:CreateDataset", on=[self._project.arn])
        handler.allow(
            "rekognition:UpdateDatasetEntries",
            "rekognition:DeleteDataset",
            "rekognition:DescribeDataset",
            on=[self._project.datasets],
            why=MADE_AT_RUN_TIME,
        )
        handler.allow("s3:GetObject", on=[self._data_bucket.objects("datasets/")], why=SNAPSHOTS)
        self._allow_images(handler)
        return handler

    def _train(self) -> Handler:
        handler = self._handler("Train", "train", "Begins the training of a model version")
        self._project.grant_watch(handler)
        handler.allow(
            "rekognition:CreateProjectVersion",
            "rekognition:TagResource",
            on=[self._project.arn, self._project.versions],
            why=MADE_AT_RUN_TIME,
        )
        # Rekognition reads the images and writes the results with the permissions of its caller.
        self._allow_images(handler)
        handler.allow("s3:PutObject", on=[self._data_bucket.objects("training/")], why=SNAPSHOTS)
        handler.allow("s3:GetObject", on=[self._data_bucket.objects("datasets/")], why=SNAPSHOTS)
        handler.allow("s3:GetBucketAcl", "s3:GetBucketLocation", on=[self._data_bucket.bucket.bucket_arn])
        return handler

    def _watch_training(self) -> Handler:
        handler = self._handler("WatchTraining", "watch_training", "Looks how far a training is")
        self._project.grant_watch(handler)
        return handler

    def _evaluate(self) -> Handler:
        handler = self._handler("Evaluate", "evaluate", "Gate 1: the training's own evaluation")
        self._project.grant_watch(handler)
        handler.allow(
            "s3:GetObject",
            on=[self._data_bucket.objects("training/"), self._data_bucket.objects("datasets/")],
            why=SNAPSHOTS,
        )
        return handler

    def _report(self, console_address: str) -> Handler:
        handler = self._handler(
            "Report",
            "report",
            "Completes a run's record and notifies",
            environment={"CONSOLE_ADDRESS": console_address},
        )
        self._records.grant_notify(handler)
        self._register.grant_query(handler)
        machine = self._deployment.state_machine_arn("retrain")
        handler.allow("states:StartExecution", on=[machine])
        handler.allow(
            "states:GetExecutionHistory",
            on=[executions_of(machine)],
            why=NAMED_AT_START,
        )
        return handler

    def _allow_images(self, handler: Handler) -> None:
        handler.allow(
            "s3:GetObject",
            on=[self._data_bucket.objects("images/")],
            why="registered images are named by their content",
        )

    def _allow_promote(self, machine: str) -> None:
        """Start a nested execution and wait for it.

        https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
        """
        permissions = self.workflow.permissions
        permissions.allow("states:StartExecution", on=[machine])
        permissions.allow(
            "states:DescribeExecution",
            "states:StopExecution",
            on=[executions_of(machine)],
            why=NAMED_AT_START,
        )
        permissions.allow(
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
            on=[
                self._deployment.stack.format_arn(
                    service="events",
                    resource="rule",
                    resource_name="StepFunctionsGetEventsForStepFunctionsExecutionRule",
                )
            ],
        )

    def _schedule(self, expression: str) -> None:
        machine = sfn.StateMachine.from_state_machine_arn(self, "Scheduled", self.workflow.arn)
        events.Rule(
            self,
            "Schedule",
            description="A run without new images: relabelled ones, and what a missed event left behind",
            schedule=events.Schedule.expression(expression),
            targets=[  # pyrefly: ignore[bad-argument-type]
                targets.SfnStateMachine(
                    machine, input=events.RuleTargetInput.from_object({"trigger": "schedule"})
                )
            ],
        ).node.add_dependency(self.workflow)
