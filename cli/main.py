"""`labelloop`: what people do with a deployment, from the command line.

It speaks to AWS by boto3 alone, and so to the embedded stack where AWS_ENDPOINT_URL says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from cli import control, datasets, following, history, live, reporting, status
from cli import detect as detection
from cli.session import INTERRUPTED, AsJson, Commands, Name, Session, session
from cli.users import users_app
from lambdas.domain.review.workforce import worker_template
from lambdas.domain.shared import records

Wait = Annotated[bool, typer.Option("--wait", "-w", help="Follow it to its end.")]

DEFAULT_NAME = "labelloop"


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
    epilog="Exit codes: 0 done, 1 failed, 2 not understood, 3 no promotion (rejected or skipped).",
)


@app.callback()
def options(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Option("--name", "-n", envvar="LABELLOOP_NAME", help="The deployment that is meant."),
    ] = DEFAULT_NAME,
    as_json: AsJson = False,
) -> None:
    """LabelLoop keeps a Rekognition Custom Labels model good by itself; this looks after it.

    It works on AWS with your credentials, and on the embedded stack after `. .embedded/env`.

    [bold]labelloop status[/bold]                     how the deployment stands

    [bold]labelloop import photos/[/bold]             bring in a data set, labelled or not

    [bold]labelloop train --wait[/bold]               train now and watch

    [bold]labelloop detect photos/ --out seen/[/bold] ask the champion

    [bold]labelloop --name parts runs --json[/bold]   for machines
    """
    context.obj = Session(name, as_json)


@app.command("status")
def show_status(context: typer.Context, name: Name = None, as_json: AsJson = False) -> None:
    """Images, the run under way, the champion, what runs and what it costs.

    [dim]labelloop status --json | jq .usd_per_hour[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    found = using.gather("Asking", lambda: status.gather(deployment))
    if using.out.as_json:
        using.out.document(found)
    else:
        status.show(using.out.console, found)


@app.command("runs")
def show_runs(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="Id of a run, or how it begins.")] = "",
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """The runs, newest first; or everything on record about one.

    [dim]labelloop runs manual-20260131T120000[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    if run:
        one = using.gather("Asking", lambda: history.run(deployment, run))
        using.tell(one.as_dict(), lambda: history.show_run(using.out.console, one))
    else:
        every = using.gather("Asking", deployment.loop_state.runs)
        using.tell([run.as_dict() for run in every], lambda: history.show_runs(using.out.console, every))


@app.command("models")
def show_models(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="A model version: its name, or its number.")] = "",
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """The model versions, newest first; or labels, verdicts and lineage of one.

    [dim]labelloop models v3[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    if version:
        one = using.gather(
            "Asking", lambda: history.lineage(deployment, history.version(deployment, version))
        )
        using.tell(one.as_dict(), lambda: history.show_model(using.out.console, one))
    else:
        every = using.gather("Asking", lambda: history.models(deployment))
        using.tell(
            [version.as_dict() for version in every], lambda: history.show_models(using.out.console, every)
        )


@app.command("report")
def report(  # noqa: PLR0917 one for each option
    context: typer.Context,
    snapshot: Annotated[
        str, typer.Argument(help="Id of a snapshot; the newest run's if not given.", show_default=False)
    ] = "",
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="Where the page goes.", show_default=False)
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong with the data set, and how to mend it: a page with pictures.

    [dim]labelloop report --open[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    found = using.gather("Asking", lambda: reporting.fetch(deployment, snapshot, save))
    using.tell(found, lambda: reporting.show(using.out.console, found))
    if open_it:
        typer.launch(found["page"])


@app.command("train")
def train(
    context: typer.Context,
    wait: Wait = False,
    force: Annotated[bool, typer.Option("--force", help="Also if nothing has changed.")] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Start a run now.

    With --wait the exit code says how it ended: 0 promoted, 3 rejected or skipped, 1 failed.

    [dim]labelloop train --wait --force[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    run, started = control.train(deployment, force=force)
    console = using.out.console
    if started:
        console.print(f"Run {run.id} started")
    else:
        console.print(f"Run {run.id} is under way already{'; this is how it goes' if wait else ''}")
    if not wait:
        if using.out.as_json:
            using.out.document({"id": run.id, "execution": run.execution.arn, "started": started})
        else:
            console.print(
                f"`labelloop train --wait` follows it, `labelloop runs {run.id}` tells how it ended"
            )
        return
    record = _follow_run(using, run)
    if other := control.overtaking(deployment, record):
        console.print(f"Run {other.id} began before it; this is how it goes")
        started, record = False, _follow_run(using, other)
    using.tell({**record.as_dict(), "started": started}, lambda: history.show_run(console, record))
    raise typer.Exit(control.exit_code(str(record.outcome)))


@app.command("rollback")
def rollback(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="The model version that shall serve: name or number.")],
    wait: Wait = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Let an older model version serve again. The switch loses no detection.

    [dim]labelloop rollback v2 --wait[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    full, promotion = control.rollback(deployment, version)
    console = using.out.console
    console.print(f"Going back to {full}: promotion {promotion.execution.name} started")
    if not wait:
        if using.out.as_json:
            execution = promotion.execution
            using.out.document({"id": execution.name, "execution": execution.arn, "version": full})
        return
    _follow(using, promotion, "the promotion goes on; `labelloop status` tells who serves")
    verdict = {"version": full, **control.verdict(promotion)}
    using.tell(verdict, lambda: console.print(f"{verdict['outcome']}: {verdict['reason']}", markup=False))
    raise typer.Exit(control.exit_code(str(verdict["outcome"])))


@app.command("detect")
def detect(  # noqa: PLR0917 one for each option
    context: typer.Context,
    images: Annotated[
        list[str], typer.Argument(help="JPEG or PNG files, folders of them, or patterns.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Draw what was found into this folder.")
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0, max=100, help="Leave out what is less sure; the model's thresholds if not given."
        ),
    ] = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Ask the champion what is in pictures of yours.

    A bad one does not stop the others; then the exit code is 1.

    [dim]labelloop detect photos/ 'more/**/*.png' --out seen[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    chosen = detection.pictures(images)
    asked = detection.ask_about(deployment, chosen, min_confidence=min_confidence, out=out)
    console = using.out.console
    hidden = not console.is_terminal
    answers = list(
        track(
            asked, "Asking the champion", total=len(chosen), console=console, transient=True, disable=hidden
        )
    )
    drawn = [answer for answer in answers if answer.drawn]
    using.tell([answer.as_dict() for answer in answers], lambda: detection.show(console, answers))
    if drawn:
        console.print(f"Drawn into {out}: {len(drawn)} of {len(answers)}", markup=False)
    if any(answer.error for answer in answers):
        raise typer.Exit(1)


def _follow_run(using: Session, run: following.FollowedRun) -> records.Run:
    """The run's record once it has ended."""
    _follow(using, run, f"the run goes on; `labelloop runs {run.id}` tells how it ended")
    return run.record()


def _follow(
    using: Session, followed: following.FollowedRun | following.FollowedPromotion, goes_on: str
) -> None:
    try:
        with live.display(using.out.console) as display:
            following.follow(followed, display)
    except KeyboardInterrupt:
        using.out.console.print(f"Not followed any more: {goes_on}")
        raise typer.Exit(INTERRUPTED) from None


@app.command("worker-template")
def show_worker_template() -> None:
    """The worker template for the human task UI of an A2I flow definition; for the route a2i.

    [dim]labelloop worker-template > template.liquid.html[/dim]
    """
    typer.echo(worker_template.for_loops())


datasets.add_to(app)
app.add_typer(users_app, name="users")

if __name__ == "__main__":
    app()
