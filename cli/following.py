"""A run or a promotion while it is under way: the phases it went through, read from its execution."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from cli.deployment import Deployment
from lambdas.domain.retrain import runs
from lambdas.domain.retrain.run_progress import PROMOTION, RunProgress, promotion_progress, run_progress
from lambdas.domain.retrain.steps import PAGE_EVENTS, STEPS, waits
from lambdas.domain.retrain.training_progress import of_engine
from lambdas.domain.shared import clock, records
from lambdas.domain.shared.records import Run

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 1.0
DETAIL_SECONDS = 3.0
"""How often Rekognition is asked how far it is."""

TRAINING, APPROVAL = "train the model", "wait for approval"
RETRAIN_PHASES = {state: step for step, states in STEPS.items() for state in states}
PROMOTE_PHASES = {
    "TakeLease": "take the promotion lease",
    "WaitForLease": "take the promotion lease",
    "Start": "start the challenger",
    "WaitForSlot": "wait for another model to stop",
    "WakeChampion": "start the champion to compare with",
    "WatchStart": "start the challenger",
    "WaitForStart": "start the challenger",
    "ShadowEvaluate": "shadow gate",
    "AskApproval": APPROVAL,
    "Decide": "record the approval",
    "Switch": "switch the champion",
    "Drain": "drain the old champion",
    "StopOtherVersions": "stop all but the champion",
    "WaitForStop": "stop all but the champion",
    "Finish": "record the verdict",
}
"""State of the state machine: the phase it belongs to. States that are not here take no time."""
OF_A_CHAMPION = {PROMOTE_PHASES["WakeChampion"], PROMOTE_PHASES["Drain"]}
"""Phases that the state machine passes without doing anything where there was no champion."""


@dataclass(frozen=True)
class Phase:
    """A part of a run; `ended` is None while it is under way."""

    name: str
    began: datetime
    ended: datetime | None = None

    def seconds(self, now: datetime) -> float:
        return max(0.0, ((self.ended or now) - self.began).total_seconds())

    def as_dict(self, now: datetime) -> dict[str, Any]:
        return {"phase": self.name, "seconds": round(self.seconds(now), 1), "ended": self.ended is not None}


class Display(Protocol):
    """Something that shows how far a run is, again and again."""

    def show(self, phases: Sequence[Phase], detail: str, progress: RunProgress) -> None: ...


class Execution:
    """One execution of a state machine, looked at again and again."""

    def __init__(self, stepfunctions: SFNClient, arn: str, phases: Mapping[str, str]) -> None:
        self._stepfunctions, self.arn, self._names = stepfunctions, arn, phases
        self._last_event = 0
        self._phases: list[Phase] = []
        self.status = "RUNNING"
        self.description: Mapping[str, Any] = {}

    @property
    def name(self) -> str:
        return runs.run_id(self.arn)

    @property
    def started_by(self) -> str:
        """Who started it, once it was looked at; empty if nobody did, or nobody said."""
        return self.given("started_by")

    def given(self, member: str) -> str:
        """A member of its input, once it was looked at; empty if there is none."""
        try:
            given = json.loads(self.description.get("input", "{}"))
        except json.JSONDecodeError:
            return ""
        return str(given.get(member, "")) if isinstance(given, dict) else ""

    def look(self) -> list[Phase]:
        """The phases so far, those that have just begun included.

        Raises:
            botocore.exceptions.ClientError: there is no such execution.
        """
        self.description = self._stepfunctions.describe_execution(executionArn=self.arn)
        self.status = self.description["status"]
        for name, at in self._entered():
            self._enter(self._names.get(name), at)
        if self.status != "RUNNING" and self._phases and self._phases[-1].ended is None:
            self._phases[-1] = replace(self._phases[-1], ended=self.description.get("stopDate"))
        return list(self._phases)

    def _enter(self, phase: str | None, at: datetime) -> None:
        if phase is None or (self._phases and self._phases[-1].name == phase):
            return
        if self._phases:
            self._phases[-1] = replace(self._phases[-1], ended=at)
        self._phases.append(Phase(phase, at))

    def _entered(self) -> list[tuple[str, datetime]]:
        """States entered since the last look. The history is read from its end: it grows long."""
        fresh: list[tuple[str, datetime]] = []
        newest = self._last_event
        pages = self._stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=self.arn,
            reverseOrder=True,
            includeExecutionData=False,
            PaginationConfig={"PageSize": PAGE_EVENTS},
        )
        for page in pages:
            for event in page["events"]:
                if event["id"] <= self._last_event:
                    self._last_event = newest
                    return fresh[::-1]
                newest = max(newest, event["id"])
                if details := event.get("stateEnteredEventDetails"):
                    fresh.append((details["name"], event["timestamp"]))
        self._last_event = newest
        return fresh[::-1]


class FollowedRun:
    """A run of the retrain machine with the promotion that it starts."""

    def __init__(self, deployment: Deployment, arn: str) -> None:
        self._deployment = deployment
        self.execution = Execution(deployment.stepfunctions, arn, RETRAIN_PHASES)
        self._promotion = Execution(
            deployment.stepfunctions, promotion_arn(deployment, self.execution.name), PROMOTE_PHASES
        )

    @property
    def id(self) -> str:
        return self.execution.name

    @property
    def ended(self) -> bool:
        return self.execution.status != "RUNNING"

    def look(self) -> list[Phase]:
        phases: list[Phase] = []
        for phase in self.execution.look():
            if phase.name == RETRAIN_PHASES["Promote"]:
                phases += self._promotion_phases() or [phase]
            else:
                phases.append(phase)
        return phases

    def _promotion_phases(self) -> list[Phase]:
        try:
            return _that_apply(self._deployment, self._promotion.look())
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return []

    def progress(self, phases: Sequence[Phase], runs: Iterable[Run], status: str) -> RunProgress:
        """How far it is after these phases, by what the runs on record took.

        Args:
            status: what Rekognition says of the version in training; empty while it does not train.
        """
        moment = now()
        passed: dict[str, float] = {}
        for phase in phases:
            step = phase.name if phase.name in STEPS else PROMOTION
            passed[step] = passed.get(step, 0.0) + phase.seconds(moment)
        engine = self.execution.given("engine") or self._deployment.engine.name
        return run_progress(list(passed.items()), status, of_engine(runs, engine))

    def training_status(self) -> str:
        """How the training stands, as its engine says."""
        record = self._deployment.loop_state.run(self.id)
        if record is None or not record.version:
            return ""
        name = record.version
        version = self._deployment.engine.describe_version(name)
        return f"{name}: {version.training_in_words}" if version else name

    def waits(self) -> str:
        """What it waits for that it cannot go on without, in words, such as a person's approval; or empty."""
        record = self._deployment.loop_state.run(self.id)
        return (waits(record) or "") if record else ""

    def earlier_runs(self) -> list[Run]:
        """The runs on record, by which it is estimated how long this takes."""
        return self._deployment.loop_state.runs()

    def record(self) -> records.Run:
        """The run's record once it has ended; made from its execution if it could not write one."""
        record = self._deployment.loop_state.run(self.id) or records.Run(self.id)
        if record.ended_at:
            return record
        cause = runs.readable(str(self.execution.description.get("cause", "")))
        reason = cause or f"its execution is {self.execution.status}"
        return replace(record, outcome="failed", reason=reason)


