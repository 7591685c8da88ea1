"""Versions that wait for approval: people hear of them, and are asked about none that waits no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.promote import approval
from lambdas.domain.retrain import runs
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.sweep.differences import dead_approvals

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def reconcile(stepfunctions: SFNClient, loop_state: LoopState, notifier: Notifier) -> list[str]:
    """Drop what nobody waits for any more, and send letters that could not be sent: versions that were
    dropped."""
    dropped = []
    for pending, why in dead_approvals(stepfunctions, loop_state):
        settled = ModelVersion(
            pending.id,
            state="failed",
            reason=f"not approved before its promotion ended: {runs.readable(why)}",
        )
        if loop_state.drop_approval(pending, settled):
            dropped.append(pending.id)
    for pending in loop_state.approvals():
        approval.tell(loop_state, notifier, pending)
    return dropped
