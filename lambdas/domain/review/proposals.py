"""Proposals of images for review: which detections are worth a person's time, and how they are proposed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.domain.detect.champion import Question
from lambdas.domain.detect.detection import Detected
from lambdas.domain.shared import clock
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from lambdas.domain.catalogue.images import CatalogueImage
    from lambdas.domain.review.desk.task import Reason


def question(tuning: Tuning) -> Question:
    """What to ask the champion of an image: what counts, and what it leaves out that is of interest."""
    is_of_interest = tuning.review_route != "none" and tuning.review_confidence_threshold
    return Question(tuning.review_min_confidence if is_of_interest else None, tuning.label_thresholds)


def name_of(key: str, version_id: str | None) -> str:
    """Hexadecimal digits that stand for an image of the bucket."""
    return hashlib.sha256(f"{key}\0{version_id or ''}".encode()).hexdigest()


def worth_review(detected: Detected, name: str, tuning: Tuning, needed: Container[str] = ()) -> Reason | None:
    """Why an image that the champion was asked about should be reviewed; None if it should not.

    The champion is unsure of what it answers with little confidence, and of what its own threshold leaves
    out of the answer though it has some: a label's threshold may lie far above `review_confidence_threshold`.

    The sample hangs on the image's name alone: an event that comes twice decides the same.

    Args:
        name: hexadecimal digits that stand for the image.
        needed: labels that more test images are needed of. Images on which the champion sees one are asked
            about; that it misses some is to its own good, so a challenger has to be the better for it.
    """
    if is_unsure(detected, tuning):
        return "low_confidence"
    if int(name[:8], 16) / 0x1_0000_0000 < tuning.review_sample_rate:
        return "sample"
    if any(label["label"] in needed for label in detected.labels):
        return "needed"
    return None


def is_unsure(detected: Detected, tuning: Tuning) -> bool:
    """Whether there is anything on an image that the champion is unsure of."""
    below = tuning.review_confidence_threshold
    return bool(detected.left_out) or any(label["confidence"] < below for label in detected.labels)


MAX_DELAY_SECONDS = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""
_BATCH = 10


_AGAIN_SECONDS = 5
"""How long a proposal waits at least that came too early."""


def labels_may_follow(image: CatalogueImage, count_unregistered: Callable[[], int], tuning: Tuning) -> bool:
    """Whether an image without labels may be of a burst of uploads that brings them yet.

    It is for `burst_quiet_seconds`, and then while anything waits to be registered, up to
    `burst_limit_seconds`.
    """
    age = clock.seconds_between(image.registered_at, clock.now())
    if age < tuning.burst_quiet_seconds:
        return True
    return age < tuning.burst_limit_seconds and count_unregistered() > 0


def propose_images(
    sqs: SQSClient, queue_url: str, hashes: Sequence[str], tuning: Tuning, *, again: bool = False
) -> None:
    """Propose images that were registered without labels, once those had time to follow.

    Args:
        again: they were proposed too early.
    """
    if tuning.review_route == "none":
        return
    delay = min(tuning.burst_quiet_seconds, MAX_DELAY_SECONDS)
    if again:
        delay = max(delay, _AGAIN_SECONDS)
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
    sqs: SQSClient,
    queue_url: str,
    detected: Detected,
    tuning: Tuning,
    *,
    key: str,
    version_id: str | None,
    needed: Container[str] = (),
    name: str = "",
) -> bool:
    """Propose an image that the champion was asked about, if what it saw is worth a review: whether it was.

    Args:
        key, version_id: where the image lies. Under one key there may come many images.
        needed: labels that more test images are needed of.
        name: hexadecimal digits that stand for the image; by default those of its key and version.
    """
    if tuning.review_route == "none":
        return False
    reason = worth_review(detected, name or name_of(key, version_id), tuning, needed)
    if reason is None:
        return False
    # A sample tells how right the answers are; of what the champion is unsure, people see the rest, too.
    labels = [*detected.labels, *(detected.left_out if reason == "low_confidence" else ())]
    proposal: dict[str, Any] = {
        "key": key,
        "version_id": version_id,
        "labels": labels,
        "model_version": detected.model_version,
        "reason": reason,
    }
    if reason == "low_confidence" and detected.left_out:
        proposal["left_out"] = list(detected.left_out)
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"detection": proposal}))
    return True


def propose_wrong(
    sqs: SQSClient, queue_url: str, detected: Detected, *, key: str, version_id: str | None, why: str
) -> None:
    """Propose an image of which somebody says that the champion's answer is wrong.

    Args:
        why: who says so, for the people who review it.
    """
    proposal = {
        "key": key,
        "version_id": version_id,
        "labels": list(detected.labels),
        "model_version": detected.model_version,
        "reason": "requested",
        "why": why,
    }
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps({"detection": proposal}))


def request_fit(
    sqs: SQSClient, queue_url: str, *, delay_seconds: int = 0, missing: int | None = None
) -> None:
    """Have drafts and the order of unlabelled images follow what is labelled by now.

    Args:
        missing: images that had no embedding when this was requested on their account.
    """
    body = {"fit": clock.in_seconds(delay_seconds)} | ({} if missing is None else {"missing": missing})
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps(body), DelaySeconds=delay_seconds)


def request_embeddings(sqs: SQSClient, queue_url: str, hashes: Sequence[str]) -> None:
    """Have it computed what images look like."""
    parts = [list(hashes[start : start + _BATCH]) for start in range(0, len(hashes), _BATCH)]
    for start in range(0, len(parts), _BATCH):
        sqs.send_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(number), "MessageBody": json.dumps({"embed": part})}
                for number, part in enumerate(parts[start : start + _BATCH])
            ],
        )
