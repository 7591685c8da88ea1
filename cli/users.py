"""The commands `labelloop users ...`: who may sign in at the console."""

from __future__ import annotations

import click

from cli.session import CONTEXT, Group, Session, command

users = Group(
    "users", no_args_is_help=True, context_settings=CONTEXT, help="Manage who may sign in at the console."
)


@command(users, "add")
@click.argument("user")
@click.option("--email", "-e", default="", help="Send an invitation with the password to this address.")
@click.option(
    "--admin", is_flag=True, help="Make the user an administrator, who also manages tasks, labels and users."
)
def add(session: Session, user: str, email: str, admin: bool) -> None:
    """Add a user of the console.

    The temporary password has to be changed at the first sign-in. It is sent to the address given with
    --email; without one, it is printed.

    Example: labelloop users add rita --email rita@example.com
    """
    from cli import accounts

    account = accounts.add(session.deployment(), user, email, administrator=admin)
    session.print_result(account, lambda: accounts.show_added(session.out.console, account))


@command(users, "list")
def list_users(session: Session) -> None:
    """List the users of the console.

    Example: labelloop users list --json
    """
    from cli import accounts

    everybody = accounts.read_all(session.deployment())
    session.print_result(everybody, lambda: accounts.show_all(session.out.console, everybody))


@command(users, "remove")
@click.argument("user")
def remove(session: Session, user: str) -> None:
    """Remove a user of the console. The answers that the user has given stay.

    Example: labelloop users remove rita
    """
    from cli import accounts

    accounts.remove(session.deployment(), user)
    session.print_result(
        {"removed": user}, lambda: session.out.console.print(f"{user} is removed", markup=False)
    )
