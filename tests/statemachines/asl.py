"""The state machines' files, as the tests look at them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "statemachines"
NAMES = tuple(sorted(file.name.removesuffix(".asl.json") for file in FOLDER.glob("*.asl.json")))
_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")


def text(machine: str) -> str:
    return (FOLDER / f"{machine}.asl.json").read_text()


def states(machine: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(text(machine))["States"]
    return found


def tasks(machine: str) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in states(machine).items() if state["Type"] == "Task"}


def substitutions(machine: str) -> set[str]:
    return set(_SUBSTITUTION.findall(text(machine)))


def substituted(machine: str, values: Mapping[str, str]) -> str:
    """The definition with CloudFormation's DefinitionSubstitutions: ${Name} is replaced as it stands.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html
    """
    return _SUBSTITUTION.sub(lambda match: values[match[1]], text(machine))


def function_of(state: Mapping[str, Any]) -> str | None:
    """The substitution that names a Task's function; None of a Task that calls none."""
    found = _SUBSTITUTION.fullmatch(state.get("Arguments", {}).get("FunctionName", ""))
    return found[1] if found else None


def successors(state: Mapping[str, Any]) -> Iterator[str]:
    """Every state that can come after this one."""
    for branch in (state, *state.get("Choices", []), *state.get("Catch", [])):
        if "Next" in branch:
            yield branch["Next"]
    if "Default" in state:
        yield state["Default"]
