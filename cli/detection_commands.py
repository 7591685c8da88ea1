"""The commands `labelloop detections ...`: what applications asked and were answered."""

from __future__ import annotations

from pathlib import Path

import click

from cli.number_range import NumberRange
from cli.session import CONTEXT, Group, Session, command, draws

detections_group = Group(
    "detections",
    no_args_is_help=True,
    context_settings=CONTEXT,
    help="Show what applications asked, and what they were answered.",
)


@command(detections_group, "find")
@click.option("--app", "application", help="Only those of this application.")
@click.option("--since", help="Only those since then: 30m, 12h, 7d, or a time such as 2026-01-31T12:00Z.")
@click.option("--label", "-l", help="Only those with this label.")
@click.option(
    "--below",
    type=NumberRange(0, 100),
    help="Only those with a label (or the one of --label) below this confidence, in percent.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to show at most."
)
def find(  # noqa: PLR0917 one for each option
    session: Session,
    application: str | None,
    since: str | None,
    label: str | None,
    below: float | None,
    limit: int,
) -> None:
    """Find detections of applications, newest first.

    \b
    labelloop detections find --app shop-cameras --since 2h
    labelloop detections find --label bolt --below 70 --json
    """
    from cli import detections

    query = detections.query(application, since, label, below, limit)
    deployment = session.deployment()
    listed = session.wait_for("Reading the detections", lambda: detections.find(deployment, query))
    session.print_result(
        [detections.as_dict(deployment, one) for one in listed],
        lambda: detections.show_list(session.out.console, listed, query),
    )


@command(detections_group, "show")
@click.argument("detection")
@draws
def show(session: Session, detection: str, save: Path | None, open_image: bool) -> None:
    """Show a detection: what was asked, and what was answered.

    Example: labelloop detections show 0199f0c2a4b1c8d2e5f60718293a4b5c --open
    """
    from cli import detections

    deployment = session.deployment()
    one = session.wait_for("Reading the detection", lambda: detections.get(deployment, detection))
    document = detections.as_dict(deployment, one)
    if save or open_image:
        document["drawn"] = str(detections.draw(deployment, one, save))
    session.print_result(document, lambda: detections.show(session.out.console, document))
    if open_image:
        click.launch(document["drawn"])
