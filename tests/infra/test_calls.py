"""Every call that a function can make is allowed by its role, and what its role allows is used.

The calls are found in the source (tests/fixtures/reachable_calls.py), the roles are those of a deployment
with a workforce. On which resources an action is allowed, the embedded stack shows in earnest.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.data_bucket import REKOGNITION_LOOKS, REKOGNITION_READS
from tests.fixtures import authorization_reference as reference
from tests.fixtures import built, reachable_calls

FENCE = ("lambdas.domain.shared.state", "FencedState._fence")
RELEASING = {"lambdas.retrain.report", "lambdas.promote.finish"}
"""Functions that give a lease back within a transaction; for others it is only looked at."""
IMPOSSIBLE = {
    ("lambdas.register.handle_annotations", "sqs:SendMessage"): "only images are proposed for review",
    ("lambdas.review.start_job", "dynamodb:PutItem"): "it reads tasks, and opens none",
    ("lambdas.retrain.count_open_reviews", "dynamodb:PutItem"): "it counts tasks, and opens none",
}
"""Calls that the source's names suggest and that cannot happen."""

EVERY_FUNCTION = {
    *("logs:CreateLogStream", "logs:PutLogEvents"),
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
}
"""What Lambda does with a function's role: https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html"""
EVENT_SOURCE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
"""What Lambda reads a queue with: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
STEP = {"ssm:GetParameter", "dynamodb:GetItem", "dynamodb:Query"}
"""Tuning and the loop's state, which every function of a step may read."""
REKOGNITION = {*REKOGNITION_READS, *REKOGNITION_LOOKS}
COMES_WITH = {
    "rekognition:CreateDataset": REKOGNITION,
    "rekognition:CreateProjectVersion": REKOGNITION | {"s3:PutObject", "rekognition:TagResource"},
    "rekognition:DetectCustomLabels": REKOGNITION,
    "rekognition:CreateProject": {"rekognition:TagResource"},
    # Of a version, where one is named; without ListBucket what is missing is answered with 403.
    "s3:GetObject": {"s3:GetObjectVersion", "s3:ListBucket"},
    "s3:DeleteObject": {"s3:DeleteObjectVersion"},
    # Of the loop's state, for the kinds that are the function's; of tasks, for who works on them.
    "dynamodb:PutItem": {"dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"},
    "dynamodb:UpdateItem": {"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"},
    "dynamodb:Query": {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"},
    "sagemaker:CreateFlowDefinition": {"iam:PassRole"},
    "sagemaker:CreateLabelingJob": {"iam:PassRole"},
    "sns:Publish": {"events:PutEvents"},
    "events:PutEvents": {"sns:Publish"},
}
"""What is allowed beside an action that is called, since the call needs it, or it is granted together."""


def roles() -> dict[str, set[str]]:
    """The actions that each function's role allows, by the functions' entries."""
    resources: Mapping[str, Any] = built.template("workforce")["Resources"]
    allowed: dict[str, set[str]] = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Function" and _entry(resource):
            role = {"Ref": resource["Properties"]["Role"]["Fn::GetAtt"][0]}
            allowed[_entry(resource)] = {
                action
                for policy in resources.values()
                if policy["Type"] == "AWS::IAM::Policy" and role in policy["Properties"]["Roles"]
                for statement in reference.statements(policy)
                for action in reference.as_list(statement["Action"])
            }
    return allowed


def _entry(function: Mapping[str, Any]) -> str:
    entry = str(function["Properties"].get("Handler", ""))
    return entry if entry.startswith("lambdas.") else ""


def needed(entry: str) -> set[str]:
    """The actions that a function's calls need."""
    return {
        action
        for action, sites in reachable_calls.actions_of(entry).items()
        if (entry, action) not in IMPOSSIBLE and not _only_looks(entry, action, sites)
    }


def _only_looks(entry: str, action: str, sites: set[reachable_calls.Name]) -> bool:
    return action == "dynamodb:DeleteItem" and sites == {FENCE} and entry not in RELEASING


def test_every_call_of_a_function_is_allowed_by_its_role() -> None:
    refused = {entry: sorted(needed(entry) - allowed) for entry, allowed in roles().items()}
    assert {entry: actions for entry, actions in refused.items() if actions} == {}


def test_every_action_that_a_role_allows_is_used() -> None:
    unused = {entry: sorted(allowed - used(entry)) for entry, allowed in roles().items()}
    assert {entry: actions for entry, actions in unused.items() if actions} == {}


def used(entry: str) -> set[str]:
    calls = needed(entry)
    together = [COMES_WITH.get(action, set()) for action in calls]
    return {*EVERY_FUNCTION, *EVENT_SOURCE, *STEP, *calls}.union(*together)


def test_what_cannot_happen_is_still_suggested_by_the_source() -> None:
    for entry, action in IMPOSSIBLE:
        assert action in reachable_calls.actions_of(entry)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `lambdas` is looked at."""
    (tmp_path / "lambdas").mkdir()
    monkeypatch.setattr(reachable_calls, "package", lambda: reachable_calls.Package(tmp_path))
    return tmp_path / "lambdas"


def test_calls_are_found_through_functions_methods_properties_and_transactions(package: Path) -> None:
    (package / "clients.py").write_text(
        "class Services:\n"
        "    @cached_property\n"
        "    def store(self): return Store(boto3)\n"
        "class Store:\n"
        "    def read(self): self._table.get_item()\n"
        "    def write(self): return self._action()\n"
        "    def _action(self): return {'Put': {}}\n"
        "class Fenced(Store):\n"
        "    def _action(self): return {'Update': {}}\n"
        "class Unmade:\n"
        "    def read(self): self._table.scan()\n"
        "def services(): return Services()\n"
    )
    (package / "step.py").write_text(
        "from lambdas import domain\n"
        "from lambdas.clients import services\n"
        "def handle(event, context):\n"
        "    services().store.read()\n"
        "    services().store.write()\n"
        "    domain.copy(services().s3)\n"
        "def other(event, context): services().sqs.send_message_batch()\n"
        "@app.get('/api')\n"
        "def route(): services().signer.generate_presigned_url('put_object')\n"
    )
    (package / "domain.py").write_text(
        "def copy(s3):\n"
        "    s3.get_paginator('list_objects_v2')\n"
        "    s3.head_object()\n"
        "    query.copy()\n"
        "    if kind == 'Delete': pass\n"
    )
    assert reachable_calls.actions_of("lambdas.step.handle").keys() == {
        *("dynamodb:GetItem", "dynamodb:PutItem"),
        *("s3:ListBucket", "s3:GetObject", "s3:PutObject"),
    }
    assert "sqs:SendMessage" in reachable_calls.actions_of("lambdas.step.other")
