"""How long a run waits before it begins: for uploads to end, and for people to answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.shared import clock
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType


UNREGISTERED: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
)
"""What counts the messages that wait, and those that are being worked on or will be again."""


@dataclass(frozen=True)
class Wait:
    """Whether there is nothing more to wait for, and if there is, how long to wait before looking again."""

    done: bool
    wait_seconds: int


def count_unregistered(sqs: SQSClient, queue_url: str) -> int:
    """About how many files have been dropped and are not registered yet.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(UNREGISTERED))["Attributes"]
    return sum(int(attributes[name]) for name in UNREGISTERED)


def wait_for_uploads(
    sqs: SQSClient, catalogue: Table, queue_url: str, started_at: str, tuning: Tuning
) -> Wait:
    """Whether the burst of uploads that a run began with has ended.

    Args:
        queue_url: the queue of files that are not registered yet.
        started_at: when the run began.
    """
    # First what waits: what is registered in between is seen as a change.
    unregistered = count_unregistered(sqs, queue_url)
    newest = catalogue_images.newest_change(catalogue, "labelled")
    return wait_for_burst(newest, unregistered, started_at, clock.now(), tuning)


def wait_for_burst(
    newest_change: str | None, unregistered: int, started_at: str, now: str, tuning: Tuning
) -> Wait:
    """Whether a burst of uploads has ended: every file is registered and nothing changed for a while, or it
    was waited for long enough."""
    if newest_change is None and not unregistered:
        return Wait(True, 0)
    if newest_change is None or unregistered:
        # Each of them is going to be a change.
        missing: float = max(1, tuning.burst_quiet_seconds)
    else:
        missing = tuning.burst_quiet_seconds - clock.seconds_between(newest_change, now)
    remaining_seconds = tuning.burst_limit_seconds - clock.seconds_between(started_at, now)
    missing = min(missing, remaining_seconds)
    return Wait(missing <= 0, max(1, math.ceil(missing)) if missing > 0 else 0)


def wait_for_reviews(open_tasks: int, started_at: str, now: str, tuning: Tuning) -> Wait:
    """Whether a run goes on: no review task is open, or it has waited for people long enough."""
    remaining_seconds = tuning.review_wait_seconds - clock.seconds_between(started_at, now)
    if open_tasks == 0 or remaining_seconds <= 0 or tuning.review_route == "none":
        return Wait(True, 0)
    return Wait(False, max(1, math.ceil(min(remaining_seconds, tuning.poll_seconds))))
