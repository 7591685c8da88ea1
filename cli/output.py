"""The output of commands: tables for people, or one JSON document on stdout for machines."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 200
"""Columns where there is no terminal: a file or another program has room."""


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
        from rich.console import Console

        console = Console(stderr=self.as_json, highlight=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = PIPE_WIDTH
        return console

    def document(self, value: Any) -> None:
        """Print the whole result as JSON."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")

    def fail(self, message: str) -> None:
        """Report an error on stderr, and in JSON if that was asked for."""
        if self.as_json:
            self.document({"error": message})
        from rich.console import Console

        console = Console(stderr=True, highlight=False)
        console.print(f"labelloop: {message}", style="red", markup=False, soft_wrap=True)
