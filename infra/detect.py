"""detect: what the champion sees in each image put under detect/."""

from __future__ import annotations

from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject


class Detect(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        data_bucket: DataBucket,
        loop_state: LoopState,
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
            environment=loop_state.environment,
        )
        handler.allow("dynamodb:GetItem", on=[loop_state.table.table_arn])
        handler.allow("ssm:GetParameter", on=[loop_state.tuning.parameter_arn])
        handler.allow("rekognition:DetectCustomLabels", on=[project.versions], why=MADE_AT_RUN_TIME)
        handler.allow(
            "s3:GetObject",
            "s3:GetObjectVersion",
            on=[data_bucket.objects("detect/")],
            why="what people ask about can have any key",
        )
        handler.allow(
            "s3:PutObject", on=[data_bucket.objects("results/")], why="a result is named after its image"
        )
        handler.allow("s3:ListBucket", on=[data_bucket.bucket.bucket_arn])
        self.event_queue = EventQueue(
            self,
            "EventQueue",
            deployment,
            pattern=data_bucket.created_under("detect/"),
            handler=handler,
            batch_size=5,
            max_concurrency=5,
        )
