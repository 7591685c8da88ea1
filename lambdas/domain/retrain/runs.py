"""The beginning and the end of a run, of which there is one at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lambdas.domain.retrain.requests import automatic_run
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.state import CLOSED, LoopState

if TYPE_CHECKING:
    pass


def run_id(execution_arn: str) -> str:
    """A run is named by its state machine execution."""
    return execution_arn.rsplit(":", 1)[1]


def begin_run(loop_state: LoopState, execution_arn: str, trigger: str, started_at: str) -> tuple[bool, str]:
    """Take the lease for this run: whether it was free, and if not, why the run ends here."""
    lease = loop_state.take_lease("retrain", execution_arn)
    if lease.holder == CLOSED:
        return False, "the deployment is being destroyed"
    if lease.holder != execution_arn:
        return False, f"run {run_id(lease.holder)} is under way since {lease.since}"
    loop_state.note_run(
        run_id(execution_arn),
        execution=execution_arn,
        trigger=trigger,
        started_at=started_at,
        outcome="running",
    )
    return True, ""


def end_run(
    loop_state: LoopState, execution_arn: str, *, outcome: str, reason: str, steps: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """Complete the run's record and give its lease back: the record.

    A run that never had the lease leaves no more than its own record.
    """
    name = run_id(execution_arn)
    run = loop_state.run(name) or {"started_at": clock.now(), "trigger": "unknown"}
    ended = clock.now()
    loop_state.note_run(
        name,
        execution=execution_arn,
        trigger=run["trigger"],
        started_at=run["started_at"],
        outcome=outcome,
        reason=readable(reason),
        ended_at=ended,
        seconds=round(clock.seconds_between(run["started_at"], ended), 1),
        steps=list(steps),
        estimated_usd=_estimate(run),
    )
    lease = loop_state.lease("retrain")
    if lease and lease.holder == execution_arn:
        if outcome == "failed" and run.get("version"):
            _fail_version(loop_state, run["version"], readable(reason))
        loop_state.advance(cutoff=run.get("cutoff"), stopped=run.get("stopped", False))
        loop_state.release_lease("retrain", execution_arn)
    elif outcome == "failed" and name == automatic_run(loop_state.progress()):
        # It failed before it had the lease, and the name of an execution cannot be used again.
        loop_state.advance()
    return loop_state.run(name) or {}


def _fail_version(loop_state: LoopState, name: str, reason: str) -> None:
    """What nobody watches any more must not count as trained, or its snapshot would never be."""
    if (loop_state.version(name) or {}).get("state") == "training":
        loop_state.note_version(name, state="failed", reason=reason)


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


def _estimate(run: dict[str, Any]) -> float:
    training = pricing.training_usd(float(run.get("billable_seconds", 0)))
    return round(training + float(run.get("promotion_usd", 0)), 4)
