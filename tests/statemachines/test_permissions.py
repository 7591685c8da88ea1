"""A state machine may do what its file says, and nothing else: AWS checks it, MiniStack does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.fixtures import built, state_machines
from tests.fixtures.scripted_stack import NESTED

OBSERVABILITY = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
}
"""Logs: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html ; traces:
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html"""
MAP = {
    "states:StartExecution",
    "states:DescribeExecution",
    "states:StopExecution",
    "s3:ListBucket",
    "s3:PutObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
}
"""https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html"""
Statements = list[dict[str, Any]]


@pytest.fixture(scope="module")
def resources() -> dict[str, dict[str, Any]]:
    resources: dict[str, dict[str, Any]] = built.template()["Resources"]
    return resources


def machine_named(resources: Mapping[str, dict[str, Any]], step: str) -> dict[str, Any]:
    (policy,) = (
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
        and resource["Properties"]["StateMachineName"].endswith(f"-{step}")
    )
    return dict(policy)


def statements(resources: Mapping[str, dict[str, Any]], machine: Mapping[str, Any]) -> Statements:
    """All that the state machine's role is allowed."""
    role = machine["RoleArn"]["Fn::GetAtt"][0]
    assert "Policies" not in resources[role]["Properties"]
    assert "ManagedPolicyArns" not in resources[role]["Properties"]
    return [
        statement
        for resource in resources.values()
        if resource["Type"] == "AWS::IAM::Policy" and {"Ref": role} in resource["Properties"]["Roles"]
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
    ]


def granted(statements: Statements, action: str) -> list[str]:
    """Resources, as JSON, that the action is allowed on."""
    return [
        json.dumps(resource, sort_keys=True)
        for statement in statements
        if action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("step", state_machines.NAMES)
def test_it_may_invoke_the_functions_it_names_and_no_other(
    step: str, resources: dict[str, dict[str, Any]]
) -> None:
    machine = machine_named(resources, step)
    values = machine["DefinitionSubstitutions"]
    assert set(values) == state_machines.substitutions(step)
    named = {json.dumps(value, sort_keys=True) for part, value in values.items() if part != NESTED}
    invocable = granted(statements(resources, machine), "lambda:InvokeFunction")
    assert sorted(invocable) == sorted(named)
    for value in (value for part, value in values.items() if part != NESTED):
        assert resources[value["Fn::GetAtt"][0]]["Type"] == "AWS::Lambda::Function"


@pytest.mark.parametrize("step", state_machines.NAMES)
def test_each_part_is_played_by_the_handler_of_its_name(
    step: str, resources: dict[str, dict[str, Any]]
) -> None:
    values = machine_named(resources, step)["DefinitionSubstitutions"]
    for part in state_machines.substitutions(step) - {NESTED}:
        handler = resources[values[part]["Fn::GetAtt"][0]]["Properties"]["Handler"]
        assert handler.replace("_", "").lower() == f"lambdas.{step}.{part}".lower()


def test_retrain_may_run_promote_and_wait_for_it(resources: dict[str, dict[str, Any]]) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html"""
    machine = machine_named(resources, "retrain")
    allowed = statements(resources, machine)
    promote = json.dumps(machine["DefinitionSubstitutions"][NESTED], sort_keys=True)
    assert ":stateMachine:labelloop-promote" in promote
    executions = promote.replace(":stateMachine:labelloop-promote", ":execution:labelloop-promote:*")
    assert granted(allowed, "states:StartExecution") == [promote]
    assert granted(allowed, "states:DescribeExecution") == [executions]
    assert granted(allowed, "states:StopExecution") == [executions]
    for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
        (rule,) = granted(allowed, action)
        assert ":rule/StepFunctionsGetEventsForStepFunctionsExecutionRule" in rule


def test_a_batch_may_run_children_of_its_own_and_write_beside_its_results(
    resources: dict[str, dict[str, Any]],
) -> None:
    allowed = statements(resources, machine_named(resources, "batch"))
    (itself,) = granted(allowed, "states:StartExecution")
    assert ":stateMachine:labelloop-batch" in itself
    executions = itself.replace(":stateMachine:labelloop-batch", ":execution:labelloop-batch:*")
    assert granted(allowed, "states:StopExecution") == [executions]
    (written,) = granted(allowed, "s3:PutObject")
    assert "/batches/*" in written


@pytest.mark.parametrize("step", state_machines.NAMES)
def test_it_may_do_nothing_else(step: str, resources: dict[str, dict[str, Any]]) -> None:
    expected = {"lambda:InvokeFunction"} | OBSERVABILITY
    if NESTED in state_machines.substitutions(step):
        expected |= {"states:StartExecution", "states:DescribeExecution", "states:StopExecution"}
        expected |= {"events:PutTargets", "events:PutRule", "events:DescribeRule"}
    if state_machines.children(step):
        expected |= MAP
    allowed = statements(resources, machine_named(resources, step))
    assert all(statement["Effect"] == "Allow" and "NotAction" not in statement for statement in allowed)
    assert {action for statement in allowed for action in as_list(statement["Action"])} == expected
