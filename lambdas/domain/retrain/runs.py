"""The beginning and the end of a run, of which there is one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from lambdas.domain.costs import accounts
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Outcome, Run, RunStep
from lambdas.domain.shared.state import CLOSED, LeaseLostError, LoopState
from lambdas.domain.shared.tuning import Tuning, or_defaults


def run_id(execution_arn: str) -> str:
    """The id of a run: the name of its state machine execution."""
    return execution_arn.rsplit(":", 1)[1]


def execution_name(kind: str) -> str:
    """A name for an execution that a person starts.

    Its time has milliseconds: two people may well ask in the same second.
    """
    return f"{kind}-{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%f')[:-3]}Z"


def begin_run(  # noqa: PLR0917 who begins what, when and why
    loop_state: LoopState,
    execution_arn: str,
    trigger: str,
    started_at: str,
    started_by: str = "",
    is_redriven: bool = False,
    engine: str = "",
) -> tuple[bool, str]:
    """Take the lease for this run: whether it was free, and if not, why the run ends here.

    Args:
        started_by: the person who started it; empty if it started by itself, or nobody said.
        is_redriven: the run may have ended, and begins again.
        engine: the one that it trains with.
    """
    id = run_id(execution_arn)
    run = Run(
        id,
        execution=execution_arn,
        trigger=trigger,
        started_by=started_by or None,
        engine=engine or None,
        started_at=started_at,
    )
    lease = loop_state.take_lease("retrain", execution_arn)
    if lease.holder == CLOSED:
        return False, "the deployment is being destroyed"
    if lease.holder != execution_arn:
        loop_state.note_unbegun_run(run)
        other = f"run {run_id(lease.holder)} is under way since {clock.minute(lease.since)}"
        return False, f"{other}; what is new counts for the next run"
    record = loop_state.run(id)
    if record and record.ended_at and not is_redriven:
        loop_state.release_lease("retrain", execution_arn)
        return False, "the run has ended already"
    fenced = loop_state.fenced(retrain=execution_arn)
    if record and record.ended_at:
        fenced.reopen_run(id)
    # One that goes on trains with the engine that it began with, whichever is the usual one by now.
    begun_with = record.engine if record else None
    fenced.update_run(replace(run, outcome="running", engine=begun_with or run.engine))
    return True, ""


def engine_name(loop_state: LoopState, id: str) -> str:
    """The engine that a run was started for; empty: the usual one."""
    run = loop_state.run(id)
    return (run.engine if run else None) or ""


def resume_run(loop_state: LoopState, execution_arn: str) -> None:
    """Take the lease again for a run that had ended, as its execution was redriven and goes on.

    https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html

    Nothing changes while the run has its lease. What is left of the execution before may write again as well:
    each of its steps can be taken twice.

    Raises:
        LeaseLostError: another run has the lease, or the sweeper is just ending this one.
    """
    lease = loop_state.take_lease("retrain", execution_arn)
    if lease.holder == CLOSED:
        raise LeaseLostError("the deployment is being destroyed")
    if lease.holder != execution_arn:
        raise LeaseLostError(
            f"{lease.holder} has the lease since {clock.minute(lease.since)}; start a new run once it ended"
        )
    record = loop_state.run(run_id(execution_arn))
    if record and record.ended_at:
        loop_state.fenced(retrain=execution_arn).reopen_run(record.id)


def end_run(
    loop_state: LoopState,
    execution_arn: str,
    *,
    outcome: Outcome,
    reason: str,
    steps: Iterable[RunStep],
    holder: str = "",
    tuning: Callable[[], Tuning] = Tuning,
) -> Run:
    """Complete the run's record and give its lease back, once: the record.

    A run that never had the lease leaves no more than its own record. One whose version serves was promoted,
    however it ended.

    Args:
        holder: who has the run's lease, if not the run itself any more.
        tuning: reads the settings, for prices; where they are unusable, those of the table are taken.

    Raises:
        LeaseLostError: the run had the lease, and lost it.
    """
    id, holder = run_id(execution_arn), holder or execution_arn
    begun = loop_state.run(id) or Run(id)
    if begun.ended_at:
        return begun
    ended_at = clock.now()
    started_at = begun.started_at or ended_at
    champion = loop_state.champion()
    if champion and champion.version_name == begun.version and outcome != "promoted":
        outcome, reason = "promoted", f"{begun.version} serves, and then: {readable(reason)}"
    settings = or_defaults(tuning)
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
        estimated_usd=accounts.run_usd(loop_state, begun, ended_at, settings),
        usd_per_hour=accounts.usd_per_hour(loop_state, begun.version, settings) if begun.version else None,
    )
    lease = loop_state.lease("retrain")
    if lease and lease.holder == CLOSED:
        loop_state.fenced(retrain=CLOSED).update_run(ended)
    elif begun.outcome == "running" or (lease and lease.holder == holder):
        # What no gate has judged is to be trained on again, as soon as anything else has changed.
        stopped = bool(begun.stopped) or (outcome == "failed" and not begun.verdicts)
        held, needs_usd = bool(begun.held), (begun.forecast_usd or 0.0) if begun.held else 0.0
        cutoff = None if held else begun.cutoff
        loop_state.fenced(retrain=holder).end_run(ended, cutoff=cutoff, stopped=stopped, needs_usd=needs_usd)
    else:
        loop_state.end_unbegun_run(ended)
    return loop_state.run(id) or ended


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
