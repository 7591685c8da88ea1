"""The step video: ask the champion about the frames of each clip that is put under detect/."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.rekognition_project import RekognitionProject
from infra.step import SharedResources, Step

SECONDS = 900
"""As long as a function may run: https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html"""
MEMORY_MB = 3008
"""As much as a new account may have: it comes with two processors, which decode, and holds some twenty frames
of 8K (lambdas/domain/video/frames.py, MAX_PIXELS)."""


class Video(Step):
    """The function that asks the champion about clips, and the queue through which it gets them.

    Clips come from the function of the step detect, and from this one, which leaves the rest of a long clip
    to the next. The code asset is its own: it has FFmpeg, which is twice as large as everything else.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        code: lambda_.Code,
    ) -> None:
        super().__init__(scope, id, shared)
        self.handler = handler = Handler(
            self,
            "Video",
            self.deployment,
            entry="lambdas.video.handle",
            description="Asks the champion about the frames of each clip under detect/",
            timeout=SECONDS,
            memory=MEMORY_MB,
            environment=self.loop_state.environment,
            code=code,
        )
        self.loop_state.grant_get(handler)
        self.loop_state.grant_keep_waiting(handler)
        self.loop_state.grant_count_use(handler)
        project.grant_detect(handler)
        self.data_bucket.grant_read_versions(handler, "detect/")
        self.data_bucket.grant_read(handler, "results/")
        self.data_bucket.grant_put(handler, "results/")
        self.data_bucket.grant_list(handler)
        self.event_queue = EventQueue(
            self,
            "EventQueue",
            self.deployment,
            name="video",
            pattern=None,
            handler=handler,
            batch_size=1,
            max_concurrency=self.deployment.settings.video_concurrency,
            # A clip of a function that was killed is begun again soon.
            visibility_seconds=SECONDS + 100,
        )
        self.grant_send(handler)

    def grant_send(self, handler: Handler) -> None:
        """Allow to hand clips over."""
        handler.function.add_environment("VIDEO_QUEUE_URL", self.event_queue.queue.queue_url)
        self.event_queue.grant_send(handler)
