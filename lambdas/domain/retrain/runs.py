"""The beginning and the end of a run, of which there is one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable

from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.records import ModelVersion, Outcome, Run, RunStep
from lambdas.domain.shared.state import CLOSED, LoopState


def run_id(execution_arn: str) -> str:
    """The id of a run: the name of its state machine execution."""
    return execution_arn.rsplit(":", 1)[1]


def begin_run(loop_state: LoopState, execution_arn: str, trigger: str, started_at: str) -> tuple[bool, str]:
    """Take the lease for this run: whether it was free, and if not, why the run ends here."""
    lease = loop_state.take_lease("retrain", execution_arn)
    if lease.holder == CLOSED:
        return False, "the deployment is being destroyed"
    if lease.holder != execution_arn:
        return False, f"run {run_id(lease.holder)} is under way since {lease.since}"
    run = Run(
        run_id(execution_arn),
        execution=execution_arn,
        trigger=trigger,
        started_at=started_at,
        outcome="running",
    )
    loop_state.update_run(run)
    return True, ""


def end_run(
    loop_state: LoopState, execution_arn: str, *, outcome: Outcome, reason: str, steps: Iterable[RunStep]
) -> Run:
    """Complete the run's record and give its lease back: the record.

    A run that never had the lease leaves no more than its own record.
    """
    id = run_id(execution_arn)
    begun = loop_state.run(id) or Run(id)
    ended_at = clock.now()
    started_at = begun.started_at or ended_at
    ended = Run(
        id,
        execution=execution_arn,
        trigger=begun.trigger or "unknown",
        started_at=started_at,
        outcome=outcome,
        reason=readable(reason),
        ended_at=ended_at,
        seconds=round(clock.seconds_between(started_at, ended_at), 1),
        steps=tuple(steps),
        estimated_usd=_estimate(begun),
    )
    loop_state.update_run(ended)
    lease = loop_state.lease("retrain")
    if lease and lease.holder == execution_arn:
        if outcome == "failed" and begun.version:
            _fail_version(loop_state, begun.version, readable(reason))
        loop_state.advance(cutoff=begun.cutoff, stopped=bool(begun.stopped))
        loop_state.release_lease("retrain", execution_arn)
    elif outcome == "failed" and id == loop_state.progress().next_run:
        # It failed before it had the lease, and the name of an execution cannot be used again.
        loop_state.advance()
    return loop_state.run(id) or ended


def _fail_version(loop_state: LoopState, name: str, reason: str) -> None:
    """Record that a version has failed if it was training: else its snapshot would count as trained."""
    version = loop_state.version(name)
    if version and version.state == "training":
        loop_state.update_version(ModelVersion(name, state="failed", reason=reason))


def readable(cause: str) -> str:
    """The message inside a Step Functions cause, which wraps one JSON document into another."""
    text = cause
    while True:
        start = text.find("{")
        try:
            document = json.loads(text[start:]) if start >= 0 else None
        except json.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            return text
        inner = document.get("errorMessage") or document.get("Cause")
        if not inner:
            return text
        text = text[:start] + str(inner)


def _estimate(run: Run) -> float:
    return round(pricing.training_usd(run.billable_seconds or 0) + (run.promotion_usd or 0), 4)
