"""What administrators do with the loop from the console: cancel a run, go back to an older model version.

Who did it stands in the execution itself, so that nothing else has to be written: in the input of a rollback,
in the cause of an execution that was stopped. Step Functions keeps both for 90 days.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import BUSY, STARTABLE
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import Outcome, Run
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine

ROLLBACK = "rollback"
"""The trigger of a run that is a rollback."""
_MAX_LISTED = 200
"""Promotions among which rollbacks are looked for, the newest first."""
_STARTABLE = {*STARTABLE, *BUSY}
"""States of a version that runs, or will once it is started."""


class ControlError(ApiError):
    """What an administrator asks for cannot be done now; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(409, "conflict", message)


def cancel_run(stepfunctions: SFNClient, loop_state: LoopState, id: str, by: str) -> None:
    """Stop the execution of a run that goes on; the sweeper completes its record at once.

    Raises:
        ApiError: there is no such run, or it has ended.
    """
    run = loop_state.run(id)
    if run is None or not run.execution:
        raise ApiError(404, "not_found", f"there is no run {id[:80]}")
    if run.ended_at:
        raise ControlError("the run has ended already")
    stepfunctions.stop_execution(executionArn=run.execution, error="Cancelled", cause=f"cancelled by {by}")


def begin_rollback(
    engine: Engine,
    stepfunctions: SFNClient,
    loop_state: LoopState,
    *,
    machine_arn: str,
    version: str,
    by: str,
) -> str:
    """Begin to make an older version the champion: the ARN of its execution. It waits for its turn.

    Raises:
        ApiError: there is no such version, it serves already, or was not trained to its end.
    """
    known = loop_state.version(version)
    described = engine.describe_version(version) if known else None
    if described is None:
        raise ApiError(422, "unknown_version", f"there is no model version {version[:80]}", "version")
    champion = loop_state.champion()
    if champion and champion.version_name == version and described.status == "RUNNING":
        raise ControlError(f"{version} is the champion already")
    if described.status not in _STARTABLE:
        raise ControlError(f"{version} cannot be started: it is {described.status}")
    given = {"version": version, "rollback": True, "started_by": by}
    return stepfunctions.start_execution(
        stateMachineArn=machine_arn, name=runs.execution_name(ROLLBACK), input=json.dumps(given)
    )["executionArn"]


def listed_runs(
    stepfunctions: SFNClient, runs_known: Sequence[Run], promote_machine_arn: str, limit: int
) -> list[Run]:
    """The latest runs, newest first; rollbacks are among them."""
    rollbacks = _rollbacks(stepfunctions, promote_machine_arn, {run.id for run in runs_known})
    return sorted([*rollbacks, *runs_known], key=lambda run: run.started_at or "", reverse=True)[:limit]


def _rollbacks(stepfunctions: SFNClient, machine_arn: str, runs_known: set[str]) -> list[Run]:
    """Promotions that belong to no run: those are called like it."""
    executions = stepfunctions.list_executions(stateMachineArn=machine_arn, maxResults=_MAX_LISTED)
    return [
        _rollback(stepfunctions, execution)
        for execution in executions["executions"]
        if execution["name"] not in runs_known
        and _input_of(stepfunctions, execution["executionArn"]).get("rollback")
    ]


def _rollback(stepfunctions: SFNClient, execution: Any) -> Run:
    arn, ended_at = execution["executionArn"], execution.get("stopDate")
    given = _input_of(stepfunctions, arn)
    outcome, reason = "running", ""
    if ended_at:
        outcome, reason = _end_of(stepfunctions, arn)
    return Run(
        execution["name"],
        execution=arn,
        trigger=ROLLBACK,
        started_by=str(given.get("started_by", "")) or None,
        outcome=outcome,
        reason=reason,
        started_at=clock.to_iso(execution["startDate"]),
        ended_at=clock.to_iso(ended_at) if ended_at else None,
        version=given.get("version"),
    )


@lru_cache(maxsize=1000)
def _input_of(stepfunctions: SFNClient, arn: str) -> dict[str, Any]:
    """What an execution was started with; empty of one that Step Functions has forgotten."""
    try:
        given = json.loads(stepfunctions.describe_execution(executionArn=arn).get("input", "{}"))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return {}
    return given if isinstance(given, dict) else {}


@lru_cache(maxsize=1000)
def _end_of(stepfunctions: SFNClient, arn: str) -> tuple[Outcome, str]:
    return end_of(stepfunctions.describe_execution(executionArn=arn))


def end_of(execution: Mapping[str, Any]) -> tuple[Outcome, str]:
    """Outcome and reason of a promotion from the description of its execution, which has ended."""
    if output := execution.get("output"):
        ended = json.loads(output)
        return ended.get("outcome", "failed"), runs.readable(str(ended.get("reason", "")))
    return "failed", runs.readable(execution.get("cause", "")) or f"its execution is {execution['status']}"
