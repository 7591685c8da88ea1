"""Every way through a batch, and every way in which it can break, played on MiniStack."""

from __future__ import annotations

import itertools
import json
import time
from itertools import pairwise
from typing import Any

import pytest

from tests.fixtures import batch_paths, state_machines
from tests.fixtures.batch_paths import BOOM, BUCKET, ENDS_WHERE_IT_FAILS, PATHS
from tests.fixtures.scripted_stack import Fails, Played, Script, Stage

TRANSITIONS = {pair for path in PATHS.values() for pair in pairwise(path.visited)} | {
    ("Failed", "Release"),
    ("NotComplete", "Release"),
}
"""That the tests below take, failures aside."""
PARTS = 3
_numbers = itertools.count()


@pytest.fixture(scope="module")
def bucket(stage: Stage) -> str:
    stage.s3.create_bucket(Bucket=BUCKET)
    return BUCKET


def begin(stage: Stage, bucket: str, script: Script, parts: int = PARTS) -> str:
    name = f"batch-{next(_numbers)}"
    for number in range(parts):
        stage.s3.put_object(Bucket=bucket, Key=f"batches/{name}/input/part-{number:05}.jsonl", Body=b"{}")
    return stage.begin("batch", name, script, {"batch": name, "total": 100 * parts})


def play(stage: Stage, bucket: str, script: Script, parts: int = PARTS) -> Played:
    return stage.end(begin(stage, bucket, script, parts))


@pytest.mark.parametrize("name", PATHS)
def test_path(name: str, stage: Stage, bucket: str) -> None:
    path = PATHS[name]
    played = play(stage, bucket, path.script)
    assert played.visited == path.visited, (played.error, played.cause)
    (finish,) = played.calls_of("batch-Finish")
    assert (finish["state"], finish["reason"]) == (path.state, path.reason)
    if path.succeeds:
        assert played.status == "SUCCEEDED"
    else:
        assert (played.status, played.error, played.cause) == ("FAILED", "BatchFailed", path.reason)


def test_its_functions_are_told_what_they_need(stage: Stage, bucket: str) -> None:
    played = play(stage, bucket, {})
    name = played.arn.rsplit(":", 1)[-1]
    step = {"batch": name, "execution": played.arn}
    calls = [(function, call) for function, call in played.calls if function != "batch-AnswerPart"]
    since = [call.pop("since") for _, call in calls if "since" in call]
    assert since == sorted(since) and len(since) == 2 and since[0].startswith("20")
    assert calls == [
        ("batch-TakeHold", {**step, "order": {"batch": name, "total": 100 * PARTS}}),
        ("batch-Wake", step),
        ("batch-Merge", {**step, "missing": -1, "idle_rounds": 0}),
        ("batch-Release", step),
        ("batch-Finish", {**step, "state": "done", "reason": ""}),
    ]
    parts = [f"batches/{name}/input/part-{number:05}.jsonl" for number in range(PARTS)]
    asked = sorted(played.calls_of("batch-AnswerPart"), key=lambda call: str(call["part"]))
    assert asked == [{**step, "part": part} for part in parts]


def test_every_part_is_asked_about_once_and_written_down(stage: Stage, bucket: str) -> None:
    played = play(stage, bucket, {}, parts=40)
    assert len({call["part"] for call in played.calls_of("batch-AnswerPart")}) == 40
    assert len(played.calls_of("batch-AnswerPart")) == 40
    name = played.arn.rsplit(":", 1)[-1]
    listed = stage.s3.list_objects_v2(Bucket=bucket, Prefix=f"batches/{name}/map/")["Contents"]
    (manifest,) = [entry["Key"] for entry in listed if entry["Key"].endswith("/manifest.json")]
    document = json.loads(stage.s3.get_object(Bucket=bucket, Key=manifest)["Body"].read())
    assert document["ResultFiles"]["FAILED"] == []


@pytest.mark.parametrize("state", ENDS_WHERE_IT_FAILS)
def test_a_function_that_always_fails(state: str, stage: Stage, bucket: str) -> None:
    played = play(stage, bucket, {f"batch-{state}": [BOOM]})
    assert played.visited == ENDS_WHERE_IT_FAILS[state], (played.error, played.cause)
    if state == "AnswerPart":
        # Of three parts a twentieth may fail, so the first one that does ends the round.
        assert 4 <= len(played.calls_of("batch-AnswerPart")) <= 4 * PARTS
        return
    assert len(played.calls_of(f"batch-{state}")) == 4
    if state == "Finish":
        assert played.error == "Runtime.HandlerError"
        return
    (finish,) = played.calls_of("batch-Finish")
    assert finish["state"] == ("done" if state == "Release" else "failed")
    if state != "Release":
        assert finish["reason"].startswith("Runtime.HandlerError: ")
        assert "it broke" in finish["reason"]


@pytest.mark.parametrize("state", ENDS_WHERE_IT_FAILS)
def test_a_function_that_fails_once(state: str, stage: Stage, bucket: str) -> None:
    function = f"batch-{state}"
    script: Script = {function: [BOOM, batch_paths.USUAL[function]]}
    played = play(stage, bucket, script)
    assert played.status == "SUCCEEDED", (played.error, played.cause)
    assert played.visited == PATHS["is done"].visited


def test_why_a_round_failed_is_part_of_the_reason(stage: Stage, bucket: str) -> None:
    stuck = {"complete": False, "again": False, "missing": 300, "idle_rounds": 3}
    played = play(stage, bucket, {"batch-AnswerPart": [BOOM], "batch-Merge": [stuck]})
    assert played.cause.startswith("300 images have no answer yet: States.ExceedToleratedFailureThreshold")


def test_a_batch_that_is_stopped_asks_no_more(stage: Stage, bucket: str) -> None:
    def slow(event: dict[str, Any]) -> Any:
        time.sleep(0.3)
        return {"images": 100, "asked": 100}

    arn = begin(stage, bucket, {"batch-AnswerPart": [slow]}, parts=30)
    name = arn.rsplit(":", 1)[-1]
    while not stage.director.calls[name] or stage.director.calls[name][-1][0] != "batch-AnswerPart":
        time.sleep(0.02)
    stage.stepfunctions.stop_execution(executionArn=arn, error="Cancelled", cause="by ann")
    time.sleep(0.7)
    calls = len(stage.director.calls[name])
    time.sleep(0.5)
    assert len(stage.director.calls[name]) == calls < 30
    (run,) = stage.stepfunctions.list_map_runs(executionArn=arn)["mapRuns"]
    assert stage.stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"])["status"] == "ABORTED"


def test_every_state_was_meant() -> None:
    visited = {state for path in PATHS.values() for state in path.visited}
    assert visited | {"Failed"} == set(state_machines.states("batch"))


def test_a_batch_that_is_refused_is_not_tried_again(stage: Stage, bucket: str) -> None:
    """Refusals are the errors that no retry helps with, by their names."""
    retriers = state_machines.states("batch")["TakeHold"]["Retry"]
    assert {"ErrorEquals": ["BatchRefusedError", "BatchNameError"], "MaxAttempts": 0} in retriers
    played = play(stage, bucket, {"batch-TakeHold": [Fails("batch a is done")]})
    assert "batch a is done" in played.cause
