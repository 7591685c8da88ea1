"""What is imported to deploy, run and drive LabelLoop is installed by requirements.txt alone, and nothing is
installed that the locks do not name with its hashes.

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

from infra.locks import ASSET_LOCKS, CONTAINER, CPU_LOCK, LOCKS, TORCH_LOCK, packages

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "cli",
    "demo",
    "infra",
    "labelloop",
    "lambdas",
    "learning",
    "local",
    "portable",
    "serving",
    "training_job",
)
"""Of the project, tests and benchmarks left out."""


def named(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def pinned(file: Path) -> Iterator[Requirement]:
    """The requirements of a file, be it an input or a lock, and of those that it begins with."""
    for line in file.read_text().replace("\\\n", " ").splitlines():
        text = line.partition("#")[0].partition("--hash")[0].strip()
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
    try:
        needs = [Requirement(text) for text in metadata.requires(distribution) or ()]
    except metadata.PackageNotFoundError:  # of another system
        return []
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


@pytest.mark.long
def test_what_is_imported_is_required() -> None:
    brought, distributions = installed(pinned(ROOT / "requirements.in")), metadata.packages_distributions()
    modules = imported()
    assert {"boto3", "aws_cdk", "PIL", "torch"} <= modules.keys()
    missing = {
        module: f"{file} imports it, and requirements.in does not bring it"
        for module, file in modules.items()
        if not {named(distribution) for distribution in distributions.get(module, ())} & brought
    }
    assert missing == {}


@pytest.mark.parametrize("lock", [*LOCKS, *ASSET_LOCKS, TORCH_LOCK, CPU_LOCK])
def test_every_package_of_a_lock_has_a_version_and_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = packages(text)
    assert blocks
    for name, block in blocks.items():
        assert re.fullmatch(r"\S+==[^\s;]+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", block), (
            f"{name} in {lock}; `make locks` writes it anew"
        )
    assert "://" not in text, "a lock names no server"


@pytest.mark.parametrize(("lock", "source"), (LOCKS | ASSET_LOCKS).items())
def test_a_lock_holds_what_its_input_needs(lock: str, source: str) -> None:
    """It is installed without looking for what else a package needs."""
    of_lock = [*pinned(ROOT / lock), *pinned(ROOT / TORCH_LOCK)]
    locked = {named(requirement.name): requirement.specifier for requirement in of_lock}
    for requirement in pinned(ROOT / source):
        assert locked[named(requirement.name)] == requirement.specifier, "`make locks` has not been run"
    assert installed(pinned(ROOT / source)) <= locked.keys() | CONTAINER.get(lock, set())


def test_nothing_is_installed_but_from_locks() -> None:
    for line in (ROOT / "Makefile").read_text().splitlines():
        if "pip install" in line:
            assert "$(LOCKED)" in line or "--no-deps --editable ." in line, line
    assert '"--require-hashes"' in (ROOT / "infra" / "lambda_asset.py").read_text()
