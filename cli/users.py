"""The commands `labelloop users ...`: people who may sign in at the console."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.exceptions import ClientError

from cli.output import CommandError
from cli.session import AsJson, Name, open_session

if TYPE_CHECKING:
    from cli.deployment import Deployment

REVIEWERS, ADMINISTRATORS = "reviewers", "administrators"

users_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Add, list and remove people who may sign in at the console.",
)
User = Annotated[str, typer.Argument(help="User name of the person.", show_default=False)]


@users_app.command("add")
def add(  # noqa: PLR0917 one for each option
    context: typer.Context,
    user: User,
    email: Annotated[
        str, typer.Option("--email", "-e", help="Address that an invitation with a password is sent to.")
    ] = "",
    admin: Annotated[
        bool, typer.Option("--admin", help="Let the person also manage tasks, labels and people.")
    ] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Let a person sign in at the console, with a password that has to be changed the first time.

    [dim]labelloop users add rita --email rita@example.com[/dim]
    """
    session = open_session(context, name, as_json)
    deployment = session.deployment()
    added = _add(deployment, user, email, ADMINISTRATORS if admin else REVIEWERS)

    def show() -> None:
        console = session.out.console
        console.print(f"{user} may sign in at {deployment.console_address}", markup=False, soft_wrap=True)
        if added["password"]:
            console.print(f"for the first time with the password {added['password']}", markup=False)
        else:
            console.print(f"an invitation was sent to {email}", markup=False)

    session.print_result(added, show)


@users_app.command("list")
def list_users(context: typer.Context, name: Name = None, as_json: AsJson = False) -> None:
    """List the people who may sign in.

    [dim]labelloop users list --json[/dim]
    """
    from rich.table import Table

    session = open_session(context, name, as_json)
    users = _list(session.deployment())

    def show() -> None:
        table = Table(box=None, pad_edge=False)
        for column in ("user", "groups", "status", "email"):
            table.add_column(column)
        for user in users:
            table.add_row(user["user"], ", ".join(user["groups"]), user["status"], user["email"])
        session.out.console.print(
            table if users else "Nobody yet: `labelloop users add NAME --email ADDRESS`"
        )

    session.print_result(users, show)


@users_app.command("remove")
def remove(
    context: typer.Context,
    user: User,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Let a person sign in no more. The answers that the person has given stay.

    [dim]labelloop users remove rita[/dim]
    """
    session = open_session(context, name, as_json)
    deployment = session.deployment()
    try:
        deployment.cognito.admin_delete_user(UserPoolId=deployment.user_pool_id, Username=user)
    except deployment.cognito.exceptions.UserNotFoundException:
        raise CommandError(f"there is no user {user}; `labelloop users list` lists them") from None
    session.print_result(
        {"removed": user}, lambda: session.out.console.print(f"{user} is removed", markup=False)
    )


def _add(deployment: Deployment, user: str, email: str, group: str) -> dict[str, Any]:
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
