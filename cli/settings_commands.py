"""The commands `labelloop settings ...`: what can be changed without a deployment."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.session import CONTEXT, Group, Session, command

settings_group = Group(
    "settings",
    no_args_is_help=True,
    context_settings=CONTEXT,
    help="Show and change thresholds and intervals, without a deployment.\n\nA change takes effect with the"
    " next step. docs/settings.md says what each setting means, and `labelloop settings show NAME`, too.",
)


@command(settings_group, "show")
@click.argument("setting", default="")
def show(session: Session, setting: str) -> None:
    """Show the settings that are in force, or one with its meaning.

    Example: labelloop settings show serving_policy
    """
    from cli import settings

    deployment = session.deployment()
    if setting:
        one = session.wait_for("Reading the settings", lambda: settings.one(deployment, setting))
        session.print_result(one.as_dict(), lambda: settings.show_one(session.out.console, one))
    else:
        entries = session.wait_for("Reading the settings", lambda: settings.all_of(deployment))
        session.print_result(
            [entry.as_dict() for entry in entries], lambda: settings.show_all(session.out.console, entries)
        )


@command(settings_group, "set")
@click.argument("pairs", nargs=-1, required=True, metavar="SETTING VALUE [SETTING VALUE]...")
def set_values(session: Session, pairs: Sequence[str]) -> None:
    """Change settings. All are checked before any is written.

    What somebody else changes at the same time stays. A VALUE that is not a word is JSON: a number, true,
    false or null.

    \b
    labelloop settings set serving_policy always
    labelloop settings set serving_hours 'Mon-Fri 06:00-22:00' serving_time_zone Europe/Zurich
    """
    from cli import settings

    changes = settings.parse(pairs)
    deployment, console = session.deployment(), session.out.console
    done = session.wait_for("Writing the settings", lambda: settings.change(deployment, changes))
    session.print_result(done.as_dict(), lambda: settings.show_changed(console, done))


@command(settings_group, "unset")
@click.argument("names", nargs=-1, required=True, metavar="SETTING...")
def unset(session: Session, names: Sequence[str]) -> None:
    """Give settings their defaults again.

    Example: labelloop settings unset serving_policy
    """
    from cli import settings
    from lambdas.domain.shared.settings_parameter import UNSET

    deployment, console = session.deployment(), session.out.console
    changes = dict.fromkeys(names, UNSET)
    done = session.wait_for("Writing the settings", lambda: settings.change(deployment, changes))
    session.print_result(done.as_dict(), lambda: settings.show_changed(console, done))
