"""How far a run is, read from the events of its execution and from its record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.console import versions
from lambdas.domain.retrain import steps as retrain_steps
from lambdas.domain.retrain.steps import STEPS, Follower, Step
from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.records import (
    Approval,
    Champion,
    ModelVersion,
    PendingApproval,
    Run,
    RunStep,
)
from lambdas.domain.shared.scores import Verdict
from tests.fixtures.console_deployment import Histories, entered

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MACHINE = Path(__file__).parents[2] / "statemachines" / "retrain.asl.json"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:retrain:run"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds - 1000)


def followed(*events: tuple[str, float], ended: dict[str, Any] | None = None) -> dict[str, Step]:
    """The steps 1000 seconds after the execution began, by what each state was entered at."""
    history = [
        {"type": "ExecutionStarted", "timestamp": at(0)},
        *(entered(state, at(seconds)) for state, seconds in events),
        *([ended] if ended else []),
    ]
    state = retrain_steps._Followed(retrain_steps._step_of)
    state.take(event | {"id": number} for number, event in enumerate(history, start=1))
    return {step.name: step for step in state.steps_at(NOW)}


def states(steps: dict[str, Step]) -> list[str]:
    return [step.state for step in steps.values()]


def test_the_steps_are_the_state_machines_own() -> None:
    known = json.loads(MACHINE.read_text())["States"]
    named = [state for some in STEPS.values() for state in some]
    assert set(named) <= set(known)
    assert retrain_steps._BROKEN in known
    works = {name for name, state in known.items() if state["Type"] in ("Task", "Wait")}
    assert works == set(named)


def test_before_the_first_state() -> None:
    assert states(followed()) == ["waiting"] * len(STEPS)


def test_a_run_under_way() -> None:
    steps = followed(
        ("WaitForBurst", 0), ("WaitForQuiet", 10), ("WaitForBurst", 30), ("TakeLease", 40), ("Snapshot", 50)
    )
    assert states(steps)[:5] == ["done", "done", "skipped", "running", "waiting"]
    burst = steps["wait for the burst of uploads to end"]
    assert (burst.seconds, burst.entered_at) == (40, "2026-01-01T11:43:20.000000Z")
    assert steps["make the dataset snapshot"].seconds == 950
    assert steps["train the model"] == Step("train the model", "waiting")


def test_choices_count_for_the_step_before_them() -> None:
    steps = followed(("WaitForBurst", 0), ("BurstEnded?", 5), ("TakeLease", 20))
    assert steps["wait for the burst of uploads to end"].seconds == 20


def test_a_state_that_nobody_knows_first() -> None:
    assert states(followed(("Begin", 0))) == ["waiting"] * len(STEPS)


@pytest.mark.parametrize("reason", ["NotEnough", "OtherRunUnderWay"])
def test_a_run_that_is_not_worth_a_training(reason: str) -> None:
    steps = followed(("WaitForBurst", 0), ("TakeLease", 1), ("Snapshot", 2), (reason, 3), ("Report", 4))
    assert states(steps) == ["done", "done", "skipped", "done", *["skipped"] * 6, "running"]


def test_a_step_that_failed() -> None:
    steps = followed(("WaitForBurst", 0), ("TakeLease", 1), ("Train", 2), ("Failed", 30), ("Report", 31))
    assert states(steps) == ["done", "done", *["skipped"] * 4, "failed", *["skipped"] * 3, "running"]
    assert steps["train the model"].seconds == 29


def test_a_training_that_failed() -> None:
    steps = followed(("WatchTraining", 0), ("TrainingFailed", 9), ("Failed", 10))
    assert steps["train the model"].state == "failed"
    assert steps["report"].state == "waiting"


@pytest.mark.parametrize("how", ["ExecutionFailed", "ExecutionAborted", "ExecutionTimedOut"])
def test_an_execution_that_ended_under_way(how: str) -> None:
    steps = followed(("WaitForBurst", 0), ("Train", 5), ended={"type": how, "timestamp": at(60)})
    assert steps["train the model"].state == "failed"
    assert steps["train the model"].seconds == 55
    assert "running" not in states(steps)


def test_a_report_that_failed_leaves_the_culprit() -> None:
    ended = {"type": "ExecutionFailed", "timestamp": at(60)}
    steps = followed(("Train", 0), ("Failed", 5), ("Report", 6), ended=ended)
    assert steps["train the model"].state == "failed"


def read(run: Run, histories: dict[str, list[dict[str, Any]]] | None = None) -> list[Step]:
    client = Histories(histories=histories or {})
    return Follower().steps(cast(Any, client), replace(run, execution=EXECUTION))


def test_every_page_of_a_long_history_is_read() -> None:
    waits = [entered(state, at(n)) for n, state in enumerate(["WatchTraining", "WaitForTraining"] * 500)]
    steps = read(Run("run"), {EXECUTION: [*waits, entered("Evaluate", at(999))]})
    assert [step.state for step in steps[6:8]] == ["done", "running"]
    assert steps[6].seconds == 999


def test_each_look_reads_what_is_new_and_sees_what_one_look_would() -> None:
    """A training of 46 hours that is looked at each minute has 25,000 events."""
    states = ["WaitForBurst", "TakeLease", "Train", *["WatchTraining", "WaitForTraining"] * 2000, "Evaluate"]
    history = [entered(state, at(n / 10)) for n, state in enumerate(states)]
    run, client, follower = Run("run", execution=EXECUTION), Histories(page_size=1000), Follower()
    for length in (1, 3, 3000, 3001, 3001, len(history)):
        client.histories[EXECUTION], client.pages_read = history[:length], 0
        looked = follower.steps(cast(Any, client), run)
        anew = Follower().steps(cast(Any, Histories(histories=client.histories)), run)
        assert [(step.name, step.state, step.entered_at) for step in looked] == [
            (step.name, step.state, step.entered_at) for step in anew
        ]
        assert client.pages_read == {3000: 3}.get(length, 2 if length == len(history) else 1)
    assert looked[6].seconds == anew[6].seconds


def test_few_runs_are_remembered() -> None:
    follower = Follower()
    for number in range(100):
        execution = f"{EXECUTION}{number}"
        client = Histories(histories={execution: [entered("Train", at(0))]})
        follower.steps(cast(Any, client), Run(f"run{number}", execution=execution))
    assert len(follower._followed) == retrain_steps.MAX_FOLLOWED


def test_an_execution_that_step_functions_has_forgotten() -> None:
    assert {step.state for step in read(Run("run"))} == {"skipped"}


def test_other_errors_are_no_empty_history() -> None:
    class Denied(Histories):
        def paginate(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Operation")

    with pytest.raises(ClientError, match="AccessDenied"):
        Follower().steps(cast(Any, Denied()), Run("run", execution=EXECUTION))


def test_a_run_that_has_ended_is_read_from_its_record() -> None:
    recorded = (
        RunStep("WaitForBurst", 1.25),
        RunStep("WaitForQuiet", 2),
        RunStep("X?", 9),
        RunStep("Report", 0),
    )
    steps = read(Run("run", ended_at="2026-01-01T12:00:00Z", outcome="promoted", steps=recorded))
    assert [step.state for step in steps] == ["done", *["skipped"] * 9, "done"]
    assert steps[0].seconds == 3.2


def test_what_a_run_waits_for_is_its_reason_while_it_is_under_way() -> None:
    run = Run("run", outcome="running", waits_for="a free training slot")
    assert retrain_steps.summary(run)["reason"] == "waits for a free training slot"
    assert retrain_steps.summary(replace(run, waits_for=""))["reason"] is None
    ended = replace(run, outcome="failed", reason="aborted", ended_at="2026-01-01T12:00:00Z")
    assert retrain_steps.summary(ended)["reason"] == "aborted"
    assert retrain_steps.summary(replace(ended, reason=None))["reason"] is None


def test_a_run_that_failed_names_the_step() -> None:
    recorded = tuple(RunStep(state, 1) for state in ("WaitForBurst", "Train", "Report"))
    steps = read(Run("run", ended_at="2026-01-01T12:00:00Z", outcome="failed", steps=recorded))
    assert [step.name for step in steps if step.state == "failed"] == ["train the model"]


def test_a_run_that_the_sweeper_ended_is_read_from_its_execution() -> None:
    history = [entered("Train", at(0)), {"type": "ExecutionAborted", "timestamp": at(9)}]
    steps = read(Run("run", ended_at="2026-01-01T12:00:00Z", outcome="failed"), {EXECUTION: history})
    assert [(step.name, step.seconds) for step in steps if step.state == "failed"] == [("train the model", 9)]


# Model versions


def document(version: ModelVersion, *, champion: str = "", counts: tuple[int, ...] = (0, 0, 0, 0)) -> Any:
    serves = Champion("arn", champion, "") if champion else None
    return versions.document(version, serves, Precision(*counts), None)


def test_a_version_of_which_little_is_known() -> None:
    version = document(ModelVersion("v1"))
    assert (version["name"], version["status"], version["champion"]) == ("v1", "unknown", False)
    assert (version["f1"], version["labels"], version["verdicts"], version["production_precision"]) == (
        None,
        (),
        (),
        None,
    )


def test_what_was_decided_about_a_version_is_shown() -> None:
    approval = Approval(
        "declined", "ann", "2026-01-02T03:04:05.000000Z", "misses nuts", "2026-01-01T03:04:05.000000Z"
    )
    assert document(ModelVersion("v1"))["approval"] is None
    shown = document(ModelVersion("v1", approval=approval))["approval"]
    assert (shown["decision"], shown["by"], shown["why"], shown["deadline"]) == (
        "declined",
        "ann",
        "misses nuts",
        None,
    )


def test_a_run_that_waits_shows_the_verdicts_that_the_approver_needs() -> None:
    gates = (Verdict("evaluation", True, ()), Verdict("shadow", True, ("+0.02 on 40 images",)))
    version = ModelVersion("v2", run="run", verdicts=gates)
    run = Run("run", execution=EXECUTION, version="v2", verdicts=gates[:1])
    asked, deadline = "2026-01-01T03:04:05.000000Z", "2026-01-03T03:04:05.000000Z"
    pending = PendingApproval("v2", "t", "promotion", EXECUTION, "v1", asked, deadline)
    shown = versions.decisions(run, version, pending)
    assert [verdict.gate for verdict in shown["verdicts"]] == ["evaluation", "shadow"]
    assert (shown["approval"]["decision"], shown["approval"]["deadline"]) == (None, deadline)
    assert "token" not in shown["approval"]
    of_another = versions.decisions(run, version, replace(pending, run=""))
    assert of_another["approval"] is None
    later = replace(version, approval=Approval("declined", "ann", deadline, "no", asked))
    ended = replace(run, ended_at="2026-01-01T00:00:00.000000Z")
    assert versions.decisions(ended, later, None) == {"verdicts": run.verdicts, "approval": None}
    assert versions.decisions(run, None, None) == {"verdicts": run.verdicts, "approval": None}


def test_the_champion_and_how_right_it_is() -> None:
    version = document(ModelVersion("v1", state="champion"), champion="v1", counts=(90, 10, 5, 40))
    assert version["champion"] is True
    precision = version["production_precision"]
    assert (precision["precision"], precision["images"], precision["missed"]) == (0.9, 40, 5)
    assert 0 < precision["low"] < 0.9 < precision["high"] < 1
    assert document(ModelVersion("v2"), champion="v1")["champion"] is False
