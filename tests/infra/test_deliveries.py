"""Who calls whom without being a function: rules, the HTTP API, and the end of the deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.fixtures import authorization_reference as reference
from tests.fixtures import built

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def resources() -> Resources:
    resources: Resources = built.template("workforce")["Resources"]
    return resources


def of_type(resources: Resources, type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == type:
            yield name, resource["Properties"]


def allowed(resources: Resources, role: str) -> set[tuple[str, str]]:
    """What a role allows: actions with ARNs."""
    return {
        (action, reference.resolved(arn, resources))
        for _, policy in of_type(resources, "AWS::IAM::Policy")
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in reference.as_list(statement["Action"])
        for arn in reference.as_list(statement["Resource"])
    }


def targets(resources: Resources) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, rule in of_type(resources, "AWS::Events::Rule"):
        assert rule["Targets"], name
        yield from ((name, target) for target in rule["Targets"])


def test_a_rule_may_start_its_state_machine(resources: Resources) -> None:
    started = 0
    for name, target in targets(resources):
        if "RoleArn" in target:
            role = target["RoleArn"]["Fn::GetAtt"][0]
            arn = reference.resolved(target["Arn"], resources)
            assert allowed(resources, role) == {("states:StartExecution", arn)}, name
            trust = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust[0]["Principal"] == {"Service": "events.amazonaws.com"}
            started += 1
    assert started == 1


def test_a_rule_may_call_its_function(resources: Resources) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"""
    permissions = [properties for _, properties in of_type(resources, "AWS::Lambda::Permission")]
    called = 0
    for name, target in targets(resources):
        if _type(target["Arn"], resources) == "AWS::Lambda::Function":
            (permission,) = [
                permission
                for permission in permissions
                if permission["FunctionName"] == target["Arn"]
                and permission.get("SourceArn") == {"Fn::GetAtt": [name, "Arn"]}
            ]
            assert permission["Action"] == "lambda:InvokeFunction"
            assert permission["Principal"] == "events.amazonaws.com"
            called += 1
    assert called >= 4


def test_a_rule_may_send_to_its_queue(resources: Resources) -> None:
    policies = [properties for _, properties in of_type(resources, "AWS::SQS::QueuePolicy")]
    sent = 0
    for name, target in targets(resources):
        if _type(target["Arn"], resources) == "AWS::SQS::Queue":
            statements = [
                statement
                for policy in policies
                for statement in policy["PolicyDocument"]["Statement"]
                if statement["Effect"] == "Allow" and statement["Resource"] == target["Arn"]
            ]
            (statement,) = [
                statement
                for statement in statements
                if statement["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": [name, "Arn"]}}}
            ]
            assert "sqs:SendMessage" in reference.as_list(statement["Action"])
            assert statement["Principal"] == {"Service": "events.amazonaws.com"}
            sent += 1
    assert sent >= 3


def _type(arn: Mapping[str, Any], resources: Resources) -> str:
    name = arn["Fn::GetAtt"][0] if "Fn::GetAtt" in arn else ""
    return str(resources.get(name, {}).get("Type"))


def test_the_http_api_may_call_the_functions_of_its_routes(resources: Resources) -> None:
    permissions = [properties for _, properties in of_type(resources, "AWS::Lambda::Permission")]
    for _, integration in of_type(resources, "AWS::ApiGatewayV2::Integration"):
        (permission,) = [
            permission
            for permission in permissions
            if permission["FunctionName"] == integration["IntegrationUri"]
            and permission["Principal"] == "apigateway.amazonaws.com"
        ]
        assert permission["Action"] == "lambda:InvokeFunction"


def test_the_end_of_the_deployment_may_end_every_run(resources: Resources) -> None:
    (stopped,) = (r["Properties"] for r in resources.values() if r["Type"] == "Custom::ModelsStopped")
    function = resources[stopped["ServiceToken"]["Fn::GetAtt"][0]]["Properties"]
    may = allowed(resources, function["Role"]["Fn::GetAtt"][0])
    arns = {reference.resolved(arn, resources) for arn in stopped["MachineArns"]}
    machines = [properties for _, properties in of_type(resources, "AWS::StepFunctions::StateMachine")]
    assert len(arns) == len(machines)
    for machine in machines:
        arn = f"arn:aws:states:eu-west-1:111122223333:stateMachine:{machine['StateMachineName']}"
        assert arn in arns
        assert ("states:ListExecutions", arn) in may
        assert ("states:StopExecution", f"{arn.replace(':stateMachine:', ':execution:')}:*") in may
