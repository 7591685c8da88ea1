"""The human task UI and the flow definition: made once, made again under another name, deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas import custom_resource
from lambdas import flow_definition as flow_definition_flow_definition
from lambdas.domain.review.workforce import flow_definition, worker_template
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.review.workforce.flow_definition import FlowDefinition
from lambdas.services import services
from tests.fixtures.deployment import context
from tests.fixtures.sagemaker import BUCKET, ROLE, WORKTEAM, Bench

FLOW = FlowDefinition("pets-0123", WORKTEAM, ROLE, f"s3://{BUCKET}/reviews/a2i", 2, 3600)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.service.close()


def test_both_are_made_once_and_loops_can_be_started(bench: Bench) -> None:
    arn = flow_definition.ensure(bench.sagemaker, FLOW, time.monotonic())
    assert flow_definition.ensure(bench.sagemaker, FLOW, time.monotonic()) == arn
    made = bench.sagemaker.describe_flow_definition(FlowDefinitionName="pets-0123")
    assert made["FlowDefinitionArn"] == arn
    assert (made["RoleArn"], made["OutputConfig"]["S3OutputPath"]) == (ROLE, FLOW.output)
    config = made["HumanLoopConfig"]
    assert (config["TaskCount"], config["TaskAvailabilityLifetimeInSeconds"]) == (2, 3600)
    content: dict[str, Any] = {
        "kind": "detection",
        "taskObject": f"s3://{BUCKET}/images/a.png",
        "labels": ["cat"],
        "suggestions": [],
        "header": "h",
        "instructions": "",
        "hint": "",
    }
    bench.a2i.start_human_loop(
        HumanLoopName="x", FlowDefinitionArn=arn, HumanLoopInput={"InputContent": json.dumps(content)}
    )
    assert bench.waiting()[0]["choices"] == ["cat"]


def test_both_are_deleted_as_far_as_they_are_there(bench: Bench) -> None:
    flow_definition.ensure(bench.sagemaker, FLOW, time.monotonic())
    flow_definition.delete(bench.sagemaker, FLOW.name)
    flow_definition.delete(bench.sagemaker, FLOW.name)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        bench.sagemaker.describe_flow_definition(FlowDefinitionName=FLOW.name)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        bench.sagemaker.describe_human_task_ui(HumanTaskUiName=FLOW.name)


@pytest.mark.parametrize(
    ("statuses", "problem"),
    [(["Failed"], "is Failed: no such team"), (["Initializing"], "is Initializing")],
)
def test_a_flow_definition_that_does_not_become_active_is_reported(
    statuses: list[str], problem: str, bench: Bench
) -> None:
    with pytest.raises(RouteError, match=problem):
        flow_definition.ensure(slow(bench, statuses), FLOW, time.monotonic() - 1)


def test_a_flow_definition_that_takes_a_while_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        flow_definition, "time", SimpleNamespace(monotonic=time.monotonic, sleep=waits.append)
    )
    assert flow_definition.ensure(
        slow(bench, ["Initializing", "Initializing", "Active"]), FLOW, time.monotonic() + 60
    )
    assert len(waits) == 2


def slow(bench: Bench, statuses: list[str]) -> Any:
    """SageMaker whose flow definitions are in these states, one after another."""

    def describe(**asked: Any) -> dict[str, Any]:
        described: dict[str, Any] = bench.sagemaker.describe_flow_definition(**asked)
        return {**described, "FlowDefinitionStatus": statuses.pop(0), "FailureReason": "no such team"}

    sagemaker = bench.sagemaker
    return SimpleNamespace(
        create_human_task_ui=sagemaker.create_human_task_ui,
        describe_human_task_ui=sagemaker.describe_human_task_ui,
        create_flow_definition=sagemaker.create_flow_definition,
        describe_flow_definition=describe,
    )


def test_cloudformation_makes_updates_and_deletes_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    responses: list[tuple[str, str, dict[str, str]]] = []

    def answer(event: Any, id: str, status: str, reason: str, data: dict[str, str], *, secret: bool) -> None:
        assert not secret
        responses.append((id, status, data))

    monkeypatch.setattr(custom_resource, "_send", answer)
    services.cache_clear()
    services().__dict__["sagemaker"] = bench.sagemaker
    wanted = {
        "Name": "pets-0123",
        "WorkteamArn": WORKTEAM,
        "RoleArn": ROLE,
        "OutputPath": FLOW.output,
        "TaskCount": "1",
        "AvailableSeconds": "60",
    }
    flow_definition_flow_definition.handle({"RequestType": "Create", "ResourceProperties": wanted}, context())
    changed = {**wanted, "Name": "pets-4567", "TaskCount": "3"}
    updated = {"RequestType": "Update", "PhysicalResourceId": "pets-0123", "ResourceProperties": changed}
    flow_definition_flow_definition.handle(updated, context())
    deleted = {"RequestType": "Delete", "PhysicalResourceId": "pets-0123", "ResourceProperties": wanted}
    flow_definition_flow_definition.handle(deleted, context())
    assert [(id, status) for id, status, _ in responses] == [
        ("pets-0123", "SUCCESS"),
        ("pets-4567", "SUCCESS"),
        ("pets-0123", "SUCCESS"),
    ]
    assert responses[1][2]["FlowDefinitionArn"].endswith("flow-definition/pets-4567")
    left = bench.sagemaker.describe_flow_definition(FlowDefinitionName="pets-4567")
    assert left["HumanLoopConfig"]["TaskCount"] == 3
    services.cache_clear()


def test_the_template_is_one_that_sagemaker_takes() -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UiTemplate.html"""
    assert 1 <= len(worker_template.for_loops()) <= 128_000
