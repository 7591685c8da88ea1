from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError

from cli import deployment
from cli.deployment import OUTPUTS, Deployment, DeploymentError, explain
from tests.fixtures.cli import AWS, Cli, FakeAws, client_error


def test_a_deployment_is_what_its_stack_says(cli: Cli) -> None:
    deployment = Deployment.find("parts")
    assert (deployment.name, deployment.bucket) == ("parts", "parts-data")
    assert deployment.project_arn == "arn:aws:rekognition:us-east-1:123456789012:project/parts/1700000000000"
    assert deployment.tuning().min_new_images == 20
    assert deployment.loop_state.champion() is None


def test_clients_are_made_once(cli: Cli) -> None:
    deployment = Deployment.find("parts")
    assert deployment.s3 is deployment.s3
    with pytest.raises(AttributeError):
        deployment.bucket = "another"  # pyrefly: ignore[read-only]


def test_no_such_stack_says_what_to_do(cli: Cli) -> None:
    with pytest.raises(DeploymentError, match=r"no stack nuts.*cdk deploy.*\. \.embedded/env"):
        Deployment.find("nuts")


def test_the_wrong_region_is_named_with_endpoint_and_profile(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AWS, "region_name", "eu-west-1")
    monkeypatch.setattr(AWS, "profile_name", "work")
    with pytest.raises(DeploymentError, match=r"no stack nuts in eu-west-1 \(profile work\)\. .*AWS_PROFILE"):
        Deployment.find("nuts")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    with pytest.raises(
        DeploymentError, match=r"eu-west-1 \(profile work, endpoint http://127\.0\.0\.1:4566\)"
    ):
        Deployment.find("nuts")


def test_a_stack_of_something_else_is_not_taken_for_a_deployment(cli: Cli) -> None:
    cli.fake.outputs = {"WebsiteUrl": "https://example.com"}
    with pytest.raises(DeploymentError, match=r"not a LabelLoop deployment.*CatalogueTable"):
        Deployment.find("parts")


def test_no_credentials_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    deployment.session.cache_clear()
    with pytest.raises(DeploymentError, match=r"no AWS credentials.*\. \.embedded/env"):
        Deployment.find("parts")
    deployment.session.cache_clear()


def test_an_embedded_stack_that_is_down_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    error = EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/")
    assert "make up" in explain(error)
    assert "http://127.0.0.1:4566" in explain(error)


def test_errors_of_aws_are_told_with_their_operation() -> None:
    message = explain(client_error("AccessDeniedException", "not allowed", "DescribeStacks"))
    assert message == "DescribeStacks: AccessDeniedException: not allowed"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (client_error("ExpiredToken", "The security token has expired"), "Sign in"),
        (NoCredentialsError(), "sign in"),
        (NoRegionError(), "AWS_DEFAULT_REGION"),
    ],
)
def test_what_can_be_put_right_comes_with_advice(error: Any, advice: str) -> None:
    assert advice in explain(error)


def test_the_outputs_are_those_of_the_stack() -> None:
    """The stack's own source is the other half of this contract."""

    source = (Path(__file__).parents[2] / "infra" / "stack.py").read_text()
    assert all(f'"{output}":' in source for output in OUTPUTS.values())


def test_fake_refuses_other_names(fake: FakeAws) -> None:
    with pytest.raises(DeploymentError):
        Deployment.find("parts-of-something-else")


@pytest.mark.parametrize("code", ["ThrottlingException", "TooManyRequestsException", "SlowDown"])
def test_throttling_is_said_in_a_sentence(code: str) -> None:
    error = client_error(code, "Rate exceeded", "DescribeStacks")
    assert explain(error) == (
        f"AWS takes no more requests just now (DescribeStacks: {code}, after 1 attempt): the account asks for"
        " too much at once. Run the command again in a moment"
    )


def test_an_engine_of_another_release_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    known = dict.fromkeys(OUTPUTS, "arn:aws:x:eu-west-1:111122223333:project/parts/17")
    training = {"deployment": "parts", "colour": "red"}
    engine = json.dumps({"usual": "serverless", "function": "serving", "training": training})
    with pytest.raises(DeploymentError, match=r"parts was deployed by another release of LabelLoop.*colour"):
        Deployment(name="parts", **known, serverless_engine=engine).engine  # noqa: B018 it is made by the look
