"""What every command shares: its options, the deployment they lead to, and how errors are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from cli.deployment import Deployment, DeploymentError, explain
from cli.output import CommandError, Output
from lambdas.domain.shared.tuning import TuningError

Name = Annotated[
    str | None,
    typer.Option("--name", "-n", help="The deployment; LABELLOOP_NAME if not given, else labelloop."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

INTERRUPTED = 130


class Session:
    """What the options say, and the deployment that they lead to."""

    def __init__(self, name: str, as_json: bool) -> None:
        self.name = name
        self.out = Output(as_json)

    def deployment(self) -> Deployment:
        if self.out.as_json:
            return Deployment.find(self.name)
        with self.out.console.status(f"Looking for {self.name}"):
            return Deployment.find(self.name)

    def gather(self, what: str, look: Callable[[], Any]) -> Any:
        """What `look` returns, with a spinner on a terminal for as long as it takes."""
        with self.out.console.status(what):
            return look()

    def tell(self, document: Any, show: Callable[[], None]) -> None:
        """The answer: `document` to machines, what `show` prints to people."""
        if self.out.as_json:
            self.out.document(document)
        else:
            show()


class Commands(TyperGroup):
    """Errors that people can do something about are told in one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CommandError as error:
            self._fail(ctx, str(error), error.exit_code)
        except (DeploymentError, TuningError) as error:
            self._fail(ctx, str(error))
        except (ClientError, BotoCoreError) as error:
            self._fail(ctx, explain(error))

    def _fail(self, ctx: Any, message: str, exit_code: int = 1) -> NoReturn:
        session = ctx.find_object(Session)
        (session.out if session else Output()).fail(message)
        raise typer.Exit(exit_code)


def session(context: typer.Context, name: str | None, as_json: bool) -> Session:
    """The options before the command, overridden by those after it."""
    given: Session = context.obj
    chosen = Session(name or given.name, as_json or given.out.as_json)
    # Errors are told by the group, which has the outer context.
    context.find_root().obj = chosen
    return chosen
