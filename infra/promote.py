"""promote: from a good model version to the one that serves."""

from __future__ import annotations

from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from infra.detect import Detect
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject
from infra.workflow import Workflow


class Promote(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        data_bucket: DataBucket,
        loop_state: LoopState,
        project: RekognitionProject,
        detect: Detect,
    ) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        self._data_bucket, self._records, self._project, self._detect = (
            data_bucket,
            loop_state,
            project,
            detect,
        )
        self._environment = {
            "DATA_BUCKET": data_bucket.bucket.bucket_name,
            "PROJECT_ARN": project.arn,
            "DETECT_DEAD_LETTERS_URL": detect.event_queue.dead_letters.queue_url,
            "DETECT_QUEUE_URL": detect.event_queue.queue.queue_url,
            **loop_state.environment,
        }
        handlers = {
            "TakeLease": self._handler("TakeLease", "take_lease", "Lets one promotion at a time go on"),
            "Start": self._start(),
            "WatchStart": self._watching("WatchStart", "watch_start", "Looks whether a model runs"),
            "ShadowEvaluate": self._shadow_evaluate(),
            "Switch": self._watching("Switch", "switch", "Makes a model version the champion"),
            "StopOtherVersions": self._stop_other_versions(),
            "Finish": self._finish(),
        }
        self.workflow = Workflow(self, "Workflow", deployment, step="promote", handlers=handlers)

    def _handler(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        handler = Handler(
            self,
            id,
            self._deployment,
            entry=f"lambdas.promote.{function}",
            description=description,
            timeout=timeout,
            environment=self._environment,
        )
        self._records.grant_read_write(handler)
        return handler

    def _watching(self, id: str, function: str, description: str, timeout: int = 60) -> Handler:
        handler = self._handler(id, function, description, timeout)
        self._project.grant_watch(handler)
        return handler

    def _start(self) -> Handler:
        handler = self._watching("Start", "start", "Starts a model version")
        handler.allow("rekognition:StartProjectVersion", on=[self._project.versions], why=MADE_AT_RUN_TIME)
        return handler

    def _shadow_evaluate(self) -> Handler:
        handler = self._watching(
            "ShadowEvaluate",
            "shadow_evaluate",
            "Tests challenger and champion on the same images",
            timeout=900,
        )
        handler.allow("rekognition:DetectCustomLabels", on=[self._project.versions], why=MADE_AT_RUN_TIME)
        handler.allow(
            "s3:GetObject",
            on=[self._data_bucket.objects("images/"), self._data_bucket.objects("datasets/")],
            why="images and snapshots are named by their content",
        )
        return handler

    def _stop_other_versions(self) -> Handler:
        handler = self._watching(
            "StopOtherVersions", "stop_other_versions", "Stops every model version but the champion"
        )
        handler.allow("rekognition:StopProjectVersion", on=[self._project.versions], why=MADE_AT_RUN_TIME)
        return handler

    def _finish(self) -> Handler:
        handler = self._handler("Finish", "finish", "Records a promotion's verdict")
        dead_letters = [self._detect.event_queue.dead_letters.queue_arn]
        handler.allow("sqs:ReceiveMessage", "sqs:DeleteMessage", on=dead_letters)
        handler.allow("sqs:SendMessage", on=[self._detect.event_queue.queue.queue_arn])
        return handler
