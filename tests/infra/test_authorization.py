"""The template's policies, held against AWS's service authorization reference."""

from __future__ import annotations

from typing import Any

import pytest

from local.engine.access import authorization
from local.ministack_patches.iam_resource_types import WITHOUT_RESOURCE_TYPES
from tests.fixtures import authorization_reference as reference
from tests.fixtures import built

ARN = "arn:aws:rekognition:eu-west-1:111122223333:project/labelloop"
BUCKET = "arn:aws:s3:::data"


@pytest.fixture(scope="module")
def resources() -> reference.Resources:
    resources: reference.Resources = built.template()["Resources"]
    return resources


def test_aws_accepts_every_statement(resources: reference.Resources) -> None:
    assert reference.objections(resources) == []
    assert sum(len(reference.statements(resource)) for resource in resources.values()) > 200


@pytest.mark.parametrize(
    ("actions", "on", "condition", "words"),
    [
        ("rekognition:CreateProject", f"{ARN}/*", {}, "has no resource types"),
        ("rekognition:DescribeProjects", [f"{ARN}/*", "*"], {}, "has no resource types"),
        ("rekognition:MakeProject", "*", {}, "there is no action"),
        ("rekognition:DescribeProjectVersions", f"{ARN}/version/*/*", {}, "works on project"),
        ("rekognition:StopProjectVersion", f"{ARN}/1700000000000", {}, "works on projectversion"),
        ("rekognition:DeleteDataset", f"{ARN}/version/*/*", {}, "works on dataset"),
        ("rekognition:DetectCustomLabels", "*", {}, "works on projectversion"),
        (["s3:GetObject", "s3:ListBucket"], f"{BUCKET}/*", {}, "s3:ListBucket works on"),
        ("s3:GetObject", BUCKET, {}, "works on accesspointobject, object"),
        ("s3:HeadObject", f"{BUCKET}/*", {}, "there is no action"),
        ("s3:GetObject", "arn:aws:s3:us-west-2:111122223333:data/*", {}, "works on"),
        ("states:StartExecution", "arn:aws:states:eu-west-1:111122223333:execution:a:*", {}, "works on"),
        ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:999999999999:queue", {}, "works on queue"),
        ("s3:PutObject", f"{BUCKET}/*", {"StringEquals": {"s3:Colour": "red"}}, "condition key s3:colour"),
        (
            "dynamodb:Query",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/t",
            {"StringEquals": {"iam:PassedToService": "a"}},
            "condition key iam:passedtoservice",
        ),
    ],
)
def test_what_aws_does_not_accept_is_found(
    actions: str | list[str], on: str | list[str], condition: dict[str, Any], words: str
) -> None:
    statement = {"Effect": "Allow", "Action": actions, "Resource": on, "Condition": condition}
    policy = {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": [statement]}}}
    (objection,) = reference.objections({"Policy": policy})
    assert words in objection


@pytest.mark.parametrize(
    ("action", "on"),
    [
        ("rekognition:DescribeProjectVersions", f"{ARN}/*"),
        ("rekognition:DescribeProjectVersions", f"{ARN}/1700000000000"),
        ("rekognition:DeleteDataset", f"{ARN}/dataset/*/*"),
        ("s3:GetObject", f"{BUCKET}/images/*"),
        ("s3:ListBucket", BUCKET),
        ("ssm:GetParameter", "arn:aws:ssm:eu-west-1:111122223333:parameter/labelloop/labelloop/tuning"),
        ("dynamodb:Query", "arn:aws:dynamodb:eu-west-1:111122223333:table/t/index/by_status"),
        ("logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:g:*"),
    ],
)
def test_what_aws_accepts_is_not_objected_to(action: str, on: str) -> None:
    statement = {"Effect": "Allow", "Action": action, "Resource": on}
    policy = {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": [statement]}}}
    assert reference.objections({"Policy": policy}) == []


@pytest.mark.parametrize("service", sorted(WITHOUT_RESOURCE_TYPES))
def test_the_embedded_stack_knows_which_actions_need_all_resources(service: str) -> None:
    assert sorted(WITHOUT_RESOURCE_TYPES[service].split()) == sorted(
        action for action, types in reference.actions(service).items() if not types
    )


def test_the_engine_checks_an_action_on_what_the_reference_says() -> None:
    """An operation's action is checked on the resource that its request names, or else on all."""
    checked = {f"{operation.lower()}" for operation in authorization.RESOURCE_MEMBER}
    by_themselves = {"copyprojectversion", "distributedatasetentries"}
    types = {"project", "projectversion", "dataset"}
    known = {action for action, has in reference.actions("rekognition").items() if types & set(has)}
    # Of other features, which the engine has not.
    others = {"detectmoderationlabels", "startmediaanalysisjob"}
    assert checked | by_themselves == known - others
