"""Distributed Maps on MiniStack's Step Functions, with and without the patch."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from local.ministack_patches import distributed_map
from local.ministack_state.records import Executions
from tests.fixtures.waiting import HUNG_SECONDS

ACCOUNT, REGION = "000000000000", "us-east-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work"
BUCKET = "pictures"
_numbers = itertools.count()
WORK: dict[str, Any] = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": FUNCTION, "Payload": "{% $states.input %}"},
    "Output": "{% $states.result.Payload %}",
    "End": True,
}
PROCESSOR: dict[str, Any] = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "Work",
    "States": {"Work": WORK},
}
READER: dict[str, Any] = {
    "Resource": "arn:aws:states:::s3:getObject",
    "ReaderConfig": {"InputType": "JSONL"},
    "Arguments": {"Bucket": BUCKET, "Key": "{% $states.input.key %}"},
}
WRITER: dict[str, Any] = {
    "Resource": "arn:aws:states:::s3:putObject",
    "Arguments": {"Bucket": BUCKET, "Prefix": "out"},
}


class Machine:
    """MiniStack's Step Functions and S3 in this process, with one function, `work`, that a test plays."""

    def __init__(self, stepfunctions: Any, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stepfunctions, self.s3 = stepfunctions, s3
        self.calls: list[Any] = []
        self.work: Callable[[Any], Any] = lambda event: event
        monkeypatch.setattr(stepfunctions, "_run_map_items", stepfunctions._run_map_items)
        monkeypatch.setattr(stepfunctions, "_call_lambda", self._call)
        monkeypatch.setattr(stepfunctions, "_resolve_lambda_function_ref", lambda value, optimized: value)
        monkeypatch.setattr(stepfunctions, "_scaled_sleep", lambda seconds: None)
        s3._create_bucket(BUCKET, b"", {})

    def _call(self, function: str, event: Any) -> Any:
        self.calls.append(event)
        return self.work(event)

    def put(self, key: str, body: bytes | str) -> None:
        status, _, answer = self.s3._put_object(
            BUCKET, key, body.encode() if isinstance(body, str) else body, {}
        )
        assert status == 200, answer

    def read(self, key: str) -> Any:
        return json.loads(self.s3._get_object(BUCKET, key, {}, {})[2])

    def begin(self, given: Any, language: str = "JSONata", **map: Any) -> str:
        name = f"machine-{next(_numbers)}"
        states = {"Map": {"Type": "Map", "ItemProcessor": PROCESSOR, "End": True, **map}}
        states["Caught"] = {"Type": "Pass", "End": True}
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"
        self.stepfunctions._state_machines[arn] = {
            "name": name,
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/states",
            "definition": json.dumps({"QueryLanguage": language, "StartAt": "Map", "States": states}),
        }
        _, _, body = self.stepfunctions._start_execution({"stateMachineArn": arn, "input": json.dumps(given)})
        return str(json.loads(body)["executionArn"])

    def end(self, arn: str) -> dict[str, Any]:
        execution = self.stepfunctions._executions[arn]
        deadline = time.monotonic() + HUNG_SECONDS
        while execution["status"] == "RUNNING":
            assert time.monotonic() < deadline, execution
            time.sleep(0.01)
        return dict(execution)

    def play(self, given: Any, **map: Any) -> Any:
        """The output of a state machine of one Map that succeeds."""
        ended = self.end(self.begin(given, **map))
        assert ended["status"] == "SUCCEEDED", (ended["error"], ended["cause"])
        return json.loads(ended["output"])

    def map_run(self, arn: str) -> dict[str, Any]:
        (listed,) = json.loads(self.stepfunctions._list_map_runs({"executionArn": arn})[2])["mapRuns"]
        described = self.stepfunctions._describe_map_run({"mapRunArn": listed["mapRunArn"]})
        return dict(json.loads(described[2]))

    def fail(self, error: str = "Broke") -> None:
        raise self.stepfunctions._ExecutionError(error, "it broke")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """MiniStack as it comes."""
    from ministack.services import s3, stepfunctions

    return Machine(stepfunctions, s3, monkeypatch)


@pytest.fixture
def machine(plain: Machine) -> Machine:
    distributed_map.apply_patch()
    return plain


def lines(count: int) -> str:
    return "".join(json.dumps({"id": str(number)}) + "\n" for number in range(count))


# What the patch is for: each of these fails once MiniStack does as AWS does.


def test_ministack_reads_no_items_by_an_expression(plain: Machine) -> None:
    plain.put("list.jsonl", lines(2))
    ended = plain.end(plain.begin({"key": "list.jsonl"}, ItemReader=READER))
    assert ended["status"] == "FAILED"


def test_ministack_knows_no_batches_and_no_writer(plain: Machine) -> None:
    path = {"Items.$": "$"}
    plain.put("list.jsonl", lines(2))
    reader = {**READER, "Parameters": {"Bucket": BUCKET, "Key": "list.jsonl"}}
    work = {**WORK, "QueryLanguage": "JSONata"}
    processor = {**PROCESSOR, "States": {"Work": work}}
    batcher = {"MaxItemsPerBatch": 2}
    begun = plain.begin(
        path, "JSONPath", ItemReader=reader, ItemProcessor=processor, ItemBatcher=batcher, ResultWriter=WRITER
    )
    assert json.loads(plain.end(begun)["output"]) == [{"id": "0"}, {"id": "1"}]


# With it.


def test_items_are_read_batched_and_written(machine: Machine) -> None:
    machine.put("list.jsonl", lines(5))
    machine.work = lambda event: len(event["Items"])
    output = machine.play(
        {"key": "list.jsonl", "size": 2},
        ItemReader=READER,
        ItemSelector={
            "id": "{% $states.context.Map.Item.Value.id %}",
            "at": "{% $states.context.Map.Item.Index %}",
        },
        ItemBatcher={
            "MaxItemsPerBatch": "{% $states.input.size %}",
            "BatchInput": {"of": "{% $states.input.key %}"},
        },
        ResultWriter=WRITER,
    )
    items = [{"id": str(number), "at": number} for number in range(5)]
    expected = [
        {"BatchInput": {"of": "list.jsonl"}, "Items": items[first : first + 2]} for first in (0, 2, 4)
    ]
    assert sorted(machine.calls, key=lambda call: call["Items"][0]["at"]) == expected
    manifest = machine.read(output["ResultWriterDetails"]["Key"])
    assert output["ResultWriterDetails"]["Bucket"] == manifest["DestinationBucket"] == BUCKET
    assert output["MapRunArn"] == manifest["MapRunArn"]
    assert manifest["ResultFiles"]["FAILED"] == manifest["ResultFiles"]["PENDING"] == []
    (file,) = manifest["ResultFiles"]["SUCCEEDED"]
    assert file["Key"].startswith("out/")
    assert file["Key"].endswith("/SUCCEEDED_0.json")
    written = machine.read(file["Key"])
    assert sorted(line["Output"] for line in written) == ["1", "2", "2"]
    assert {line["Status"] for line in written} == {"SUCCEEDED"}


def test_a_batch_holds_no_more_bytes_than_an_input_may_have(machine: Machine) -> None:
    machine.put("list.jsonl", "".join(json.dumps({"text": "a" * 90_000}) + "\n" for _ in range(5)))
    machine.work = lambda event: len(event["Items"])
    batched = machine.play({"key": "list.jsonl"}, ItemReader=READER, ItemBatcher={"MaxItemsPerBatch": 100})
    assert batched == [2, 2, 1]


def test_a_listing_names_objects(machine: Machine) -> None:
    for key in ("listed/b", "listed/a", "other"):
        machine.put(key, "x")
    reader = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Arguments": {"Bucket": BUCKET, "Prefix": "listed/"},
    }
    selector = {
        "key": "{% $states.context.Map.Item.Value.Key %}",
        "size": "{% $states.context.Map.Item.Value.Size %}",
    }
    listed = machine.play({}, ItemReader=reader, ItemSelector=selector)
    assert listed == [{"key": "listed/a", "size": 1}, {"key": "listed/b", "size": 1}]


