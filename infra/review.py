"""The step review: people label images that have no labels, and those that the model is unsure of."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.deployment import NAMED_AT_START, TASK_TOKENS, executions_of
from infra.detect import MEMORY_MB
from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.step import SharedResources, Step
from infra.table import make_table, text
from infra.workflow import Workflow
from infra.workforce import Workforce
from lambdas.domain.review.workforce import a2i

BATCH_SECONDS = 300
"""Timeout of functions that handle every image of a labeling job, one after the other."""


class Review(Step):
    """The review tasks, the state machine that waits for their answers, and the functions around them.

    Args:
        code: the asset with the pretrained trunk, for the functions that open tasks.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        register: Register,
        project: RekognitionProject,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id, shared)
        self._register, self._project, self._code = register, project, code
        self.machine_arn = self.deployment.state_machine_arn("review")
        self.table = self._tasks()
        self.workforce = Workforce(self, "Workforce", self.deployment, self.data_bucket)
        self.environment |= {
            "CATALOGUE_TABLE": register.catalogue.table_name,
            "REVIEW_TABLE": self.table.table_name,
            "REVIEW_MACHINE_ARN": self.machine_arn,
            **self.workforce.environment,
        }
        handlers = {
            "Ask": self._ask(),
            "GiveBack": self._give_back(),
            "StartJob": self._start_job(),
            "WatchJob": self._watch_job(),
            "ReadJob": self._read_job(),
        }
        self.workflow = Workflow(self, "Workflow", self.deployment, step="review", handlers=handlers)
        self.event_queue = self._proposals()
        self.queues = [self.event_queue]
        if self.workforce.flow_definition_arn:
            self.queues.append(self._finished_loops())
        self.collector = self._collect()

    def grant_propose(self, handler: Handler) -> None:
        """Allow to propose images for review."""
        handler.function.add_environment("REVIEW_QUEUE_URL", self.event_queue.queue.queue_url)
        self.event_queue.grant_send(handler)

    def grant_count(self, handler: Handler) -> None:
        """Allow to count the open tasks."""
        handler.function.add_environment("REVIEW_TABLE", self.table.table_name)
        handler.allow("dynamodb:Query", on=[f"{self.table.table_arn}/index/by_state"])

    def grant_claim(self, handler: Handler) -> None:
        """Allow to read the tasks that are to be claimed first, and to have drafts follow answers."""
        handler.allow("dynamodb:BatchGetItem", on=[self.table.table_arn])
        self.grant_propose(handler)

    def grant_read_precisions(self, handler: Handler) -> None:
        """Allow to read how right several versions have been, at once."""
        handler.allow("dynamodb:BatchGetItem", on=[self.table.table_arn])

    def grant_resolve(self, handler: Handler) -> None:
        """Allow to resolve tasks: to take answers, and to let the executions that wait for them go on."""
        self._grant_tasks(handler)
        handler.allow("states:SendTaskSuccess", "states:SendTaskFailure", on=["*"], why=TASK_TOKENS)

    def grant_reconcile(self, handler: Handler) -> None:
        """Allow to reconcile tasks with their executions after a crash or a lost event."""
        for name, value in self.environment.items():
            handler.function.add_environment(name, value)
        self.grant_resolve(handler)
        handler.allow("states:SendTaskHeartbeat", on=["*"], why=TASK_TOKENS)
        self.workforce.grant_describe_human_loop(handler)
        self.workforce.grant_read_labeling_job(handler)
        handler.allow("states:StartExecution", on=[self.machine_arn])
        executions = executions_of(self.machine_arn)
        handler.allow("states:DescribeExecution", on=[executions], why=NAMED_AT_START)

    def grant_open(self, handler: Handler) -> None:
        """Allow to open tasks, with the champion's detections as suggestions."""
        self.grant_open_tasks(handler)
        self._project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read(handler, "images/")

    def grant_open_tasks(self, handler: Handler) -> None:
        """Allow to open tasks, without a question to the champion."""
        self._grant_tasks(handler)
        handler.allow("states:StartExecution", on=[self.machine_arn])

    def _grant_tasks(self, handler: Handler) -> None:
        """Allow to read and write tasks, and the catalogue's records of their images."""
        self.grant_count(handler)
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:Query",
            on=[self.table.table_arn],
        )
        self._register.grant_update_images(handler)

    # Functions

    def _handler(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        return self.make_handler(id, f"lambdas.review.{function}", description, timeout=timeout)

    def _ask(self) -> Handler:
        handler = self._handler("Ask", "ask", "Puts a task before people")
        self.grant_resolve(handler)
        self.workforce.grant_start_human_loop(handler)
        return handler

    def _give_back(self) -> Handler:
        description = "Takes tasks back that nobody answered"
        handler = self._handler("GiveBack", "give_back", description, BATCH_SECONDS)
        self.grant_resolve(handler)
        self.workforce.grant_stop_human_loop(handler)
        self.workforce.grant_stop_labeling_job(handler)
        return handler

    def _start_job(self) -> Handler:
        description = "Starts a labeling job of Ground Truth"
        handler = self._handler("StartJob", "start_job", description, BATCH_SECONDS)
        handler.allow("dynamodb:GetItem", "dynamodb:Query", on=[self.table.table_arn])
        self._register.grant_query(handler)
        self.workforce.grant_start_labeling_job(handler)
        return handler

    def _watch_job(self) -> Handler:
        handler = self._handler("WatchJob", "watch_job", "Looks how far a labeling job is")
        self.workforce.grant_describe_labeling_job(handler)
        return handler

    def _read_job(self) -> Handler:
        description = "Reads the answers of a labeling job's workers"
        handler = self._handler("ReadJob", "read_job", description, BATCH_SECONDS)
        self.grant_resolve(handler)
        self.workforce.grant_read_labeling_job(handler)
        return handler

    def _proposals(self) -> EventQueue:
        handler = self.make_handler(
            "Propose",
            "lambdas.review.propose",
            "Opens tasks for images that are proposed, and has drafts follow answers",
            memory=MEMORY_MB,
            code=self._code,
        )
        self.grant_open(handler)
        # Frames of clips are among the results.
        self.data_bucket.grant_read_versions(handler, "detect/", "applications/", "batches/", "results/")
        self.data_bucket.grant_put(handler, "images/", "thumbnails/")
        self._grant_count_unregistered(handler)
        queue = EventQueue(
            self,
            "EventQueue",
            self.deployment,
            name="review",
            pattern=None,
            handler=handler,
            # Each may be an image of 100 million pixels, to be cut into tiles.
            batch_size=2,
            max_concurrency=2,
        )
        # What came too early is proposed again.
        handler.function.add_environment("REVIEW_QUEUE_URL", queue.queue.queue_url)
        queue.grant_send(handler)
        return queue

    def _grant_count_unregistered(self, handler: Handler) -> None:
        """Allow to see whether labels may be on their way."""
        handler.function.add_environment("REGISTER_QUEUE_URLS", self._register.queue_urls)
        self._register.grant_count(handler)

    def _collect(self) -> Handler:
        handler = self.make_handler(
            "Collect",
            "lambdas.review.collect",
            "Opens tasks for images that nobody has labelled",
            timeout=300,
            memory=MEMORY_MB,
            code=self._code,
        )
        self.grant_open(handler)
        self.grant_propose(handler)
        self._grant_count_unregistered(handler)
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.expression(self.deployment.settings.sweep_schedule),
            targets=[targets.LambdaFunction(handler.function)],  # pyrefly: ignore[bad-argument-type]
        )
        return handler

    def _finished_loops(self) -> EventQueue:
        """The queue of A2I's events about human loops that have ended.

        https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-cloudwatch-events.html
        """
        handler = self._handler(
            "LoopFinished", "loop_finished", "Reads the answers of a human loop's workers"
        )
        self.grant_resolve(handler)
        self.workforce.grant_read_human_loop(handler)
        return EventQueue(
            self,
            "Loops",
            self.deployment,
            name="loops",
            pattern=events.EventPattern(
                source=[a2i.SOURCE],
                detail_type=[a2i.DETAIL_TYPE],
                detail={"flowDefinitionArn": [self.workforce.flow_definition_arn]},
            ),
            handler=handler,
            batch_size=10,
            max_concurrency=2,
        )

    # Tasks

    def _tasks(self) -> dynamodb.Table:
        table = make_table(self, "Tasks", self.deployment, partition_key="id", sort_key="part")
        table.add_global_secondary_index(
            index_name="by_state",
            partition_key=text("state"),
            sort_key=text("available_at"),
        )
        return table
