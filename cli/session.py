"""The options that all commands share, the deployment that they name, and how errors are reported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from cli.output import CommandError, Output

if TYPE_CHECKING:
    from cli.deployment import Deployment

T = TypeVar("T")

Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        "-n",
        help="Name of the deployment. Without it, LABELLOOP_NAME says which; without that, labelloop.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

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

        return self.wait_for(f"Looking for {self.name}", lambda: Deployment.find(self.name))

    def wait_for(self, message: str, fetch: Callable[[], T]) -> T:
        """What `fetch` returns. Until then a terminal shows the message with a spinner."""
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
        if not typer.confirm(question):
            raise CommandError(refused, exit_code=2)

    def print_result(self, document: Any, show: Callable[[], None]) -> None:
        """Print the command's result: `document` for machines, what `show` prints for people."""
        if self.out.as_json:
            self.out.document(document)
        else:
            show()


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


class Commands(TyperGroup):
    """The group of all commands. It reports expected errors in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            self._fail(ctx, str(error), error.exit_code)
        except (ClientError, BotoCoreError) as error:
            from cli.deployment import explain

            self._fail(ctx, explain(error))

    def _fail(self, ctx: Any, message: str, exit_code: int = 1) -> NoReturn:
        session = ctx.find_object(Session)
        (session.out if session else Output()).fail(message)
        raise typer.Exit(exit_code)


def open_session(context: typer.Context, name: str | None, as_json: bool) -> Session:
    """The session of a command. Options after the command override those before it."""
    before: Session = context.obj
    session = Session(name or before.name, as_json or before.out.as_json)
    # The group reports errors, and it has the outer context.
    context.find_root().obj = session
    return session
