"""The output of commands: tables for people, or one JSON document on stdout for machines."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

PIPE_WIDTH = 200
"""Columns where there is no terminal: a file or another program has room."""
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys, or cannot be sent: controls, also of the direction of text; halves of surrogates."""


class CommandError(RuntimeError):
    """The command cannot do what was asked; the message says what to do.

    Exit code 1: it failed. Exit code 2: the arguments cannot be used.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Output:
    """Where a command prints to."""

    as_json: bool = False

    @cached_property
    def console(self) -> Console:
        """The console for everything that is not the JSON document."""
        console = _console(stderr=self.as_json)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = PIPE_WIDTH
        return console

    def document(self, value: Any) -> None:
        """Print the whole result as JSON."""
        document = json.dumps(value, indent=2, ensure_ascii=False, default=str)
        sys.stdout.write(_COMMANDS.sub(lambda match: f"\\u{ord(match[0]):04x}", document) + "\n")

    def fail(self, message: str) -> None:
        """Report an error on stderr, and in JSON if that was asked for."""
        if self.as_json:
            self.document({"error": message})
        console = _console(stderr=True)
        console.print(f"labelloop: {message}", style="red", markup=False, soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    """A console whose terminal obeys nothing that stands in a text: names and keys are what somebody else
    chose."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class PlainConsole(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                if segment.control or not _COMMANDS.search(segment.text):
                    yield segment
                else:
                    yield Segment(_COMMANDS.sub("\N{REPLACEMENT CHARACTER}", segment.text), segment.style)

    return PlainConsole(stderr=stderr, highlight=False)
