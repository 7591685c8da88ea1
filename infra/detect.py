"""detect: what the champion sees in each image put under detect/."""

from __future__ import annotations

from constructs import Construct

from infra.deployment import Deployment
from infra.drop import Drop
from infra.handler import Handler
from infra.inbox import Inbox
from infra.records import Records
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject


class Detect(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        drop: Drop,
        records: Records,
        project: RekognitionProject,
    ) -> None:
        super().__init__(scope, id)
        self.handler = handler = Handler(
            self,
            "Detect",
            deployment,
            entry="lambdas.detect.handle",
            description="Asks the champion about each image under detect/",
            timeout=60,
            environment=records.environment,
        )
        handler.allow("dynamodb:GetItem", on=[records.table.table_arn])
        handler.allow("ssm:GetParameter", on=[records.tuning.parameter_arn])
        handler.allow("rekognition:DetectCustomLabels", on=[project.versions], why=MADE_AT_RUN_TIME)
        handler.allow(
            "s3:GetObject",
            "s3:GetObjectVersion",
            on=[drop.objects("detect/")],
            why="what people ask about can have any key",
        )
        handler.allow("s3:PutObject", on=[drop.objects("results/")], why="a result is named after its image")
        handler.allow("s3:ListBucket", on=[drop.bucket.bucket_arn])
        self.inbox = Inbox(
            self,
            "Inbox",
            deployment,
            pattern=drop.created_under("detect/"),
            handler=handler,
            batch_size=5,
            max_concurrency=5,
        )
