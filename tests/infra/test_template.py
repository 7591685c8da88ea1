"""What is promised of every resource, held against the template that AWS would get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.permissions import WILDCARD_REASONS
from infra.settings import Settings
from lambdas.domain.shared.regions import CUSTOM_LABELS_REGIONS
from tests.fixtures import built
from tests.fixtures.cloudformation_template import Resources, Template

LINTED_REGIONS = ["us-east-1", "eu-west-1"]
"""The one that is first to have what is new, and one of the others: each takes seconds."""
JSONATA_NUMBERS = {"TimeoutSeconds", "HeartbeatSeconds", "MaxConcurrency"}
"""May be expressions, which the linter does not know:
https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html"""


def of_type(template: Template, type: str) -> Resources:
    resources = {name: dict(resource) for name, resource in template.find_resources(type).items()}
    assert resources, f"the template has no {type}"
    return resources


def test_buckets_are_private_encrypted_versioned_and_tls_only(template: Template) -> None:
    buckets = of_type(template, "AWS::S3::Bucket")
    assert len(buckets) == 3
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert properties["PublicAccessBlockConfiguration"] == dict.fromkeys(NOT_PUBLIC, True)
        assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        if not _is_site(name):
            assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert_tls_only(template, "AWS::S3::BucketPolicy", len(buckets))


NOT_PUBLIC = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"""
FORGOTTEN = {
    ("Data", "try/", "ExpirationInDays"): 1,
    ("Data", "applications/", "ExpirationInDays"): 31,
    ("Data", "rejected/", "ExpirationInDays"): 180,
    ("Data", "", "NoncurrentVersionExpiration.NoncurrentDays"): 30,
    ("Data", "", "AbortIncompleteMultipartUpload.DaysAfterInitiation"): 7,
    ("AccessLogs", "", "ExpirationInDays"): 90,
    ("AccessLogs", "", "NoncurrentVersionExpiration.NoncurrentDays"): 1,
}
"""After how many days S3 deletes what, as docs/architecture.md says: all else is kept."""


def test_buckets_forget_just_what_is_said_when_it_is_said(template: Template) -> None:
    forgotten = {}
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        short = "AccessLogs" if "AccessLogs" in name else "Data"
        for rule in bucket["Properties"].get("LifecycleConfiguration", {}).get("Rules", []):
            assert rule["Status"] == "Enabled"
            for path, days in _days(rule):
                forgotten[short, rule.get("Prefix", ""), path] = days
    assert forgotten == FORGOTTEN


def _days(rule: dict[str, Any], before: str = "") -> Iterator[tuple[str, int]]:
    """The numbers of a lifecycle rule, by where they stand."""
    for key, value in rule.items():
        if isinstance(value, dict):
            yield from _days(value, f"{key}.")
        elif isinstance(value, int):
            yield f"{before}{key}", value


def test_only_s3_writes_access_logs_and_only_of_these_buckets(template: Template) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html"""
    (policy,) = (
        policy["Properties"]["PolicyDocument"]["Statement"]
        for name, policy in of_type(template, "AWS::S3::BucketPolicy").items()
        if "AccessLogs" in name
    )
    logged = set()
    for statement in (statement for statement in policy if statement["Effect"] == "Allow"):
        assert (statement["Action"], statement["Principal"]) == (
            "s3:PutObject",
            {"Service": "logging.s3.amazonaws.com"},
        )
        source = statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::GetAtt"][0]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        bucket = template.resources[source]["Properties"]["LoggingConfiguration"]
        assert "AccessLogs" in bucket["DestinationBucketName"]["Ref"]
        assert statement["Resource"]["Fn::Join"][1][1] == f"/{bucket['LogFilePrefix']}*"
        logged.add(source)
    assert len(logged) == len(of_type(template, "AWS::S3::Bucket")) - 1


def test_browsers_may_get_and_put_images_and_nothing_else(template: Template) -> None:
    """The links are signed, so that any origin may use them."""
    rules = [
        rule
        for bucket in of_type(template, "AWS::S3::Bucket").values()
        for rule in bucket["Properties"].get("CorsConfiguration", {}).get("CorsRules", [])
    ]
    assert rules == [
        {"AllowedHeaders": ["content-type"], "AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"]}
    ]


def _is_site(name: str) -> bool:
    """The bucket of the console's page holds nothing that a deployment does not bring."""
    return name.startswith("ConsoleSite")


