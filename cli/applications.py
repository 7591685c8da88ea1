"""`labelloop apps`: the applications that may ask for detections, and their credentials."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from cli import formatting
from cli.deployment import Deployment
from cli.output import CommandError
from lambdas.domain.applications.directory import (
    APPLICATION_SECONDS,
    DEFAULT_RATE,
    Application,
    ApplicationError,
    Credentials,
    Directory,
)


@dataclass(frozen=True)
class Access:
    """What an application's developer needs, by the environment variables that `labelloop.client` reads."""

    credentials: Credentials
    url: str
    token_url: str

    @property
    def variables(self) -> dict[str, str]:
        return {
            "LABELLOOP_URL": self.url,
            "LABELLOOP_TOKEN_URL": self.token_url,
            "LABELLOOP_CLIENT_ID": self.credentials.client_id,
            "LABELLOOP_CLIENT_SECRET": self.credentials.client_secret,
        }

    def as_dict(self) -> dict[str, object]:
        return {
            "application": self.credentials.application,
            "previous_until": self.credentials.previous_until or None,
            **self.variables,
        }


def add(deployment: Deployment, name: str, rate: int | None) -> Access:
    """Add an application.

    Raises:
        CommandError: the name cannot be used, or is in use.
    """
    with _problems():
        return _access(deployment, _directory(deployment).add(name, DEFAULT_RATE if rate is None else rate))


def read_all(deployment: Deployment) -> list[Application]:
    """Every application, by name."""
    return _directory(deployment).all()


def get(deployment: Deployment, name: str) -> Application:
    """The application of that name.

    Raises:
        CommandError: there is none.
    """
    with _problems():
        return _directory(deployment).get(name)


def change_rate(deployment: Deployment, name: str, rate: int) -> Application:
    """Let an application make so many requests a minute.

    Raises:
        CommandError: there is none of that name.
    """
    with _problems():
        return _directory(deployment).change_rate(name, rate)


def rotate(deployment: Deployment, name: str, overlap_seconds: int) -> Access:
    """Give an application a new secret.

    Args:
        overlap_seconds: how long the old one stays good.

    Raises:
        CommandError: there is none of that name.
    """
    with _problems():
        return _access(deployment, _directory(deployment).rotate(name, overlap_seconds))


def remove(deployment: Deployment, name: str) -> None:
    """Remove an application.

    Raises:
        CommandError: there is none of that name.
    """
    with _problems():
        _directory(deployment).remove(name)


def show_access(console: Console, access: Access) -> None:
    """Print what the developer needs, as lines for a shell, which can read all of it."""
    console.print(f"# Give the developer of {access.credentials.application} these lines:\n", soft_wrap=True)
    for name, value in access.variables.items():
        console.print(f"export {name}={shlex.quote(value)}", markup=False, soft_wrap=True)
    console.print(
        "\n# The secret is shown this once: `labelloop apps rotate` gives another one if it is lost.",
        soft_wrap=True,
    )
    if until := access.credentials.previous_until:
        console.print(f"# The secret before it stays good until {formatting.moment(until)}.", soft_wrap=True)
    console.print(
        "# docs/applications.md shows what to call, with curl, Python and JavaScript.", soft_wrap=True
    )


def show_all(console: Console, applications: Sequence[Application]) -> None:
    if not applications:
        console.print("No application yet: `labelloop apps add NAME`")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("application", no_wrap=True)
    table.add_column("requests a minute", justify="right")
    for column in ("created", "client id", "old secret good until"):
        table.add_column(column)
    for application in applications:
        table.add_row(
            application.id,
            str(application.rate),
            formatting.moment(application.created_at),
            application.client_id,
            formatting.moment(application.previous_until),
        )
    console.print(table)


def show_removed(console: Console, name: str) -> None:
    console.print(
        f"{name} is removed. Tokens that it has are good for up to {APPLICATION_SECONDS} seconds more"
    )


@contextmanager
def _problems() -> Iterator[None]:
    """Reports what an application cannot be or do."""
    try:
        yield
    except ApplicationError as error:
        raise CommandError(str(error)) from error


def _directory(deployment: Deployment) -> Directory:
    return Directory(deployment.cognito, deployment.applications, deployment.user_pool_id)


def _access(deployment: Deployment, credentials: Credentials) -> Access:
    return Access(credentials, deployment.detection_api_address, deployment.token_address)
