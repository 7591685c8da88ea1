"""When a run starts by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.retrain import holds
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Progress
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_stepfunctions import SFNClient


def request_run_if_due(
    table: Table, loop_state: LoopState, stepfunctions: SFNClient, machine_arn: str, tuning: Tuning
) -> bool:
    """Start a run if enough images are new. Any number of requests for the same images start one run."""
    return _request(table, loop_state, loop_state.progress(), stepfunctions, machine_arn, tuning)


def request_next_run_if_due(
    table: Table, loop_state: LoopState, stepfunctions: SFNClient, machine_arn: str, tuning: Tuning
) -> bool:
    """Start a run if enough images are new, by reading the loop's state alone: the first one is requested by
    registration or the sweeper."""
    progress = loop_state.known_progress()
    return bool(progress.ticket) and _request(table, loop_state, progress, stepfunctions, machine_arn, tuning)


def _request(  # noqa: PLR0917 clients, and what to decide by
    table: Table,
    loop_state: LoopState,
    progress: Progress,
    stepfunctions: SFNClient,
    machine_arn: str,
    tuning: Tuning,
) -> bool:
    if changes_missing(table, progress, tuning):
        return False
    if holds.why_held(loop_state, tuning, clock.now(), adds_usd=progress.needs_usd):
        return False
    try:
        stepfunctions.start_execution(
            stateMachineArn=machine_arn,
            name=progress.next_run,
            input=json.dumps({"trigger": "images"}),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        return False
    return True


def changes_missing(table: Table, progress: Progress, tuning: Tuning) -> int:
    """How many more changes it takes until a run starts by itself.

    After a run that was stopped by what is wrong with the dataset it takes one, which may have corrected it:
    such a run costs next to nothing.
    """
    wanted = tuning.min_new_images
    missing = wanted - catalogue_images.count_changed_since(table, progress.cutoff, wanted)
    if missing <= 0 and progress.stopped_at:
        missing = 1 - catalogue_images.count_changed_since(table, progress.stopped_at, 1)
    return max(0, missing)
