"""The applications that may ask for detections: who they are, and their credentials.

An application signs in by OAuth's client credentials: it has an app client of the deployment's user pool,
and gets access tokens with the scope SCOPE at the pool's token endpoint. A new client comes with each
rotation, so that the old secret and the new one are good side by side for a while.
https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html

The table has an item for each application (`id` is its name) and one for each of its clients (`id` is
`client#<client id>`): a token is of an application as long as its client's item is there.

`labelloop apps` works through Directory, with the credentials of whoever calls it; no function may change an
application. Functions look clients up by `application_of`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr

from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import put_if
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb.service_resource import Table

RESOURCE_SERVER, SCOPE_NAME = "labelloop", "detect"
SCOPE = f"{RESOURCE_SERVER}/{SCOPE_NAME}"
"""That a token needs: of the pool's resource server for this API."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_RESERVED = "aws"
"""Begins the names of callers that AWS has authenticated."""
DEFAULT_RATE = 600
"""Requests a minute."""
MAX_RATE = 60_000
APPLICATION_SECONDS = 60
"""How old what a function knows of an application may be."""
TOKEN_MINUTES = 60
"""How long an access token is good."""
OVERLAP_SECONDS = 24 * 3600
"""How long a rotated secret stays good beside the new one."""
MAX_OVERLAP_SECONDS = 30 * 24 * 3600
_CLIENT = "client#"
_CLIENTS_A_PAGE = 60


class ApplicationError(ValueError):
    """What was asked of an application cannot be done; the message says why, and what helps."""


@frozen
class Application:
    """An application that may ask for detections."""

    id: str
    """Its name; of a caller that AWS has authenticated, `aws:<account>:<role or user>`."""
    rate: int = DEFAULT_RATE
    """Requests a minute that it may make."""
    created_at: str = ""
    client_id: str = ""
    """Of its newest app client; empty for a caller that AWS has authenticated."""
    previous_client_id: str = ""
    """Of the client before the last rotation, while that is still good."""
    previous_until: str = ""


@frozen
class Credentials:
    """What an application signs in with. The secret is nowhere else: whoever loses it rotates."""

    application: str
    client_id: str
    client_secret: str
    scope: str = SCOPE
    previous_until: str = ""
    """Until when those before them are good as well; empty: there are none."""


