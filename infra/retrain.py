"""The step retrain: train a model version with new images, and pass it through the evaluation gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.deployment import NAMED_AT_START, TASK_TOKENS, executions_of
from infra.handler import Handler
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.review import Review
from infra.step import SharedResources, Step
from infra.workflow import Workflow

SNAPSHOT_MEMORY_MB = 1769
"""One whole processor, https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
_RESUMED = (
    "Snapshot",
    "CheckData",
    "SyncDatasets",
    "Train",
    "WatchTraining",
    "AwaitTraining",
    "Evaluate",
    "FindLabelIssues",
)
"""Steps at which a redriven run may go on, and then takes its lease again."""
SNAPSHOT_STORAGE_MB = 2 * 1024
"""Room for the manifests of 250,000 images while they are made: an entry of about 1 KB is there twice."""


class Retrain(Step):
    """The state machine of runs, its functions, and the schedule that starts it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        register: Register,
        project: RekognitionProject,
        review: Review,
        console_address: str,
    ) -> None:
        self._machine_arn = shared.deployment.state_machine_arn("retrain")
        environment = {
            "CATALOGUE_TABLE": register.catalogue.table_name,
            "PROJECT_ARN": project.arn,
            "TOPIC_ARN": shared.loop_state.topic.topic_arn,
            "RETRAIN_MACHINE_ARN": self._machine_arn,
        }
        super().__init__(scope, id, shared, environment)
        self._register, self._project, self._review = register, project, review
        handlers = {
            "WaitForBurst": self._wait_for_burst(),
            "TakeLease": self._take_lease(),
            "CountOpenReviews": self._count_open_reviews(),
            "Snapshot": self._snapshot(),
            "CheckData": self._check_data(),
            "SyncDatasets": self._sync_datasets(),
            "Train": self._train(),
            "WatchTraining": self._watch_training(),
            "AwaitTraining": self._await_training(),
            "Evaluate": self._evaluate(),
            "FindLabelIssues": self._find_label_issues(),
            "Report": self._report(console_address),
        }
        for name in _RESUMED:
            self.loop_state.grant_take_lease(handlers[name])
        promote = self.deployment.state_machine_arn("promote")
        self.workflow = Workflow(
            self,
            "Workflow",
            self.deployment,
            step="retrain",
            handlers=handlers,
            substitutions={"PromoteMachine": promote},
        )
        self._allow_promote(promote)
        if self.deployment.settings.retrain_schedule != "never":
            self._schedule(self.deployment.settings.retrain_schedule)

    def _handler(
        self,
        id: str,
        function: str,
        description: str,
        *,
        timeout: int = 60,
        memory: int = 512,
        environment: Mapping[str, str] | None = None,
        writes: Sequence[str] = (),
    ) -> Handler:
        return self.make_handler(
            id,
            f"lambdas.retrain.{function}",
            description,
            environment=environment,
            timeout=timeout,
            memory=memory,
            writes=writes,
        )

    def _wait_for_burst(self) -> Handler:
        handler = self._handler(
            "WaitForBurst",
            "wait_for_burst",
            "Waits for a burst of uploads to end",
            environment={"REGISTER_QUEUE_URLS": self._register.queue_urls},
        )
        self._register.grant_query(handler)
        self._register.grant_count(handler)
        return handler

    def _take_lease(self) -> Handler:
        handler = self._handler(
            "TakeLease", "take_lease", "Lets one run at a time go on", writes=["LEASE", "RUN"]
        )
        self._project.tell_engines(handler)
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
            writes=["RUN"],
        )
        cfn = handler.function.node.default_child
        assert isinstance(cfn, lambda_.CfnFunction)  # noqa: S101
        cfn.ephemeral_storage = lambda_.CfnFunction.EphemeralStorageProperty(size=SNAPSHOT_STORAGE_MB)
        self._register.grant_query(handler)
        handler.allow("dynamodb:BatchGetItem", "dynamodb:PutItem", on=[self._register.catalogue.table_arn])
        self.data_bucket.grant_read(handler, "datasets/")
        self.data_bucket.grant_put(handler, "datasets/")
        self.data_bucket.grant_list(handler)
        return handler

    def _check_data(self) -> Handler:
        description = "Makes the dataset report of a snapshot"
        handler = self._handler(
            "CheckData", "check_data", description, timeout=900, memory=1024, writes=["RUN"]
        )
        self._register.grant_query(handler)
        self.data_bucket.grant_read(handler, "datasets/", "images/")
        self.data_bucket.grant_put(handler, "datasets/")
        self._project.tell_engines(handler)
        return handler

    def _sync_datasets(self) -> Handler:
        description = "Brings the Rekognition datasets to a snapshot"
        handler = self._handler(
            "SyncDatasets", "sync_datasets", description, timeout=300, writes=["RUN", "DATASET"]
        )
        self._project.grant_describe_project(handler)
        self._project.grant_manage_datasets(handler)
        self.data_bucket.grant_rekognition_read(handler, "datasets/", "images/")
        return handler

    def _train(self) -> Handler:
        handler = self._handler(
            "Train",
            "train",
            "Begins the training of a model version",
            # Without a free slot it looks through all projects of the account, five requests a second.
            timeout=300,
            writes=["RUN", "VERSION", "COUNTER"],
        )
        self._project.grant_describe_versions(handler)
        self._project.grant_train(handler)
        self._project.grant_delete_versions(handler)
        self.data_bucket.grant_rekognition_read(handler, "datasets/", "images/")
        # Rekognition writes the results with the permissions of its caller.
        self.data_bucket.grant_put(handler, "training/")
        return handler

    def _watch_training(self) -> Handler:
        handler = self._handler(
            "WatchTraining",
            "watch_training",
            "Looks how far a training is",
            writes=["RUN", "VERSION"],
        )
        self._project.grant_describe_versions(handler)
        return handler

    def _await_training(self) -> Handler:
        description = "Has a run go on once its training has ended, of which an event tells"
        handler = self._handler("AwaitTraining", "await_training", description, writes=["RUN", "AWAITED"])
        self._project.grant_describe_versions(handler)
        handler.allow("states:SendTaskSuccess", on=["*"], why=TASK_TOKENS)
        return handler

    def _evaluate(self) -> Handler:
        description = "The evaluation gate: judges the training's own evaluation"
        handler = self._handler(
            "Evaluate", "evaluate", description, timeout=300, writes=["RUN", "VERSION", "CLASSES", "NEEDED"]
        )
        self._project.grant_describe_versions(handler)
        self.data_bucket.grant_read(handler, "training/", "datasets/")
        self.data_bucket.grant_list(handler)
        return handler

    def _find_label_issues(self) -> Handler:
        handler = self._handler(
            "FindLabelIssues",
            "find_label_issues",
            "Looks for labels that a version contradicts",
            timeout=900,
            memory=1024,
            writes=["RUN"],
        )
        self._project.grant_describe_versions(handler)
        self._project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read(handler, "images/")
        self.data_bucket.grant_read(handler, "training/", "datasets/", "evaluations/")
        self.data_bucket.grant_put(handler, "evaluations/")
        self.data_bucket.grant_list(handler)
        return handler

    def _report(self, console_address: str) -> Handler:
        handler = self._handler(
            "Report",
            "report",
            "Completes a run's record and notifies",
            environment={"CONSOLE_ADDRESS": console_address},
            writes=["LEASE", "RUN", "PROGRESS", "NOTICE"],
        )
        self.loop_state.grant_notify(handler)
        self._register.grant_query(handler)
        handler.allow("states:StartExecution", on=[self._machine_arn])
        executions = executions_of(self._machine_arn)
        handler.allow("states:GetExecutionHistory", on=[executions], why=NAMED_AT_START)
        return handler

    def _allow_promote(self, machine: str) -> None:
        """Allow the state machine to start a promotion and to wait for it.

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
                self.deployment.stack.format_arn(
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
            description="Starts a run however few images are new",
            schedule=events.Schedule.expression(expression),
            targets=[  # pyrefly: ignore[bad-argument-type]
                targets.SfnStateMachine(
                    machine, input=events.RuleTargetInput.from_object({"trigger": "schedule"})
                )
            ],
        ).node.add_dependency(self.workflow)
