"""The step detect: ask the champion about each image that is put under detect/."""

from __future__ import annotations

from constructs import Construct

from infra.event_queue import EventQueue
from infra.handler import Handler
from infra.rekognition_project import RekognitionProject
from infra.step import SharedResources, Step

MEMORY_MB = 1280
"""What an image of 100 million pixels needs (lambdas/domain/images/tiles.py, max_pixels)."""


class Detect(Step):
    """The function that asks the champion, and the queue that events about new images go through."""

    def __init__(
        self, scope: Construct, id: str, shared: SharedResources, *, project: RekognitionProject
    ) -> None:
        super().__init__(scope, id, shared)
        self.handler = handler = Handler(
            self,
            "Detect",
            self.deployment,
            entry="lambdas.detect.handle",
            description="Asks the champion about each image under detect/",
            timeout=60,
            memory=MEMORY_MB,
            environment=self.loop_state.environment,
        )
        self.loop_state.grant_get(handler)
        self.loop_state.grant_keep_waiting(handler)
        self.loop_state.grant_count_use(handler)
        project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read(handler, "detect/")
        self.data_bucket.grant_put(handler, "results/")
        self.data_bucket.grant_read(handler, "results/")
        self.event_queue = EventQueue(
            self,
            "EventQueue",
            self.deployment,
            name="detect",
            pattern=self.data_bucket.created_under("detect/"),
            handler=handler,
            # The whole minute is for one image, which may have a hundred tiles.
            batch_size=1,
            max_concurrency=self.deployment.settings.detect_concurrency,
        )
