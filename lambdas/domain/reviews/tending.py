"""What keeps tasks alive, and ends those that nothing will end: the sweeper's part of the review."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain import catalogue, clock
from lambdas.domain.reviews.opening import Opener
from lambdas.domain.reviews.settling import ENDED, Settler, needs_settling
from lambdas.domain.reviews.tasks import STATES, ReviewTable, Task, finished

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_STARTING_SECONDS = 300
"""A task that no execution waits for after so long has none, or one that has broken."""
_LOOKED_BACK = 200
"""Finished tasks looked at for what a crash left undone, of each state; newest first."""


@dataclass
class Tended:
    settled: int = 0
    started: int = 0
    given_back: int = 0
    withdrawn: int = 0


def tend(settler: Settler, opener: Opener, images: Table) -> Tended:
    """Send heartbeats for open tasks, finish what a crash left undone, end what was overtaken."""
    tended = Tended()
    for batch in _batches(settler.table):
        ids = [catalogue.image_id(task.image) for task in batch]
        known = {image.sha256: image.status for image in catalogue.get_images(images, ids)}
        for task in batch:
            _tend_open(settler, opener, task, known.get(task.image, "gone"), tended)
    for state in STATES[1:]:
        for task in islice(settler.table.in_state(state, newest_first=True), _LOOKED_BACK):
            if needs_settling(task):
                settler.settle(task.id)
                tended.settled += 1
    return tended


def _batches(table: ReviewTable) -> Iterator[list[Task]]:
    tasks = table.in_state("open")
    while batch := list(islice(tasks, catalogue.MAX_BATCH)):
        yield batch


def _tend_open(settler: Settler, opener: Opener, task: Task, status: str, tended: Tended) -> None:
    if needs_settling(task):
        settler.settle(task.id)
        tended.settled += 1
    elif task.reason == "unlabelled" and not task.answers and status != "unlabelled":
        _withdraw(settler, task, status)
        tended.withdrawn += 1
    elif task.token:
        if not _heartbeat(settler, task.token):
            settler.give_back(task.id, "its execution has ended")
            tended.given_back += 1
    elif task.route == "groundtruth":
        if not task.execution and _is_old(task):
            settler.give_back(task.id, "its batch was never asked for")
            tended.given_back += 1
    elif _is_old(task):
        _start_again(settler, opener, task, tended)


def _withdraw(settler: Settler, task: Task, status: str) -> None:
    """Somebody else has said what is on the image, or it is gone: nobody needs to look at it any more."""
    why = f"the image is {status} by now"

    def withdrawn(now: Task) -> Task:
        return finished(now, "deleted", why) if now.state == "open" and not now.answers else now

    settler.table.update(task.id, withdrawn)
    settler.settle(task.id)


def _heartbeat(settler: Settler, token: str) -> bool:
    """Whether the execution still waits."""
    try:
        settler.stepfunctions.send_task_heartbeat(taskToken=token)
    except ClientError as error:
        if error.response["Error"]["Code"] in ENDED:
            return False
        raise
    return True


def _start_again(settler: Settler, opener: Opener, task: Task, tended: Tended) -> None:
    if opener.start(task.id, task.route):
        tended.started += 1
    else:
        # It was started, and never came to the point of waiting.
        settler.give_back(task.id, "its execution broke before it waited for an answer")
        tended.given_back += 1


def _is_old(task: Task) -> bool:
    age = clock.parse(clock.now()) - clock.parse(task.created_at)
    return age > timedelta(seconds=_STARTING_SECONDS)
