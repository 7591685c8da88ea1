"""What is promised of every state machine's file, without running it."""

from __future__ import annotations

import inspect
import json
from typing import Any, get_args, get_type_hints

import pytest

import lambdas.batch
import lambdas.promote
import lambdas.retrain
import lambdas.review
from tests.fixtures import batch_paths, state_machines
from tests.fixtures.scripted_stack import NESTED
from tests.fixtures.state_machine_paths import PATHS, REPORTERS, USUAL
from tests.statemachines import test_batch, test_review

HANDLERS: dict[str, Any] = {
    "batch": lambdas.batch,
    "retrain": lambdas.retrain,
    "promote": lambdas.promote,
    "review": lambdas.review,
}
LAST = {**REPORTERS, "batch": "Finish"}
"""The function that every way through a state machine leads to."""
NO_USE = {"BatchRefusedError", "BatchLostError", "LeaseLostError"}
"""Errors of which one at least is never tried again where a function is not tried again for all."""
ONE_ATTEMPT = {("retrain", "Promote")}
"""A second nested execution would need another name, and a promotion that failed has cleaned up already."""
OF_LAMBDA = {
    "Lambda.ServiceException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
}
"""What passes without anybody's doing, so not Lambda.AWSLambdaException, which a missing permission is too:
https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html"""
MAX_EVENTS = 25_000
"""Of an execution's history: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
EVENTS_OF_AN_ATTEMPT = 3
"""TaskScheduled, TaskStarted, TaskFailed."""


def every(type: str) -> list[Any]:
    return [
        pytest.param(machine, name, id=f"{machine}-{name}")
        for machine in state_machines.NAMES
        for name, state in {**state_machines.states(machine), **state_machines.children(machine)}.items()
        if state["Type"] == type
    ]


def test_every_state_machine_has_its_tests() -> None:
    assert set(state_machines.NAMES) == set(HANDLERS)
    assert set(REPORTERS) == {path.machine for path in PATHS.values()} == {"retrain", "promote"}


@pytest.mark.parametrize("machine", state_machines.NAMES)
def test_it_is_jsonata_and_does_not_run_for_ever(machine: str) -> None:
    definition = json.loads(state_machines.text(machine))
    assert definition["QueryLanguage"] == "JSONata"
    # A review waits for people as long as the settings say; each of its tasks has a limit.
    if machine != "review":
        assert 0 < definition["TimeoutSeconds"] <= 30 * 24 * 3600


@pytest.mark.parametrize("machine", state_machines.NAMES)
def test_every_state_can_be_reached_and_leads_on(machine: str) -> None:
    states = state_machines.states(machine)
    reached: set[str] = set()
    ahead = [json.loads(state_machines.text(machine))["StartAt"]]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += list(state_machines.successors(states[name]))
    assert reached == set(states)
    for name, state in states.items():
        assert list(state_machines.successors(state)) or state["Type"] in ("Succeed", "Fail"), name


@pytest.mark.parametrize(("machine", "name"), every("Task"))
def test_every_task_is_retried_and_its_failure_caught(machine: str, name: str) -> None:
    state = state_machines.tasks(machine)[name]
    if (machine, name) in ONE_ATTEMPT:
        assert "Retry" not in state
    else:
        of_lambda, *others = state["Retry"]
        assert set(of_lambda["ErrorEquals"]) == OF_LAMBDA
        if (machine, name) == ("review", "Ask"):
            # People are asked once: what is tried again is what Lambda itself could not do.
            assert [retrier["ErrorEquals"] for retrier in others] == [["Lambda.AWSLambdaException"]]
        else:
            *unless, retrier = others
            if (machine, name) == ("promote", "WakeChampion"):
                # What is stopping has stopped after some minutes.
                assert unless.pop()["ErrorEquals"] == ["NotYetError"]
            if name == "AnswerPart":
                # It goes on where the time of the last attempt was over, and that is no failure.
                assert unless.pop()["ErrorEquals"] == ["UnfinishedPartError"]
            # Trying again would not give the lease, or the batch, back.
            assert len(unless) <= 1
            for retrier_of_none in unless:
                assert retrier_of_none["MaxAttempts"] == 0
                assert NO_USE & set(retrier_of_none["ErrorEquals"])
            assert retrier["ErrorEquals"] == ["States.ALL"]
            assert retrier["MaxAttempts"] >= 3
    if name in state_machines.children(machine):
        assert "Catch" not in state, "what fails here is the Map's"
    elif name == LAST.get(machine) or (machine, name) == ("review", "GiveBack"):
        assert "Catch" not in state, "what fails here is the sweeper's"
    else:
        *_, catcher = state["Catch"]
        if name in ("AskApproval", "AwaitTraining"):
            # What follows from the deadline is decided, or looked for, and is no failure.
            assert [c["ErrorEquals"] for c in state["Catch"]] == [["States.Timeout"], ["States.ALL"]]
        else:
            assert state["Catch"] == [catcher]
        assert catcher["ErrorEquals"] == ["States.ALL"]


@pytest.mark.parametrize(("machine", "name"), every("Task"))
def test_a_task_waits_for_a_free_function_for_hours(machine: str, name: str) -> None:
    """A new account runs ten functions at once, and what is above is throttled; an execution outlasts that,
    and its history of 25,000 events holds it.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html#error-handling-retrying-after-an-error
    """
    if (machine, name) in ONE_ATTEMPT:
        return
    retrier = state_machines.tasks(machine)[name]["Retry"][0]
    assert retrier["JitterStrategy"] == "FULL"
    delays = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt, retrier["MaxDelaySeconds"])
        for attempt in range(retrier["MaxAttempts"])
    ]
    # By full jitter a delay is anything up to that: half of it on average.
    assert sum(delays) / 2 > 12 * 3600
    assert EVENTS_OF_AN_ATTEMPT * len(delays) < MAX_EVENTS / 5


@pytest.mark.parametrize(("machine", "name"), every("Choice"))
def test_every_choice_has_a_default(machine: str, name: str) -> None:
    assert state_machines.states(machine)[name]["Default"] in state_machines.states(machine)


@pytest.mark.parametrize("machine", LAST)
def test_every_way_leads_through_the_reporter(machine: str) -> None:
    """Without Report (or Finish) no end can be reached."""
    states = state_machines.states(machine)
    ahead, reached = [json.loads(state_machines.text(machine))["StartAt"]], set()
    while ahead:
        name = ahead.pop()
        if name not in reached and name != LAST[machine]:
            reached.add(name)
            ahead += list(state_machines.successors(states[name]))
    assert not [name for name in reached if states[name]["Type"] in ("Succeed", "Fail")]


def test_nothing_follows_a_held_version_but_its_return() -> None:
    """Whatever happens once a batch holds its version, Release is passed."""
    states = state_machines.states("batch")
    ahead, reached = ["TakeHold"], set()
    while ahead:
        name = ahead.pop()
        if name not in reached and name != "Release":
            reached.add(name)
            ahead += list(state_machines.successors(states[name]))
    assert "Finish" not in reached


def test_nothing_follows_a_started_challenger_but_its_stop() -> None:
    """Whatever happens between Start and Finish, StopOtherVersions is passed."""
    states = state_machines.states("promote")
    ahead, reached = ["Start"], set()
    while ahead:
        name = ahead.pop()
        if name not in reached and name != "StopOtherVersions":
            reached.add(name)
            ahead += list(state_machines.successors(states[name]))
    assert "Finish" not in reached


@pytest.mark.parametrize(("machine", "name"), every("Task"))
def test_a_task_tells_its_handler_what_the_handler_expects(machine: str, name: str) -> None:
    state = state_machines.tasks(machine)[name]
    function = state_machines.function_of(state)
    if function is None:
        assert state["Arguments"]["StateMachineArn"] == f"${{{NESTED}}}"
        return
    assert function == name, "a function is named like its state"
    handler = inspect.unwrap(getattr(HANDLERS[machine], _snake_case(name)))
    event = get_type_hints(handler, localns={"LambdaContext": Any})["event"]
    expected = [set(get_type_hints(form)) for form in get_args(event) or (event,)]
    payload = state["Arguments"]["Payload"]
    if name in state_machines.children(machine):
        (payload,) = [
            each["ItemSelector"]
            for each in state_machines.states(machine).values()
            if name in each.get("ItemProcessor", {}).get("States", {})
        ]
    assert set(payload) in expected


@pytest.mark.parametrize("machine", state_machines.NAMES)
def test_every_substitution_is_used_by_one_task(machine: str) -> None:
    used = [state_machines.function_of(state) or NESTED for state in state_machines.tasks(machine).values()]
    assert sorted(used) == sorted(state_machines.substitutions(machine))
    assert {f"{machine}-{part}" for part in used} <= set(USUAL | batch_paths.USUAL)


@pytest.mark.parametrize("machine", REPORTERS)
def test_every_state_is_on_a_tested_path(machine: str) -> None:
    visited = {state for path in PATHS.values() if path.machine == machine for state in path.visited}
    assert visited == set(state_machines.states(machine))


@pytest.mark.parametrize("machine", state_machines.NAMES)
def test_every_transition_is_on_a_tested_path(machine: str) -> None:
    """Failures of Tasks aside, which test_failures makes of every Task there is."""
    taken = {
        pair
        for path in PATHS.values()
        if path.machine == machine
        for pair in zip(path.visited, path.visited[1:], strict=False)
    }
    if machine in ("review", "batch"):
        taken = {"review": test_review, "batch": test_batch}[machine].TRANSITIONS
    possible = {
        (name, following)
        for name, state in state_machines.states(machine).items()
        for following in state_machines.successors({k: v for k, v in state.items() if k != "Catch"})
    }
    assert possible <= taken


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
