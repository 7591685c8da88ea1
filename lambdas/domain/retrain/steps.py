"""Runs as people follow them: the steps that a run goes through, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Run, RunStep

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


StepState = Literal["waiting", "running", "done", "failed", "skipped"]
STEPS: Mapping[str, tuple[str, ...]] = {
    "wait for the burst of uploads to end": ("WaitForBurst", "WaitForQuiet"),
    "take the lease": ("TakeLease",),
    "wait for open reviews": ("CountOpenReviews", "WaitForReviews"),
    "make the dataset snapshot": ("Snapshot",),
    "check the dataset": ("CheckData",),
    "bring the datasets to the snapshot": ("SyncDatasets", "WaitForDatasets"),
    "train the model": ("Train", "WaitForSlot", "WatchTraining", "WaitForTraining", "AwaitTraining"),
    "evaluation gate": ("Evaluate",),
    "look for wrong labels": ("FindLabelIssues",),
    "promote": ("Promote",),
    "report": ("Report",),
}
"""Of statemachines/retrain.asl.json: a step in words, and its states."""
_LAST = "report"
PAGE_EVENTS = 1000
"""The most that one request for an execution's history answers."""
MAX_FOLLOWED = 20
"""Runs that a Follower remembers; that of a run is small, whatever the length of its history."""


_BROKEN = "Failed"
"""The state that follows on one that could not be done."""
_ENDED_BADLY = {"ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"}
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html"""
_SUMMARY = (
    "id",
    "trigger",
    "started_by",
    "outcome",
    "reason",
    "started_at",
    "ended_at",
    "version",
    "f1",
    "estimated_usd",
)


@frozen
class Step:
    """A step of a run. Seconds: so far, of one that is under way; None of one that was not entered."""

    name: str
    state: StepState
    entered_at: str | None = None
    seconds: float | None = None


def summary(run: Run) -> dict[str, Any]:
    """A run in a line. One that has only noted that it started has no outcome yet, and one under way no other
    reason than what it waits for."""
    line = {name: getattr(run, name) for name in _SUMMARY}
    return {**line, "outcome": run.outcome or "running", "reason": run.reason or waits(run)}


def waits(run: Run) -> str | None:
    """What a run under way waits for that it cannot go on without, in words; None if it does not wait."""
    return f"waits for {run.waits_for}" if run.waits_for and not run.ended_at else None


class Follower:
    """Follows runs that are under way: of an execution's history each look reads what is new."""

    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}

    def steps(self, stepfunctions: SFNClient, run: Run) -> list[Step]:
        """Where a run is: from its record once it has told what it did, else from its execution."""
        if run.steps:
            self._followed.pop(run.id, None)
            return recorded(run)
        followed = self._followed.setdefault(run.id, _Followed(_step_of))
        followed.take(_history(stepfunctions, str(run.execution), after=followed.last_event))
        while len(self._followed) > MAX_FOLLOWED:
            del self._followed[next(iter(self._followed))]
        return followed.steps_at(datetime.now(UTC)) if followed.last_event else recorded(run)


def _history(stepfunctions: SFNClient, execution: str, *, after: int = 0) -> list[Mapping[str, Any]]:
    """The events of an execution after that number, oldest first; none if Step Functions has forgotten it.

    They are read from the last one back, in pages as large as can be.
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
    """
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution,
        includeExecutionData=False,
        reverseOrder=True,
        PaginationConfig={"PageSize": PAGE_EVENTS},
    )
    events: list[Mapping[str, Any]] = []
    try:
        for page in pages:
            events += [event for event in page["events"] if event["id"] > after]
            if page["events"] and page["events"][-1]["id"] <= after + 1:
                break
    except ClientError as error:
        # Step Functions forgets executions 90 days after they have ended.
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
    return events[::-1]


@dataclass
class _Followed:
    """An execution, as far as its history has been read."""

    name_of: Callable[[str], str | None]
    """What the time in a state is counted under; None: under what came before."""
    current: str = ""
    since: datetime | None = None
    broken: str = ""
    last_event: int = 0
    entered: dict[str, datetime] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def take(self, history: Iterable[Mapping[str, Any]]) -> None:
        """Go on with the next events."""
        for event in history:
            self.last_event = event["id"]
            if details := event.get("stateEnteredEventDetails"):
                self.enter(details["name"], event["timestamp"])
            elif event.get("type") in _ENDED_BADLY:
                self.end_badly(event["timestamp"])

    def steps_at(self, now: datetime) -> list[Step]:
        """Where the run is, with the time so far in the step that is under way."""
        if self.since:
            self.spend_until(now)
        return [self.step(name) for name in STEPS]

    def enter(self, state: str, at: datetime) -> None:
        self.spend_until(at)
        if state == _BROKEN:
            self.broken = self.current
        if name := self.name_of(state):
            self.current = name
            self.entered.setdefault(name, at)

    def end_badly(self, at: datetime) -> None:
        self.spend_until(at)
        self.broken, self.since = self.broken or self.current, None

    def spend_until(self, at: datetime) -> None:
        if self.since:
            seconds = (at - self.since).total_seconds()
            self.spent[self.current] = self.spent.get(self.current, 0.0) + seconds
        self.since = at

    def step(self, name: str) -> Step:
        if name not in self.entered:
            passed = name in _before(self.current) or (self.broken and name != _LAST)
            return Step(name, "skipped" if passed else "waiting")
        state: StepState = "running" if name == self.current else "done"
        state = "failed" if name == self.broken else state
        return Step(name, state, clock.to_iso(self.entered[name]), round(self.spent.get(name, 0.0), 1))


def _before(step: str) -> list[str]:
    names = list(STEPS)
    return names[: names.index(step)] if step in STEPS else []


def _step_of(state: str) -> str | None:
    return next((name for name, states in STEPS.items() if state in states), None)


def recorded(run: Run) -> list[Step]:
    """The steps of a run that has ended, by the seconds that its record has for each state."""
    spent: dict[str, float] = {}
    for state in run.steps:
        if name := _step_of(state.step):
            spent[name] = spent.get(name, 0.0) + state.seconds
    broken = _broken_step(run, spent)
    return [
        Step(name, "failed" if name == broken else "done", None, round(spent[name], 1))
        if name in spent
        else Step(name, "skipped")
        for name in STEPS
    ]


def _broken_step(run: Run, spent: Mapping[str, float]) -> str | None:
    """The last step before the report of a run that failed."""
    before: Sequence[str] = [name for name in STEPS if name in spent and name != _LAST]
    return before[-1] if run.outcome == "failed" and before else None


def document(run: Run, passed: Sequence[Step]) -> dict[str, Any]:
    """A run with its steps."""
    return {
        **summary(run),
        "steps": passed,
        "snapshot": run.snapshot,
        "images": run.images,
        "forecast_usd": run.forecast_usd,
        "usd_per_hour": run.usd_per_hour,
    }


def spent(stepfunctions: SFNClient, execution_arn: str) -> list[RunStep]:
    """Seconds spent in each state of an execution; empty if Step Functions has forgotten it."""
    return durations(_history(stepfunctions, execution_arn))


def durations(history: Iterable[Mapping[str, Any]]) -> list[RunStep]:
    """Seconds spent in each state of an execution, in the order in which they were first entered."""
    states = _Followed(lambda state: state)
    states.take(history)
    return [RunStep(name, round(states.spent.get(name, 0.0), 2)) for name in states.entered]
