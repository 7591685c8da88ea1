"""The end of a deployment: no model and no training job outlives the stack."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdas.domain.promote import promotion
from lambdas.domain.shared.state import CLOSED

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine, Version
    from lambdas.domain.shared.state import LoopState

CAUSE = "the stack is being destroyed"


class StillRunningError(RuntimeError):
    """Something could not be stopped in time, and the stack must not be destroyed yet."""


def close(
    find_engine: Callable[[], Engine | None],
    stepfunctions: SFNClient,
    loop_state: LoopState,
    machine_arns: list[str],
    *,
    deadline: float,
    poll_seconds: float = 5,
) -> list[str]:
    """End every run and stop every model version of the deployment: the names of those stopped.

    Args:
        find_engine: the deployment's; None if it has none any more.
        deadline: `time.monotonic()` at which to give up.

    Raises:
        StillRunningError: a version still runs at the deadline. Destroying the stack again goes on from
            there.
    """
    lease = loop_state.lease("promote")
    loop_state.close()
    engine = find_engine()
    _end_runs(stepfunctions, machine_arns)
    if engine is None:
        return []

    def stop() -> list[Version]:
        return promotion.stop_versions(engine, lambda version: True)

    stopped = _stop_all(stop, deadline, poll_seconds)
    if lease and lease.holder != CLOSED:
        # A function that had it a moment ago may just have started a version, which is described late.
        time.sleep(poll_seconds)
        stopped |= _stop_all(stop, deadline, poll_seconds)
    return sorted(stopped)


def stop_trainings(
    stop: Callable[[], list[Version]], *, deadline: float, poll_seconds: float = 5
) -> list[str]:
    """Stop every training that can be stopped: the names of the versions that it was of.

    Args:
        stop: begins to stop them; the versions of those that have not ended yet.
        deadline: `time.monotonic()` at which to give up.

    Raises:
        StillRunningError: one still runs at the deadline.
    """
    stopped = _stop_all(stop, deadline, poll_seconds)
    # A function that was called before the loop was closed may just have begun one.
    time.sleep(poll_seconds)
    return sorted(stopped | _stop_all(stop, deadline, poll_seconds))


def _stop_all(stop: Callable[[], list[Version]], deadline: float, poll_seconds: float) -> set[str]:
    """Call `stop` until nothing is left: the names of all that it has stopped."""
    stopped: set[str] = set()
    while pending := stop():
        stopped |= {version.name for version in pending}
        if time.monotonic() + poll_seconds > deadline:
            still = ", ".join(f"{version.name} ({version.status})" for version in pending)
            raise StillRunningError(f"still running, destroy the stack again in some minutes: {still}")
        time.sleep(poll_seconds)
    return stopped


def _end_runs(stepfunctions: SFNClient, machine_arns: list[str]) -> None:
    for machine in machine_arns:
        try:
            _end_runs_of(stepfunctions, machine)
        except stepfunctions.exceptions.StateMachineDoesNotExist:
            continue


def _end_runs_of(stepfunctions: SFNClient, machine: str) -> None:
    pages = stepfunctions.get_paginator("list_executions").paginate(
        stateMachineArn=machine, statusFilter="RUNNING"
    )
    for page in pages:
        for execution in page["executions"]:
            stepfunctions.stop_execution(executionArn=execution["executionArn"], cause=CAUSE)
