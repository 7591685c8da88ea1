"""The command `labelloop`: what people do with a deployment from the command line.

It calls AWS through boto3 alone, and so the embedded stack where AWS_ENDPOINT_URL names it. Each command
imports what it needs when it runs, so that --help does not wait until boto3 and Pillow are loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import datasets, users
from cli.session import INTERRUPTED, AsJson, Commands, Name, Session, open_session

if TYPE_CHECKING:
    from cli import following
    from lambdas.domain.shared import records

DEFAULT_NAME = "labelloop"

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Follow it until it has ended.")]

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing promoted (rejected or skipped).",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"labelloop {version('labelloop')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    name: Annotated[
        str, typer.Option("--name", "-n", envvar="LABELLOOP_NAME", help="Name of the deployment.")
    ] = DEFAULT_NAME,
    as_json: AsJson = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and nothing else."
        ),
    ] = False,
) -> None:
    """Look after a deployment of LabelLoop.

    LabelLoop keeps an Amazon Rekognition Custom Labels model up to date by itself. This command works on AWS
    with your credentials, and on the embedded stack after `. .embedded/env`.

    [bold]labelloop status[/bold]                     show how the deployment is

    [bold]labelloop import photos/[/bold]             bring in a dataset, labelled or not

    [bold]labelloop train --wait[/bold]               train now, and watch

    [bold]labelloop detect photos/ --out seen/[/bold] ask the champion

    [bold]labelloop --name parts runs --json[/bold]   print JSON, for programs

    The [bold]catalogue[/bold] is the table of all registered images with their labels.
    A [bold]snapshot[/bold] is a fixed list of labelled images to train and test a model version with.
    A [bold]run[/bold] makes a snapshot, trains a model version with it, and promotes that if it is better.
    The [bold]champion[/bold] is the model version that answers detections.
    """
    context.obj = Session(name, as_json)


@app.command("status")
def show_status(context: typer.Context, name: Name = None, as_json: AsJson = False) -> None:
    """Show the images, the run under way, the champion, which models run and what they cost.

    [dim]labelloop status --json | jq .usd_per_hour[/dim]
    """
    from cli import status

    session = open_session(context, name, as_json)
    deployment = session.deployment()
    document = session.wait_for("Reading the status", lambda: status.gather(deployment))
    session.print_result(document, lambda: status.show(session.out.console, document))


@app.command("runs")
def show_runs(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Id of a run, or its first characters.")] = "",
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """List the runs, newest first, or show everything on record about one.

    [dim]labelloop runs manual-20260131T120000[/dim]
    """
    from cli import history

    session = open_session(context, name, as_json)
    deployment, console = session.deployment(), session.out.console
    if run:
        record = session.wait_for("Reading the run", lambda: history.run(deployment, run))
        session.print_result(record.as_dict(), lambda: history.show_run(console, record))
    else:
        runs = session.wait_for("Reading the runs", deployment.loop_state.runs)
        session.print_result([run.as_dict() for run in runs], lambda: history.show_runs(console, runs))


@app.command("versions")
def show_versions(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Name or number of a model version.")] = "",
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """List the model versions, newest first, or show one: its labels, its verdicts and its lineage.

    The lineage is the run that trained a version, and the snapshot that it was trained with.

    [dim]labelloop versions v3[/dim]
    """
    from cli import history

    session = open_session(context, name, as_json)
    deployment, console = session.deployment(), session.out.console
    if version:
        entry = session.wait_for(
            "Reading the version", lambda: history.lineage(deployment, history.version(deployment, version))
        )
        session.print_result(entry.as_dict(), lambda: history.show_version(console, entry))
    else:
        entries = session.wait_for("Reading the versions", lambda: history.versions(deployment))
        session.print_result(
            [entry.as_dict() for entry in entries], lambda: history.show_versions(console, entries)
        )


@app.command("report")
def show_report(  # noqa: PLR0917 one for each option
    context: typer.Context,
    snapshot: Annotated[
        str, typer.Argument(help="Id of a snapshot. Without it, that of the newest run.", show_default=False)
    ] = "",
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="File to write the page to.", show_default=False)
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show what is wrong with the images and labels of a snapshot, and save the page that shows them.

    [dim]labelloop report --open[/dim]
    """
    from cli import reporting

    session = open_session(context, name, as_json)
    deployment = session.deployment()
    document = session.wait_for("Reading the report", lambda: reporting.fetch(deployment, snapshot, save))
    session.print_result(document, lambda: reporting.show(session.out.console, document))
    if open_page:
        typer.launch(document["page"])


