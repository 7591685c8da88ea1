"""The options that all commands share, the deployment that they name, and how errors are reported."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from cli.output import CommandError, Output

if TYPE_CHECKING:
    from cli.deployment import Deployment

T = TypeVar("T")
Function = Callable[..., None]

CONTEXT = {"help_option_names": ["-h", "--help"]}

INTERRUPTED = 130
"""Exit code of a command that was stopped with Ctrl-C, as shells have it: 128 and the signal's number."""


class Session:
    """One call of a command: the options that all commands share."""

    def __init__(self, name: str, as_json: bool) -> None:
        self.name = name
        self.out = Output(as_json)

    def deployment(self) -> Deployment:
        """The deployment of that name.

        Raises:
            DeploymentError: there is none, or AWS cannot be asked.
        """
        from cli.deployment import Deployment

        deployment = self.wait_for(f"Looking for {self.name}", lambda: Deployment.find(self.name))
        if not gc.isenabled():
            # What was loaded stays, see `cli.main.main`; what comes now may be much, and garbage.
            gc.freeze()
            gc.enable()
        return deployment

    def wait_for(self, message: str, fetch: Callable[[], T]) -> T:
        """What `fetch` returns. Until then a terminal shows the message with a spinner."""
        if not self.out.console.is_terminal:
            return fetch()
        with self.out.console.status(message):
            return fetch()

    def confirm(self, question: str, refused: str) -> None:
        """Ask a person at a terminal. Without one, or with --json, nobody can be asked: that counts as no.

        Args:
            question: ends in a question mark; what stands before it says what is in doubt.
            refused: what was not done, for the error.

        Raises:
            CommandError: the answer is no.
        """
        if self.out.as_json or not is_terminal():
            raise CommandError(f"{question} Nobody could be asked, so {refused}: give --yes", exit_code=2)
        if not click.confirm(question):
            raise CommandError(refused, exit_code=2)

    def print_result(self, document: Any, show: Callable[[], None]) -> None:
        """Print the command's result: `document` for machines, what `show` prints for people."""
        if self.out.as_json:
            self.out.document(document)
        else:
            show()


class Group(click.Group):
    """A group of commands, listed in the order in which they are defined."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class Commands(Group):
    """The group of all commands. It reports expected errors in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            self._fail(ctx, str(error), error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if message := _explained(error):
                self._fail(ctx, message)
            raise

    def _fail(self, ctx: click.Context, message: str, exit_code: int = 1) -> NoReturn:
        session = ctx.find_object(Session)
        (session.out if session else Output()).fail(message)
        raise click.exceptions.Exit(exit_code)


def command(group: click.Group, name: str) -> Callable[[Function], click.Command]:
    """Make a function a command, with the shared options. It is called with the session and its own options.

    The session is that of the call: options after the command override those before it.
    """

    def made(function: Function) -> click.Command:
        def run(context: click.Context, /, name: str | None, as_json: bool, **options: Any) -> None:
            before: Session = context.obj
            session = Session(name or before.name, as_json or before.out.as_json)
            # The group reports errors, and it has the outer context.
            context.find_root().obj = session
            function(session, **options)

        added = group.command(name, context_settings=CONTEXT)(
            update_wrapper(click.pass_context(run), function)
        )
        added.params += _shared_options()
        return added

    return made


def draws(function: Function) -> Function:
    """Give a command the options `save` and `open_image`, for an image that is shown with its boxes."""
    save = click.option(
        "--save",
        "-o",
        type=click.Path(path_type=Path),
        help="File to write the image to, with its boxes drawn in.",
    )
    return save(
        click.option("--open", "open_image", is_flag=True, help="Open the image, with its boxes drawn in.")(
            function
        )
    )


def _shared_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--name", "-n"],
            help="Name of the deployment. Without it, LABELLOOP_NAME says which; without that, labelloop.",
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document and nothing else."),
    ]


def _explained(error: Exception) -> str:
    """What an error of AWS means, or of an argument that AWS cannot be sent; empty of any other, which is a
    fault of the program."""
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return f"{error.object!a} is no text in UTF-8"
    if "botocore" not in sys.modules:
        return ""
    from botocore.exceptions import BotoCoreError, ClientError

    from cli.deployment import explain

    return explain(error) if isinstance(error, BotoCoreError | ClientError) else ""


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()
