"""What would roll a first deployment back, as CloudFormation would meet it: limits of services, and order.

Each deployment that is synthesized is walked, one of them with the longest name that a deployment can have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.handler import VENDED_LOGS
from infra.settings import NAME
from tests.fixtures import authorization_reference as reference
from tests.fixtures import built
from tests.fixtures.built import LONGEST_NAME

Resources = dict[str, dict[str, Any]]

MAX_TEXT = {
    # https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateFunction.html and its like
    ("AWS::CloudFront::Function", "Name"): 64,
    ("AWS::CloudFront::Function", "FunctionConfig.Comment"): 128,
    ("AWS::CloudFront::OriginAccessControl", "OriginAccessControlConfig.Name"): 64,
    ("AWS::CloudFront::ResponseHeadersPolicy", "ResponseHeadersPolicyConfig.Name"): 128,
    ("AWS::CloudFront::Distribution", "DistributionConfig.Comment"): 128,
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cognito-userpooldomain.html
    ("AWS::Cognito::UserPoolDomain", "Domain"): 63,
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,
    ("AWS::StepFunctions::StateMachine", "DefinitionString"): 1_048_576,
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
    # https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    ("AWS::Lambda::Function", "Description"): 256,
    # Standard tier: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
    ("AWS::SSM::Parameter", "Value"): 4096,
    ("AWS::SSM::Parameter", "Name"): 1011,
    ("AWS::SSM::Parameter", "Description"): 1024,
    # https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
    ("AWS::ApiGatewayV2::Api", "Name"): 128,
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    ("AWS::CloudWatch::Alarm", "AlarmDescription"): 1024,
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
    ("AWS::Events::Rule", "Description"): 512,
    # https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
    ("AWS::SNS::Topic", "DisplayName"): 100,
}
"""Characters of texts that CloudFormation hands on, by type and property."""
NEW_ACCOUNT_CONCURRENCY = 10
NEW_ACCOUNT_MEMORY_MB = 3008
"""What a new account may have at first: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
NOT_ALWAYS = ("ReviewLoopFinished", "VideoFunction")
"""Functions whose queues most deployments have no use for, A2I's loops and clips: they come on top, as
docs/architecture.md says."""
LEFT_FOR_PEOPLE = 2
"""Executions that batches leave to the state machines and the console."""


@pytest.fixture(params=built.DEPLOYMENTS)
def resources(request: pytest.FixtureRequest) -> Resources:
    resources: Resources = built.template(request.param)["Resources"]
    return resources


