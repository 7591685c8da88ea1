"""The step register: check, deduplicate and catalogue every object under incoming/."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.step import SharedResources, Step
from infra.table import make_table, text

CONVERSION_SECONDS = 900
"""Timeout of the function for annotation files; how long the largest take is in docs/performance.md."""
STORAGE_MB = 5 * 1024
MEMORY_MB = 1769
"""One whole processor, https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


class Register(Step):
    """The catalogue, the functions that fill it, and the queues that events about new objects go through.

    Annotation files, which may take minutes, have a queue and a function of their own: the register function
    sends their events on. So images are not hidden for long when something goes wrong.
    """

    def __init__(self, scope: Construct, id: str, shared: SharedResources) -> None:
        super().__init__(scope, id, shared)
        self.catalogue = self._catalogue()
        self.annotation_queue = self._annotation_queue()
        self.event_queue = self._event_queue()

    @property
    def queues(self) -> tuple[EventQueue, EventQueue]:
        """Of everything that was dropped and is not registered yet."""
        return self.event_queue, self.annotation_queue

    @property
    def queue_urls(self) -> str:
        """Of `queues`, as an environment variable has them."""
        return " ".join(queue.queue.queue_url for queue in self.queues)

    def grant_count(self, handler: Handler) -> None:
        """Allow to count what is not registered yet."""
        for queue in self.queues:
            queue.grant_count(handler)

    def _event_queue(self) -> EventQueue:
        handler = self._handler("Register", "handle", "Catalogues images that arrive under incoming/")
        self.data_bucket.grant_put(handler, "images/", "thumbnails/", "rejected/")
        handler.function.add_environment("ANNOTATIONS_QUEUE_URL", self.annotation_queue.queue.queue_url)
        self.annotation_queue.grant_send(handler)
        return EventQueue(
            self,
            "EventQueue",
            self.deployment,
            name="register",
            pattern=self.data_bucket.created_under("incoming/"),
            handler=handler,
            batch_size=10,
            max_concurrency=self.deployment.settings.register_concurrency,
        )

    def _annotation_queue(self) -> EventQueue:
        description = "Takes annotation files that arrive under incoming/annotations/, and images to be cut"
        handler = self._handler("Annotations", "handle_annotations", description, CONVERSION_SECONDS)
        self._set_storage(handler)
        self.data_bucket.grant_put(
            handler,
            *("rejected/", "annotations/", "incoming/annotations/", "images/", "thumbnails/"),
            "originals/",
        )
        self.data_bucket.grant_read(handler, "originals/")
        queue = EventQueue(
            self,
            "AnnotationQueue",
            self.deployment,
            name="annotations",
            pattern=None,
            handler=handler,
            batch_size=1,
            max_concurrency=self.deployment.settings.register_concurrency,
            # Six times the timeout would hide a file for 90 minutes whose function was killed.
            visibility_seconds=CONVERSION_SECONDS + 60,
        )
        # What is to be cut again it tells itself.
        queue.grant_send(handler)
        return queue

    def _handler(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        """A function that registers what lies under incoming/, and asks for a run."""
        retrain = self.deployment.state_machine_arn("retrain")
        handler = self.make_handler(
            id,
            f"lambdas.register.{function}",
            description,
            timeout=timeout,
            memory=MEMORY_MB,
            environment={"CATALOGUE_TABLE": self.catalogue.table_name, "RETRAIN_MACHINE_ARN": retrain},
            writes=["PROGRESS"],
        )
        self._grant_catalogue(handler)
        self.data_bucket.grant_read_versions(handler, "incoming/")
        self.data_bucket.grant_delete_versions(handler, "incoming/")
        self.data_bucket.grant_list(handler, "s3:ListBucketVersions")
        handler.allow("states:StartExecution", on=[retrain])
        return handler

    def _set_storage(self, handler: Handler) -> None:
        """Give the function room for the largest annotation file and its parts.

        lambdas/domain/register/conversion.py says how large one can be.
        """
        cfn = handler.function.node.default_child
        assert isinstance(cfn, lambda_.CfnFunction)  # noqa: S101
        cfn.ephemeral_storage = lambda_.CfnFunction.EphemeralStorageProperty(size=STORAGE_MB)

    def _catalogue(self) -> dynamodb.Table:
        table = make_table(self, "Catalogue", self.deployment, partition_key="id")
        # For counts, the newest images and the reasons of conflicts. With whole items a count would read 100
        # times as much.
        table.add_global_secondary_index(
            index_name="by_status",
            partition_key=text("status"),
            sort_key=text("changed_at"),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=["key", "conflict_reason"],
        )
        table.add_global_secondary_index(
            index_name="by_status_and_id",
            partition_key=text("status"),
            sort_key=text("id"),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=["row"],
        )
        return table

    def grant_query(self, handler: Handler) -> None:
        """Allow to query the indexes of the catalogue."""
        handler.allow(
            "dynamodb:Query",
            on=[f"{self.catalogue.table_arn}/index/{index}" for index in ("by_status", "by_status_and_id")],
        )

    def grant_update_images(self, handler: Handler) -> None:
        """Allow to read and change images, with the entries of their labels."""
        catalogue = self.catalogue.table_arn
        handler.allow("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", on=[catalogue])
        # No image and no annotation is ever deleted.
        entries = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["label#*"]}}
        handler.allow("dynamodb:DeleteItem", on=[catalogue], when=entries)
        self.grant_query(handler)

    def _grant_catalogue(self, handler: Handler) -> None:
        self.grant_query(handler)
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            on=[self.catalogue.table_arn],
        )
