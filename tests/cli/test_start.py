"""The start of `labelloop`: what is not needed for --help is not loaded."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from typing import get_args

from typer.testing import CliRunner

from cli import datasets
from cli.main import app
from lambdas.domain.catalogue.images import STATUSES
from lambdas.domain.shared.annotation import DATASET_TYPES

HEAVY = {"boto3", "PIL", "jinja2", "yaml", "numpy", "torch", "lambdas"}


def test_help_loads_none_of_the_libraries_that_commands_need() -> None:
    program = f"import sys, cli.main; print(sorted({HEAVY!r} & set(sys.modules)))"
    started = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert started.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"labelloop {importlib.metadata.version('labelloop')}\n")


def test_choices_are_those_of_the_catalogue() -> None:
    """They are written out in the command line, which does not import the catalogue for --help."""
    assert get_args(datasets.ImageStatus) == STATUSES
    assert get_args(datasets.DatasetTypeChoice) == DATASET_TYPES
