"""Permissions of SQS's batch operations.

AWS: there are none; those for single messages hold for batches too.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html
MiniStack: asks for sqs:SendMessageBatch and the like.
"""

from __future__ import annotations

from typing import Any


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import iam_actions  # noqa: PLC0415 reads the environment when first imported

    original = iam_actions.extract_iam_action

    def extract_action(service: str, *request: Any) -> str | None:
        action: str | None = original(service, *request)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    iam_actions.extract_iam_action = extract_action
