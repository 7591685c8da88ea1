"""What a function calls and asks its environment for, it may do and has; what its role allows, it uses.

The calls are found in the source (tests/fixtures/reachable_calls.py), the roles are those of a deployment
with a workforce. On which resources an action is allowed, the embedded stack shows in earnest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    ("lambdas.review.start_job", "dynamodb:PutItem"): "it reads tasks, and opens none",
    ("lambdas.retrain.count_open_reviews", "dynamodb:PutItem"): "it counts tasks, and opens none",
}
"""Calls that the source's names suggest and that cannot happen."""

SET_BY_LAMBDA = {"AWS_REGION"}
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""
IDLE = {("lambdas.review.watch_job", "REVIEW_TABLE"), ("lambdas.review.watch_job", "CATALOGUE_TABLE")}
"""Variables that a function reads for what it shares with others, and whose resources it leaves alone."""


@dataclass(frozen=True)
class Function:
    """A function of the template."""

    name: str
    properties: Mapping[str, Any]
    arns: Mapping[str, set[str]]
    """What its role allows each action on."""

    @property
    def variables(self) -> Mapping[str, Any]:
        variables: Mapping[str, Any] = self.properties.get("Environment", {}).get("Variables", {})
        return variables


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
    # Both engines' versions, where any are looked at.
    "rekognition:DescribeProjectVersions": {"sagemaker:DescribeTrainingJob", "sagemaker:ListTrainingJobs"},
    "sagemaker:CreateTrainingJob": {"iam:PassRole", "sagemaker:AddTags"},
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
    return {entry: set(function.arns) for entry, function in functions().items()}


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


def test_who_expects_missing_objects_may_list_the_bucket() -> None:
    """Without it S3 answers that access is denied, which none of them expects."""
    refused = {
        entry: sorted(".".join(name) for name in reachable_calls.expects_missing_objects(entry))
        for entry, allowed in roles().items()
        if "s3:GetObject" in needed(entry) and "s3:ListBucket" not in allowed
    }
    assert {entry: names for entry, names in refused.items() if names} == {}


def used(entry: str) -> set[str]:
    calls = needed(entry)
    together = [COMES_WITH.get(action, set()) for action in calls]
    return {*EVERY_FUNCTION, *EVENT_SOURCE, *STEP, *calls}.union(*together)


def functions() -> dict[str, Function]:
    """The functions by their entries."""
    resources: Mapping[str, Any] = built.template("workforce")["Resources"]
    return {
        _entry(resource): Function(name, resource["Properties"], _arns(resource, resources))
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Lambda::Function" and _entry(resource)
    }


def _arns(function: Mapping[str, Any], resources: Mapping[str, Any]) -> dict[str, set[str]]:
    """The ARNs that a function's role allows an action on, by actions."""
    role = {"Ref": function["Properties"]["Role"]["Fn::GetAtt"][0]}
    arns: dict[str, set[str]] = {}
    for policy in resources.values():
        if policy["Type"] == "AWS::IAM::Policy" and role in policy["Properties"]["Roles"]:
            for statement in reference.statements(policy):
                on = {reference.resolved(arn, resources) for arn in reference.as_list(statement["Resource"])}
                for action in reference.as_list(statement["Action"]):
                    arns.setdefault(action, set()).update(on)
    return arns


def test_every_variable_that_a_function_cannot_do_without_is_set() -> None:
    unset = {
        entry: reachable_calls.variables_of(entry) - function.variables.keys() - SET_BY_LAMBDA
        for entry, function in functions().items()
    }
    assert {entry: names for entry, names in unset.items() if names} == {}


def test_a_function_may_do_something_with_each_resource_that_it_asks_for() -> None:
    resources: Mapping[str, Any] = built.template("workforce")["Resources"]
    useless: list[tuple[str, str, str]] = []
    for entry, function in functions().items():
        allowed = {
            arn.replace(":execution:", ":stateMachine:") for arns in function.arns.values() for arn in arns
        }
        for variable in reachable_calls.variables_of(entry) & function.variables.keys():
            # Other things than the services' `bucket` are called so.
            if variable == "DATA_BUCKET" and not any(action.startswith("s3:") for action in needed(entry)):
                continue
            useless += [
                (entry, variable, arn)
                for arn in _resources_in(function.variables[variable], resources)
                if not any(other.startswith(arn) for other in allowed)
            ]
    assert {(entry, variable) for entry, variable, _ in useless} == IDLE


def _resources_in(value: Any, resources: Mapping[str, Any]) -> Iterator[str]:
    """The ARNs of what a variable names: tables, queues, buckets, topics, parameters and state machines."""
    if ":stateMachine:" in json.dumps(value):
        yield reference.resolved(value, resources)
    for name in re.findall(r'{"Ref": "(\w+)"}', json.dumps(value)):
        kind = resources.get(name, {}).get("Type")
        if kind == "AWS::SSM::Parameter":
            yield f"arn:aws:ssm:eu-west-1:111122223333:parameter/{name}"
        elif kind in ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::S3::Bucket"):
            yield reference.resolved({"Fn::GetAtt": [name, "Arn"]}, resources)


def test_who_reads_how_right_versions_were_may_do_so_in_the_table_of_tasks() -> None:
    """It may read images so, too, which the catalogue has: the action alone does not show it."""
    read = ("lambdas.domain.review.results.reviewer_statistics", "precisions_of")
    readers = {
        entry: function.arns["dynamodb:BatchGetItem"]
        for entry, function in functions().items()
        if reachable_calls.may_call(entry, read)
    }
    assert list(readers) == ["lambdas.console.handle"]
    assert any("table/ReviewTasks" in arn for arns in readers.values() for arn in arns)


def test_what_is_proposed_for_review_can_be_read_there() -> None:
    """Images that were detected, and frames of clips, which lie among the results."""
    read = functions()["lambdas.review.propose"].arns["s3:GetObject"]
    for prefix in ("detect/", "applications/", "batches/", "results/"):
        assert any(arn.endswith(f"/{prefix}*") for arn in read), prefix


def test_functions_write_their_own_log_and_nothing_else_s() -> None:
    for entry, function in functions().items():
        group = reference.resolved(
            {"Fn::GetAtt": [function.properties["LoggingConfig"]["LogGroup"]["Ref"], "Arn"]},
            built.template("workforce")["Resources"],
        )
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            assert function.arns[action] == {group}, entry
        for action in ("xray:PutTraceSegments", "xray:PutTelemetryRecords"):
            assert function.arns[action] == {"*"}, entry


def test_lambda_may_read_the_queues_that_it_reads_for_a_function() -> None:
    resources: Mapping[str, Any] = built.template("workforce")["Resources"]
    by_name = {function.name: function for function in functions().values()}
    sources = [r["Properties"] for r in resources.values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    assert len(sources) >= 4
    for source in sources:
        queue = reference.resolved(source["EventSourceArn"], resources)
        function = by_name[source["FunctionName"]["Ref"]]
        assert all(queue in function.arns[action] for action in EVENT_SOURCE), function.name


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
