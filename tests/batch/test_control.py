from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.moto_api._internal.models import moto_api_backend

from lambdas.domain.batch import control, files
from lambdas.domain.batch.control import BatchStateError, Order
from lambdas.domain.shared.records import Batch

BUCKET = "parts-data"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:parts-batch"
ORDER = Order("night", "s3://cameras/2026/", "prefix", "rita", total=250, version="", units=2)


class StepFunctions:
    """Executions by their ARN; those started are kept."""

    def __init__(self, **statuses: str) -> None:
        self.statuses, self.started, self.stopped = statuses, list[Any](), list[Any]()
        self.running: list[str] = []

    def start_execution(self, **given: Any) -> Any:
        self.started.append(given)
        return {"executionArn": f"execution/{given['name']}"}

    def describe_execution(self, executionArn: str) -> Any:
        if executionArn not in self.statuses:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist"}}, "DescribeExecution")
        return {"status": self.statuses[executionArn]}

    def list_executions(self, *, stateMachineArn: str, statusFilter: str, maxResults: int) -> Any:
        assert (stateMachineArn, statusFilter) == ("machine", "RUNNING")
        return {"executions": [{"name": name, "executionArn": f"arn:{name}"} for name in self.running]}

    def stop_execution(self, **given: Any) -> Any:
        self.stopped.append(given)


@pytest.fixture
def s3(aws: dict[str, Any]) -> Any:
    moto_api_backend.reset()
    aws["s3"].create_bucket(Bucket=BUCKET)
    return aws["s3"]


def test_a_name_is_of_whoever_takes_it_first(s3: Any) -> None:
    assert control.claim(s3, BUCKET, ORDER) == ORDER
    assert control.claim(s3, BUCKET, replace(ORDER, created_by="tom")) == ORDER
    control.write(s3, BUCKET, replace(ORDER, total=3))
    assert control.read(s3, BUCKET, "night") == replace(ORDER, total=3)
    assert control.read(s3, BUCKET, "day") is None
    assert (
        json.loads(s3.get_object(Bucket=BUCKET, Key=files.source_key("night"))["Body"].read())["total"] == 3
    )


def test_an_execution_is_started_with_the_order() -> None:
    functions: Any = StepFunctions()
    assert control.start(functions, MACHINE, ORDER).startswith("execution/night-2")
    assert json.loads(functions.started[0]["input"])["batch"] == "night"
    assert functions.started[0]["stateMachineArn"] == MACHINE


@pytest.mark.parametrize(
    ("batch", "statuses"),
    [
        (None, {}),
        (Batch("night", state="failed", execution_arn="one"), {}),
        (Batch("night", state="cancelled", execution_arn="one"), {}),
        (Batch("night", state="running", execution_arn="one"), {"one": "ABORTED"}),
        (Batch("night", state="running", execution_arn="gone"), {}),
    ],
)
def test_what_has_not_ended_well_is_resumed(batch: Batch | None, statuses: dict[str, str]) -> None:
    functions: Any = StepFunctions(**statuses)
    control.resume(functions, MACHINE, ORDER, batch, units=4)
    assert json.loads(functions.started[0]["input"]) == {
        **vars(ORDER),
        "units": 4,
    }


def test_a_resumed_batch_keeps_its_version() -> None:
    functions: Any = StepFunctions()
    control.resume(functions, MACHINE, ORDER, Batch("night", state="failed", version="v1-a"))
    assert json.loads(functions.started[0]["input"])["version"] == "v1-a"


@pytest.mark.parametrize(
    ("order", "batch", "words"),
    [
        (ORDER, Batch("night", state="done"), "is done, and nothing is left to ask"),
        (ORDER, Batch("night", state="running", execution_arn="one"), "goes on already"),
        (replace(ORDER, total=0), None, "were never all sent"),
    ],
)
def test_what_cannot_be_resumed_says_why(order: Order, batch: Batch | None, words: str) -> None:
    functions: Any = StepFunctions(one="RUNNING")
    with pytest.raises(BatchStateError, match=words):
        control.resume(functions, MACHINE, order, batch)
    assert not functions.started


def test_a_live_batch_is_cancelled_once() -> None:
    functions: Any = StepFunctions()
    control.cancel(functions, "machine", Batch("night", state="running", execution_arn="one"), "rita")
    assert functions.stopped == [{"executionArn": "one", "error": "Cancelled", "cause": "by rita"}]
    ended = Batch("night", state="cancelled", execution_arn="one", ended_at="2026-11-28T10:00:00.000000Z")
    with pytest.raises(
        BatchStateError,
        match=r"has ended at 2026-\d\d-\d\d \d\d:\d\d UTC: cancelled; there is nothing to cancel",
    ):
        control.cancel(functions, "machine", ended, "rita")
    assert len(functions.stopped) == 1


def test_a_batch_that_was_just_resumed_is_cancelled_though_its_record_does_not_say_so_yet() -> None:
    functions: Any = StepFunctions()
    stamp = "20261128T100000000000"
    functions.running = [f"night-{stamp}", f"night-2-{stamp}", f"the-night-{stamp}"]
    ended = Batch("night", state="cancelled", execution_arn="one", ended_at="2026-11-28T10:00:00.000000Z")
    control.cancel(functions, "machine", ended, "rita")
    assert [stopped["executionArn"] for stopped in functions.stopped] == [f"arn:night-{stamp}"]
