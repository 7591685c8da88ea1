"""Where a command's answer goes: to people as tables, or to machines as one JSON document on stdout."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console

PIPE_WIDTH = 200
"""Columns where there is no terminal: a file or another program has room."""


class CommandError(RuntimeError):
    """The command cannot do what was asked; the message says what to do. Exit code 2: not understood."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Output:
    as_json: bool = False

    @cached_property
    def console(self) -> Console:
        """For everything that is not the JSON document."""
        console = Console(stderr=self.as_json, highlight=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            console.width = PIPE_WIDTH
        return console

    def document(self, value: Any) -> None:
        """The whole answer, to machines."""
        sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")

    def fail(self, message: str) -> None:
        """Say what went wrong: on stderr, and as the document if one was asked for."""
        if self.as_json:
            self.document({"error": message})
        console = Console(stderr=True, highlight=False)
        console.print(f"labelloop: {message}", style="red", markup=False, soft_wrap=True)
