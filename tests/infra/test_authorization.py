"""The template's policies, held against AWS's service authorization reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from moto.iam.aws_managed_policies import aws_managed_policies_data

from infra.data_bucket import REKOGNITION_LOOKS, REKOGNITION_READS
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


@pytest.mark.parametrize("deployment", built.DEPLOYMENTS)
def test_aws_accepts_every_statement(deployment: str) -> None:
    resources = built.template(deployment)["Resources"]
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
        ("sqs:SendMessage", "arn:aws:sqs:us-west-2:111122223333:queue", {}, "works on queue"),
        ("s3:Destroy*", f"{BUCKET}/*", {}, "there is no action"),
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


MANAGED = "AmazonRekognitionCustomLabelsFullAccess"
FOR_THE_CONSOLE = {"s3:ListAllMyBuckets"}
"""Lets people choose a bucket; no operation names it."""
READS = {
    "rekognition:CreateDataset": {"datasets/"},
    "rekognition:UpdateDatasetEntries": {"images/"},
    "rekognition:CreateProjectVersion": {"datasets/", "images/"},
    "rekognition:DetectCustomLabels": set[str](),
}
"""Operations that read a bucket with their caller's permissions, and what they read for certain."""


def managed_actions() -> set[str]:
    """What AWS's own policy for Custom Labels allows on a bucket.

    https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonRekognitionCustomLabelsFullAccess.html
    """
    policy = json.loads(aws_managed_policies_data)[MANAGED]["Document"]
    return set(policy["Statement"][0]["Action"])


def test_what_rekognition_takes_over_from_its_caller_is_aws_s_own_policy() -> None:
    ours = {*REKOGNITION_READS, *REKOGNITION_LOOKS}
    assert ours | {"s3:PutObject"} == managed_actions() - FOR_THE_CONSOLE


def allowed(resource: Mapping[str, Any], resources: reference.Resources) -> dict[str, set[str]]:
    """What a policy allows: the ARNs by actions."""
    arns: dict[str, set[str]] = {}
    for statement in reference.statements(resource):
        for action in reference.as_list(statement["Action"]):
            on = (reference.resolved(arn, resources) for arn in reference.as_list(statement["Resource"]))
            arns.setdefault(action, set()).update(on)
    return arns


SENDS_BYTES = "Video"
"""The step whose function asks about frames, which lie in no bucket."""


def test_who_calls_rekognition_lets_it_read_and_nobody_else_does(resources: reference.Resources) -> None:
    callers = set()
    only = {"s3:GetObjectAcl", "s3:GetObjectTagging", "s3:GetBucketAcl", "s3:GetBucketLocation"}
    for name, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Policy":
            continue
        arns = allowed(resource, resources)
        operations = READS.keys() & arns
        if name.startswith(SENDS_BYTES):
            operations -= {"rekognition:DetectCustomLabels"}
        if not operations:
            assert not only & arns.keys(), name
            continue
        callers.add(name)
        (bucket,) = arns["s3:GetBucketAcl"]
        read = arns["s3:GetObjectAcl"]
        assert all(arns[action] >= read for action in REKOGNITION_READS), name
        assert all(arns[action] == {bucket} for action in REKOGNITION_LOOKS), name
        prefixes = {arn.removeprefix(f"{bucket}/").removesuffix("*") for arn in read}
        assert prefixes and all(prefixes >= READS[operation] for operation in operations), name
        if "rekognition:CreateProjectVersion" in operations:
            assert f"{bucket}/training/*" in arns["s3:PutObject"]
            # The reference names the project, a guide the version (GUIDES); a version is made with its tags.
            versions = {arn for arn in arns["rekognition:CreateProjectVersion"] if "/version/" in arn}
            assert versions and arns["rekognition:CreateProjectVersion"] > versions
            assert arns["rekognition:TagResource"] >= versions
    assert len(callers) >= 7


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
