"""Reconciles review tasks with their executions and images: the sweeper's part of the review."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.review import routing
from lambdas.domain.review.desk.limits import STATES
from lambdas.domain.review.desk.task import Task, finished
from lambdas.domain.review.results.resolution import needs_resolving
from lambdas.domain.review.routing import Routes
from lambdas.domain.review.task_opening import Opener
from lambdas.domain.review.workforce.a2i import LoopChange
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.task_tokens import ENDED

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = Logger(child=True)

_STARTING_SECONDS = 300
"""A task that no execution waits for after so long has none, or one that has broken."""
_MAX_FINISHED = 200
"""Finished tasks searched for what a crash left undone, of each state; newest first."""
_THREADS = 16
"""Executions and human loops asked after at once: a thousand take seconds, not minutes."""


@dataclass
class Reconciled:
    """What was done about tasks and batches."""

    resolved: int = 0
    started: int = 0
    given_back: int = 0
    deleted: int = 0
    failed: int = 0
    """Tasks and batches that could not be reconciled; the others were."""


@frozen
class _Progress:
    """How far the review of a task with a token has come."""

    execution_waits: bool
    ended_loop: LoopChange | None
    """The task's human loop, if that has ended."""


def reconcile(routes: Routes, opener: Opener, images: Table) -> Reconciled:
    """Send heartbeats for open tasks, finish what a crash left undone, delete what nobody needs any more. A
    task that cannot be reconciled is counted, and keeps no other from it."""
    reconciliation = _Reconciliation(routes, opener)
    reconciliation.open_tasks(images)
    reconciliation.finished_tasks()
    return reconciliation.counts


class _Reconciliation:
    def __init__(self, routes: Routes, opener: Opener) -> None:
        self._routes, self._opener = routes, opener
        self._resolver = routes.resolver
        self.counts = Reconciled()

    def open_tasks(self, images: Table) -> None:
        """Reconcile every open task and then their batches."""
        batches: set[str] = set()
        with ThreadPoolExecutor(_THREADS) as pool:
            for tasks in _groups(self._routes):
                ids = [catalogue_images.image_id(task.image) for task in tasks]
                known = {image.sha256: image.status for image in catalogue_images.get_images(images, ids)}
                progress = {task.id: pool.submit(self._progress, task) for task in tasks if task.token}
                for task in tasks:
                    with self._counting_failure(task.id):
                        self._open_task(task, known.get(task.image, "gone"), progress.get(task.id))
                batches |= {task.execution for task in tasks if task.execution}
        for batch in sorted(batches):
            with self._counting_failure(batch):
                self._batch(batch)

    def finished_tasks(self) -> None:
        """Finish what a crash left undone of the newest finished tasks."""
        for state in STATES[1:]:
            for task in islice(self._resolver.table.in_state(state, newest_first=True), _MAX_FINISHED):
                if needs_resolving(task):
                    with self._counting_failure(task.id):
                        self._resolve(task)

    def _open_task(self, task: Task, image_status: str, progress: Future[_Progress] | None) -> None:
        """Reconcile one task; there is no progress of a task without a token."""
        if needs_resolving(task):
            self._resolve(task)
        elif task.reason == "unlabelled" and not task.answers and image_status != "unlabelled":
            self._delete(task, f"the image is {image_status} by now")
        elif progress:
            self._follow(task, progress.result())
        elif task.route != "groundtruth" and _is_old(task):
            self._start_again(task)

    def _resolve(self, task: Task) -> None:
        self._resolver.resolve(task.id)
        self.counts.resolved += 1

    def _delete(self, task: Task, why: str) -> None:
        """Somebody else has labelled the image, or it is gone: nobody needs to review it any more."""

        def deleted(now: Task) -> Task:
            return finished(now, "deleted", why) if now.state == "open" and not now.answers else now

        self._resolver.table.update(task.id, deleted)
        self._resolver.resolve(task.id)
        self.counts.deleted += 1

    def _give_back(self, task: Task, why: str) -> None:
        self._resolver.give_back(task.id, why)
        self.counts.given_back += 1

    def _follow(self, task: Task, progress: _Progress) -> None:
        if progress.ended_loop:
            # The event of its end was lost.
            routing.take_loop(self._routes, task, progress.ended_loop)
            self.counts.resolved += 1
        elif not progress.execution_waits:
            self._give_back(task, "its execution has ended")

    def _start_again(self, task: Task) -> None:
        if self._opener.start(task.id, task.route):
            self.counts.started += 1
        else:
            # It was started, and never came to the point of waiting.
            self._give_back(task, "its execution broke before it waited for an answer")

    def _batch(self, batch: str) -> None:
        """Reconcile a batch: it has no token, so its execution is asked for its status."""
        status = self._opener.status(batch)
        if status is None:
            self.counts.started += self._opener.start(batch, "groundtruth")
        elif status != "RUNNING":
            self.counts.resolved += routing.recover_job(self._routes, batch)

    def _progress(self, task: Task) -> _Progress:
        loop = routing.loop_of(self._routes, task)
        if loop and loop.ended:
            return _Progress(execution_waits=True, ended_loop=loop)
        return _Progress(execution_waits=self._send_heartbeat(task.token), ended_loop=None)

    def _send_heartbeat(self, token: str) -> bool:
        """Whether the execution still waits."""
        try:
            self._resolver.stepfunctions.send_task_heartbeat(taskToken=token)
        except ClientError as error:
            if error.response["Error"]["Code"] in ENDED:
                return False
            raise
        return True

    @contextmanager
    def _counting_failure(self, id: str) -> Iterator[None]:
        try:
            yield
        except Exception:
            logger.exception("not reconciled", extra={"task": id})
            self.counts.failed += 1


def _groups(routes: Routes) -> Iterator[list[Task]]:
    tasks = routes.table.in_state("open")
    while group := list(islice(tasks, catalogue_images.MAX_BATCH)):
        yield group


def _is_old(task: Task) -> bool:
    age = clock.parse(clock.now()) - clock.parse(task.created_at)
    return age > timedelta(seconds=_STARTING_SECONDS)