def test_the_lines_of_all_listed_objects_are_items(machine: Machine) -> None:
    machine.put("parts/1.jsonl", lines(2))
    machine.put("parts/2.jsonl", lines(1))
    reader = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "ReaderConfig": {"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"},
        "Arguments": {"Bucket": BUCKET, "Prefix": "parts/"},
    }
    assert machine.play({}, ItemReader=reader) == [{"id": "0"}, {"id": "1"}, {"id": "0"}]


@pytest.mark.parametrize(
    ("config", "body"),
    [
        ({"InputType": "JSON"}, '[{"id": "0"}, {"id": "1"}]'),
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "id\n0\n1\n"),
        ({"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["id"]}, "0\n1\n"),
        ({"InputType": "JSONL", "MaxItems": "{% 2 %}"}, lines(9)),
    ],
)
def test_kinds_of_objects(config: dict[str, Any], body: str, machine: Machine) -> None:
    machine.put("list", body)
    read = machine.play({"key": "list"}, ItemReader={**READER, "ReaderConfig": config})
    assert read == [{"id": "0"}, {"id": "1"}]


def test_an_inventory(machine: Machine) -> None:
    rows = io.StringIO()
    csv.writer(rows).writerows([[BUCKET, "a.jpg", "3"], [BUCKET, "b.jpg", "4"]])
    machine.put("inventory/data.csv.gz", gzip.compress(rows.getvalue().encode()))
    manifest = {
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "inventory/data.csv.gz"}],
    }
    machine.put("inventory/manifest.json", json.dumps(manifest))
    reader = {**READER, "ReaderConfig": {"InputType": "MANIFEST"}}
    read = machine.play({"key": "inventory/manifest.json"}, ItemReader=reader)
    assert [row["Key"] for row in read] == ["a.jpg", "b.jpg"]


