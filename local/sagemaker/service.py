"""The services put together: operations by name, the workers' queue, and what ends with time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore import xform_name

from local.sagemaker.a2i.flow_definitions import FlowDefinitions
from local.sagemaker.a2i.human_loops import HumanLoops
from local.sagemaker.errors import UnknownOperationException
from local.sagemaker.ground_truth.labeling_jobs import LabelingJobs
from local.sagemaker.host import Caller, Host
from local.sagemaker.protocol import A2I
from local.sagemaker.store import Resource, Store, Work
from local.sagemaker.training.jobs import TrainingJobs
from local.sagemaker.workers.queue import WorkerQueue

logger = logging.getLogger("labelloop.sagemaker")

RESOLVE_SECONDS = 1.0


class SageMaker:
    """SageMaker and the A2I runtime over one state directory.

    Args:
        host: MiniStack, or what stands in for it.
    """

    def __init__(self, state: Path, host: Host) -> None:
        self._store = Store(state / "sagemaker.sqlite")
        flows = FlowDefinitions(self._store)
        self._loops = HumanLoops(self._store, host, flows)
        self._jobs = LabelingJobs(self._store, host)
        self._trainings = TrainingJobs(self._store, host, state)
        self._parts = {A2I: (self._loops,), "sagemaker": (flows, self._jobs, self._trainings)}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sagemaker", daemon=True)
        self.queue = WorkerQueue(self._store, host, self._answered)

    def start(self) -> None:
        """Resolve what an end of the process left, and from now on what time ends."""
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._trainings.close()
        if self._thread.is_alive():
            self._thread.join()
        self._store.close()

    def call(
        self, service: str, operation: str, request: Mapping[str, Any], caller: Caller
    ) -> dict[str, Any]:
        """Answer a validated request; raises a SageMakerError."""
        name = xform_name(operation)
        part = next((part for part in self._parts[service] if hasattr(part, name)), None)
        if part is None:
            raise UnknownOperationException(
                f"{operation} is not emulated: only human loops and what they need, labeling jobs and"
                " training jobs are"
            )
        answer: dict[str, Any] = getattr(part, name)(request, caller)
        return answer

    def tags(self, arn: str) -> Mapping[str, str]:
        """The tags of the resource of that ARN: training jobs alone have them here."""
        return self._trainings.tags(arn)

    def resolve(self) -> None:
        """End the loops and jobs that are answered or over, and tell of what has changed."""
        self._store.expire(time.time())
        for resource in self._store.unresolved():
            self._resolve(resource)

    def _answered(self, work: Work) -> None:
        """End the loop or job of answered work, if it is all answered. The answer is kept whatever happens
        here; what fails is tried again by `_watch`."""
        resource = self._store.get(work.kind, work.account, work.region, work.name)
        try:
            if resource:
                self._resolve(resource)
        except Exception:
            logger.exception("resolving %s", work.name)

    def _resolve(self, resource: Resource) -> None:
        with self._store.transaction():
            # Another thread may have been quicker, or somebody may have stopped it.
            now = self._store.get(resource.kind, resource.account, resource.region, resource.name)
            if now:
                self._part(now).resolve(now)

    def _part(self, resource: Resource) -> HumanLoops | LabelingJobs | TrainingJobs:
        parts = {"human-loop": self._loops, "training-job": self._trainings}
        return parts.get(resource.kind, self._jobs)

    def _watch(self) -> None:
        while not self._ended.wait(RESOLVE_SECONDS):
            try:
                self.resolve()
            except Exception:
                logger.exception("resolving loops and jobs")
