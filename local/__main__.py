"""`python -m local up | down | status`: the embedded stack from the command line; `make up` calls it."""

from __future__ import annotations

import os
import sys
import time
import webbrowser

import click
from rich.console import Console

from local import embedded, people
from local.embedded import EmbeddedStackError, Running

PEOPLE = {"reviewer": "reviewers", "admin": "administrators"}
"""Who can sign in at the embedded stack's console, and their groups."""

console = Console(highlight=False)


@click.group(no_args_is_help=True, help=__doc__)
def app() -> None:
    pass


@app.command()
@click.option("--port", type=int, help="Port to serve on; the first free one from 4566 if not given.")
@click.option("--keep", is_flag=True, help="Go on with the state of the last run.")
@click.option("--name", default="labelloop", show_default=True, help="Name of the deployment.")
@click.option(
    "--engine",
    type=click.Choice(["rekognition", "both", "serverless"]),
    default="rekognition",
    show_default=True,
    help="What trains and answers: docs/engines.md.",
)
def up(port: int | None, keep: bool, name: str, engine: str) -> None:
    """Start the embedded stack and deploy LabelLoop into it."""
    began = time.monotonic()
    with console.status("Starting MiniStack and the Custom Labels engine"):
        stack = embedded.start(port=port, keep=keep)
    for note in stack.notes:
        console.print(note, style="yellow", soft_wrap=True, markup=False)
    console.print(f"Embedded stack at {stack.endpoint}, IAM enforced")
    log = os.path.relpath(stack.home / "log" / f"deploy-{name}.log")
    # For a log, too: a status is seen on terminals alone.
    console.print(
        f"Deploying with the CDK CLI: about half a minute, the first time some minutes; its log is {log}",
        soft_wrap=True,
        markup=False,
    )
    with console.status("Deploying"):
        seconds = embedded.deploy(stack, name=name, context={"engine": engine})
    environment = embedded.write_environment(stack, name)
    console.print(f"Deployed stack {name} in {seconds:.0f} s")
    _where_things_are(stack, name)
    _console(stack, name)
    console.print(f"\nUp after {time.monotonic() - began:.0f} s. Point any AWS tool at it:")
    console.print(f"  . {os.path.relpath(environment)}", style="bold")


@app.command()
def down() -> None:
    """Stop the embedded stack, or end what a killed one has left; its state stays for `make up KEEP=1`."""
    with console.status("Stopping"):
        alive, stopped = embedded.running(), embedded.stop()
    if stopped and alive is None:
        console.print("The embedded stack had been killed; what it had left is ended now")
    else:
        console.print("Stopped; no process is left" if stopped else "The embedded stack was not up")


@app.command()
def status() -> None:
    """Say whether the embedded stack is up, and where things are."""
    stack = embedded.running()
    if stack is None:
        if left := embedded.leftovers():
            console.print(f"The embedded stack was killed; {left} of its processes are left")
            console.print("`make up KEEP=1` ends them and goes on with its state, `make down` ends them")
        else:
            console.print("The embedded stack is down; `make up` starts it")
        raise click.exceptions.Exit(1)
    if not embedded.answers(stack):
        console.print(f"Process {stack.pid} is alive but does not answer at {stack.endpoint}; see the log")
        raise click.exceptions.Exit(1)
    console.print(f"Up at {stack.endpoint}, process {stack.pid}")


def _where_things_are(stack: Running, name: str) -> None:
    from cli.deployment import Deployment  # noqa: PLC0415 the deployment exists only now

    os.environ.update(stack.environment)
    deployment = Deployment.find(name)
    places = {
        "Drop labelled images at": f"s3://{deployment.bucket}/incoming/labeled/<label>/",
        "Images with a manifest at": f"s3://{deployment.bucket}/incoming/annotations/",
        "Ask the champion at": f"s3://{deployment.bucket}/detect/, answers under results/",
        "Logs": os.path.relpath(stack.home / "log"),
    }
    for what, where in places.items():
        # Never folded: people copy these.
        console.print(f"{what:<27}{where}", soft_wrap=True, markup=False)


def _console(stack: Running, name: str) -> None:
    """The console's address, people who can sign in, and a browser with it if there is a screen."""
    from cli.deployment import Deployment  # noqa: PLC0415 the deployment exists only now

    deployment = Deployment.find(name)
    console.print("\nThe console, where images are reviewed and runs are watched:")
    console.print(f"  {deployment.console_address}", style="bold", soft_wrap=True, markup=False)
    for person, group in PEOPLE.items():
        made = people.add_person(stack, deployment.user_pool_id, person, [group])
        console.print(f"  sign in as {made.name}, password {made.password}", soft_wrap=True, markup=False)
    if console.is_terminal and (os.environ.get("DISPLAY") or sys.platform == "darwin"):
        webbrowser.open(deployment.console_address)


if __name__ == "__main__":
    try:
        app()
    except EmbeddedStackError as error:
        console.print(f"[red]{error}[/red]")
        sys.exit(1)