class Directory:
    """Adds, lists, rotates and removes applications.

    Args:
        table: of the applications.
        pool_id: of the user pool that has the resource server.
    """

    def __init__(self, cognito: CognitoIdentityProviderClient, table: Table, pool_id: str) -> None:
        self._cognito, self._table, self._pool_id = cognito, table, pool_id

    def all(self) -> list[Application]:
        """Every application, by name."""
        return applications_in(self._table)

    def get(self, name: str) -> Application:
        """The application of this name.

        Raises:
            ApplicationError: there is none.
        """
        item = self._table.get_item(Key={"id": name}, ConsistentRead=True).get("Item")
        if item is None or name.startswith(_CLIENT):
            known = ", ".join(application.id for application in self.all()) or "none yet"
            raise ApplicationError(f"there is no application {name!r}; known: {known}")
        return _read(item)

    def add(self, name: str, rate: int = DEFAULT_RATE) -> Credentials:
        """Add an application; its secret is told here alone.

        Args:
            rate: requests a minute that it may make.

        Raises:
            ApplicationError: the name or the rate is of no use, or there is such an application.
        """
        if not NAME.fullmatch(name) or name.startswith(_RESERVED):
            raise ApplicationError(
                f"{name[:80]!r}: use up to 40 lower-case letters, digits and hyphens, a letter first, and not"
                f" {_RESERVED} at the beginning"
            )
        _check_rate(rate)
        client_id, secret = self._create_client(name)
        added = Application(name, rate, clock.now(), client_id)
        # Before the client's item: without it no token of the client is taken.
        if not put_if(self._table, asdict(added), Attr("id").not_exists()):
            self._delete_client(client_id)
            raise ApplicationError(
                f"there is an application {name} already; `labelloop apps rotate {name}` gives it"
                " new credentials"
            )
        self._put_client(client_id, name)
        return Credentials(name, client_id, secret)

    def change_rate(self, name: str, rate: int) -> Application:
        """Let an application make more or fewer requests a minute.

        Raises:
            ApplicationError: there is no such application, or the rate is of no use.
        """
        _check_rate(rate)
        before = self.get(name)
        changed = replace(before, rate=rate)
        self._put(changed, before)
        return changed

    def rotate(self, name: str, overlap_seconds: int = OVERLAP_SECONDS) -> Credentials:
        """Give an application new credentials. Those before stay good for a while, those before them not.

        Args:
            overlap_seconds: how long those before stay good; 0: they are not from now on.

        Raises:
            ApplicationError: there is no such application, or others change it at the same time.
        """
        if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
            days = MAX_OVERLAP_SECONDS // (24 * 3600)
            raise ApplicationError(f"the old secret may stay good for 0 seconds to {days} days")
        before = self.get(name)
        until = clock.to_iso(clock.parse(clock.now()) + timedelta(seconds=overlap_seconds))
        client_id, secret = self._create_client(name)
        after = replace(
            before,
            client_id=client_id,
            previous_client_id=before.client_id if overlap_seconds else "",
            previous_until=until if overlap_seconds else "",
        )
        # First, so that a command that is interrupted leaves no credentials on record that are not good.
        self._put_client(client_id, name)
        try:
            self._put(after, before)
        except ApplicationError:
            self._forget_client(client_id)
            raise
        if overlap_seconds:
            self._put_client(before.client_id, name, until)
        else:
            self._forget_client(before.client_id)
        if before.previous_client_id:
            self._forget_client(before.previous_client_id)
        return Credentials(name, client_id, secret, previous_until=after.previous_until)

    def remove(self, name: str) -> None:
        """Remove an application. Functions take its tokens for up to APPLICATION_SECONDS longer.

        Raises:
            ApplicationError: there is no such application.
        """
        application = self.get(name)
        for client_id in filter(None, (application.client_id, application.previous_client_id)):
            self._table.delete_item(Key={"id": f"{_CLIENT}{client_id}"})
        # Also those that an interrupted command has left behind.
        for client_id in self._clients_of(name):
            self._forget_client(client_id)
        self._table.delete_item(Key={"id": name})

    # Cognito

    def _create_client(self, name: str) -> tuple[str, str]:
        """The id and the secret of a new app client, which can do nothing but get tokens of the scope.

        https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html
        """
        created = self._cognito.create_user_pool_client(
            UserPoolId=self._pool_id,
            ClientName=_client_name(name),
            GenerateSecret=True,
            ExplicitAuthFlows=[],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=[SCOPE],
            AccessTokenValidity=TOKEN_MINUTES,
            TokenValidityUnits={"AccessToken": "minutes"},
            EnableTokenRevocation=True,
            PreventUserExistenceErrors="ENABLED",
        )["UserPoolClient"]
        return created["ClientId"], created["ClientSecret"]

    def _clients_of(self, name: str) -> list[str]:
        pages = self._cognito.get_paginator("list_user_pool_clients").paginate(
            UserPoolId=self._pool_id, PaginationConfig={"PageSize": _CLIENTS_A_PAGE}
        )
        clients = [client for page in pages for client in page["UserPoolClients"]]
        return [client["ClientId"] for client in clients if client["ClientName"] == _client_name(name)]

    def _delete_client(self, client_id: str) -> None:
        try:
            self._cognito.delete_user_pool_client(UserPoolId=self._pool_id, ClientId=client_id)
        except self._cognito.exceptions.ResourceNotFoundException:
            return

    # The table

    def _put(self, after: Application, before: Application) -> None:
        unchanged = Attr("client_id").eq(before.client_id) & Attr("rate").eq(before.rate)
        if not put_if(self._table, asdict(after), unchanged):
            raise ApplicationError(f"somebody else is changing {after.id}; try again")

    def _put_client(self, client_id: str, name: str, until: str = "") -> None:
        self._table.put_item(Item={"id": f"{_CLIENT}{client_id}", "application": name, "until": until})

    def _forget_client(self, client_id: str) -> None:
        self._table.delete_item(Key={"id": f"{_CLIENT}{client_id}"})
        self._delete_client(client_id)


def applications_in(table: Table) -> list[Application]:
    """Every application of the table, by name."""
    page: Any = table.scan(ConsistentRead=True)
    items = page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"])
        items += page["Items"]
    applications = [_read(item) for item in items if not str(item["id"]).startswith(_CLIENT)]
    return sorted(applications, key=lambda application: application.id)


def application_of(table: Table, client_id: str) -> Application | None:
    """The application that a client's tokens are of; None if the client is no application's any more."""
    client = table.get_item(Key={"id": f"{_CLIENT}{client_id}"}, ConsistentRead=True).get("Item")
    if client is None or (client["until"] and str(client["until"]) <= clock.now()):
        return None
    item = table.get_item(Key={"id": str(client["application"])}, ConsistentRead=True).get("Item")
    return _read(item) if item else None


def _read(item: Any) -> Application:
    values: Any = {field.name: item[field.name] for field in fields(Application) if field.name in item}
    values["rate"] = int(values["rate"])
    return Application(**values)


def _client_name(name: str) -> str:
    return f"application-{name}"


def _check_rate(rate: int) -> None:
    if not 1 <= rate <= MAX_RATE:
        raise ApplicationError(f"a rate of {rate}: expected 1 to {MAX_RATE} requests a minute")
