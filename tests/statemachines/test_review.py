"""Every way through the review, and every way in which it can break, played on MiniStack."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fixtures import state_machines
from tests.fixtures.scripted_stack import Answer, Fails, Played, Script, Stage

ASKED = ("Begin", "Route?", "Ask")
JOB = ("Begin", "Route?", "StartJob", "WatchJob", "JobFinished?")
TRANSITIONS = {
    *pairwise((*ASKED, "Answered")),
    *pairwise((*JOB, "WaitForJob", "WatchJob", "JobFinished?", "ReadJob", "Answered")),
    ("GiveBack", "GivenBack"),
}
"""That the tests below take, failures aside."""
_numbers = itertools.count()


def begin(stage: Stage, script: Script, **request: Any) -> str:
    name = f"task-{next(_numbers)}"
    waits = {"task": name, "route": "builtin", "timeout_seconds": 30, "heartbeat_seconds": 30}
    return stage.begin("review", name, script, {**waits, **request})


def play(stage: Stage, script: Script, **request: Any) -> Played:
    return stage.end(begin(stage, script, **request))


def later(stage: Stage, act: Callable[[str], Any]) -> Answer:
    """Ask answers at once; what it set going acts on the token once the execution waits."""

    def asked(event: dict[str, Any]) -> dict[str, Any]:
        def run() -> None:
            time.sleep(0.3)
            act(event["token"])

        threading.Thread(target=run, daemon=True).start()
        return {}

    return asked


def succeed(stage: Stage) -> Answer:
    output = json.dumps({"outcome": "labelled"})
    return later(stage, lambda token: stage.stepfunctions.send_task_success(taskToken=token, output=output))


@pytest.mark.parametrize("route", ["builtin", "a2i"])
def test_somebody_answers(route: str, stage: Stage) -> None:
    played = play(stage, {"review-Ask": [succeed(stage)]}, route=route)
    assert played.status == "SUCCEEDED", (played.error, played.cause, played.visited)
    assert played.visited == (*ASKED, "Answered")
    ((_, asked),) = played.calls
    assert asked["task"] == played.arn.rsplit(":", 1)[-1]
    assert asked["token"]


def test_the_task_is_taken_back_on_the_desk(stage: Stage) -> None:
    def fail(token: str) -> None:
        stage.stepfunctions.send_task_failure(
            taskToken=token, error="GivenBack", cause="declined by 3 reviewers"
        )

    played = play(stage, {"review-Ask": [later(stage, fail)]})
    assert_given_back(played, "GivenBack", "declined by 3 reviewers", ASKED)


def test_nobody_answers_in_time(stage: Stage) -> None:
    played = play(stage, {}, timeout_seconds=1)
    assert_given_back(played, "States.Timeout", "", ASKED)


def test_nobody_hears_of_the_task_any_more(stage: Stage) -> None:
    played = play(stage, {}, heartbeat_seconds=1)
    assert_given_back(played, "States.HeartbeatTimeout", "", ASKED)


def test_heartbeats_keep_a_task_waiting(stage: Stage) -> None:
    def beat(token: str) -> None:
        for _ in range(6):
            time.sleep(0.7)
            stage.stepfunctions.send_task_heartbeat(taskToken=token)
        stage.stepfunctions.send_task_success(taskToken=token, output="{}")

    played = play(stage, {"review-Ask": [later(stage, beat)]}, heartbeat_seconds=2)
    assert played.visited == (*ASKED, "Answered")


def test_nobody_can_be_asked(stage: Stage) -> None:
    played = play(stage, {"review-Ask": [Fails("A2I refuses")]})
    assert_given_back(played, "Runtime.HandlerError", "A2I refuses", ASKED)


def test_a_token_is_good_once(stage: Stage) -> None:
    errors: list[str] = []

    def answer(token: str) -> None:
        try:
            stage.stepfunctions.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            errors.append(error.response["Error"]["Code"])

    def act(token: str) -> None:
        for wait_seconds in (0, 0, 0.3):
            time.sleep(wait_seconds)
            answer(token)

    play(stage, {"review-Ask": [later(stage, act)]})
    deadline = time.monotonic() + 5
    while len(errors) < 2 and time.monotonic() < deadline:
        time.sleep(0.03)
    assert len(errors) == 2
    assert set(errors) <= {"TaskDoesNotExist", "TaskTimedOut"}


def test_a_stopped_execution_takes_no_answer(stage: Stage) -> None:
    tokens: list[str] = []
    arn = begin(stage, {"review-Ask": [later(stage, tokens.append)]})
    while not tokens:
        time.sleep(0.03)
    stage.stepfunctions.stop_execution(executionArn=arn)
    with pytest.raises(ClientError, match=r"TaskDoesNotExist|TaskTimedOut"):
        stage.stepfunctions.send_task_success(taskToken=tokens[0], output="{}")


def test_a_labeling_job_is_followed_to_its_end(stage: Stage) -> None:
    waiting = {"finished": False, "wait_seconds": 60}
    script: Script = {"review-WatchJob": [waiting, waiting, {"finished": True, "wait_seconds": 60}]}
    played = play(stage, script, route="groundtruth")
    again = ("WaitForJob", "WatchJob", "JobFinished?")
    assert played.visited == (*JOB, *again, *again, "ReadJob", "Answered")
    assert {payload["batch"] for _, payload in played.calls} == {played.arn.rsplit(":", 1)[-1]}
    for function in ("review-StartJob", "review-WatchJob"):
        assert {payload["timeout_seconds"] for payload in played.calls_of(function)} == {30}


@pytest.mark.parametrize("state", ["StartJob", "WatchJob", "ReadJob"])
def test_a_labeling_job_that_breaks_is_given_back(state: str, stage: Stage) -> None:
    played = play(stage, {f"review-{state}": [Fails("no such work team")]}, route="groundtruth")
    before = (*JOB, "ReadJob")
    assert_given_back(played, "Runtime.HandlerError", "no such work team", before[: before.index(state) + 1])
    assert len(played.calls_of(f"review-{state}")) == 1 + 3


@pytest.mark.parametrize("state", ["StartJob", "WatchJob", "ReadJob"])
def test_a_labeling_job_is_asked_again(state: str, stage: Stage) -> None:
    function = f"review-{state}"
    script: Script = {function: [Fails(), stage.director.usual[function]]}
    played = play(stage, script, route="groundtruth")
    assert played.visited == (*JOB, "ReadJob", "Answered")


def test_giving_back_is_tried_again(stage: Stage) -> None:
    script: Script = {"review-Ask": [Fails()], "review-GiveBack": [Fails(), {"state": "given_back"}]}
    played = play(stage, script)
    assert len(played.calls_of("review-GiveBack")) == 2
    assert played.status == "SUCCEEDED", (played.error, played.cause, played.visited)


def test_a_hundred_wait_at_once(stage: Stage) -> None:
    arns = [begin(stage, {"review-Ask": [succeed(stage)]}) for _ in range(100)]
    assert {stage.end(arn).status for arn in arns} == {"SUCCEEDED"}


def test_every_state_was_meant() -> None:
    visited = {*ASKED, *JOB, "WaitForJob", "ReadJob", "GiveBack", "GivenBack", "Answered"}
    assert visited == set(state_machines.states("review"))


def assert_given_back(played: Played, error: str, cause: str, before: tuple[str, ...]) -> None:
    assert played.visited == (*before, "GiveBack", "GivenBack")
    assert played.status == "SUCCEEDED", (played.error, played.cause, played.visited)
    (call,) = played.calls_of("review-GiveBack")
    assert call["task"] == played.arn.rsplit(":", 1)[-1]
    assert call["error"] == error
    assert cause in call["cause"]
