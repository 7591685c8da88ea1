"""`python -m local up`: what is asked for on the command line comes into the deployment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from local import __main__ as command_line


@pytest.mark.parametrize(("options", "engine"), [([], "rekognition"), (["--engine", "both"], "both")])
def test_the_engine_is_that_of_the_command_line(
    options: list[str], engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contexts: list[Any] = []

    def deploy(stack: Any, *, name: str, context: Any) -> float:
        contexts.append(context)
        return 1.0

    stack = SimpleNamespace(notes=[], endpoint="http://127.0.0.1:4566", home=tmp_path)
    monkeypatch.setattr(command_line.embedded, "start", lambda **_: stack)
    monkeypatch.setattr(command_line.embedded, "deploy", deploy)
    monkeypatch.setattr(command_line.embedded, "write_environment", lambda *_: tmp_path / "env")
    monkeypatch.setattr(command_line, "_where_things_are", lambda *_: None)
    monkeypatch.setattr(command_line, "_console", lambda *_: None)
    result = CliRunner().invoke(command_line.app, ["up", *options])
    assert result.exit_code == 0, result.output
    assert contexts == [{"engine": engine}]
