"""The review step of a deployment that has workers: A2I and Ground Truth emulated, over objects in memory."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from lambdas.domain.manifests import Kind
from lambdas.domain.reviews import routing, worker_template
from lambdas.domain.reviews.groundtruth import JobSettings
from lambdas.domain.reviews.routing import Routes
from lambdas.domain.reviews.tasks import Route, Task
from tests.fixtures.sagemaker import BUCKET, REGION, ROLE, WORKTEAM, Bench, picture
from tests.review.conftest import SIZE, Reviews

DEPLOYMENT = "pets"
LABELS = ["cat", "dog"]


class Workers:
    """
    Args:
        state: a folder of the emulation's.
        tasks: workers whom a human loop asks.
    """

    def __init__(self, reviews: Reviews, state: Path, *, tasks: int = 1) -> None:
        self.reviews, self.bench, self._tasks = reviews, Bench(state), tasks

    @functools.cached_property
    def flow(self) -> str:
        return self.bench.flow(worker_template.for_loops(), tasks=self._tasks)

    def routes(self, **changed: Any) -> Routes:
        values: dict[str, Any] = {
            "settler": self.reviews.settler(),
            "s3": self.bench.world.s3,
            "deployment": DEPLOYMENT,
            "bucket": BUCKET,
            "labels": lambda: LABELS,
            "a2i": self.bench.a2i,
            "sagemaker": self.bench.sagemaker,
            "flow_definition_arn": self.flow,
            "jobs": JobSettings(REGION, DEPLOYMENT, BUCKET, ROLE, WORKTEAM),
        }
        return Routes(**{**values, **changed})

    def task(self, name: str, route: Route, *, kind: Kind = "detection", **more: Any) -> Task:
        """A task whose image lies in S3."""
        task = self.reviews.task(name, kind=kind, route=route, **more)
        self.bench.world.files[BUCKET, task.key] = picture(*SIZE)
        return task

    def asked(self, name: str = "a", *, kind: Kind = "detection", **changed: Any) -> Task:
        """A task that a human loop asks about; an execution waits for it, whose token is the name."""
        task = self.task(name, "a2i", kind=kind, token=name)
        routing.ask(self.routes(**changed), task.id, name)
        return self.reviews.read(task)

    def batch(self, *names: str, timeout: int = 3600) -> tuple[str, list[Task]]:
        """Tasks that a labeling job asks about: the batch's name, and the tasks in the order of the job."""
        tasks = [self.task(name, "groundtruth") for name in names]
        batch = self.reviews.table.put_batch([task.id for task in tasks])
        self.reviews.executions.inputs[batch] = {}
        routing.start_job(self.routes(), batch, timeout)
        return batch, self.reviews.table.batch(batch)

    def tell(self) -> list[str]:
        """Deliver the events that there are: what became of each loop."""
        told = [routing.loop_finished(self.routes(), event) for event in self.bench.world.events]
        self.bench.world.events.clear()
        return told

    def outputs(self) -> list[tuple[str, str]]:
        """Where workers' answers lie."""
        return [where for where in self.bench.world.files if where[1].startswith("reviews/a2i/")]
