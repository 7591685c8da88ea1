"""A deployment with a workforce of A2I and Ground Truth: its resources and its permissions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.settings import Settings, SettingsError
from infra.workforce import digest
from lambdas.domain.review.workforce import ground_truth_lambdas
from tests.fixtures import built
from tests.fixtures.built import WORKTEAM

FLOW = "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/boxes"
WORKFORCE_ACTIONS = {
    "Ask": {"sagemaker:StartHumanLoop", "sagemaker:DescribeHumanLoop"},
    "GiveBack": {
        "sagemaker:DescribeHumanLoop",
        "sagemaker:StopHumanLoop",
        "sagemaker:DescribeLabelingJob",
        "sagemaker:StopLabelingJob",
    },
    "StartJob": {"sagemaker:CreateLabelingJob", "iam:PassRole"},
    "WatchJob": {"sagemaker:DescribeLabelingJob"},
    "ReadJob": {"sagemaker:DescribeLabelingJob"},
    "LoopFinished": set(),
    "FlowDefinition": {
        f"sagemaker:{verb}{kind}"
        for verb in ("Create", "Describe", "Delete")
        for kind in ("HumanTaskUi", "FlowDefinition")
    }
    | {"iam:PassRole"},
    "Sweep": {"sagemaker:DescribeHumanLoop", "sagemaker:DescribeLabelingJob"},
    # The role of training jobs.
    "Train": {"iam:PassRole"},
}
"""What each function may do with the workforce, and the roles that it passes; no other may do anything."""
TRAINING_ACTIONS = {
    f"sagemaker:{verb}"
    for verb in ("CreateTrainingJob", "AddTags", "DescribeTrainingJob", "ListTrainingJobs", "StopTrainingJob")
}
"""Of the engine serverless, which the deployment has as well."""
RESOLVING = {"Ask", "GiveBack", "ReadJob", "LoopFinished", "Sweep", "Desk", "Admin"}
"""Functions that resolve tasks, and so let executions go on."""
TELLING = {"AwaitTraining", "Ended"}
"""Functions that tell runs of the ends of their trainings."""

Resources = Mapping[str, Any]


@pytest.fixture(scope="module")
def resources() -> Resources:
    """A deployment with both."""
    resources: Resources = built.template("workforce")["Resources"]
    return resources


def functions(resources: Resources) -> dict[str, Any]:
    """Lambda functions by the name of their handler, as in WORKFORCE_ACTIONS."""
    allowed = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::Function" and "Handler" in resource["Properties"]:
            _, module, function = f"{resource['Properties']['Handler']}..".split(".")[:3]
            name = module if function == "handle" else function
            allowed["".join(part.capitalize() for part in name.split("_"))] = resource["Properties"]
    return allowed


def statements(resources: Resources, role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in resources.values()
        if policy["Type"] == "AWS::IAM::Policy" and {"Ref": role} in policy["Properties"]["Roles"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def of_function(resources: Resources, name: str) -> list[dict[str, Any]]:
    return statements(resources, functions(resources)[name]["Role"]["Fn::GetAtt"][0])


def actions(statements: list[dict[str, Any]]) -> set[str]:
    return {
        action
        for statement in statements
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }


def test_no_unexplained_finding() -> None:
    assert built.nag_findings("workforce") == []


def test_each_function_may_ask_workers_what_it_asks_and_no_more(resources: Resources) -> None:
    for name in functions(resources):
        allowed = actions(of_function(resources, name)) - TRAINING_ACTIONS
        asked = {action for action in allowed if action.startswith(("sagemaker:", "iam:"))}
        assert asked == WORKFORCE_ACTIONS.get(name, set()), name
    assert set(WORKFORCE_ACTIONS) <= set(functions(resources))


def test_only_functions_that_resolve_tasks_or_tell_of_trainings_let_executions_go_on(
    resources: Resources,
) -> None:
    resolving = {
        name
        for name in functions(resources)
        if "states:SendTaskSuccess" in actions(of_function(resources, name))
    }
    assert resolving == RESOLVING | TELLING


def test_a_role_is_passed_to_sagemaker_alone_and_jobs_go_to_the_work_team(resources: Resources) -> None:
    to_sagemaker = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    for name in ("StartJob", "FlowDefinition"):
        (passing,) = (
            statement for statement in of_function(resources, name) if statement["Action"] == "iam:PassRole"
        )
        assert passing["Condition"] == to_sagemaker
    (creating,) = (
        statement
        for statement in of_function(resources, "StartJob")
        if statement["Action"] == "sagemaker:CreateLabelingJob"
    )
    assert creating["Condition"] == {"ArnEquals": {"sagemaker:WorkteamArn": WORKTEAM}}


def test_the_console_reads_the_executions_of_runs_and_promotions(resources: Resources) -> None:
    allowed = of_function(resources, "Console")
    read = {
        action: json.dumps(statement["Resource"])
        for statement in allowed
        for action in [statement["Action"]]
        if isinstance(action, str) and action.startswith("states:") and action != "states:StartExecution"
    }
    assert set(read) == {"states:GetExecutionHistory", "states:ListExecutions", "states:DescribeExecution"}
    assert all("labelloop-review" not in resource for resource in read.values())
    assert "labelloop-promote" not in read["states:GetExecutionHistory"]
    assert "labelloop-retrain" not in read["states:ListExecutions"]


def test_ground_truth_has_what_its_documentation_asks_for(resources: Resources) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/sms-security-permission-execution-role.html"""
    role = functions(resources)["StartJob"]["Environment"]["Variables"]["GROUNDTRUTH_ROLE_ARN"]
    allowed = statements(resources, role["Fn::GetAtt"][0])
    assert actions(allowed) == {
        "s3:ListBucket",
        "s3:GetBucketLocation",
        "s3:AbortMultipartUpload",
        "s3:GetObject",
        "s3:PutObject",
        "cloudwatch:PutMetricData",
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
        "lambda:InvokeFunction",
    }
    (invoking,) = (statement for statement in allowed if statement["Action"] == "lambda:InvokeFunction")
    pairs = [ground_truth_lambdas.of("eu-west-1", kind) for kind in ("detection", "classification")]
    assert set(invoking["Resource"]) == {arn for pair in pairs for arn in (pair.before, pair.after)}