@app.command("train")
def train(
    context: typer.Context,
    wait: Wait = False,
    force: Annotated[bool, typer.Option("--force", help="Train even if nothing has changed.")] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Start a run now.

    A run first takes the lease: a lock, which lets one run at a time go on. With --wait the exit code says
    how the run has ended: 0 promoted, 3 rejected or skipped, 1 failed.

    [dim]labelloop train --wait --force[/dim]
    """
    from cli import control, history

    session = open_session(context, name, as_json)
    deployment, console = session.deployment(), session.out.console
    run, started = control.train(deployment, force=force)
    if started:
        console.print(f"Run {run.id} has started")
    else:
        console.print(f"Run {run.id} is under way already{'; it is followed here' if wait else ''}")
    if not wait:
        session.print_result(
            {"id": run.id, "execution": run.execution.arn, "started": started},
            lambda: console.print(
                f"`labelloop train --wait` follows it, `labelloop runs {run.id}` shows how it ended"
            ),
        )
        return
    record = _follow_run(session, run)
    if other := control.overtaking(deployment, record):
        console.print(f"Run {other.id} began before it, and is followed here")
        started, record = False, _follow_run(session, other)
    session.print_result({**record.as_dict(), "started": started}, lambda: history.show_run(console, record))
    raise typer.Exit(control.exit_code(str(record.outcome)))


@app.command("rollback")
def rollback(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Name or number of the model version to go back to.")],
    wait: Wait = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Make an older model version the champion again. No detection is lost by the switch.

    [dim]labelloop rollback v2 --wait[/dim]
    """
    from cli import control

    session = open_session(context, name, as_json)
    deployment, console = session.deployment(), session.out.console
    full_name, promotion = control.rollback(deployment, version)
    execution = promotion.execution
    console.print(f"Going back to {full_name}: promotion {execution.name} has started")
    if not wait:
        if session.out.as_json:
            session.out.document({"id": execution.name, "execution": execution.arn, "version": full_name})
        return
    _follow(session, promotion, "the promotion goes on; `labelloop status` shows the champion")
    verdict = {"version": full_name, **control.verdict(promotion)}
    session.print_result(
        verdict, lambda: console.print(f"{verdict['outcome']}: {verdict['reason']}", markup=False)
    )
    raise typer.Exit(control.exit_code(str(verdict["outcome"])))


@app.command("detect")
def detect(  # noqa: PLR0917 one for each option
    context: typer.Context,
    images: Annotated[
        list[str], typer.Argument(help="JPEG or PNG files, folders of them, or patterns.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write the images to, with the boxes drawn in."),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="Leave out what is less sure. Without it, the model's own thresholds count."
        ),
    ] = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Ask the champion what is on images of yours.

    An image that cannot be used does not stop the others; the exit code is 1 then.

    [dim]labelloop detect photos/ 'more/**/*.png' --out seen[/dim]
    """
    from rich.progress import track

    from cli import detect as detection

    session = open_session(context, name, as_json)
    deployment, console = session.deployment(), session.out.console
    chosen = detection.images(images)
    answers = list(
        track(
            detection.ask_about(deployment, chosen, min_confidence=min_confidence, out=out),
            "Asking the champion",
            total=len(chosen),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
    )
    drawn = [answer for answer in answers if answer.drawn]
    session.print_result([answer.as_dict() for answer in answers], lambda: detection.show(console, answers))
    if drawn:
        console.print(f"Written to {out}: {len(drawn)} of {len(answers)}", markup=False)
    if any(answer.error for answer in answers):
        raise typer.Exit(1)


def _follow_run(session: Session, run: following.FollowedRun) -> records.Run:
    """Follow a run until it has ended: its record."""
    _follow(session, run, f"the run goes on; `labelloop runs {run.id}` shows how it ended")
    return run.record()


def _follow(
    session: Session, followed: following.FollowedRun | following.FollowedPromotion, goes_on: str
) -> None:
    from cli import following, live

    try:
        with live.display(session.out.console) as display:
            following.follow(followed, display)
    except KeyboardInterrupt:
        session.out.console.print(f"Not followed any more: {goes_on}")
        raise typer.Exit(INTERRUPTED) from None


@app.command("worker-template")
def show_worker_template() -> None:
    """Print the worker template for the human task UI of an Amazon A2I flow definition.

    The review route a2i needs it where the flow definition is not made by the deployment.

    [dim]labelloop worker-template > template.liquid.html[/dim]
    """
    from lambdas.domain.review.workforce import worker_template

    typer.echo(worker_template.for_loops())


datasets.add_to(app)
app.add_typer(users.users_app, name="users")

if __name__ == "__main__":
    app()
