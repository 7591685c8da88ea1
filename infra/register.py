"""register: every object under incoming/ is checked, deduplicated and catalogued."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.loop_state import LoopState

STORAGE_MB = 5 * 1024
MEMORY_MB = 1769
"""One whole processor, https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


class Register(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        data_bucket: DataBucket,
        loop_state: LoopState,
    ) -> None:
        super().__init__(scope, id)
        self.catalogue = self._catalogue(deployment)
        self.handler = Handler(
            self,
            "Register",
            deployment,
            entry="lambdas.register.handle",
            description="Checks, deduplicates and catalogues what arrives under incoming/",
            timeout=900,
            memory=MEMORY_MB,
            environment={
                "DATA_BUCKET": data_bucket.bucket.bucket_name,
                "CATALOGUE_TABLE": self.catalogue.table_name,
                "RETRAIN_MACHINE_ARN": deployment.state_machine_arn("retrain"),
                **loop_state.environment,
            },
        )
        self._give_storage()
        self._allow(deployment, data_bucket, loop_state)
        self.event_queue = EventQueue(
            self,
            "EventQueue",
            deployment,
            pattern=data_bucket.created_under("incoming/"),
            handler=self.handler,
            batch_size=10,
            max_concurrency=deployment.settings.register_concurrency,
        )

    def _give_storage(self) -> None:
        """Room for the largest annotation file (lambdas/domain/register/conversion.py) and its parts."""
        cfn = self.handler.function.node.default_child
        assert isinstance(cfn, lambda_.CfnFunction)  # noqa: S101
        cfn.ephemeral_storage = lambda_.CfnFunction.EphemeralStorageProperty(size=STORAGE_MB)

    def _catalogue(self, deployment: Deployment) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        table = dynamodb.Table(
            self,
            "Catalogue",
            partition_key=dynamodb.Attribute(name="id", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            removal_policy=deployment.removal_policy,
        )
        # The newest, how many, and why: whole items would make counting read a hundred times as much.
        table.add_global_secondary_index(
            index_name="by_status",
            partition_key=dynamodb.Attribute(name="status", type=text),
            sort_key=dynamodb.Attribute(name="changed_at", type=text),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=["key", "conflict_reason"],
        )
        table.add_global_secondary_index(
            index_name="by_status_and_id",
            partition_key=dynamodb.Attribute(name="status", type=text),
            sort_key=dynamodb.Attribute(name="id", type=text),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=["row"],
        )
        return table

    def grant_query(self, handler: Handler) -> None:
        """Read the catalogue through its indexes."""
        handler.allow(
            "dynamodb:Query",
            on=[f"{self.catalogue.table_arn}/index/{index}" for index in ("by_status", "by_status_and_id")],
        )

    def _allow(self, deployment: Deployment, data_bucket: DataBucket, loop_state: LoopState) -> None:
        handler = self.handler
        loop_state.grant_read_write(handler)
        self.grant_query(handler)
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:BatchGetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            on=[self.catalogue.table_arn],
        )
        handler.allow(
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            on=[data_bucket.objects("incoming/")],
            why="what people drop can have any key under incoming/",
        )
        # Without it S3 answers "forbidden" instead of "not found" about an object that was deleted since.
        handler.allow("s3:ListBucket", "s3:ListBucketVersions", on=[data_bucket.bucket.bucket_arn])
        handler.allow(
            "s3:PutObject",
            on=[data_bucket.objects(prefix) for prefix in ("images/", "rejected/", "annotations/")],
            why="registered objects are named by their content, rejected ones by the key they came under",
        )
        handler.allow(
            "s3:PutObject",
            on=[data_bucket.objects("incoming/annotations/")],
            why="the parts that a large or foreign annotation file is converted into lie beside it",
        )
        handler.allow("states:StartExecution", on=[deployment.state_machine_arn("retrain")])
