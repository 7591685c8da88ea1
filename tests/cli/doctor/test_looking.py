"""What `labelloop doctor` asks AWS, and what it says where it may not ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from click.testing import CliRunner, Result

from cli.deployment import OUTPUTS
from cli.doctor import command, machine, names, serverless
from cli.doctor.account import Account, Identity
from cli.doctor.findings import Check, State, examine
from cli.doctor.machine import Machine
from cli.main import app
from tests.fixtures.cli import client_error

ACCOUNT = "123456789012"
ANNA = Identity(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/anna")
PROJECT = f"arn:aws:rekognition:us-east-1:{ACCOUNT}:project/parts/17"
CHECKS = (*command.ALWAYS, *command.BEFORE, *command.BEFORE_SERVERLESS, *command.AFTER)
Answers = dict[str, Any]


class FakeClient:
    """A client of a service: answers by the operation's name in snake case, or errors."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            answer = self._answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer(**request) if callable(answer) else answer

        return call

    def get_paginator(self, operation: str) -> Any:
        call = getattr(self, operation)

        class Pages:
            def paginate(self, **request: Any) -> list[Any]:
                return [call(**request)]

        return Pages()


class FakeAccount(Account):
    """An account whose services answer what the test says, whichever of them is asked."""

    def __init__(self, answers: Answers, identity: Identity = ANNA) -> None:
        super().__init__("parts", "us-east-1", identity)
        self.answers = answers

    def client(self, service: str, region: str = "") -> Any:
        return FakeClient(self.answers)