def of_type(resources: Resources, type: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, resource in resources.items():
        if resource["Type"] == type:
            yield name, resource["Properties"]


def test_the_longest_name_is_tried() -> None:
    assert NAME.fullmatch(LONGEST_NAME) and not NAME.fullmatch(f"{LONGEST_NAME}x")
    assert built.DEPLOYMENTS["unkept"]["name"] == LONGEST_NAME


def test_texts_are_as_short_as_their_services_ask(resources: Resources) -> None:
    for (type, path), limit in MAX_TEXT.items():
        for name, properties in of_type(resources, type):
            value: Any = properties
            for key in path.split("."):
                value = value.get(key, {})
            text = reference.resolved(value or "", resources)
            assert len(text) <= limit, f"{name}.{path}: {text}"


def test_a_policy_fits_into_its_role(resources: Resources) -> None:
    """All of a role's inline policies: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    sizes: dict[str, int] = {}
    for _, properties in of_type(resources, "AWS::IAM::Policy"):
        document = json.dumps(_resolved(properties["PolicyDocument"], resources), separators=(",", ":"))
        for role in properties["Roles"]:
            sizes[role["Ref"]] = sizes.get(role["Ref"], 0) + len(document)
    assert max(sizes.values()) <= 10_240, max(sizes.items(), key=lambda role: role[1])


def _resolved(value: Any, resources: Resources) -> Any:
    if isinstance(value, list):
        return [_resolved(item, resources) for item in value]
    if not isinstance(value, dict):
        return value
    if any(key == "Ref" or key.startswith("Fn::") for key in value):
        return reference.resolved(value, resources)
    return {key: _resolved(item, resources) for key, item in value.items()}


def test_functions_are_what_a_new_account_may_have(resources: Resources) -> None:
    for name, properties in of_type(resources, "AWS::Lambda::Function"):
        assert properties.get("MemorySize", 128) <= NEW_ACCOUNT_MEMORY_MB, name
        # Whatever is reserved has to leave 100 executions unreserved, and a new account has 10:
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
        assert "ReservedConcurrentExecutions" not in properties, name
        variables = properties.get("Environment", {}).get("Variables", {})
        assert len(json.dumps(variables)) <= 4096, name


def test_batches_leave_executions_to_people(resources: Resources) -> None:
    sources = [properties for _, properties in of_type(resources, "AWS::Lambda::EventSourceMapping")]
    at_once = [source["ScalingConfig"]["MaximumConcurrency"] for source in sources]
    # https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html
    assert min(at_once) >= 2
    always = sum(
        source["ScalingConfig"]["MaximumConcurrency"]
        for source in sources
        if not source["FunctionName"]["Ref"].startswith(NOT_ALWAYS)
    )
    assert always <= NEW_ACCOUNT_CONCURRENCY - LEFT_FOR_PEOPLE
    assert sum(at_once) - always <= 2 * len(NOT_ALWAYS)


def test_a_queue_s_messages_stay_hidden_while_a_function_works(resources: Resources) -> None:
    """Else Lambda refuses to read the queue:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    for name, source in of_type(resources, "AWS::Lambda::EventSourceMapping"):
        function = resources[source["FunctionName"]["Ref"]]["Properties"]
        queue = resources[source["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        assert queue["VisibilityTimeout"] >= function["Timeout"], name


def needs(resources: Resources, name: str) -> set[str]:
    """What CloudFormation makes before a resource, and deletes after it."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += [other for other in _references(resources[current]) if other in resources]
    return seen - {name}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        yield from reference.as_list(value.get("DependsOn", []))
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        if "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        for item in value.values():
            yield from _references(item)


def policies_of(resources: Resources, role: str) -> set[str]:
    return {
        name
        for name, properties in of_type(resources, "AWS::IAM::Policy")
        if {"Ref": role} in properties["Roles"]
    }


def test_permissions_are_in_force_before_a_role_is_used_and_until_it_is_no_more(resources: Resources) -> None:
    """Lambda and Step Functions look at the role when they are given it; custom resources use it at once."""
    looked_at = 0
    for type, key in (("AWS::Lambda::Function", "Role"), ("AWS::StepFunctions::StateMachine", "RoleArn")):
        for name, properties in of_type(resources, type):
            role = properties[key]["Fn::GetAtt"][0]
            looked_at += len(policies_of(resources, role))
            assert policies_of(resources, role) <= needs(resources, name), name
    assert looked_at > 30
    for name, resource in resources.items():
        if resource["Type"].startswith("Custom::"):
            function = resource["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
            role = resources[function]["Properties"]["Role"]["Fn::GetAtt"][0]
            assert policies_of(resources, role) <= needs(resources, name), name


def test_services_write_to_log_groups_that_need_no_resource_policy(resources: Resources) -> None:
    written = [
        machine["LoggingConfiguration"]["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]
        for _, machine in of_type(resources, "AWS::StepFunctions::StateMachine")
    ]
    written += [
        s["AccessLogSettings"]["DestinationArn"] for _, s in of_type(resources, "AWS::ApiGatewayV2::Stage")
    ]
    assert len(written) == 6
    for arn in written:
        group = resources[arn["Fn::GetAtt"][0]]["Properties"]
        assert group["LogGroupName"].startswith(VENDED_LOGS)


def test_the_template_is_small_enough() -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
    for deployment in built.DEPLOYMENTS:
        template = built.template(deployment)
        assert len(template["Outputs"]) <= 200
        assert len(template["Parameters"]) <= 200
        assert len(template["Resources"]) <= 500
        assert len(json.dumps(template)) <= 1_000_000


def test_a_bucket_that_is_deleted_is_emptied_first(resources: Resources) -> None:
    """S3 deletes no bucket that has something in it."""
    emptied = set()
    for name, resource in resources.items():
        if resource["Type"] in ("Custom::Site", "Custom::S3AutoDeleteObjects"):
            properties = resource["Properties"]
            bucket = (properties.get("SiteBucket") or properties["BucketName"])["Ref"]
            emptied.add(bucket)
            assert bucket in needs(resources, name)
    for name, resource in resources.items():
        if resource["Type"] == "AWS::S3::Bucket":
            assert name in emptied or resource["DeletionPolicy"] == "RetainExceptOnCreate", name
