"""The last step of a run: its record completed, people and machines notified, the next run started."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdas.domain.retrain import requests, runs
from lambdas.domain.retrain import steps as retrain_steps
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared.records import Outcome, Run
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_stepfunctions import SFNClient


def finish_run(
    catalogue: Table,
    loop_state: LoopState,
    stepfunctions: SFNClient,
    notifier: Notifier,
    *,
    execution_arn: str,
    outcome: Outcome,
    reason: str,
    machine_arn: str,
    tuning: Callable[[], Tuning],
) -> Run:
    """End a run, notify, and start the next one if it is due: the record of the run that ended.

    Args:
        machine_arn: the state machine that runs are executions of.
        tuning: reads the settings, which may be what the run has failed for: its record is completed first.
    """
    spent = retrain_steps.spent(stepfunctions, execution_arn)
    run = runs.end_run(loop_state, execution_arn, outcome=outcome, reason=reason, steps=spent, tuning=tuning)
    notifier.notify(loop_state, run)
    # A run that failed before its snapshot would fail again at once; the sweeper asks later.
    if run.snapshot:
        requests.request_run_if_due(catalogue, loop_state, stepfunctions, machine_arn, tuning())
    return run