def test_a_dataset_that_is_not_there(machine: Machine) -> None:
    ended = machine.end(machine.begin({"key": "nothing"}, ItemReader=READER))
    assert ended["error"] == "States.ItemReaderFailed"


def test_a_dataset_that_cannot_be_read(machine: Machine) -> None:
    machine.put("broken", "{")
    ended = machine.end(machine.begin({"key": "broken"}, ItemReader=READER))
    assert ended["error"] == "States.ItemReaderFailed"


def test_no_more_run_at_once_than_may(machine: Machine) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(event: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return event

    machine.work = work
    assert machine.play(
        {"at_once": 3, "items": list(range(12))},
        Items="{% $states.input.items %}",
        MaxConcurrency="{% $states.input.at_once %}",
    ) == list(range(12))
    assert most == 3


def test_a_child_sees_its_input_alone(machine: Machine) -> None:
    machine.work = lambda event: event
    task = {
        **WORK,
        "Arguments": {"FunctionName": FUNCTION, "Payload": {"name": "{% $states.context.Execution.Name %}"}},
    }
    processor = {**PROCESSOR, "States": {"Work": task}}
    arn = machine.begin([1, 2], ItemProcessor=processor)
    names = {each["name"] for each in json.loads(machine.end(arn)["output"])}
    children = json.loads(
        machine.stepfunctions._list_executions({"mapRunArn": machine.map_run(arn)["mapRunArn"]})[2]
    )
    assert names == {child["name"] for child in children["executions"]}
    assert arn.rsplit(":", 1)[-1] not in names


def test_a_failure_ends_the_run_at_once(machine: Machine) -> None:
    def work(event: Any) -> Any:
        if event == 0:
            machine.fail()
        return event

    machine.work = work
    arn = machine.begin(list(range(50)), MaxConcurrency=1, ResultWriter=WRITER)
    ended = machine.end(arn)
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"
    assert machine.calls == [0]
    run = machine.map_run(arn)
    assert run["status"] == "FAILED"
    assert run["executionCounts"] | {"failed": 1, "pending": 49, "total": 50} == run["executionCounts"]


def test_tolerated_failures_are_written_down(machine: Machine) -> None:
    def work(event: Any) -> Any:
        if {"id": "1"} in event["Items"]:
            machine.fail("Odd")
        return len(event["Items"])

    machine.work = work
    machine.put("list.jsonl", lines(4))
    common = {"ItemReader": READER, "ItemBatcher": {"MaxItemsPerBatch": 2}, "ResultWriter": WRITER}
    tolerates = {"ToleratedFailurePercentage": "{% $states.input.percent %}"}
    output = machine.play({"key": "list.jsonl", "percent": 50}, **common, **tolerates)
    files = machine.read(output["ResultWriterDetails"]["Key"])["ResultFiles"]
    ((failed,), (succeeded,)) = files["FAILED"], files["SUCCEEDED"]
    ((line,), (other,)) = machine.read(failed["Key"]), machine.read(succeeded["Key"])
    assert (line["Error"], line["Cause"], line["Status"]) == ("Odd", "it broke", "FAILED")
    assert other["Output"] == "2"
    # All items of a batch that fails have failed.
    ended = machine.end(machine.begin({"key": "list.jsonl", "percent": 49}, **common, **tolerates))
    assert ended["error"] == "States.ExceedToleratedFailureThreshold"


def test_what_fails_is_tried_again(machine: Machine) -> None:
    def work(event: Any) -> Any:
        if machine.calls.count(event) < 3:
            machine.fail()
        return event

    machine.work = work
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    processor = {**PROCESSOR, "States": {"Work": {**WORK, "Retry": retry}}}
    assert machine.play([7, 8], ItemProcessor=processor) == [7, 8]


def test_a_failure_leads_where_the_map_catches_it(machine: Machine) -> None:
    machine.work = lambda event: machine.fail()
    caught = machine.play([1], Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}])
    assert caught["Error"] == "States.ExceedToleratedFailureThreshold"


