"""The start of `labelloop`: what is not needed for --help is not loaded."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import get_args

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import cli
from cli import image_commands
from cli.main import COMPLETION_VARIABLE, app
from lambdas.domain.catalogue.images import STATUSES
from lambdas.domain.shared.annotation import DATASET_TYPES

LIGHT = {"cli", "click"}
"""All that --help may load beside the standard library: whoever asks for help waits for each of them."""
SLOW = {"asyncio", "email", "http", "multiprocessing", "sqlite3", "ssl", "unittest", "xml"}
"""Of the standard library."""

PROGRAM = """
import sys
from cli.main import COMPLETION_VARIABLE, app

try:
    app({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print({{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """Packages that are loaded once this was done, by a Python of its own that sees nothing else."""
    program = PROGRAM.format(arguments=list(arguments))
    environment = {"PYTHONPATH": f"{Path(cli.__file__).parents[1]}:{Path(click.__file__).parents[1]}"}
    started = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    return set(ast.literal_eval(started.stderr))


@pytest.mark.parametrize("arguments", [("--help",), ("import", "--help"), ("images", "undo", "-h")])
def test_help_loads_none_of_the_libraries_that_commands_need(arguments: tuple[str, ...]) -> None:
    packages = loaded(*arguments)
    assert "click" in packages
    foreign = {name for name in packages - sys.stdlib_module_names if not name.startswith("_")}
    assert foreign <= LIGHT and not packages & SLOW


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"labelloop {importlib.metadata.version('labelloop')}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str) -> None:
    result = CliRunner().invoke(app, ["completion", shell])
    assert result.exit_code == 0 and COMPLETION_VARIABLE in result.stdout


def test_commands_options_and_choices_are_completed() -> None:
    complete = BashComplete(app, {}, "labelloop", COMPLETION_VARIABLE).get_completions
    assert [item.value for item in complete(["images"], "re")] == ["relabel", "restore"]
    assert "--dry-run" in [item.value for item in complete(["import"], "--d")]
    assert [item.value for item in complete(["import", "--format"], "co")] == ["coco"]


def test_choices_are_those_of_the_catalogue() -> None:
    """They are written out in the command line, which does not import the catalogue for --help."""
    assert get_args(image_commands.ImageStatus) == STATUSES
    assert get_args(image_commands.DatasetTypeChoice) == DATASET_TYPES
