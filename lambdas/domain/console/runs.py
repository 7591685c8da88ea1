"""Runs as people follow them: the steps that a run goes through, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.domain import clock

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

StepState = Literal["waiting", "running", "done", "failed", "skipped"]
STEPS: Mapping[str, tuple[str, ...]] = {
    "wait until uploads have settled": ("Settle", "WaitForQuiet"),
    "take the lease": ("TakeLease",),
    "wait for open reviews": ("OpenReviews", "WaitForReviews"),
    "make the dataset snapshot": ("Snapshot",),
    "check the data set": ("CheckData",),
    "bring the datasets to the snapshot": ("SyncDatasets", "WaitForDatasets"),
    "train the model": ("Train", "WatchTraining", "WaitForTraining"),
    "gate 1: evaluation": ("Evaluate",),
    "promote": ("Promote",),
    "report": ("Report",),
}
"""Of statemachines/retrain.asl.json: a step in words, and its states."""
_LAST = "report"
_SUMMARY = (
    "id",
    "trigger",
    "outcome",
    "reason",
    "started_at",
    "ended_at",
    "version",
    "f1",
    "estimated_usd",
)


@dataclass(frozen=True)
class Step:
    """A step of a run. Seconds: so far, of one that is under way; None of one that was not entered."""

    name: str
    state: StepState
    entered_at: str | None = None
    seconds: float | None = None


def summary(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run in a line."""
    return {name: run.get(name) for name in _SUMMARY}


def steps(stepfunctions: SFNClient, run: Mapping[str, Any]) -> list[Step]:
    """Where a run is: read from its execution while it is under way, and from its record afterwards."""
    if run.get("ended_at"):
        return _recorded(run)
    return _live(_history(stepfunctions, str(run["execution"])), datetime.now(UTC))


def _history(stepfunctions: SFNClient, execution: str) -> Iterable[Mapping[str, Any]]:
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution, includeExecutionData=False
    )
    try:
        for page in pages:
            yield from page["events"]
    except ClientError as error:
        # Step Functions forgets executions 90 days after they have ended.
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise


def _live(history: Iterable[Mapping[str, Any]], now: datetime) -> list[Step]:
    entered: dict[str, datetime] = {}
    spent: dict[str, float] = {}
    current, since = "", now
    for event in history:
        details = event.get("stateEnteredEventDetails")
        if not details:
            continue
        if current:
            spent[current] = spent.get(current, 0.0) + (event["timestamp"] - since).total_seconds()
        current, since = _step_of(details["name"]) or current, event["timestamp"]
        entered.setdefault(current, since)
    if current:
        spent[current] = spent.get(current, 0.0) + (now - since).total_seconds()
    return [_step(name, current, entered, spent) for name in STEPS]


def _step(name: str, current: str, entered: Mapping[str, datetime], spent: Mapping[str, float]) -> Step:
    if name not in entered:
        passed = current in STEPS and list(STEPS).index(name) < list(STEPS).index(current)
        return Step(name, "skipped" if passed else "waiting")
    state: StepState = "running" if name == current else "done"
    return Step(name, state, clock.text(entered[name]), round(spent.get(name, 0.0), 1))


def _step_of(state: str) -> str | None:
    return next((name for name, states in STEPS.items() if state in states), None)


def _recorded(run: Mapping[str, Any]) -> list[Step]:
    """Of a run that has ended: its record knows how long each state took."""
    spent: dict[str, float] = {}
    for found in run.get("steps", []):
        if name := _step_of(str(found["step"])):
            spent[name] = spent.get(name, 0.0) + float(found["seconds"])
    broken = _broken_step(run, spent)
    return [
        Step(name, "failed" if name == broken else "done", None, round(spent[name], 1))
        if name in spent
        else Step(name, "skipped")
        for name in STEPS
    ]


def _broken_step(run: Mapping[str, Any], spent: Mapping[str, float]) -> str | None:
    """The last step before the report of a run that failed."""
    before: Sequence[str] = [name for name in STEPS if name in spent and name != _LAST]
    return before[-1] if run.get("outcome") == "failed" and before else None


def document(run: Mapping[str, Any], found: Iterable[Step]) -> dict[str, Any]:
    """A run with its steps and verdicts."""
    return {
        **summary(run),
        "steps": [asdict(step) for step in found],
        "verdicts": run.get("verdicts", []),
        "snapshot": run.get("snapshot"),
        "images": run.get("images"),
    }
