"""Every way through the state machines by a second interpreter: it has to go where MiniStack goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.fixtures import batch_paths
from tests.fixtures.scripted_stack import execution_name
from tests.fixtures.state_machine_paths import PATHS, USUAL

# Only the worker that runs this file needs moto's interpreter, whose import takes a second.
if TYPE_CHECKING:
    from tests.fixtures.second_interpreter import Interpreter


@pytest.fixture(scope="module")
def second() -> Iterator[Interpreter]:
    from tests.fixtures.second_interpreter import interpreter

    with interpreter(USUAL | batch_paths.USUAL) as raised:
        yield raised


@pytest.fixture(scope="module")
def executions(second: Interpreter) -> dict[str, str]:
    """An execution for each path: they are under way at the same time."""
    begun: dict[str, str] = {}
    for number, (name, path) in enumerate(PATHS.items()):
        execution = execution_name(f"{number}-{name}")
        asked = {"version": execution} if path.machine == "promote" else {}
        begun[name] = second.begin(path.machine, execution, path.script, {**asked, **path.request})
    return begun


@pytest.mark.parametrize("name", PATHS)
def test_path(name: str, second: Interpreter, executions: dict[str, str]) -> None:
    path = PATHS[name]
    status, visited = second.end(executions[name])
    assert visited == path.visited
    assert status == ("SUCCEEDED" if path.succeeds else "FAILED")


@pytest.fixture(scope="module")
def batches(second: Interpreter) -> dict[str, str]:
    return {
        name: second.begin("batch", f"batch-{number}", path.script, {"batch": f"batch-{number}"})
        for number, (name, path) in enumerate(batch_paths.PATHS.items())
    }


@pytest.mark.parametrize("name", batch_paths.PATHS)
def test_batch(name: str, second: Interpreter, batches: dict[str, str]) -> None:
    path = batch_paths.PATHS[name]
    status, visited = second.end(batches[name])
    assert visited == path.visited
    assert status == ("SUCCEEDED" if path.succeeds else "FAILED")
