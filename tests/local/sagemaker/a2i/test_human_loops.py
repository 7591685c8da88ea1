"""Human loops of the emulation; MiniStack is played, workers answer by the queue."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.protocol import A2I, SAGEMAKER
from local.sagemaker.workers import endpoint
from local.sagemaker.workers.queue import WorkError
from tests.fixtures.sagemaker import ACCOUNT, BUCKET, REGION, ROLE, Bench, Caller

BOXES = """<crowd-form><crowd-bounding-box name="boundingBox" header="{{ task.input.header | escape }}"
 src="{{ task.input.taskObject | grant_read_access }}" labels="{{ task.input.labels | to_json | escape }}">
</crowd-bounding-box></crowd-form>"""
LABELS = """<crowd-form><crowd-image-classifier-multi-select name="shown" header="Choose"
 src="{{ task.input.taskObject | grant_read_access }}" categories="['cat', 'dog']">
</crowd-image-classifier-multi-select></crowd-form>"""
INPUT = {"taskObject": f"s3://{BUCKET}/images/a.png", "labels": ["cat", "dog"], "header": "Box them"}
CAT = {"label": "cat", "left": 5, "top": 6, "width": 30, "height": 20}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.service.close()


def start(bench: Bench, flow: str, name: str = "loop-1", **changed: Any) -> str:
    given = {**INPUT, **changed}
    started = bench.a2i.start_human_loop(
        HumanLoopName=name,
        FlowDefinitionArn=flow,
        HumanLoopInput={"InputContent": json.dumps(given)},
    )
    return str(started["HumanLoopArn"])


def code(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**members)
    return str(refused.value.response["Error"]["Code"])


def output(bench: Bench, name: str = "loop-1") -> dict[str, Any]:
    uri = bench.a2i.describe_human_loop(HumanLoopName=name)["HumanLoopOutput"]["OutputS3Uri"]
    document: dict[str, Any] = json.loads(bench.world.files[BUCKET, uri.removeprefix(f"s3://{BUCKET}/")])
    return document


def test_an_answered_loop_writes_its_output_where_aws_does_and_tells_of_it(bench: Bench) -> None:
    flow = bench.flow(BOXES)
    arn = start(bench, flow)
    assert arn == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:human-loop/loop-1"
    assert bench.a2i.describe_human_loop(HumanLoopName="loop-1")["HumanLoopStatus"] == "InProgress"
    bench.answer({"boxes": [CAT]}, "ann", 3.5)

    loop = bench.a2i.describe_human_loop(HumanLoopName="loop-1")
    uri = loop["HumanLoopOutput"]["OutputS3Uri"]
    assert loop["HumanLoopStatus"] == "Completed"
    assert re.fullmatch(rf"s3://{BUCKET}/reviews/a2i/flow/\d{{4}}(/\d\d){{5}}/loop-1/output\.json", uri)
    document = output(bench)
    assert document["humanLoopName"] == "loop-1"
    assert document["flowDefinitionArn"] == flow
    assert document["inputContent"] == INPUT
    (answer,) = document["humanAnswers"]
    assert answer["answerContent"] == {
        "boundingBox": {"boundingBoxes": [CAT], "inputImageProperties": {"width": 120, "height": 80}}
    }
    assert answer["workerMetadata"]["identityData"]["sub"] == "ann"
    assert answer["timeSpentInSeconds"] == 3.5

    (event,) = bench.world.events
    assert event["detail-type"] == "SageMaker A2I HumanLoop Status Change"
    assert event["resources"] == [arn]
    assert event["detail"]["humanLoopStatus"] == "Completed"
    assert event["detail"]["humanLoopOutput"] == {"outputS3Uri": uri}
    assert event["detail"]["failureCode"] is None


def test_every_worker_that_is_wanted_answers_once(bench: Bench) -> None:
    start(bench, bench.flow(LABELS, tasks=2))
    bench.answer({"labels": ["cat"]}, "ann")
    assert bench.waiting("ann") == []
    with pytest.raises(WorkError, match="ann has answered") as refused:
        bench.service.queue.answer(1, "ann", {"labels": ["cat"]})
    assert refused.value.status == 409
    assert bench.world.events == []
    bench.answer({"labels": ["cat", "dog"]}, "bob")
    answers = [answer["answerContent"]["shown"] for answer in output(bench)["humanAnswers"]]
    assert answers == [{"labels": ["cat"]}, {"labels": ["cat", "dog"]}]


def test_the_same_loop_started_again_is_the_same_and_another_of_its_name_is_refused(bench: Bench) -> None:
    flow = bench.flow(BOXES)
    assert start(bench, flow) == start(bench, flow)
    assert len(bench.waiting()) == 1
    with pytest.raises(ClientError, match="ConflictException"):
        start(bench, flow, header="Other words")
    bench.a2i.stop_human_loop(HumanLoopName="loop-1")
    with pytest.raises(ClientError, match="ConflictException"):
        start(bench, flow)


def test_a_loop_that_nobody_answers_in_time_fails_as_expired(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(bench, bench.flow(BOXES, TaskAvailabilityLifetimeInSeconds=60))
    bench.service.resolve()
    assert bench.a2i.describe_human_loop(HumanLoopName="loop-1")["HumanLoopStatus"] == "InProgress"
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    bench.service.resolve()
    loop = bench.a2i.describe_human_loop(HumanLoopName="loop-1")
    assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "Expired")
    assert bench.world.events[0]["detail"]["failureCode"] == "Expired"
    with pytest.raises(WorkError, match="expired"):
        bench.service.queue.answer(1, "ann", {"boxes": []})


def test_a_stopped_loop_takes_no_answer_and_can_be_deleted(bench: Bench) -> None:
    start(bench, bench.flow(BOXES))
    assert code(bench.a2i.delete_human_loop, HumanLoopName="loop-1") == "ValidationException"
    bench.a2i.stop_human_loop(HumanLoopName="loop-1")
    assert bench.world.events[0]["detail"]["humanLoopStatus"] == "Stopped"
    assert bench.waiting() == []
    assert code(bench.a2i.stop_human_loop, HumanLoopName="loop-1") == "ValidationException"
    bench.a2i.delete_human_loop(HumanLoopName="loop-1")
    for call in (bench.a2i.describe_human_loop, bench.a2i.stop_human_loop, bench.a2i.delete_human_loop):
        assert code(call, HumanLoopName="loop-1") == "ResourceNotFoundException"


def test_loops_are_listed_by_page_newest_first(bench: Bench) -> None:
    flow = bench.flow(BOXES)
    for name in ("a", "b", "c"):
        start(bench, flow, name)
    page = bench.a2i.list_human_loops(FlowDefinitionArn=flow, MaxResults=2)
    rest = bench.a2i.list_human_loops(FlowDefinitionArn=flow, MaxResults=2, NextToken=page["NextToken"])
    listed = [loop["HumanLoopName"] for part in (page, rest) for loop in part["HumanLoopSummaries"]]
    assert listed == ["c", "b", "a"]
    assert "NextToken" not in rest
    ascending = bench.a2i.list_human_loops(FlowDefinitionArn=flow, SortOrder="Ascending")
    assert [loop["HumanLoopName"] for loop in ascending["HumanLoopSummaries"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("template", "changed", "message"),
    [
        (BOXES, {"taskObject": f"s3://{BUCKET}/images/gone.png"}, "NoSuchKey"),
        (BOXES, {"taskObject": "elsewhere"}, "s3://bucket/key"),
        (BOXES, {"labels": []}, "array of strings"),
        ("<crowd-form></crowd-form>", {}, "has 0 of crowd-bounding-box"),
        ("{{ task.input.nothing }}", {}, "cannot be rendered"),
        ("{% if %}", {}, "cannot be rendered"),
    ],
)
def test_a_loop_that_cannot_be_shown_fails_and_says_why(
    bench: Bench, template: str, changed: dict[str, Any], message: str
) -> None:
    start(bench, bench.flow(template), **changed)
    loop = bench.a2i.describe_human_loop(HumanLoopName="loop-1")
    assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "ValidationError")
    assert message in loop["FailureReason"]
    assert bench.world.events[0]["detail"]["failureReason"] == loop["FailureReason"]


@pytest.mark.parametrize("missing", ["role", "cors", "write"])
def test_a_role_that_cannot_do_its_part_fails_the_loop(bench: Bench, missing: str) -> None:
    flow = bench.flow(BOXES)
    if missing != "write":
        bench.world.no_access = missing
    start(bench, flow)
    bench.world.no_access = missing
    if missing == "write":
        bench.answer({"boxes": []})
    loop = bench.a2i.describe_human_loop(HumanLoopName="loop-1")
    assert loop["HumanLoopStatus"] == "Failed"
    assert "HumanLoopOutput" not in loop


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"HumanLoopName": "Upper"}, "pattern"),
        ({"HumanLoopName": "x" * 64}, "63"),
        ({"HumanLoopInput": {"InputContent": "not json"}}, "not JSON"),
        ({"HumanLoopInput": {"InputContent": "[1]"}}, "JSON object"),
        ({"FlowDefinitionArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:flow-definition/other"}, "no flow"),
    ],
)
def test_a_start_that_is_wrong_is_a_validation_exception(
    bench: Bench, changed: dict[str, Any], message: str
) -> None:
    content = {"InputContent": json.dumps(INPUT)}
    good = {"HumanLoopName": "l", "FlowDefinitionArn": bench.flow(BOXES), "HumanLoopInput": content}
    with pytest.raises(ClientError, match=message) as refused:
        bench.a2i.start_human_loop(**{**good, **changed})
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_nothing_is_forgotten_when_the_process_ends(bench: Bench) -> None:
    flow = bench.flow(BOXES)
    start(bench, flow)
    bench.world.deaf = True
    bench.answer({"boxes": [CAT]})
    assert bench.waiting("bob") == []
    again = bench.again()
    again.world.deaf = False
    again.service.resolve()
    assert output(again)["humanAnswers"][0]["answerContent"]["boundingBox"]["boundingBoxes"] == [CAT]
    assert [event["detail"]["humanLoopStatus"] for event in again.world.events] == ["Completed"]
    again.service.resolve()
    assert len(again.world.events) == 1
    bench.service = again.service


def test_work_is_listed_also_when_its_role_is_gone(bench: Bench) -> None:
    flow = bench.flow(BOXES)
    start(bench, flow, "a")
    start(bench, flow, "b")
    bench.world.no_access = "role"
    assert [(work["name"], work["url"]) for work in bench.waiting()] == [("a", ""), ("b", "")]
    with pytest.raises(WorkError, match="no role") as refused:
        bench.answer({"boxes": []})
    assert refused.value.status == 422


def test_flow_definitions_and_templates_are_described_and_deleted(bench: Bench) -> None:
    arn = bench.flow(BOXES)
    flow = bench.sagemaker.describe_flow_definition(FlowDefinitionName="flow")
    assert (flow["FlowDefinitionArn"], flow["FlowDefinitionStatus"]) == (arn, "Active")
    ui = bench.sagemaker.describe_human_task_ui(HumanTaskUiName="flow-ui")
    assert ui["HumanTaskUiStatus"] == "Active"
    with pytest.raises(ClientError, match="ResourceInUse"):
        bench.flow(BOXES)
    bench.sagemaker.delete_flow_definition(FlowDefinitionName="flow")
    gone = code(bench.sagemaker.describe_flow_definition, FlowDefinitionName="flow")
    assert gone == "ResourceNotFound"


def test_a_role_has_to_be_passed(bench: Bench) -> None:
    bench.sagemaker = bench.client(SAGEMAKER, Caller(passes_roles=False))
    with pytest.raises(ClientError, match="PassRole") as refused:
        bench.flow(BOXES)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert ROLE in str(refused.value)


def test_another_account_sees_no_loop_of_this_one(bench: Bench) -> None:
    start(bench, bench.flow(BOXES))
    stranger = Caller()
    stranger.account = "999999999999"
    call = bench.client(A2I, stranger).describe_human_loop
    assert code(call, HumanLoopName="loop-1") == "ResourceNotFoundException"


def test_an_operation_that_is_not_emulated_says_so(bench: Bench) -> None:
    with pytest.raises(ClientError, match="ListWorkteams is not emulated"):
        bench.sagemaker.list_workteams()


# The queue over HTTP


def ask(bench: Bench, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    given = {"content-type": "application/json", **headers}
    path, _, query = path.partition("?")
    sent = b"" if body is None else json.dumps(body).encode()
    full = endpoint.PATH + path
    status, _, answer = endpoint.answer(bench.service.queue, method, full, query, given, sent)
    return status, json.loads(answer)


def test_work_is_listed_and_answered_over_http(bench: Bench) -> None:
    start(bench, bench.flow(BOXES))
    status, listed = ask(bench, "GET", "queue?worker=ann&limit=5")
    assert status == 200
    (work,) = listed["work"]
    assert work["choices"] == ["cat", "dog"]
    assert work["header"] == "Box them"
    assert work["image"] == INPUT["taskObject"]
    assert work["url"] == f"https://s3.example/{BUCKET}/images/a.png?signed"
    given = {"worker": "ann", "boxes": [CAT], "seconds": 4}
    status, answered = ask(bench, "POST", f"queue/{work['id']}/answer", given)
    assert (status, answered) == (200, {"state": "answered", "wanted": 1, "answers": 1})
    assert ask(bench, "GET", f"queue/{work['id']}")[1]["state"] == "answered"
    assert ask(bench, "GET", "queue?worker=bob") == (200, {"work": []})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"boxes": [{**CAT, "label": "cow"}]}, "'cow' is none of cat, dog"),
        ({"boxes": [{**CAT, "width": 116}]}, "not inside the image of 120 x 80"),
        ({"boxes": [{**CAT, "left": 1.5}]}, "whole pixels"),
        ({"boxes": [{**CAT, "height": 0}]}, "not inside"),
        ({"boxes": ["cat"]}, "object"),
        ({"labels": ["cat"]}, "boxes has to be an array"),
        ({"boxes": [], "seconds": -1}, "seconds"),
        ({"boxes": [], "more": 1}, "unknown: more"),
        ({"boxes": [], "worker": ""}, "who answers"),
        ({"boxes": [], "worker": 7}, "worker"),
    ],
)
def test_an_answer_that_the_element_does_not_allow_is_refused(
    bench: Bench, given: dict[str, Any], message: str
) -> None:
    start(bench, bench.flow(BOXES))
    status, answer = ask(bench, "POST", "queue/1/answer", {"worker": "ann", **given})
    assert status == 422
    assert message in answer["message"]
    assert len(bench.waiting("ann")) == 1


def test_a_page_of_another_origin_cannot_answer(bench: Bench) -> None:
    start(bench, bench.flow(BOXES))
    given: dict[str, Any] = {"worker": "ann", "boxes": []}
    assert ask(bench, "POST", "queue/1/answer", given, **{"content-type": "text/plain"})[0] == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "queue/99", 404),
        ("GET", "nothing", 404),
        ("DELETE", "queue/1", 404),
        ("GET", "queue?limit=x", 422),
    ],
)
def test_what_is_not_there_says_so(bench: Bench, method: str, path: str, status: int) -> None:
    answered, answer = ask(bench, method, path)
    assert answered == status
    assert answer["message"]
