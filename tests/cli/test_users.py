"""`labelloop users`: who may sign in, against a user pool in moto."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from cli import accounts, deployment
from cli.deployment import Deployment
from cli.main import app

ADDRESS = "https://d111111abcdef8.cloudfront.net/"


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    deployment.session.cache_clear()
    with mock_aws():
        cognito = boto3.client("cognito-idp")
        id = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
        for group in ("reviewers", "administrators"):
            cognito.create_group(UserPoolId=id, GroupName=group)
        blank = dict.fromkeys(Deployment.__dataclass_fields__, "")
        parts = Deployment(**{**blank, "name": "parts", "user_pool_id": id, "console_address": ADDRESS})
        monkeypatch.setattr(Deployment, "find", classmethod(lambda cls, name: parts))
        yield id
    deployment.session.cache_clear()


def test_an_invitation_of_the_embedded_stack_can_be_read(pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert json.loads(run("add", "rita", "--email", "rita@example.com", "--json").stdout)["mails"] == ""
    monkeypatch.setattr(accounts, "_mails", lambda: "http://127.0.0.1:4566/_ministack/ses/messages")
    shown = run("add", "ann", "--email", "ann@example.com").stdout
    assert "read it at http://127.0.0.1:4566/_ministack/ses/messages" in shown


@pytest.mark.parametrize(
    ("endpoint", "mails"),
    [
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566/_ministack/ses/messages"),
        ("http://localhost:4566/", "http://localhost:4566/_ministack/ses/messages"),
        ("https://proxy.example.com", ""),
        ("", ""),
    ],
)
def test_where_mails_can_be_read(endpoint: str, mails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert accounts._mails() == mails


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["users", *arguments])


def test_somebody_gets_a_password_for_the_first_time(pool: str) -> None:
    added = json.loads(run("add", "rita", "--json").stdout)
    assert added["group"] == "reviewers"
    assert added["console"] == ADDRESS
    assert len(added["password"]) >= 12
    user = boto3.client("cognito-idp").admin_get_user(UserPoolId=pool, Username="rita")
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"


def test_somebody_with_an_address_is_invited(pool: str) -> None:
    output = run("add", "ann", "--email", "ann@example.com", "--admin").stdout
    assert ADDRESS in output
    assert "An invitation was sent to ann@example.com" in output
    (user,) = json.loads(run("list", "--json").stdout)
    assert (user["user"], user["groups"], user["email"]) == ("ann", ["administrators"], "ann@example.com")


def test_nobody_is_added_twice(pool: str) -> None:
    run("add", "rita")
    again = run("add", "rita")
    assert again.exit_code == 1
    assert "there is a user rita already" in again.stderr


def test_who_is_removed_is_gone(pool: str) -> None:
    run("add", "rita")
    assert "rita" in run("list").stdout
    assert run("remove", "rita").exit_code == 0
    assert "Nobody yet" in run("list").stdout
    gone = run("remove", "rita")
    assert gone.exit_code == 1
    assert "there is no user rita" in gone.stderr


def test_the_worker_template_is_printed() -> None:
    printed = CliRunner().invoke(app, ["worker-template"]).stdout
    assert "<crowd-form" in printed
    assert "crowd-bounding-box" in printed
