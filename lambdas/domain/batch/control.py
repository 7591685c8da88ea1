"""Starting, resuming and cancelling a batch: what people ask for, at the command line and the console."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.batch import files
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Batch

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

_MAX_LISTED = 1000
"""Of running batches, the newest; as many as one call lists."""
CANCELLED = "Cancelled"
"""The error that a cancelled batch's execution was stopped with; its cause says by whom."""


class BatchStateError(RuntimeError):
    """What was asked for cannot be done with a batch in this state; the message says what can."""


@frozen
class Order:
    """What a batch was ordered with; its source.json, and the input of each of its executions."""

    batch: str
    """Its name."""
    source: str = ""
    """What its images were listed from."""
    kind: str = ""
    """Of that source: folder, prefix, list or inventory."""
    created_by: str = ""
    created_at: str = ""
    total: int = 0
    """Images that it has; 0 while they are being counted or sent."""
    version: str = ""
    """Name of the model version to ask; empty: whichever is the champion when it starts."""
    units: int = 0
    """Inference units to start that with; 0: as the settings say."""
    review_limit: int = 0
    """Unsure images that are proposed for review at most."""
    coco: bool = False
    """Its results are wanted in COCO's format as well."""


def claim(s3: S3Client, bucket: str, order: Order) -> Order:
    """Take the name for this order: the order that has the name, which is an earlier one if there is one.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    key = files.source_key(order.batch)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=_body(order), IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict", "412"):
            raise
        return read(s3, bucket, order.batch) or order
    return order


def write(s3: S3Client, bucket: str, order: Order) -> None:
    """Write the order of a batch whose name was taken for it."""
    s3.put_object(Bucket=bucket, Key=files.source_key(order.batch), Body=_body(order))


def read(s3: S3Client, bucket: str, name: str) -> Order | None:
    """The order that has this name; None if nobody has taken it."""
    try:
        body = s3.get_object(Bucket=bucket, Key=files.source_key(name))["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    return Order(**json.loads(body))


def start(stepfunctions: SFNClient, machine_arn: str, order: Order) -> str:
    """Start an execution that goes on with the batch from where it is: its ARN."""
    stamp = f"{clock.parse(clock.now()):%Y%m%dT%H%M%S%f}"
    started = stepfunctions.start_execution(
        stateMachineArn=machine_arn, name=f"{order.batch}-{stamp}", input=json.dumps(asdict(order))
    )
    return started["executionArn"]


def resume(
    stepfunctions: SFNClient, machine_arn: str, order: Order, batch: Batch | None, *, units: int = 0
) -> str:
    """Go on with a batch that was cancelled, has failed or was never started: the execution's ARN.

    What has an answer is not asked again.

    Args:
        batch: its record; None if no execution has begun with it.
        units: inference units, other than ordered; 0: as ordered.

    Raises:
        BatchStateError: there is nothing to go on with.
    """
    if not order.total:
        raise BatchStateError(
            f"the images of {order.batch} were never all sent: run its `labelloop batch create` again, which"
            " goes on where it stopped"
        )
    if batch and batch.state == "done":
        raise BatchStateError(
            f"{order.batch} is done, and nothing is left to ask: `labelloop batch results {order.batch}`"
        )
    if batch and batch.is_live and is_running(stepfunctions, batch.execution_arn):
        raise BatchStateError(f"{order.batch} goes on already: `labelloop batch show {order.batch} --wait`")
    version = batch.version if batch and batch.version else order.version
    return start(stepfunctions, machine_arn, replace(order, version=version, units=units or order.units))


def cancel(stepfunctions: SFNClient, machine_arn: str, batch: Batch, by: str) -> None:
    """Stop a batch. Its results so far stay, and it can be resumed.

    Raises:
        BatchStateError: it has ended already.
    """
    executions = [batch.execution_arn] if batch.is_live else _begun(stepfunctions, machine_arn, batch.id)
    if not executions:
        when = f" at {clock.minute(batch.ended_at)}" if batch.ended_at else ""
        raise BatchStateError(f"{batch.id} has ended{when}: {batch.state}; there is nothing to cancel")
    for execution in executions:
        stepfunctions.stop_execution(executionArn=execution, error=CANCELLED, cause=f"by {by}")


def _begun(stepfunctions: SFNClient, machine_arn: str, name: str) -> list[str]:
    """Executions that go on with a batch, and that its record does not know yet: it was just resumed."""
    own = re.compile(re.escape(name) + r"-\d{8}T\d{12}")
    executions = stepfunctions.list_executions(
        stateMachineArn=machine_arn, statusFilter="RUNNING", maxResults=_MAX_LISTED
    )["executions"]
    return [execution["executionArn"] for execution in executions if own.fullmatch(execution["name"])]


def is_running(stepfunctions: SFNClient, execution_arn: str) -> bool:
    """Whether an execution goes on."""
    try:
        status = stepfunctions.describe_execution(executionArn=execution_arn)["status"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
            return False
        raise
    return status in ("RUNNING", "PENDING_REDRIVE")


def _body(order: Order) -> bytes:
    document: dict[str, Any] = asdict(order)
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