class Denying(dict[str, Any]):
    """Every operation is refused, with the code of the service's choice."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    def get(self, operation: str, default: Any = None) -> Any:
        name = "".join(part.capitalize() for part in operation.split("_"))
        return client_error(self._code, f"not authorized to perform: {name}", name)


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "AuthorizationError"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.subject)
def test_a_missing_permission_is_told_and_nothing_is_guessed(check: Check, code: str) -> None:
    findings = examine(check, FakeAccount(Denying(code)))
    assert [finding.state for finding in findings] == [State.UNSEEN]
    assert "you may not call" in findings[0].text
    assert "not authorized to perform" in findings[0].mend


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.subject)
def test_a_service_that_cannot_be_reached_is_told(check: Check) -> None:
    class Unreachable(Denying):
        def get(self, operation: str, default: Any = None) -> Any:
            return EndpointConnectionError(endpoint_url="https://example.com")

    findings = examine(check, FakeAccount(Unreachable("")))
    assert [finding.state for finding in findings] == [State.UNSEEN]


@pytest.mark.parametrize(
    "check", [check for check in CHECKS if not check.embedded], ids=lambda check: check.subject
)
def test_what_the_embedded_stack_lacks_is_not_asked_for(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    embedded = Identity("000000000000", "arn:aws:iam::000000000000:root")
    (finding,) = examine(check, FakeAccount(Denying("400"), embedded))
    assert (finding.state, finding.text) == (State.UNSEEN, "not in the embedded stack")


STACK = {
    "StackName": "parts",
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [{"OutputKey": name, "OutputValue": name} for name in OUTPUTS.values() if name != "ProjectArn"]
    + [{"OutputKey": "ProjectArn", "OutputValue": PROJECT}]
    + [{"OutputKey": "NotificationTopicArn", "OutputValue": "topic"}],
}
NO_GROUPS: Answers = {"logGroups": []}
NO_STACK = client_error("ValidationError", "Stack with id parts does not exist", "DescribeStacks")


def find(subject: str, checks: tuple[Check, ...]) -> Check:
    (check,) = [each for each in checks if each.subject == subject]
    return check


def outcome(check: Check, answers: Answers) -> list[tuple[State, str]]:
    return [(finding.state, finding.text) for finding in examine(check, FakeAccount(answers))]


def test_of_a_role_the_policies_are_simulated_and_not_of_its_session() -> None:
    asked: list[dict[str, Any]] = []

    def simulate(**request: Any) -> Any:
        asked.append(request)
        (action, *_) = request["ActionNames"]
        decision = "explicitDeny" if "file-publishing" in request["ResourceArns"][0] else "allowed"
        return {"EvaluationResults": [{"EvalActionName": action, "EvalDecision": decision}]}

    role = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso/Admin"
    answers = {"get_role": {"Role": {"Arn": role}}, "simulate_principal_policy": simulate}
    ((state, text),) = outcome(find("permissions", command.BEFORE), answers)
    assert {request["PolicySourceArn"] for request in asked} == {role}
    assert state is State.FAILS and "file-publishing" in text


def test_of_a_deployment_each_command_is_simulated_on_its_resource() -> None:
    asked: dict[str, str] = {}

    def simulate(**request: Any) -> Any:
        asked.update(dict.fromkeys(request["ActionNames"], request["ResourceArns"][0]))
        results = [{"EvalActionName": name, "EvalDecision": "allowed"} for name in request["ActionNames"]]
        return {"EvaluationResults": results}

    answers = {
        "describe_stacks": {"Stacks": [STACK]},
        "get_role": {"Role": {"Arn": "role"}},
        "simulate_principal_policy": simulate,
    }
    ((state, _),) = outcome(find("permissions", command.AFTER), answers)
    assert state is State.FINE
    assert asked["s3:PutObject"] == "arn:aws:s3:::DataBucket/incoming/any.jpg"
    assert asked["rekognition:DetectCustomLabels"].endswith(":project/parts/version/any/1")


def test_the_bootstrap_that_is_not_there_is_told_apart_from_one_that_cannot_be_seen() -> None:
    check = find("CDK bootstrap", command.BEFORE)
    ((state, text),) = outcome(check, {"get_parameter": client_error("ParameterNotFound", "none")})
    assert state is State.FAILS and "never bootstrapped" in text
    assert outcome(check, {"get_parameter": {"Parameter": {"Value": "21"}}}) == [(State.FINE, "version 21")]


def test_quotas_that_apply_come_before_the_defaults() -> None:
    def values(*pairs: tuple[str, float]) -> Any:
        return {"Quotas": [{"QuotaCode": code, "Value": value} for code, value in pairs]}

    answers = {
        "list_aws_default_service_quotas": values(("L-5E225387", 2.0), ("L-9CF05323", 100.0), ("L-0", 1.0)),
        "list_service_quotas": values(("L-5E225387", 7.0)),
    }
    (known, unknown) = outcome(find("Rekognition quotas", command.ALWAYS), answers)
    assert known == (State.FINE, "concurrently running models 7, model versions of a project 100")
    assert unknown[0] is State.UNSEEN and "concurrent trainings" in unknown[1]


@pytest.mark.parametrize(
    ("is_spot", "applied", "state", "words"),
    [
        (False, [], State.FINE, "ml.m5.xlarge for training job usage: 4"),
        (False, [0.0], State.FAILS, "ml.m5.xlarge for training job usage: 0, so that no version"),
        (True, [2.0], State.UNSEEN, "does not list ml.m5.xlarge for spot training job usage"),
    ],
)
def test_the_quota_of_the_machine_that_trains_is_looked_at(
    is_spot: bool, applied: list[float], state: State, words: str
) -> None:
    """The one that applies, else the default; and not that of another use of the machine."""

    def quotas(*values: tuple[str, float]) -> Any:
        return {"Quotas": [{"QuotaName": name, "QuotaCode": "L-0", "Value": value} for name, value in values]}

    name = "ml.m5.xlarge for training job usage"
    engine = json.dumps({"training": {"instance_type": "ml.m5.xlarge", "is_spot": is_spot}})
    outputs = [*STACK["Outputs"], {"OutputKey": "ServerlessEngine", "OutputValue": engine}]
    answers = {
        "describe_stacks": {"Stacks": [{**STACK, "Outputs": outputs}]},
        "list_service_quotas": quotas(*((name, value) for value in applied)),
        "list_aws_default_service_quotas": quotas(("ml.m5.xlarge for endpoint usage", 9.0), (name, 4.0)),
    }
    ((severity, text),) = outcome(find("training machine", command.AFTER), answers)
    assert (severity, words in text) == (state, True)
    answers["describe_stacks"] = {"Stacks": [STACK]}
    assert outcome(find("training machine", command.AFTER), answers) == []


SERVERLESS = json.dumps(
    {
        "function": "parts-serving",
        "training": {
            "deployment": "parts",
            "image": "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.9.0-cpu",
            "bucket": "parts-data",
        },
    }
)
WITH_SERVERLESS = {
    "describe_stacks": {
        "Stacks": [
            {
                **STACK,
                "Outputs": [*STACK["Outputs"], {"OutputKey": "ServerlessEngine", "OutputValue": SERVERLESS}],
            }
        ]
    }
}


@pytest.mark.parametrize(
    ("images", "state", "words"),
    [([{"imageId": {}}], State.FINE, "pytorch-training:2.9.0-cpu"), ([], State.FAILS, "no version")],
)
def test_the_container_that_trains_is_looked_for(images: list[Any], state: State, words: str) -> None:
    def batch_get_image(registryId: str, repositoryName: str, imageIds: list[Any]) -> Any:
        assert (registryId, repositoryName) == ("763104351884", "pytorch-training")
        assert imageIds == [{"imageTag": "2.9.0-cpu"}]
        return {"images": images}

    check = find("training container", command.AFTER)
    ((judged, text),) = outcome(check, {**WITH_SERVERLESS, "batch_get_image": batch_get_image})
    assert (judged, words in text) == (state, True)
    assert outcome(check, {"describe_stacks": {"Stacks": [STACK]}}) == []


@pytest.mark.parametrize(
    ("default", "state", "words"),
    [
        ({"SSEAlgorithm": "AES256"}, State.FINE, "S3's own"),
        ({"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key-1"}, State.FAILS, "key-1"),
        ({"SSEAlgorithm": "aws:kms:dsse"}, State.FAILS, "aws/s3"),
    ],
)
def test_a_key_that_training_jobs_may_not_use_is_named(
    default: dict[str, str], state: State, words: str
) -> None:
    rules = [{"ApplyServerSideEncryptionByDefault": default}]
    answer = {"ServerSideEncryptionConfiguration": {"Rules": rules}}
    check = find("bucket's key", command.AFTER)
    ((judged, text),) = outcome(check, {**WITH_SERVERLESS, "get_bucket_encryption": answer})
    assert (judged, words in text) == (state, True)


def test_before_a_deployment_with_the_engine_its_machine_is_looked_at() -> None:
    name = "ml.m5.xlarge for spot training job usage"
    quotas = {"Quotas": [{"QuotaName": name, "Value": 0.0}]}
    (machine, container) = outcome(
        find("training machine", command.BEFORE_SERVERLESS),
        {"list_service_quotas": quotas, "list_aws_default_service_quotas": quotas},
    )
    assert machine[0] is State.FAILS and name in machine[1]
    assert container[0] is State.FINE


@pytest.mark.parametrize(
    ("settings", "state", "words"),
    [
        ({"training_spot": False}, State.FAILS, "ml.m5.xlarge for training job usage: 0"),
        ({"training_instance": "ml.g4dn.xlarge"}, State.FAILS, "its price is not known here"),
        (None, State.UNSEEN, "does not list ml.m5.xlarge for spot training job usage"),
    ],
)
def test_it_is_the_machine_that_cdk_json_names(
    settings: dict[str, Any] | None, state: State, words: str, tmp_path: Path
) -> None:
    if settings is not None:
        context = {"context": {"environments": {"default": settings}}}
        (tmp_path / "cdk.json").write_text(json.dumps(context))
    quotas = {"Quotas": [{"QuotaName": "ml.m5.xlarge for training job usage", "Value": 0.0}]}
    answers = {"list_service_quotas": quotas, "list_aws_default_service_quotas": quotas}
    look = partial(serverless.look_before, project=tmp_path)
    judged, text = outcome(Check("training machine", look), answers)[0]
    assert (judged, words in text) == (state, True), text


@pytest.mark.parametrize(("text", "words"), [('{"app": ', "Expecting value"), ("{}", "has no context")])
def test_a_cdk_json_that_cannot_be_read_is_a_finding(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "cdk.json").write_text(text)
    look = partial(serverless.look_before, project=tmp_path)
    judged, finding = outcome(Check("training machine", look), {})[0]
    assert (judged, words in finding) == (State.FAILS, True), finding


@pytest.mark.parametrize("subject", ["training machine", "training container"])
def test_what_the_embedded_stack_lacks_of_the_engine_is_said_where_it_is(
    subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    embedded = Identity("000000000000", "arn:aws:iam::000000000000:root")
    for stacks, expected in ((WITH_SERVERLESS["describe_stacks"], 1), ({"Stacks": [STACK]}, 0)):
        answers = FakeAccount({"describe_stacks": stacks}, embedded)
        states = [finding.state for finding in examine(find(subject, command.AFTER), answers)]
        assert states == [State.UNSEEN] * expected


def test_models_of_all_projects_are_looked_at_and_those_of_deployments_known() -> None:
    def versions(ProjectArn: str) -> Any:
        arn = ProjectArn.rsplit("/", 1)[0] + "/version/v1/1"
        return {"ProjectVersionDescriptions": [{"ProjectVersionArn": arn, "Status": "RUNNING"}]}

    forgotten = PROJECT.replace("parts", "old")
    answers = {
        "describe_stacks": {"Stacks": [STACK]},
        "describe_projects": {"ProjectDescriptions": [{"ProjectArn": PROJECT}, {"ProjectArn": forgotten}]},
        "describe_project_versions": versions,
        "list_aws_default_service_quotas": client_error("AccessDeniedException", ""),
    }
    findings = outcome(find("models", command.ALWAYS), answers)
    assert [text.split(" ")[0] for _, text in findings] == ["old/v1", "old/v1"]
    assert "outside any deployment" in findings[0][1]


def test_models_are_named_where_stacks_cannot_be_seen() -> None:
    arn = f"arn:aws:rekognition:us-east-1:{ACCOUNT}:project/old/version/v1/1"
    answers: Answers = {
        "describe_stacks": client_error("AccessDenied", ""),
        "describe_projects": {"ProjectDescriptions": [{"ProjectArn": PROJECT}]},
        "describe_project_versions": {
            "ProjectVersionDescriptions": [{"ProjectVersionArn": arn, "Status": "RUNNING"}]
        },
        "list_aws_default_service_quotas": client_error("AccessDeniedException", ""),
    }
    ((state, text),) = outcome(find("models", command.ALWAYS), answers)
    assert state is State.UNSEEN and "old/v1" in text


def test_an_account_without_a_support_plan_has_no_health_api() -> None:
    refused = client_error("SubscriptionRequiredException", "", "DescribeEvents")
    ((state, text),) = outcome(find("AWS Health", command.ALWAYS), {"describe_events": refused})
    assert state is State.UNSEEN and "support plan" in text


def test_names_of_a_deployment_that_was_half_removed() -> None:
    group = "/aws/vendedlogs/states/parts-retrain"
    answers: Answers = {
        "describe_stacks": NO_STACK,
        "get_parameter": client_error("ParameterNotFound", ""),
        "describe_user_pool_domain": {"DomainDescription": {}},
        "describe_state_machine": client_error("StateMachineDoesNotExist", ""),
        "list_functions": {"FunctionList": {"Items": [{"Name": "parts-pages-eu-west-1"}]}},
        "list_response_headers_policies": {"ResponseHeadersPolicyList": {}},
        "list_origin_access_controls": {"OriginAccessControlList": {}},
        "describe_log_groups": {"logGroups": [{"logGroupName": group}, {"logGroupName": f"{group}-2"}]},
    }
    ((state, text),) = outcome(find("fixed names", command.BEFORE), answers)
    assert state is State.FAILS and group in text
    control = {"Name": "parts-page-us-east-1"}
    left = {"list_origin_access_controls": {"OriginAccessControlList": {"Items": [control]}}}
    texts = [text for _, text in outcome(find("fixed names", command.BEFORE), answers | left)]
    assert "CloudFront's origin access control parts-page-us-east-1 is there already" in texts[0]
    assert outcome(find("fixed names", command.BEFORE), answers | {"describe_log_groups": NO_GROUPS}) == [
        (State.FINE, "those of parameter, state machines, logs, sign-in and page are free")
    ]


# The command


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command on an account of which nothing may be seen but who asks."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(command, "identify", lambda region: ANNA)
    monkeypatch.setattr(machine, "look", lambda: Machine("v20.1.0", True, True, True, True))
    made = FakeAccount(Denying("AccessDenied"))
    monkeypatch.setattr(command, "Account", lambda name, region, identity: made)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--name", "parts", "doctor", *arguments], env={"COLUMNS": "200"})

    return run


def test_somebody_without_any_permission_is_told_all_that_cannot_be_seen(
    doctor: Callable[..., Result],
) -> None:
    result = doctor("--before-deploy")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("cannot be seen") == len(command.ALWAYS) + len(command.BEFORE) + 1
    assert "nothing that could be seen keeps" in result.stdout
    document = json.loads(doctor("--json").stdout)
    assert document["unseen"] == len(command.ALWAYS) + len(command.AFTER)
    assert {"subject", "state", "text", "mend"} == set(document["findings"][0])


@pytest.mark.parametrize(
    "error",
    [NoCredentialsError(), client_error("ExpiredToken", "the token has expired", "GetCallerIdentity")],
)
def test_without_accepted_credentials_it_looks_no_further(
    doctor: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(region: str) -> Identity:
        raise error

    monkeypatch.setattr(command, "identify", refuse)
    result = doctor("--json", "--before-deploy")
    assert result.exit_code == 1
    findings = json.loads(result.stdout)["findings"]
    assert [each["subject"] for each in findings if each["state"] == "will fail"] == ["credentials"]
    assert len(findings) == 5, "Region, name, Node.js, CDK app, credentials"


def test_without_a_region_it_says_which_to_set(
    doctor: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoRegion:
        region_name: str | None = None

    monkeypatch.setattr("cli.deployment.session", NoRegion)
    result = doctor()
    assert result.exit_code == 1
    assert "AWS_DEFAULT_REGION" in result.stdout


def test_cloudfronts_lists_are_read_to_their_end() -> None:
    pages = {"": {"Items": [1], "NextMarker": "a"}, "a": {"NextMarker": "b"}, "b": {"Items": [2, 3]}}
    assert list(names._listed(lambda Marker="": {"List": pages[Marker]}, "List")) == [1, 2, 3]