def test_children_of_what_is_stopped_are_stopped(machine: Machine) -> None:
    begun, over = threading.Event(), threading.Event()

    def work(event: Any) -> Any:
        begun.set()
        over.wait(HUNG_SECONDS)
        machine.fail()

    machine.work = work
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 99}]
    processor = {**PROCESSOR, "States": {"Work": {**WORK, "Retry": retry}}}
    arn = machine.begin(list(range(5)), MaxConcurrency=2, ItemProcessor=processor)
    assert begun.wait(HUNG_SECONDS)
    machine.stepfunctions._stop_execution({"executionArn": arn})
    deadline = time.monotonic() + HUNG_SECONDS
    while machine.map_run(arn)["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    counts = machine.map_run(arn)["executionCounts"]
    assert (counts["aborted"], counts["running"], counts["pending"]) == (2, 0, 3)
    calls = len(machine.calls)
    over.set()
    time.sleep(0.1)
    # The function that was called comes to its end, and is not called again.
    assert len(machine.calls) == calls


def test_the_concurrency_of_a_map_run_can_be_changed(machine: Machine) -> None:
    over = threading.Event()
    machine.work = lambda event: over.wait(HUNG_SECONDS)
    arn = machine.begin(list(range(4)), MaxConcurrency=1)
    while not machine.calls:
        time.sleep(0.01)
    run = machine.map_run(arn)["mapRunArn"]
    machine.stepfunctions._update_map_run({"mapRunArn": run, "maxConcurrency": 4})
    deadline = time.monotonic() + HUNG_SECONDS
    while len(machine.calls) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    over.set()
    assert machine.end(arn)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("missing", "error"),
    [
        ("states:StartExecution", "States.Permissions"),
        ("s3:GetObject", "States.ItemReaderFailed"),
        ("s3:PutObject", "States.ResultWriterFailed"),
        ("", ""),
    ],
)
def test_the_role_needs_permissions(
    missing: str, error: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ministack.core import iam_evaluator

    actions = {
        "states:StartExecution",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
    }
    # The reader's permission is missing for what is read alone.
    denied = [{"Effect": "Deny", "Action": missing, "Resource": f"arn:aws:s3:::{BUCKET}/list.jsonl"}]
    allowed = actions if missing == "s3:GetObject" else actions - {missing}
    statements = [{"Effect": "Allow", "Action": sorted(allowed), "Resource": "*"}]
    policy = iam_evaluator.parse_policy_document(
        {"Version": "2012-10-17", "Statement": statements + (denied if missing == "s3:GetObject" else [])}
    )
    monkeypatch.setattr(iam_evaluator, "_gather_role_policies", lambda role, account: [policy])
    monkeypatch.setenv("AUTH", "true")
    machine.put("list.jsonl", lines(1))
    ended = machine.end(machine.begin({"key": "list.jsonl"}, ItemReader=READER, ResultWriter=WRITER))
    assert ended.get("error") == (error or None)


def test_a_map_run_of_a_server_that_was_killed_has_ended(machine: Machine) -> None:
    over = threading.Event()
    machine.work = lambda event: over.wait(HUNG_SECONDS)
    arn = machine.begin([1, 2], MaxConcurrency=1)
    while not machine.calls:
        time.sleep(0.01)
    runs = type(machine.stepfunctions._map_runs)()
    run = machine.map_run(arn)
    runs._data[(ACCOUNT, REGION, run["mapRunArn"])] = run

    class NoExecutions:
        def read(self, kind: str) -> list[tuple[str, str]]:
            return []

    database: Any = NoExecutions()
    Executions().restore({"map_runs": runs}, database)
    over.set()
    assert run["status"] == "ABORTED"
    assert (run["executionCounts"]["running"], run["executionCounts"]["aborted"]) == (0, 1)
