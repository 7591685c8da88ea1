"""How long a run waits before it begins: for uploads to end, and for people to answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.shared import clock, polling
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType


_VISIBLE: QueueAttributeNameType = "ApproximateNumberOfMessages"
_HIDDEN: QueueAttributeNameType = "ApproximateNumberOfMessagesNotVisible"
MAX_WORK_SECONDS = 900
"""How long a function works on a file at most, which is as long as Lambda lets it:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


@frozen
class Wait:
    """Whether there is nothing more to wait for, and if there is, how long to wait before looking again."""

    done: bool
    wait_seconds: int


@frozen
class Unregistered:
    """About how many files have been dropped and are not registered yet."""

    visible: int = 0
    """Wait for a function."""
    hidden: int = 0
    """Are being worked on, or have failed and will be delivered again."""


def count_unregistered(sqs: SQSClient, queue_urls: Sequence[str]) -> int:
    """About how many files have been dropped and are not registered yet."""
    files = unregistered(sqs, queue_urls)
    return files.visible + files.hidden


def unregistered(sqs: SQSClient, queue_urls: Sequence[str]) -> Unregistered:
    """About how many files have been dropped and are not registered yet, by what happens to them.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    queues = [
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_VISIBLE, _HIDDEN])["Attributes"]
        for url in queue_urls
    ]
    return Unregistered(*(sum(int(queue[name]) for queue in queues) for name in (_VISIBLE, _HIDDEN)))


def wait_for_uploads(
    sqs: SQSClient, catalogue: Table, queue_urls: Sequence[str], started_at: str, tuning: Tuning
) -> Wait:
    """Whether the burst of uploads that a run began with has ended.

    Args:
        queue_urls: the queues of files that are not registered yet.
        started_at: when the run began.
    """
    # First what waits: what is registered in between is seen as a change.
    files = unregistered(sqs, queue_urls)
    newest = catalogue_images.newest_change(catalogue, "labelled")
    return wait_for_burst(newest, files, started_at, clock.now(), tuning)


def wait_for_burst(
    newest_change: str | None, files: Unregistered, started_at: str, now: str, tuning: Tuning
) -> Wait:
    """Whether a burst of uploads has ended: every file is registered and nothing changed for a while, or it
    was waited for long enough.

    What is hidden counts only for as long as a function may be working on it: of what fails again and again
    there may be always something, and every run would wait for it as long as it may.
    """
    last_sign = max(newest_change or "", started_at)
    is_worked_on = clock.seconds_between(last_sign, now) < MAX_WORK_SECONDS
    expected = files.visible + (files.hidden if is_worked_on else 0)
    if newest_change is None and not expected:
        return Wait(True, 0)
    if newest_change is None or expected:
        # Each of them is going to be a change.
        missing: float = max(1, tuning.burst_quiet_seconds)
    else:
        missing = tuning.burst_quiet_seconds - clock.seconds_between(newest_change, now)
    waited = clock.seconds_between(started_at, now)
    if missing > 0:
        missing = max(missing, polling.next_look(waited, 1))
    missing = min(missing, tuning.burst_limit_seconds - waited)
    return Wait(missing <= 0, max(1, math.ceil(missing)) if missing > 0 else 0)


def wait_for_reviews(open_tasks: int, started_at: str, now: str, tuning: Tuning) -> Wait:
    """Whether a run goes on: no review task is open, or it has waited for people long enough."""
    waited = clock.seconds_between(started_at, now)
    remaining_seconds = tuning.review_wait_seconds - waited
    if open_tasks == 0 or remaining_seconds <= 0 or tuning.review_route == "none":
        return Wait(True, 0)
    next_look = polling.next_look(waited, tuning.poll_seconds)
    return Wait(False, max(1, math.ceil(min(remaining_seconds, next_look))))
