"""Applications added, rotated and removed, in moto's user pools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.domain.applications import directory
from lambdas.domain.applications.directory import ApplicationError, Directory, application_of
from lambdas.domain.shared import clock


@pytest.fixture
def cognito(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield boto3.client("cognito-idp")


@pytest.fixture
def table(cognito: Any) -> Any:
    return boto3.resource("dynamodb").create_table(
        TableName="applications",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def pool(cognito: Any) -> str:
    return str(cognito.create_user_pool(PoolName="people")["UserPool"]["Id"])


@pytest.fixture
def applications(cognito: Any, table: Any, pool: str) -> Directory:
    return Directory(cognito, table, pool)


def clients(cognito: Any, pool: str) -> set[str]:
    listed = cognito.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]
    return {client["ClientId"] for client in listed}


def test_an_application_gets_a_client_that_can_do_nothing_else(
    applications: Directory, cognito: Any, pool: str
) -> None:
    given = applications.add("line-3", rate=60)
    described = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=given.client_id)
    client = described["UserPoolClient"]
    assert client["ClientSecret"] == given.client_secret != ""
    assert client["AllowedOAuthFlows"] == ["client_credentials"]
    assert client["AllowedOAuthScopes"] == [given.scope] == [directory.SCOPE]
    assert client["AllowedOAuthFlowsUserPoolClient"] is True
    (listed,) = applications.all()
    assert (listed.id, listed.rate, listed.client_id) == ("line-3", 60, given.client_id)


def test_a_client_is_its_application_s(applications: Directory, table: Any) -> None:
    given = applications.add("line-3", rate=60)
    applications.add("shop")
    application = application_of(table, given.client_id)
    assert application and (application.id, application.rate) == ("line-3", 60)
    assert application_of(table, "another") is None


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "a b", "a/b", "a#b", "ä", "aws", "aws-line", "a" * 41, "a\n", "client#x"]
)
def test_a_name_that_is_of_no_use_is_refused(
    name: str, applications: Directory, cognito: Any, pool: str
) -> None:
    with pytest.raises(ApplicationError, match="lower-case letters"):
        applications.add(name)
    assert clients(cognito, pool) == set()


@pytest.mark.parametrize("rate", [0, -1, directory.MAX_RATE + 1])
def test_a_rate_that_is_of_no_use_is_refused(rate: int, applications: Directory) -> None:
    with pytest.raises(ApplicationError, match="requests a minute"):
        applications.add("line-3", rate)
    applications.add("line-3")
    with pytest.raises(ApplicationError, match="requests a minute"):
        applications.change_rate("line-3", rate)


def test_a_name_is_given_once(applications: Directory, cognito: Any, pool: str, table: Any) -> None:
    given = applications.add("line-3")
    with pytest.raises(ApplicationError, match="labelloop apps rotate line-3"):
        applications.add("line-3")
    assert clients(cognito, pool) == {given.client_id}, "nothing is left of the second"
    assert application_of(table, given.client_id)


def test_the_old_secret_is_good_for_a_while(
    applications: Directory, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: "2026-01-01T00:00:00.000000Z")
    old = applications.add("line-3", rate=60)
    new = applications.rotate("line-3", overlap_seconds=3600)
    assert new.previous_until == "2026-01-01T01:00:00.000000Z"
    assert old.client_secret != new.client_secret
    assert [application_of(table, each.client_id) is not None for each in (old, new)] == [True, True]
    monkeypatch.setattr(clock, "now", lambda: "2026-01-01T01:00:00.000000Z")
    assert [application_of(table, each.client_id) is not None for each in (old, new)] == [False, True]
    assert applications.get("line-3").rate == 60


def test_a_rotation_can_end_the_old_secret_at_once(
    applications: Directory, cognito: Any, pool: str, table: Any
) -> None:
    old = applications.add("line-3")
    new = applications.rotate("line-3", overlap_seconds=0)
    assert clients(cognito, pool) == {new.client_id}
    assert application_of(table, old.client_id) is None
    assert (new.previous_until, applications.get("line-3").previous_client_id) == ("", "")


def test_the_secret_before_the_last_is_gone(applications: Directory, cognito: Any, pool: str) -> None:
    first, second, third = (
        applications.add("line-3"),
        applications.rotate("line-3"),
        applications.rotate("line-3"),
    )
    assert clients(cognito, pool) == {second.client_id, third.client_id}
    assert first.client_id not in clients(cognito, pool)


@pytest.mark.parametrize("seconds", [-1, directory.MAX_OVERLAP_SECONDS + 1])
def test_no_secret_is_good_for_ever(seconds: int, applications: Directory) -> None:
    applications.add("line-3")
    with pytest.raises(ApplicationError, match="30 days"):
        applications.rotate("line-3", overlap_seconds=seconds)


def test_a_rotation_that_is_interrupted_leaves_the_old_secret_good(
    applications: Directory, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = applications.add("line-3")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(applications, "_put", killed)
        applications.rotate("line-3")
    assert application_of(table, old.client_id)
    new = applications.rotate("line-3")
    assert all(application_of(table, each.client_id) for each in (old, new))


def test_nothing_is_left_of_an_application_that_is_removed(
    applications: Directory, cognito: Any, pool: str, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = applications.add("shop")
    given = applications.add("line-3")
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        # What an interrupted rotation has left behind goes as well.
        context.setattr(applications, "_put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        applications.rotate("line-3")
    applications.remove("line-3")
    assert clients(cognito, pool) == {kept.client_id}
    assert application_of(table, given.client_id) is None
    assert [application.id for application in applications.all()] == ["shop"]
    assert len(table.scan()["Items"]) == 2


def test_who_is_not_there_is_named_beside_who_is(applications: Directory) -> None:
    applications.add("shop")
    for act in (applications.remove, applications.rotate, applications.get):
        with pytest.raises(ApplicationError, match="no application 'line-3'; known: shop"):
            act("line-3")


def test_another_who_changes_it_at_the_same_time_is_not_overwritten(
    applications: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    applications.add("line-3")
    before = applications.get("line-3")
    applications.change_rate("line-3", 7)
    monkeypatch.setattr(applications, "get", lambda name: before)
    with pytest.raises(ApplicationError, match="somebody else is changing line-3"):
        applications.change_rate("line-3", 8)
