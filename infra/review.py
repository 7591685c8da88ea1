"""review: what nobody has labelled, and what the model is unsure of, goes to people."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import NAMED_AT_START, Deployment, executions_of
from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.register import Register
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject
from infra.workflow import Workflow
from infra.workforce import IMAGES, Workforce
from lambdas.domain.review.workforce import a2i

BATCH_SECONDS = 300
"""For what is done image by image to all that a labeling job asks about."""


class Review(Construct):
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
    ) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        self._data_bucket, self._records, self._register, self._project = (
            data_bucket,
            loop_state,
            register,
            project,
        )
        self.machine_arn = deployment.state_machine_arn("review")
        self.table = self._tasks()
        self.workforce = Workforce(self, "Workforce", deployment, data_bucket)
        self.environment = {
            "DATA_BUCKET": data_bucket.bucket.bucket_name,
            "CATALOGUE_TABLE": register.catalogue.table_name,
            "REVIEW_TABLE": self.table.table_name,
            "REVIEW_MACHINE_ARN": self.machine_arn,
            **loop_state.environment,
            **self.workforce.environment,
        }
        handlers = {
            "Ask": self._ask(),
            "GiveBack": self._give_back(),
            "StartJob": self._start_job(),
            "WatchJob": self._watch_job(),
            "ReadJob": self._read_job(),
        }
        self.workflow = Workflow(self, "Workflow", deployment, step="review", handlers=handlers)
        self.event_queue = self._proposals()
        self.alarms = [self.workflow.alarm, self.event_queue.alarm]
        if self.workforce.flow:
            self.alarms.append(self._loops().alarm)
        self._collect()

    def grant_propose(self, handler: Handler) -> None:
        """Let a function propose images."""
        handler.function.add_environment("REVIEW_QUEUE_URL", self.event_queue.queue.queue_url)
        handler.allow("sqs:SendMessage", on=[self.event_queue.queue.queue_arn])

    def grant_count(self, handler: Handler) -> None:
        """See how many tasks are open."""
        handler.function.add_environment("REVIEW_TABLE", self.table.table_name)
        handler.allow("dynamodb:Query", on=[f"{self.table.table_arn}/index/by_state"])

    def grant_resolve(self, handler: Handler) -> None:
        """Take answers, and do what follows from them."""
        self._allow_tasks(handler)
        handler.allow(
            "states:SendTaskSuccess",
            "states:SendTaskFailure",
            "states:SendTaskHeartbeat",
            on=["*"],
            why="task tokens have no resource-level permissions:"
            " https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html",
        )

    def grant_reconcile(self, handler: Handler) -> None:
        """Do what a crash or a lost event left undone."""
        for name, value in self.environment.items():
            handler.function.add_environment(name, value)
        self.grant_resolve(handler)
        self.workforce.grant_see_loop(handler)
        self.workforce.grant_read_job(handler)
        handler.allow("states:StartExecution", on=[self.machine_arn])
        handler.allow(
            "states:DescribeExecution",
            on=[executions_of(self.machine_arn)],
            why=NAMED_AT_START,
        )

    def grant_open(self, handler: Handler) -> None:
        """Open tasks, with what the champion sees drawn in advance."""
        self._allow_tasks(handler)
        handler.allow("states:StartExecution", on=[self.machine_arn])
        handler.allow("rekognition:DetectCustomLabels", on=[self._project.versions], why=MADE_AT_RUN_TIME)
        handler.allow("s3:GetObject", on=[self._data_bucket.objects("images/")], why=IMAGES)

    def _allow_tasks(self, handler: Handler) -> None:
        """Read and write tasks, and the images that they are about."""
        self.grant_count(handler)
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:Query",
            on=[self.table.table_arn],
        )
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            on=[self._register.catalogue.table_arn],
        )
        self._register.grant_query(handler)

    # Functions

    def _handler(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        handler = Handler(
            self,
            id,
            self._deployment,
            entry=f"lambdas.review.{function}",
            description=description,
            timeout=timeout,
            environment=self.environment,
        )
        self._records.grant_read_write(handler)
        return handler

    def _ask(self) -> Handler:
        handler = self._handler("Ask", "ask", "Puts a task before people")
        self.grant_resolve(handler)
        self.workforce.grant_start_loop(handler)
        return handler

    def _give_back(self) -> Handler:
        description = "Takes tasks back that nobody answered"
        handler = self._handler("GiveBack", "give_back", description, BATCH_SECONDS)
        self.grant_resolve(handler)
        self.workforce.grant_end_loop(handler)
        self.workforce.grant_end_job(handler)
        return handler

    def _start_job(self) -> Handler:
        description = "Starts a labeling job of Ground Truth"
        handler = self._handler("StartJob", "start_job", description, BATCH_SECONDS)
        handler.allow("dynamodb:GetItem", "dynamodb:Query", on=[self.table.table_arn])
        self._register.grant_query(handler)
        self.workforce.grant_start_job(handler)
        return handler

    def _watch_job(self) -> Handler:
        handler = self._handler("WatchJob", "watch_job", "Looks how far a labeling job is")
        self.workforce.grant_watch_job(handler)
        return handler

    def _read_job(self) -> Handler:
        description = "Reads what a labeling job's workers said"
        handler = self._handler("ReadJob", "read_job", description, BATCH_SECONDS)
        self.grant_resolve(handler)
        self.workforce.grant_read_job(handler)
        return handler

    def _proposals(self) -> EventQueue:
        handler = self._handler("Propose", "propose", "Opens tasks for images that it is told of", 120)
        self.grant_open(handler)
        handler.allow(
            "s3:GetObject",
            "s3:GetObjectVersion",
            on=[self._data_bucket.objects("detect/")],
            why="what people ask about can have any key",
        )
        handler.allow("s3:PutObject", on=[self._data_bucket.objects("images/")], why=IMAGES)
        handler.allow("s3:ListBucket", on=[self._data_bucket.bucket.bucket_arn])
        return EventQueue(
            self,
            "EventQueue",
            self._deployment,
            pattern=None,
            handler=handler,
            batch_size=10,
            max_concurrency=2,
        )

    def _collect(self) -> None:
        handler = self._handler("Collect", "collect", "Opens tasks for images that nobody has labelled", 300)
        self.grant_open(handler)
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.expression(self._deployment.settings.sweep_schedule),
            targets=[targets.LambdaFunction(handler.function)],  # pyrefly: ignore[bad-argument-type]
        )

    def _loops(self) -> EventQueue:
        """What A2I tells of human loops: https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-cloudwatch-events.html"""
        handler = self._handler("LoopFinished", "loop_finished", "Reads what a human loop's workers said")
        self.grant_resolve(handler)
        self.workforce.grant_take_loop(handler)
        return EventQueue(
            self,
            "Loops",
            self._deployment,
            pattern=events.EventPattern(
                source=[a2i.SOURCE],
                detail_type=[a2i.DETAIL_TYPE],
                detail={"flowDefinitionArn": [self.workforce.flow]},
            ),
            handler=handler,
            batch_size=10,
            max_concurrency=2,
        )

    # Tasks

    def _tasks(self) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        table = dynamodb.Table(
            self,
            "Tasks",
            partition_key=dynamodb.Attribute(name="id", type=text),
            sort_key=dynamodb.Attribute(name="part", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=self._deployment.removal_policy,
        )
        table.add_global_secondary_index(
            index_name="by_state",
            partition_key=dynamodb.Attribute(name="state", type=text),
            sort_key=dynamodb.Attribute(name="available_at", type=text),
        )
        return table