def test_queues_and_topic_are_tls_only(template: Template) -> None:
    assert_tls_only(template, "AWS::SQS::QueuePolicy", len(of_type(template, "AWS::SQS::Queue")))
    assert_tls_only(template, "AWS::SNS::TopicPolicy", 1)


def assert_tls_only(template: Template, type: str, count: int) -> None:
    policies = of_type(template, type)
    assert len(policies) == count
    for name, policy in policies.items():
        (denied,) = (
            statement
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny"
        )
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert denied["Principal"] in ("*", {"AWS": "*"}), name
        assert denied["Action"] in ("s3:*", "sqs:*", "sns:Publish"), name
        assert _list(denied["Resource"]) == _all_of(type, policy["Properties"]), name


def _all_of(type: str, policy: dict[str, Any]) -> list[Any]:
    """The resource that a policy is attached to; of a bucket also what lies in it."""
    if type == "AWS::S3::BucketPolicy":
        bucket = {"Fn::GetAtt": [policy["Bucket"]["Ref"], "Arn"]}
        return [bucket, {"Fn::Join": ["", [bucket, "/*"]]}]
    (attached,) = policy.get("Queues") or policy["Topics"]
    return [attached] if "Topics" in policy else [{"Fn::GetAtt": [attached["Ref"], "Arn"]}]


