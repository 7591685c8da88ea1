"""The commands `labelloop apps ...`: which applications may ask for detections."""

from __future__ import annotations

import click

from cli.number_range import NumberRange
from cli.session import CONTEXT, Group, Session, command

apps = Group(
    "apps",
    no_args_is_help=True,
    context_settings=CONTEXT,
    help="Manage which applications may ask for detections.\n\nAn application signs in with a client id and a"
    " secret. docs/applications.md shows what it calls.",
)
_name = click.argument("application", metavar="NAME")


@command(apps, "add")
@_name
@click.option("--rate", type=click.IntRange(min=1), help="Requests a minute that it may make.")
def add(session: Session, application: str, rate: int | None) -> None:
    """Add an application, and print what its developer needs.

    The secret is shown this once, and kept nowhere.

    Example: labelloop apps add shop-cameras --rate 1200
    """
    from cli import applications

    deployment, console = session.deployment(), session.out.console
    access = session.wait_for(
        f"Adding {application}", lambda: applications.add(deployment, application, rate)
    )
    session.print_result(access.as_dict(), lambda: applications.show_access(console, access))


@command(apps, "list")
def list_all(session: Session) -> None:
    """List the applications.

    Example: labelloop apps list --json
    """
    from cli import applications

    deployment = session.deployment()
    known = session.wait_for("Reading the applications", lambda: applications.read_all(deployment))
    session.print_result(
        [application.__dict__ for application in known],
        lambda: applications.show_all(session.out.console, known),
    )


@command(apps, "rate")
@_name
@click.argument("rate", type=click.IntRange(min=1), metavar="REQUESTS")
def change_rate(session: Session, application: str, rate: int) -> None:
    """Change how many requests a minute an application may make.

    Example: labelloop apps rate shop-cameras 3000
    """
    from cli import applications

    deployment = session.deployment()
    changed = session.wait_for("Changing it", lambda: applications.change_rate(deployment, application, rate))
    session.print_result(
        changed.__dict__,
        lambda: session.out.console.print(f"{changed.id} may make {changed.rate} requests a minute"),
    )


@command(apps, "rotate")
@_name
@click.option(
    "--overlap",
    type=NumberRange(min=0),
    default=24.0,
    show_default=True,
    help="Hours for which the old secret stays good, so that nothing fails meanwhile. 0: not at all.",
)
def rotate(session: Session, application: str, overlap: float) -> None:
    """Give an application a new secret. The old one stays good for a day, unless --overlap says otherwise.

    The new secret is shown this once, and kept nowhere.

    Example: labelloop apps rotate shop-cameras --overlap 0
    """
    from cli import applications

    deployment, console = session.deployment(), session.out.console
    seconds = round(3600 * overlap)
    access = session.wait_for(
        f"Rotating {application}", lambda: applications.rotate(deployment, application, seconds)
    )
    session.print_result(access.as_dict(), lambda: applications.show_access(console, access))


@command(apps, "remove")
@_name
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
def remove(session: Session, application: str, yes: bool) -> None:
    """Remove an application. What it has asked and was answered stays on record.

    Example: labelloop apps remove shop-cameras
    """
    from cli import applications

    deployment = session.deployment()
    applications.get(deployment, application)
    if not yes:
        session.confirm(f"Remove {application}? Its calls fail from then on.", f"{application} stays")
    session.wait_for(f"Removing {application}", lambda: applications.remove(deployment, application))
    session.print_result(
        {"removed": application}, lambda: applications.show_removed(session.out.console, application)
    )
