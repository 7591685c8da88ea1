"""Telling the review step of images that may be worth a person's time.

A message that is lost does no harm to images without labels: the collector finds them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lambdas.domain.detection import Detected
from lambdas.domain.reviews import choosing
from lambdas.domain.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_DELAY_SECONDS = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
_BATCH = 10


def propose_images(sqs: SQSClient, queue_url: str, hashes: Sequence[str], tuning: Tuning) -> None:
    """Propose images that were registered without labels, once those had time to follow."""
    if tuning.review_route == "none":
        return
    delay = min(tuning.settle_seconds, MAX_DELAY_SECONDS)
    # Of one batch, SQS takes no two messages with one id.
    once = list(dict.fromkeys(hashes))
    for start in range(0, len(once), _BATCH):
        sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": sha256[:60], "MessageBody": json.dumps({"image": sha256}), "DelaySeconds": delay}
                for sha256 in once[start : start + _BATCH]
            ],
        )


def propose_detection(
    sqs: SQSClient, queue_url: str, found: Detected, tuning: Tuning, *, key: str, version_id: str | None
) -> bool:
    """Propose an image that the champion was asked about, if what it saw is worth a review: whether it was.

    Args:
        key, version_id: where the image lies, under detect/. Under one key there may come many images.
    """
    if tuning.review_route == "none":
        return False
    name = hashlib.sha256(f"{key}\0{version_id or ''}".encode()).hexdigest()
    reason = choosing.worth_review(found, name, tuning)
    if reason is None:
        return False
    # A sample tells how right the answers are; of what the champion is unsure, people see the rest, too.
    labels = [*found.labels, *(found.left_out if reason == "low_confidence" else ())]
    told = {
        "key": key,
        "version_id": version_id,
        "labels": labels,
        "model_version": found.model_version,
        "reason": reason,
    }
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"detection": told}))
    return True