def test_every_queue_that_is_read_has_a_dead_letter_queue(template: Template) -> None:
    queues = of_type(template, "AWS::SQS::Queue")
    dead_letters = {
        queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for queue in queues.values()
        if "RedrivePolicy" in queue["Properties"]
    }
    for name, queue in queues.items():
        assert "RedrivePolicy" in queue["Properties"] or name in dead_letters
        assert queue["Properties"]["SqsManagedSseEnabled"]
        assert queue["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["Properties"].get("RedrivePolicy", {}).get("maxReceiveCount", 5) == 5, name


def test_a_message_that_fails_comes_again_alone_and_soon(template: Template) -> None:
    """One whose function was killed is hidden for no longer than six times that function's timeout:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    resources = template.resources
    for name, source in of_type(template, "AWS::Lambda::EventSourceMapping").items():
        properties = source["Properties"]
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        assert properties.get("Enabled", True)
        assert 1 <= properties["BatchSize"] <= 10, name
        function = resources[properties["FunctionName"]["Ref"]]["Properties"]
        queue = resources[properties["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        assert queue["VisibilityTimeout"] <= 6 * function["Timeout"], name


LONG = {
    "lambdas.register.handle_annotations": 900,
    "lambdas.rekognition_project.handle": 900,
    "lambdas.retrain.snapshot": 900,
    "lambdas.retrain.check_data": 900,
    "lambdas.promote.shadow_evaluate": 900,
    "lambdas.sweep.handle": 900,
}
"""Seconds of functions that may take as long as Lambda lets them."""
API_SECONDS = 29
"""API Gateway waits for 30: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""
ONE_CPU = {"lambdas.register.handle", "lambdas.register.handle_annotations", "lambdas.retrain.snapshot"}
"""Functions that calculate: 1,769 MB are one processor.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""


def test_functions_have_the_time_and_the_memory_that_their_work_takes(template: Template) -> None:
    functions = [f["Properties"] for f in of_type(template, "AWS::Lambda::Function").values()]
    seconds = {function["Handler"]: function["Timeout"] for function in functions}
    assert {entry: seconds[entry] for entry in LONG} == LONG
    answering = ("lambdas.desk.", "lambdas.admin.", "lambdas.console.", "lambdas.dataset.")
    api = {entry for entry in seconds if entry.startswith((*answering, "lambdas.applications."))}
    assert {seconds[entry] for entry in api} == {API_SECONDS}
    assert all(60 <= seconds[entry] <= 900 for entry in {*seconds} - api - {*LONG})
    megabytes = {function["Handler"]: function["MemorySize"] for function in functions}
    assert all(size >= 512 for size in megabytes.values())
    assert {megabytes[entry] for entry in ONE_CPU} == {1769}


def test_each_role_is_taken_by_the_service_that_uses_it_and_no_other(template: Template) -> None:
    uses = {
        "AWS::Lambda::Function": ("lambda.amazonaws.com", "Role"),
        "AWS::StepFunctions::StateMachine": ("states.amazonaws.com", "RoleArn"),
    }
    users: dict[str, str] = {}
    for type, (service, key) in uses.items():
        for resource in of_type(template, type).values():
            users[resource["Properties"][key]["Fn::GetAtt"][0]] = service
    for rule in of_type(template, "AWS::Events::Rule").values():
        for target in rule["Properties"]["Targets"]:
            if "RoleArn" in target:
                users[target["RoleArn"]["Fn::GetAtt"][0]] = "events.amazonaws.com"
    for name, role in of_type(template, "AWS::IAM::Role").items():
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement == {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"Service": users[name]},
        }, name


def test_what_goes_by_schedule_goes_and_broken_executions_are_heard_of(template: Template) -> None:
    rules = of_type(template, "AWS::Events::Rule")
    assert {rule["Properties"]["State"] for rule in rules.values()} == {"ENABLED"}
    schedules = {name: rule["Properties"].get("ScheduleExpression") for name, rule in rules.items()}
    rates = {name.rstrip("0123456789ABCDEF"): rate for name, rate in schedules.items() if rate}
    settings = Settings()
    assert rates == {
        "ServeSchedule": "rate(1 minute)",
        "SweepSchedule": settings.sweep_schedule,
        "ReviewSchedule": settings.sweep_schedule,
        "RetrainSchedule": settings.retrain_schedule,
        "DriftSchedule": "rate(10 minutes)",
    }
    (broken,) = (rule["Properties"] for name, rule in rules.items() if name.startswith("SweepBroken"))
    pattern = broken["EventPattern"]["detail"]
    assert pattern["status"] == ["FAILED", "TIMED_OUT", "ABORTED"]
    watched = {
        json.dumps(arn).rpartition(":stateMachine:")[2].rstrip('"]}') for arn in pattern["stateMachineArn"]
    }
    assert watched >= {"labelloop-retrain", "labelloop-promote"}


def test_functions_run_on_python_3_13_with_tracing_and_their_own_log_group(template: Template) -> None:
    functions = of_type(template, "AWS::Lambda::Function")
    groups = of_type(template, "AWS::Logs::LogGroup")
    used = set()
    for function in functions.values():
        properties = function["Properties"]
        assert properties["Runtime"] == "python3.13"
        assert properties["Architectures"] == ["arm64"]
        assert properties["TracingConfig"] == {"Mode": "Active"}
        used.add(properties["LoggingConfig"]["LogGroup"]["Ref"])
    assert len(used) == len(functions)
    assert used < set(groups)
    assert {group["Properties"]["RetentionInDays"] for group in groups.values()} == {90}


def test_who_tells_of_a_run_knows_where_people_see_it(template: Template) -> None:
    """The console is made before them: an address in the other direction would be a circle."""
    functions = of_type(template, "AWS::Lambda::Function")
    names = {name for name, function in functions.items() if "CONSOLE_ADDRESS" in _variables(function)}
    of_batches = {name for name in names if name.startswith("Batch")}
    assert {name.rstrip("0123456789ABCDEF") for name in of_batches} == {"BatchFinishFunction"}
    assert sorted(name.rstrip("0123456789ABCDEF") for name in names - of_batches) == [
        "DriftFunction",
        "PromoteAskApprovalFunction",
        "RetrainReportFunction",
        "ServeFunction",
        "SweepFunction",
    ]
    for name in names:
        assert "ConsoleSiteDistribution" in json.dumps(_variables(functions[name])["CONSOLE_ADDRESS"])


def _variables(function: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = function["Properties"].get("Environment", {}).get("Variables", {})
    return variables


WRITES = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem")
INTERNET = (
    *("lambdas.desk.", "lambdas.admin.", "lambdas.console.", "lambdas.dataset."),
    *("lambdas.console_site.", "lambdas.detect."),
)
"""What people's requests and images from anywhere reach."""


def kinds_written(template: Template) -> dict[str, set[str]]:
    """Which items of the loop's state the role of each function may write, by the functions' entries."""
    policies = of_type(template, "AWS::IAM::Policy").values()
    written: dict[str, set[str]] = {}
    for function in of_type(template, "AWS::Lambda::Function").values():
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        own = [policy for policy in policies if {"Ref": role} in policy["Properties"]["Roles"]]
        statements = [s for policy in own for s in policy["Properties"]["PolicyDocument"]["Statement"]]
        entry = str(function["Properties"]["Handler"])
        written[entry] = {kind for statement in statements for kind in _kinds(statement)}
    return written


def _kinds(statement: dict[str, Any]) -> list[str]:
    """The kinds of items that a statement lets somebody write; * without a condition."""
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    if "LoopStateLoop" not in json.dumps(statement["Resource"]) or not {*actions} & {
        *WRITES,
        "dynamodb:*",
        "*",
    }:
        return []
    only = statement.get("Condition", {}).get("ForAllValues:StringEquals", {})
    kinds: list[str] = only.get("dynamodb:LeadingKeys", ["*"])
    return kinds


def test_what_faces_the_internet_only_reads_the_loop_s_state(template: Template) -> None:
    written = {entry: kinds for entry, kinds in kinds_written(template).items() if entry.startswith(INTERNET)}
    assert {entry.rpartition(".")[0] + "." for entry in written} == set(INTERNET)
    # That an image waits for a champion, and how many were answered: nothing that decides of a version.
    assert written.pop("lambdas.detect.handle") == {"WAITING", "USE"}
    assert not any(written.values())


def test_every_function_writes_just_the_items_that_it_has_to(template: Template) -> None:
    written = {entry: kinds for entry, kinds in kinds_written(template).items() if kinds}
    assert not any("*" in kinds for kinds in written.values())
    assert [entry for entry, kinds in written.items() if "CHAMPION" in kinds] == ["lambdas.promote.switch"]
    assert not any(entry.startswith("lambdas.review.") for entry in written)
    leases = {entry for entry, kinds in written.items() if "LEASE" in kinds}
    # A run that is redriven takes its lease again, at whatever step it goes on.
    resumed = {
        "snapshot",
        "check_data",
        "sync_datasets",
        "train",
        "watch_training",
        "await_training",
        "evaluate",
        "find_label_issues",
    }
    assert leases - {f"lambdas.retrain.{step}" for step in resumed} == {
        "lambdas.batch.wake",
        "lambdas.promote.take_lease",
        "lambdas.promote.finish",
        # Gives it back while people think.
        "lambdas.promote.ask_approval",
        "lambdas.retrain.take_lease",
        "lambdas.retrain.report",
        "lambdas.serve.handle",
        "lambdas.sweep.handle",
        "lambdas.rekognition_project.handle",
    }


def test_tables_are_on_demand_with_point_in_time_recovery(template: Template) -> None:
    for table in of_type(template, "AWS::DynamoDB::Table").values():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True


def test_state_machines_come_from_their_files_in_jsonata(template: Template) -> None:
    machines = of_type(template, "AWS::StepFunctions::StateMachine")
    names = {machine["Properties"]["StateMachineName"] for machine in machines.values()}
    assert names == {"labelloop-retrain", "labelloop-promote", "labelloop-batch", "labelloop-review"}
    for machine in machines.values():
        properties = machine["Properties"]
        definition = json.loads(properties["DefinitionString"])
        assert definition["QueryLanguage"] == "JSONata"
        assert properties["TracingConfiguration"] == {"Enabled": True}
        assert properties["LoggingConfiguration"]["Level"] == "ALL"
        named = set(_substitutions(properties["DefinitionString"]))
        assert named == set(properties["DefinitionSubstitutions"])


def _substitutions(definition: str) -> list[str]:
    return [part.split("}")[0] for part in definition.split("${")[1:]]


WORLDWIDE = {
    "AWS::CloudFront::Function": ["Name"],
    "AWS::CloudFront::OriginAccessControl": ["OriginAccessControlConfig", "Name"],
    "AWS::CloudFront::ResponseHeadersPolicy": ["ResponseHeadersPolicyConfig", "Name"],
    "AWS::CloudFront::CachePolicy": ["CachePolicyConfig", "Name"],
    "AWS::CloudFront::OriginRequestPolicy": ["OriginRequestPolicyConfig", "Name"],
    "AWS::IAM::Role": ["RoleName"],
    "AWS::IAM::ManagedPolicy": ["ManagedPolicyName"],
    "AWS::S3::Bucket": ["BucketName"],
    "AWS::Budgets::Budget": ["Budget", "BudgetName"],
    "AWS::CloudWatch::Dashboard": ["DashboardName"],
}
"""Where the names stand of resources that an account, or the world, can have one of by that name. Dashboards:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html"""


def test_a_second_region_finds_its_names_free(template: Template) -> None:
    resources = template.resources.values()
    named = 0
    for resource in (resource for resource in resources if resource["Type"] in WORLDWIDE):
        name: Any = resource.get("Properties", {})
        for key in WORLDWIDE[resource["Type"]]:
            name = name.get(key, {})
        named += bool(name)
        assert not name or '{"Ref": "AWS::Region"}' in json.dumps(name), name
    assert named >= 3
    assert {r["Type"] for r in resources if r["Type"].startswith("AWS::CloudFront")} <= {
        *WORLDWIDE,
        "AWS::CloudFront::Distribution",
    }


KEPT = {
    "AWS::S3::Bucket": "images, annotations, datasets, and who read them",
    "AWS::DynamoDB::Table": "what people said of images, and what became of runs and versions",
    "AWS::Cognito::UserPool": "the people, with their passwords",
}
"""What stays when the stack is destroyed, and why: what a new deployment could not make again."""


def test_just_data_outlives_the_stack_and_nothing_a_failed_creation(template: Template) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html"""
    kept: set[str] = set()
    for name, resource in template.resources.items():
        if resource["Type"] in KEPT and not _is_site(name):
            kept.add(resource["Type"])
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
            assert resource["UpdateReplacePolicy"] == "Retain", name
        else:
            assert resource.get("DeletionPolicy", "Delete") == "Delete", name
            assert resource.get("UpdateReplacePolicy", "Delete") == "Delete", name
    assert kept == set(KEPT)


def test_what_has_a_fixed_name_goes_with_the_stack(template: Template) -> None:
    """Else the next deployment of that name could not make its own."""
    named = 0
    for resource in template.resources.values():
        names = {"LogGroupName", "TableName", "BucketName", "QueueName", "Name", "StateMachineName"}
        if names & set(resource.get("Properties", {})):
            named += 1
            assert resource.get("DeletionPolicy") in (None, "Delete"), resource
    assert named >= 5


def test_s3_events_reach_eventbridge_and_their_queues(template: Template) -> None:
    (data,) = (
        bucket["Properties"]
        for name, bucket in of_type(template, "AWS::S3::Bucket").items()
        if name.startswith("DataBucket")
    )
    enabled = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert data["NotificationConfiguration"] == enabled
    rules = [rule["Properties"] for rule in of_type(template, "AWS::Events::Rule").values()]
    created = [
        rule["EventPattern"]["detail"]["object"]["key"]
        for rule in rules
        if rule.get("EventPattern", {}).get("source") == ["aws.s3"]
        and rule["EventPattern"]["detail-type"] == ["Object Created"]
    ]
    for prefix in ("incoming/", "detect/"):
        assert [{"prefix": prefix}] in created


def test_every_wildcard_has_its_reason_beside_it(template: Template) -> None:
    unexplained: list[tuple[str, str, Any]] = []
    for name, policy in of_type(template, "AWS::IAM::Policy").items():
        reasons = policy.get("Metadata", {}).get(WILDCARD_REASONS, [])
        explained = [
            (action, json.dumps(resource))
            for reason in reasons
            for action in reason["actions"]
            for resource in reason["resources"]
            if len(reason["reason"]) > 20
        ]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            actions, resources = _list(statement["Action"]), _list(statement["Resource"])
            assert not any("*" in action for action in actions), f"{name}: {actions}"
            unexplained += [
                (name, action, resource)
                for action in actions
                for resource in resources
                if "*" in json.dumps(resource) and (action, json.dumps(resource)) not in explained
            ]
    assert unexplained == []


def test_roles_have_no_managed_policies(template: Template) -> None:
    for role in of_type(template, "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role["Properties"]
        assert "Policies" not in role["Properties"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.usefixtures("template")
def test_cfn_lint_finds_no_error(template: Template, tmp_path: Path) -> None:
    from cfnlint.api import lint  # takes a second, which only the worker that runs this should wait for

    target = tmp_path / "labelloop.template.json"
    target.write_text(json.dumps(template.document))
    matches = lint(target.read_text(), regions=LINTED_REGIONS)
    errors = [match for match in matches if match.rule.severity == "error"]
    assert [match for match in errors if match.path[-1] not in JSONATA_NUMBERS] == []
    assert {match.rule.id for match in errors} <= {"E3601"}


@pytest.mark.parametrize("region", CUSTOM_LABELS_REGIONS)
def test_every_region_has_all_types_of_resources(region: str, template: Template) -> None:
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    types = {resource["Type"] for resource in template.resources.values()}
    offered = set(PROVIDER_SCHEMA_MANAGER.get_resource_types(region))
    assert {type for type in types if not type.startswith("Custom::")} <= offered


@pytest.mark.parametrize("region", CUSTOM_LABELS_REGIONS)
def test_every_region_has_awss_container(region: str) -> None:
    """`labelloop doctor` says so before a deployment."""
    from aws_cdk.region_info import RegionInfo  # starts Node.js

    assert re.fullmatch(r"\d{12}", RegionInfo.get(region).dlc_repository_account or "")


def test_models_are_stopped_before_anything_else_is_deleted(template: Template) -> None:
    """CloudFormation deletes what depends on others first: all that could start a model is a dependency."""
    (stopped,) = of_type(template, "Custom::ModelsStopped").values()
    for type in ("AWS::StepFunctions::StateMachine", "AWS::Events::Rule", "AWS::Lambda::Function"):
        assert set(of_type(template, type)) <= set(stopped["DependsOn"]) | {_project_handler(stopped)}


def test_a_project_that_is_refused_has_its_models_not_stopped(template: Template) -> None:
    """A deployment that fails at another's project rolls back, and then deletes what it had made."""
    (stopped,) = of_type(template, "Custom::ModelsStopped").values()
    ((name, project),) = of_type(template, "Custom::RekognitionProject").items()
    assert name in stopped["DependsOn"]
    assert project["Properties"]["AdoptProject"] == "false"


def test_the_training_jobs_of_the_engine_serverless_are_stopped_once_the_loop_is_closed() -> None:
    resources = Template(built.template("workforce"))
    (stopped,) = of_type(resources, "Custom::ModelsStopped").values()
    ((name, jobs),) = of_type(resources, "Custom::TrainingJobsStopped").items()
    assert name in stopped["DependsOn"], "it is deleted after"
    assert set(jobs["Properties"]) == {"ServiceToken", "Deployment", "Bucket"}
    function = of_type(resources, "AWS::Lambda::Function")[_project_handler(jobs)]["Properties"]
    assert (function["Handler"], function["Timeout"]) == ("lambdas.training_jobs.handle", 900)


def test_a_training_job_is_isolated_and_its_role_has_no_more_than_its_files() -> None:
    resources = Template(built.template("workforce"))
    policies = of_type(resources, "AWS::IAM::Policy").items()
    (role,) = (policy for name, policy in policies if name.startswith("ServerlessTraining"))
    objects = {
        action: [
            json.dumps(resource)
            for statement in role["Properties"]["PolicyDocument"]["Statement"]
            if action in _list(statement["Action"])
            for resource in _list(statement["Resource"])
        ]
        for action in ("s3:GetObject", "s3:PutObject")
    }
    assert len(objects["s3:GetObject"]) == 4, "images, datasets, checkpoints, and the source"
    for arns, key in (
        ("s3:GetObject", "/training/labelloop-v*/checkpoints/*"),
        ("s3:PutObject", "/training/labelloop-v*"),
    ):
        assert [arn for arn in objects[arns] if key in arn], "no model of another version is read"
    for action, condition in (
        ("CreateTrainingJob", {"Bool": {"sagemaker:NetworkIsolation": "true"}}),
        ("CreateTrainingJob", {"StringEquals": {"aws:RequestTag/labelloop:deployment": "labelloop"}}),
        ("AddTags", {"StringEquals": {"aws:RequestTag/labelloop:deployment": "labelloop"}}),
        ("StopTrainingJob", {"StringEquals": {"aws:ResourceTag/labelloop:deployment": "labelloop"}}),
    ):
        allowed = [
            statement
            for _, policy in policies
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if f"sagemaker:{action}" in _list(statement["Action"])
        ]
        assert allowed
        assert all(condition.items() <= statement["Condition"].items() for statement in allowed)


def _project_handler(resource: dict[str, Any]) -> str:
    """The function that serves the resource: a dependency by being named."""
    name: str = resource["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
    return name


# Queues


def mappings(template: Template) -> dict[str, dict[str, Any]]:
    """The event source mapping of each function that reads a queue, by the function's entry."""
    functions = of_type(template, "AWS::Lambda::Function")
    sources = [
        mapping["Properties"] for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values()
    ]
    return {
        functions[mapping["FunctionName"]["Ref"]]["Properties"]["Handler"]: mapping for mapping in sources
    }


def test_queues_leave_room_for_people_in_a_new_account(template: Template) -> None:
    """It runs 10 functions at once, by what people see; AWS says that it runs fewer than others.

    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    most = {
        entry: mapping["ScalingConfig"]["MaximumConcurrency"] for entry, mapping in mappings(template).items()
    }
    # These come on top, while A2I's answers come, or clips: docs/architecture.md.
    for entry in ("lambdas.review.loop_finished", "lambdas.video.handle"):
        most.pop(entry, None)
    assert sum(most.values()) <= 8, most


def test_a_message_is_hidden_for_as_long_as_its_function_may_work(template: Template) -> None:
    """Lambda refuses another mapping, and AWS recommends five deliveries or more.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    functions = of_type(template, "AWS::Lambda::Function")
    queues = of_type(template, "AWS::SQS::Queue")
    by_entry = {function["Properties"]["Handler"]: function["Properties"] for function in functions.values()}
    for entry, mapping in mappings(template).items():
        queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]
        timeout, hidden = by_entry[entry]["Timeout"], queue["VisibilityTimeout"]
        assert timeout <= hidden <= 1000, entry
        assert hidden >= 6 * timeout or timeout == 900, entry
        assert hidden <= 360 or timeout == 900, "a message whose function was killed comes back in minutes"
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        environment = _variables(functions[mapping["FunctionName"]["Ref"]])
        assert environment["QUEUE_URL"] == {"Ref": mapping["EventSourceArn"]["Fn::GetAtt"][0]}
        assert int(environment["RETRY_SECONDS"]) > 0
        assert int(environment["MAX_RECEIVES"]) == queue["RedrivePolicy"]["maxReceiveCount"]
