"""What `labelloop doctor` says of the template before it is deployed, held against the template."""

from __future__ import annotations

import re

from cli.doctor import access, names
from tests.fixtures import built

KEPT = {"AWS::S3::Bucket": "bucket", "AWS::DynamoDB::Table": "table"}


def test_the_bootstrap_that_is_asked_for_is_the_templates() -> None:
    (rule,) = built.template()["Rules"]["CheckBootstrapVersion"]["Assertions"]
    too_old = [int(version) for version in re.findall(r'"(\d+)"', str(rule).replace("'", '"'))]
    assert max(too_old) + 1 == access.MIN_BOOTSTRAP
    assert built.template()["Parameters"]["BootstrapVersion"]["Default"] == access.BOOTSTRAP_PARAMETER


def test_every_bucket_and_table_is_known_as_one_when_it_is_left_behind() -> None:
    """CloudFormation names them by the stack and the logical id, which buckets have in lower case.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-arch-names.html
    """
    for logical, resource in built.template()["Resources"].items():
        if kind := KEPT.get(resource["Type"]):
            name = f"parts-{logical}-ABC".lower() if kind == "bucket" else f"parts-{logical}-ABC"
            left = names.left_behind("parts", [name], [name], set())
            assert left == [f"{kind} {name}"]


def test_every_state_machine_and_its_log_group_is_a_fixed_name_that_is_looked_at() -> None:
    resources = built.template()["Resources"].values()
    machines = {
        resource["Properties"]["StateMachineName"]
        for resource in resources
        if resource["Type"] == "AWS::StepFunctions::StateMachine"
    }
    assert machines == {f"{built.NAME}-{step}" for step in names.MACHINES}
    groups = {
        resource["Properties"]["LogGroupName"]
        for resource in resources
        if resource["Type"] == "AWS::Logs::LogGroup" and "LogGroupName" in resource["Properties"]
    }
    assert groups == set(names.log_groups(built.NAME))


NAMED = {
    "AWS::CloudFront::Function": ("Name",),
    "AWS::CloudFront::ResponseHeadersPolicy": ("ResponseHeadersPolicyConfig", "Name"),
    "AWS::CloudFront::OriginAccessControl": ("OriginAccessControlConfig", "Name"),
}
"""Where the templates' resources of CloudFront have their names."""


def test_every_name_in_cloudfront_is_a_fixed_name_that_is_looked_at() -> None:
    region = {"Ref": "AWS::Region"}
    fixed = []
    for resource in built.template()["Resources"].values():
        if members := NAMED.get(resource["Type"]):
            value = resource["Properties"]
            for member in members:
                value = value[member]
            fixed.append("".join("<region>" if part == region else part for part in value["Fn::Join"][1]))
    assert sorted(fixed) == sorted(each for _, each in names.cloudfront_names(built.NAME, "<region>"))
