"""Whatever fails, and however: every Task of every state machine, as its file has them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import state_machines
from tests.fixtures.scripted_stack import NESTED, Fails, Played, Stage
from tests.fixtures.state_machine_paths import PATHS, REPORTERS, Path

USUAL_PATH = {"retrain": PATHS["retrain promotes"], "promote": PATHS["promote switches"]}
APPROVED = PATHS["promote is approved"]
TOLD = PATHS["retrain is told of the training's end"]
UNUSUAL = {"AskApproval": APPROVED, "Decide": APPROVED, "AwaitTraining": TOLD}
"""Paths of the tasks that the usual one does not come to."""
BOOM = Fails("it broke")
Ends = dict[tuple[str, str], Played]


def path_of(state: str, machine: str) -> Path:
    return UNUSUAL.get(state, USUAL_PATH[machine])


def every_task() -> list[tuple[str, str]]:
    return [(machine, state) for machine in USUAL_PATH for state in state_machines.tasks(machine)]


def part_of(machine: str, state: str) -> str:
    return state_machines.function_of(state_machines.tasks(machine)[state]) or NESTED


def attempts(machine: str, state: str) -> int:
    """How often a Task is tried whose function fails by itself."""
    retriers = state_machines.tasks(machine)[state].get("Retry", [])
    return 1 + sum(retrier["MaxAttempts"] for retrier in retriers if retrier["ErrorEquals"] == ["States.ALL"])


@pytest.fixture(scope="module")
def broken(stage: Stage) -> Ends:
    """Every Task failing every time."""
    begun = {
        (machine, state): stage.begin(
            machine,
            f"{machine}-broken-{state}",
            {**path_of(state, machine).script, f"{machine}-{part_of(machine, state)}": [BOOM]},
            {"version": f"{machine}-broken-{state}"},
        )
        for machine, state in every_task()
    }
    return {task: stage.end(arn) for task, arn in begun.items()}


@pytest.fixture(scope="module")
def slow(stage: Stage) -> Iterator[Ends]:
    """Every Task running into its function's timeout every time."""
    begun = {}
    for machine, state in every_task():
        variant = stage.with_sleeper(machine, part_of(machine, state))
        name = f"{machine}-slow-{state}"
        begun[machine, state] = stage.begin(variant, name, path_of(state, machine).script, {"version": name})
    yield {task: stage.end(arn) for task, arn in begun.items()}


@pytest.mark.parametrize(("machine", "state"), every_task())
def test_a_task_that_always_fails(machine: str, state: str, broken: Ends) -> None:
    played = broken[machine, state]
    assert len(played.calls_of(f"{machine}-{part_of(machine, state)}")) == attempts(machine, state)
    assert_ended_as_promised(machine, state, played, "Runtime.HandlerError", "it broke")


@pytest.mark.parametrize(("machine", "state"), every_task())
def test_a_task_that_times_out(machine: str, state: str, slow: Ends) -> None:
    played = slow[machine, state]
    assert played.attempts[state] == attempts(machine, state)
    assert_ended_as_promised(machine, state, played, "Sandbox.Timedout", "timed out")


@pytest.mark.parametrize(
    ("machine", "state"), [task for task in every_task() if "Retry" in state_machines.tasks(task[0])[task[1]]]
)
def test_a_task_that_fails_once(machine: str, state: str, stage: Stage) -> None:
    """A Retry makes up for it: nothing else is different."""
    name, function = f"{machine}-once-{state}", f"{machine}-{part_of(machine, state)}"
    usual = stage.director.usual[function]
    path = path_of(state, machine)
    script = {**path.script, function: [BOOM, usual]}
    played = stage.end(stage.begin(machine, name, script, {"version": name}))
    assert played.status == "SUCCEEDED"
    assert played.visited == path.visited
    calls = played.calls_of(function)
    assert len(calls) == 2
    for call in calls:
        # Each attempt has a token of its own.
        assert ("token" in call) is (state in ("AskApproval", "AwaitTraining"))
        call.pop("token", None)
    assert calls[0] == calls[1]


def assert_ended_as_promised(machine: str, state: str, played: Played, error: str, cause: str) -> None:
    usual = path_of(state, machine).visited
    before = usual[: usual.index(state) + 1]
    if state == REPORTERS[machine]:
        # Nobody is left to say so: the sweeper makes up for it.
        assert played.status == "FAILED"
        assert played.error == error
        assert cause in played.cause
        assert played.visited == before
    elif machine == "promote" and state == "StopOtherVersions":
        # The verdict stands; what still runs is the sweeper's.
        assert played.status == "SUCCEEDED"
        assert played.visited == (*before, "Finish", "Finished", "PromotionEnded")
        assert_reported(machine, played, "promoted", "it serves")
    elif state in ("WakeChampion", "FindLabelIssues"):
        # What the champion has answered before, and its evaluation, are there to compare with; and a run
        # goes on without the labels that are probably wrong.
        assert played.status == "SUCCEEDED"
        assert played.visited == usual
        assert_reported(machine, played, "promoted", "it serves")
    else:
        stopped = ("StopOtherVersions", "OthersStopped?") if machine == "promote" else ()
        ends = {
            "retrain": ("Report", "Reported", "RunFailed"),
            "promote": ("Finish", "Finished", "PromotionFailed"),
        }
        assert played.visited == (*before, "Failed", *stopped, *ends[machine])
        assert played.status == "FAILED"
        assert played.error == ends[machine][-1]
        reason = assert_reported(machine, played, "failed", "")
        assert played.cause == reason
        assert cause in reason
        # What MiniStack calls PromotionFailed is States.TaskFailed in AWS; the state machine renames both.
        assert reason.startswith("PromotionFailed: " if state == "Promote" else f"{error}: ")


def assert_reported(machine: str, played: Played, outcome: str, reason: str) -> str:
    """Report, or Finish, heard the outcome, and heard it once."""
    (report,) = played.calls_of(f"{machine}-{REPORTERS[machine]}")
    assert report["outcome"] == outcome
    assert str(report["reason"]).startswith(reason)
    return str(report["reason"])
