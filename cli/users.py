"""`labelloop users`: who may sign in at the console."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.table import Table

from cli.deployment import Deployment
from cli.output import CommandError
from cli.session import AsJson, Name, session

REVIEWERS, ADMINISTRATORS = "reviewers", "administrators"

users_app = typer.Typer(no_args_is_help=True, help="Who may sign in at the console.")


@users_app.command("add")
def add(  # noqa: PLR0917 one for each option
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="What the person is called there.")],
    email: Annotated[str, typer.Option("--email", "-e", help="Gets an invitation with a password.")] = "",
    admin: Annotated[bool, typer.Option("--admin", help="May also manage tasks, labels and people.")] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody sign in, with a password that is good for the first time.

    [dim]labelloop users add rita --email rita@example.com[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    added = _add(deployment, user, email, ADMINISTRATORS if admin else REVIEWERS)

    def show() -> None:
        console = using.out.console
        console.print(f"{user} may sign in at {deployment.console_address}", markup=False, soft_wrap=True)
        if added["password"]:
            console.print(f"for the first time with the password {added['password']}", markup=False)
        else:
            console.print(f"an invitation is on its way to {email}", markup=False)

    using.tell(added, show)


@users_app.command("list")
def list_users(context: typer.Context, name: Name = None, as_json: AsJson = False) -> None:
    """Who may sign in."""
    using = session(context, name, as_json)
    found = _list(using.deployment())

    def show() -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("user", "groups", "status", "email"):
            table.add_column(column)
        for user in found:
            table.add_row(user["user"], ", ".join(user["groups"]), user["status"], user["email"])
        using.out.console.print(table if found else "Nobody yet: `labelloop users add NAME --email ADDRESS`")

    using.tell(found, show)


@users_app.command("remove")
def remove(
    context: typer.Context,
    user: Annotated[str, typer.Argument(help="What the person is called there.")],
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody sign in no more. What they have answered stays."""
    using = session(context, name, as_json)
    deployment = using.deployment()
    try:
        deployment.cognito.admin_delete_user(UserPoolId=deployment.user_pool_id, Username=user)
    except deployment.cognito.exceptions.UserNotFoundException:
        raise CommandError(f"there is no user {user}; `labelloop users list` lists them") from None
    using.tell({"removed": user}, lambda: using.out.console.print(f"{user} is removed", markup=False))


def _add(deployment: Deployment, user: str, email: str, group: str) -> dict[str, Any]:
    password = "" if email else f"Aa1-{secrets.token_urlsafe(12)}"
    wanted: dict[str, Any] = {"UserPoolId": deployment.user_pool_id, "Username": user}
    if email:
        wanted["UserAttributes"] = [
            {"Name": "email", "Value": email},
            {"Name": "email_verified", "Value": "true"},
        ]
        wanted["DesiredDeliveryMediums"] = ["EMAIL"]
    else:
        wanted |= {"TemporaryPassword": password, "MessageAction": "SUPPRESS"}
    try:
        deployment.cognito.admin_create_user(**wanted)
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
    return {"user": user, "group": group, "password": password, "console": deployment.console_address}


def _list(deployment: Deployment) -> list[dict[str, Any]]:
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
