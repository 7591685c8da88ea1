"""The step register: check, deduplicate and catalogue every object under incoming/."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.step import SharedResources, Step
from infra.table import make_table, text

STORAGE_MB = 5 * 1024
MEMORY_MB = 1769
"""One whole processor, https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


class Register(Step):
    """The catalogue, the function that fills it, and the queue that events about new objects go through."""

    def __init__(self, scope: Construct, id: str, shared: SharedResources) -> None:
        super().__init__(scope, id, shared)
        self.catalogue = self._catalogue()
        self.handler = self.make_handler(
            "Register",
            "lambdas.register.handle",
            "Checks, deduplicates and catalogues what arrives under incoming/",
            timeout=900,
            memory=MEMORY_MB,
            environment={
                "CATALOGUE_TABLE": self.catalogue.table_name,
                "RETRAIN_MACHINE_ARN": self.deployment.state_machine_arn("retrain"),
            },
            writes=["PROGRESS"],
        )
        self._set_storage()
        self._grant_catalogue()
        self._grant_objects()
        self.handler.allow("states:StartExecution", on=[self.deployment.state_machine_arn("retrain")])
        self.event_queue = EventQueue(
            self,
            "EventQueue",
            self.deployment,
            pattern=self.data_bucket.created_under("incoming/"),
            handler=self.handler,
            batch_size=10,
            max_concurrency=self.deployment.settings.register_concurrency,
        )

    def _set_storage(self) -> None:
        """Give the function room for the largest annotation file and its parts.

        lambdas/domain/register/conversion.py says how large one can be.
        """
        cfn = self.handler.function.node.default_child
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

    def _grant_catalogue(self) -> None:
        self.grant_query(self.handler)
        self.handler.allow(
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            on=[self.catalogue.table_arn],
        )

    def _grant_objects(self) -> None:
        self.data_bucket.grant_read_versions(self.handler, "incoming/")
        self.data_bucket.grant_delete_versions(self.handler, "incoming/")
        self.data_bucket.grant_put(
            self.handler, "images/", "rejected/", "annotations/", "incoming/annotations/"
        )
        self.data_bucket.grant_list(self.handler, "s3:ListBucketVersions")