class FollowedPromotion:
    """A promotion or rollback that was started by hand."""

    def __init__(self, deployment: Deployment, arn: str) -> None:
        self._deployment = deployment
        self.execution = Execution(deployment.stepfunctions, arn, PROMOTE_PHASES)

    def earlier_runs(self) -> list[Run]:
        """The runs on record, by which it is estimated how long this takes."""
        return self._deployment.loop_state.runs()

    @property
    def ended(self) -> bool:
        return self.execution.status != "RUNNING"

    def look(self) -> list[Phase]:
        return _that_apply(self._deployment, self.execution.look())

    def look_if_there(self) -> list[Phase]:
        """Its phases; none if it is gone, as Step Functions forgets executions after 90 days."""
        try:
            return self.look()
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
                raise
            return []

    def progress(self, phases: Sequence[Phase], runs: Iterable[Run], status: str = "") -> RunProgress:
        """How far it is after these phases, by what the runs on record took."""
        moment = now()
        return promotion_progress(sum(phase.seconds(moment) for phase in phases), runs)

    def training_status(self) -> str:
        return ""

    def waits(self) -> str:
        """Nothing: a rollback is a person's decision already."""
        return ""


def _that_apply(deployment: Deployment, phases: list[Phase]) -> list[Phase]:
    """A promotion's phases, without those of a champion if no version had served before it began.

    What they parted is one phase again.
    """
    if not any(phase.name in OF_A_CHAMPION for phase in phases):
        return phases
    began = clock.to_iso(phases[0].began)
    if any(
        version.promoted_at and version.promoted_at < began for version in deployment.loop_state.versions()
    ):
        return phases
    apply: list[Phase] = []
    for phase in phases:
        if phase.name in OF_A_CHAMPION:
            continue
        if apply and apply[-1].name == phase.name:
            apply[-1] = replace(apply[-1], ended=phase.ended)
        else:
            apply.append(phase)
    return apply


def promotion_arn(deployment: Deployment, name: str) -> str:
    """ARN of the promotion of that name; a run's promotion is called like the run."""
    return f"{deployment.promote_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def under_way(deployment: Deployment) -> FollowedRun | None:
    """The run that is under way: the one that has the lease, else the one that began first."""
    lease = deployment.loop_state.lease("retrain")
    executions = deployment.stepfunctions.list_executions(
        stateMachineArn=deployment.retrain_machine_arn, statusFilter="RUNNING"
    )["executions"]
    running = [execution["executionArn"] for execution in executions]
    if not running:
        return None
    return FollowedRun(deployment, lease.holder if lease and lease.holder in running else running[-1])


def follow(
    followed: FollowedRun | FollowedPromotion, display: Display, *, poll_seconds: float | None = None
) -> list[Phase]:
    """Show an execution until it has ended: its phases."""
    detail, asked_at = "", 0.0
    runs = followed.earlier_runs()
    while True:
        phases = followed.look()
        if phases and phases[-1].name == APPROVAL and phases[-1].ended is None:
            detail = followed.waits()
        elif not is_training(phases):
            detail = ""
        elif time.monotonic() - asked_at > DETAIL_SECONDS:
            detail, asked_at = followed.training_status(), time.monotonic()
        display.show(phases, detail, followed.progress(phases, runs, detail))
        if followed.ended:
            return phases
        time.sleep(POLL_SECONDS if poll_seconds is None else poll_seconds)


def is_training(phases: Sequence[Phase]) -> bool:
    """Whether it trains just now."""
    return bool(phases) and phases[-1].name == TRAINING and phases[-1].ended is None


def now() -> datetime:
    return datetime.now(UTC)
