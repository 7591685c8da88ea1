"""Accounts of people who may sign in at the console, in the deployment's Cognito user pool."""

from __future__ import annotations

import os
import secrets
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from cli.deployment import Deployment
from cli.output import CommandError

REVIEWERS, ADMINISTRATORS = "reviewers", "administrators"


def add(deployment: Deployment, user: str, email: str, *, administrator: bool) -> dict[str, Any]:
    """Add a user, with an invitation by mail or, without an address, with a password to hand over.

    Raises:
        CommandError: there is such a user, or the name or address cannot be used.
    """
    group = ADMINISTRATORS if administrator else REVIEWERS
    password = "" if email else f"Aa1-{secrets.token_urlsafe(12)}"
    request: dict[str, Any] = {"UserPoolId": deployment.user_pool_id, "Username": user}
    if email:
        request["UserAttributes"] = [
            {"Name": "email", "Value": email},
            {"Name": "email_verified", "Value": "true"},
        ]
        request["DesiredDeliveryMediums"] = ["EMAIL"]
    else:
        request |= {"TemporaryPassword": password, "MessageAction": "SUPPRESS"}
    try:
        deployment.cognito.admin_create_user(**request)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "UsernameExistsException":
            raise CommandError(f"there is a user {user} already") from None
        if code == "InvalidParameterException":
            raise CommandError(error.response["Error"]["Message"]) from None
        raise
    deployment.cognito.admin_add_user_to_group(
        UserPoolId=deployment.user_pool_id, Username=user, GroupName=group
    )
    return {
        "user": user,
        "group": group,
        "email": email,
        "password": password,
        "mails": _mails() if email else "",
        "console": deployment.console_address,
    }


def _mails() -> str:
    """Where the embedded stack shows the mails that it does not send; empty where AWS sends them."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    on_this_machine = urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")
    return f"{endpoint.rstrip('/')}/_ministack/ses/messages" if on_this_machine else ""


def show_added(console: Console, account: dict[str, Any]) -> None:
    """Print how the new user signs in."""
    console.print(f"{account['user']} may sign in at {account['console']}", markup=False, soft_wrap=True)
    if account["password"]:
        console.print(f"Temporary password: {account['password']}", markup=False)
    else:
        console.print(f"An invitation was sent to {account['email']}", markup=False)
    if account["mails"]:
        text = f"Mails do not leave the embedded stack: read it at {account['mails']}"
        console.print(text, markup=False, soft_wrap=True)


def remove(deployment: Deployment, user: str) -> None:
    """Remove a user.

    Raises:
        CommandError: there is none of that name.
    """
    try:
        deployment.cognito.admin_delete_user(UserPoolId=deployment.user_pool_id, Username=user)
    except deployment.cognito.exceptions.UserNotFoundException:
        raise CommandError(f"there is no user {user}; `labelloop users list` lists them") from None


def show_all(console: Console, users: list[dict[str, Any]]) -> None:
    """Print a table of users."""
    table = Table(box=None, pad_edge=False)
    for column in ("user", "groups", "status", "email"):
        table.add_column(column)
    for user in users:
        table.add_row(user["user"], ", ".join(user["groups"]), user["status"], user["email"])
    console.print(table if users else "Nobody yet: `labelloop users add NAME --email ADDRESS`")


def read_all(deployment: Deployment) -> list[dict[str, Any]]:
    """All users, with their groups."""
    pool, cognito = deployment.user_pool_id, deployment.cognito
    groups: dict[str, list[str]] = {}
    for group in (REVIEWERS, ADMINISTRATORS):
        pages = cognito.get_paginator("list_users_in_group").paginate(UserPoolId=pool, GroupName=group)
        for page in pages:
            for user in page["Users"]:
                groups.setdefault(user["Username"], []).append(group)
    return [
        {
            "user": user["Username"],
            "groups": groups.get(user["Username"], []),
            "status": user["UserStatus"],
            "email": next((a.get("Value", "") for a in user["Attributes"] if a["Name"] == "email"), ""),
        }
        for page in cognito.get_paginator("list_users").paginate(UserPoolId=pool)
        for user in page["Users"]
    ]
