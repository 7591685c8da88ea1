"""Batches as the console shows them: how far they are, what they have come to, and cancelling them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.batch import control, files
from lambdas.domain.batch.control import BatchStateError
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import Batch
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

MAX_LABELS = 100
"""Labels of a summary that are shown, the most frequent ones; and kinds of failures."""


def one(loop_state: LoopState, name: str) -> Batch:
    """The batch of that name.

    Raises:
        ApiError: there is none.
    """
    batch = loop_state.batch(name)
    if batch is None:
        raise ApiError(404, "not_found", f"there is no batch {name[:80]}")
    return batch


def summary(s3: S3Client, bucket: str, batch: Batch) -> dict[str, Any] | None:
    """What a batch has come to; None before its results were brought together."""
    try:
        body = s3.get_object(Bucket=bucket, Key=files.summary_key(batch.id))["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    document: dict[str, Any] = json.loads(body)
    return document


def cancel(stepfunctions: SFNClient, machine_arn: str, loop_state: LoopState, name: str, by: str) -> None:
    """Stop a batch. What has an answer stays.

    Raises:
        ApiError: there is no such batch, or it has ended.
    """
    try:
        control.cancel(stepfunctions, machine_arn, one(loop_state, name), by)
    except BatchStateError as error:
        raise ApiError(409, "conflict", str(error)) from error
