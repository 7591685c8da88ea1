"""What keeps tasks alive, and ends those that nothing will end: the sweeper's part of the review."""

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
from lambdas.domain.review.desk.task import STATES, Task, finished
from lambdas.domain.review.results.resolution import ENDED, Resolver, needs_settling
from lambdas.domain.review.routing import Routes
from lambdas.domain.review.task_opening import Opener
from lambdas.domain.review.workforce.a2i import LoopChange
from lambdas.domain.shared import clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = Logger(child=True)

_STARTING_SECONDS = 300
"""A task that no execution waits for after so long has none, or one that has broken."""
_LOOKED_BACK = 200
"""Finished tasks looked at for what a crash left undone, of each state; newest first."""
_AT_ONCE = 16
"""Executions and human loops asked after at once: a thousand take seconds, not minutes."""


@dataclass
class Reconciled:
    settled: int = 0
    started: int = 0
    given_back: int = 0
    withdrawn: int = 0
    failed: int = 0
    """Tasks and batches that could not be tended; the others were."""


@dataclass(frozen=True)
class _News:
    """What is heard of a task with a token."""

    waits: bool
    """Its execution."""
    loop: LoopChange | None
    """Its human loop, if that has ended."""


def reconcile(routes: Routes, opener: Opener, images: Table) -> Reconciled:
    """Send heartbeats for open tasks, finish what a crash left undone, end what was overtaken. A task that
    cannot be tended is counted, and keeps no other from it."""
    tended, batches = Reconciled(), set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in _some_at_a_time(routes):
            ids = [catalogue_images.image_id(task.image) for task in some]
            known = {image.sha256: image.status for image in catalogue_images.get_images(images, ids)}
            news = {task.id: pool.submit(_ask_after, routes, task) for task in some if task.token}
            for task in some:
                with _counted(tended, task.id):
                    status = known.get(task.image, "gone")
                    _tend_open(routes, opener, task, status, news.get(task.id), tended)
            batches |= {task.execution for task in some if task.execution}
    for batch in sorted(batches):
        with _counted(tended, batch):
            _tend_batch(routes, opener, batch, tended)
    _tend_finished(routes.settler, tended)
    return tended


def _some_at_a_time(routes: Routes) -> Iterator[list[Task]]:
    tasks = routes.table.in_state("open")
    while some := list(islice(tasks, catalogue_images.MAX_BATCH)):
        yield some


@contextmanager
def _counted(tended: Reconciled, id: str) -> Iterator[None]:
    try:
        yield
    except Exception:
        logger.exception("not tended", extra={"task": id})
        tended.failed += 1


def _ask_after(routes: Routes, task: Task) -> _News:
    loop = routing.loop_of(routes, task)
    if loop and loop.ended:
        return _News(waits=True, loop=loop)
    return _News(waits=_heartbeat(routes.settler, task.token), loop=None)


def _heartbeat(settler: Resolver, token: str) -> bool:
    """Whether the execution still waits."""
    try:
        settler.stepfunctions.send_task_heartbeat(taskToken=token)
    except ClientError as error:
        if error.response["Error"]["Code"] in ENDED:
            return False
        raise
    return True


def _tend_open(  # noqa: PLR0917 a task, and all that is known of it
    routes: Routes, opener: Opener, task: Task, status: str, news: Future[_News] | None, tended: Reconciled
) -> None:
    """Args:
    status: of the task's image.
    news: of its execution and its human loop; None if it has no token.
    """
    if needs_settling(task):
        routes.settler.settle(task.id)
        tended.settled += 1
    elif task.reason == "unlabelled" and not task.answers and status != "unlabelled":
        _withdraw(routes.settler, task, status)
        tended.withdrawn += 1
    elif news:
        _hear(routes, task, news.result(), tended)
    elif task.route != "groundtruth" and _is_old(task):
        _start_again(routes.settler, opener, task, tended)


def _hear(routes: Routes, task: Task, news: _News, tended: Reconciled) -> None:
    if news.loop:
        # The event of its end was lost.
        routing.take_loop(routes, task, news.loop)
        tended.settled += 1
    elif not news.waits:
        routes.settler.give_back(task.id, "its execution has ended")
        tended.given_back += 1


def _withdraw(settler: Resolver, task: Task, status: str) -> None:
    """Somebody else has said what is on the image, or it is gone: nobody needs to look at it any more."""
    why = f"the image is {status} by now"

    def withdrawn(now: Task) -> Task:
        return finished(now, "deleted", why) if now.state == "open" and not now.answers else now

    settler.table.update(task.id, withdrawn)
    settler.settle(task.id)


def _start_again(settler: Resolver, opener: Opener, task: Task, tended: Reconciled) -> None:
    if opener.start(task.id, task.route):
        tended.started += 1
    else:
        # It was started, and never came to the point of waiting.
        settler.give_back(task.id, "its execution broke before it waited for an answer")
        tended.given_back += 1


def _tend_batch(routes: Routes, opener: Opener, batch: str, tended: Reconciled) -> None:
    """A batch has no token: whether its execution goes on says the execution."""
    status = opener.status(batch)
    if status is None:
        tended.started += opener.start(batch, "groundtruth")
    elif status != "RUNNING":
        tended.settled += routing.recover_job(routes, batch)


def _tend_finished(settler: Resolver, tended: Reconciled) -> None:
    for state in STATES[1:]:
        for task in islice(settler.table.in_state(state, newest_first=True), _LOOKED_BACK):
            if needs_settling(task):
                with _counted(tended, task.id):
                    settler.settle(task.id)
                    tended.settled += 1


def _is_old(task: Task) -> bool:
    age = clock.parse(clock.now()) - clock.parse(task.created_at)
    return age > timedelta(seconds=_STARTING_SECONDS)