@pytest.mark.parametrize("name", ["StartJob", "GiveBack", "ReadJob"])
def test_what_does_a_whole_batch_has_the_time_for_it(name: str, resources: Resources) -> None:
    assert functions(resources)[name]["Timeout"] == 300


def test_ends_of_loops_are_queued_and_what_cannot_be_read_raises_an_alarm(resources: Resources) -> None:
    (rule,) = (
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Events::Rule"
        and "flowDefinitionArn" in resource["Properties"].get("EventPattern", {}).get("detail", {})
    )
    assert rule["EventPattern"]["source"] == ["aws.sagemaker"]
    assert rule["EventPattern"]["detail"] == {"flowDefinitionArn": [flow_definition(resources)[1]]}
    queue = resources[rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]]["Properties"]
    dead_letters = queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
    (alarm,) = (
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::CloudWatch::Alarm" and dead_letters in json.dumps(resource)
    )
    assert alarm["AlarmActions"]


def flow_definition(resources: Resources) -> tuple[dict[str, Any], dict[str, Any]]:
    """What it is made with, and its ARN."""
    ((id, resource),) = (
        (id, resource) for id, resource in resources.items() if resource["Type"] == "Custom::FlowDefinition"
    )
    return resource["Properties"], {"Fn::GetAtt": [id, "FlowDefinitionArn"]}


def test_a_flow_definition_is_made_with_the_stack(resources: Resources) -> None:
    asked, arn = flow_definition(resources)
    assert asked["WorkteamArn"] == WORKTEAM
    assert (asked["TaskCount"], asked["AvailableSeconds"]) == ("1", "604800")
    for name in ("Ask", "GiveBack", "LoopFinished", "Sweep"):
        assert functions(resources)[name]["Environment"]["Variables"]["A2I_FLOW_DEFINITION_ARN"] == arn
    role = asked["RoleArn"]["Fn::GetAtt"][0]
    assert actions(statements(resources, role)) == {"s3:GetObject", "s3:PutObject"}
    (trust,) = resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}


def test_what_is_made_otherwise_has_another_name() -> None:
    assert digest({"WorkteamArn": WORKTEAM}) == digest({"WorkteamArn": WORKTEAM})
    assert digest({"WorkteamArn": WORKTEAM}) != digest({"WorkteamArn": f"{WORKTEAM}-2"})


def test_the_desk_is_no_worker_portal_on_aws(resources: Resources) -> None:
    assert "WORKER_PORTAL_URL" not in functions(resources)["Desk"]["Environment"]["Variables"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"a2i_workteam_arn": WORKTEAM, "a2i_flow_definition_arn": FLOW},
        {"a2i_workteam_arn": FLOW},
        {"a2i_flow_definition_arn": WORKTEAM},
        {"groundtruth_workteam_arn": "team"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"a2i_|groundtruth_"):
        Settings(**wrong)  # pyrefly: ignore[bad-argument-type]
