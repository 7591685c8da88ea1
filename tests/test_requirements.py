"""What is imported to deploy, run and drive LabelLoop is installed by requirements.txt alone.

The tests run with more than that, so nothing else would tell.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGES = ("cli", "demo", "infra", "lambdas", "learning", "local")
"""Of the project, tests and benchmarks left out."""


def named(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def pinned(file: Path) -> Iterator[Requirement]:
    for line in file.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            yield from pinned(file.parent / text.removeprefix("-r ").strip())
        elif text:
            yield Requirement(text)


def installed(requirements: Iterator[Requirement]) -> set[str]:
    """Names of the distributions that these bring, with all that those need."""
    names: set[str] = set()
    waiting = list(requirements)
    while waiting:
        wanted = waiting.pop()
        name = named(wanted.name)
        if name not in names:
            names.add(name)
            waiting += needs(name, wanted.extras)
    return names


def needs(distribution: str, extras: set[str]) -> list[Requirement]:
    """What a distribution with these extras needs on this machine."""
    needs = [Requirement(text) for text in metadata.requires(distribution) or ()]
    return [
        need
        for need in needs
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *extras})
    ]


def imported() -> dict[str, str]:
    """Third-party modules that the project imports, and a file that does."""
    files: dict[str, str] = {}
    for file in (ROOT / "app.py", *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [str(node.module)]
            for name in names:
                files.setdefault(name.partition(".")[0], str(file.relative_to(ROOT)))
    own = {*PACKAGES, *sys.stdlib_module_names}
    return {
        name: file for name, file in files.items() if name not in own and not name.startswith("mypy_boto3_")
    }


@pytest.mark.parametrize(("module", "file"), sorted(imported().items()))
def test_what_is_imported_is_required(module: str, file: str) -> None:
    brought = installed(pinned(ROOT / "requirements.txt"))
    providers = {named(distribution) for distribution in metadata.packages_distributions().get(module, ())}
    assert providers & brought, f"{file} imports {module}, which requirements.txt does not bring"
