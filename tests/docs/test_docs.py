"""The documents hold what they claim: links and paths lead somewhere, messages and states are the code's."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import main as cli
from docs import pictures

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE = ROOT / "docs" / "architecture.md"
TROUBLESHOOTING = ROOT / "docs" / "troubleshooting.md"
SOURCES = ("infra", "lambdas", "local", "learning", "cli", "demo")

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|ts|tsx|md|json|toml)")
_PLACEHOLDER = "…"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _anchors(document: Path) -> set[str]:
    """The headings as GitHub names them in addresses."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for link in _LINK.findall(document.read_text()):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_files_that_are_named_are_there(document: Path) -> None:
    named = {code for code in _CODE.findall(document.read_text()) if _PATH.fullmatch(code)}
    folders = (ROOT, ROOT / "lambdas" / "domain", document.parent)
    missing = {
        path
        for path in named
        if not path.startswith(".") and not any((folder / path).exists() for folder in folders)
    }
    assert missing == set()


def _commands() -> set[str]:
    """Every command of labelloop, those of groups with their group: status, images, images find."""
    names = set()
    for name, command in cli.app.commands.items():
        names |= {name, *(f"{name} {subcommand}" for subcommand in getattr(command, "commands", ()))}
    return names


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_commands_that_are_named_are_there(document: Path) -> None:
    """In code spans and at the beginning of lines of code; `images find|show` are two."""
    commands = _commands()
    groups = {command.split()[0] for command in commands if " " in command}
    unknown: list[str] = []
    for name, rest in re.findall(
        r"(?:`|^)labelloop ([a-z][a-z-]*)(?: ([a-z|]+))?", document.read_text(), re.MULTILINE
    ):
        named = (
            [f"{name} {subcommand}" for subcommand in rest.split("|")] if name in groups and rest else [name]
        )
        unknown += [command for command in named if command not in commands]
    assert unknown == []


@pytest.mark.parametrize("machine", ["retrain", "promote", "review"])
def test_states_are_those_of_the_state_machine(machine: str) -> None:
    definition = json.loads((ROOT / "statemachines" / f"{machine}.asl.json").read_text())
    section = ARCHITECTURE.read_text().split(f"\n### {machine}\n")[1].split("\n#")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    states = {code for row in rows for code in _CODE.findall(row) if code[0].isupper()}
    assert states == set(definition["States"])


def test_floors_are_those_of_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = (one for one in settings["tool"]["importlinter"]["contracts"] if one["id"] == "floors")
    floors = [set(re.split(" [|:] ", layer)) for layer in contract["layers"]]
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", ARCHITECTURE.read_text(), re.MULTILINE)
    listed = [{name for floor, name in rows if int(floor) == number} for number in range(len(floors), 0, -1)]
    assert listed == floors


def test_every_prefix_and_index_is_in_the_architecture() -> None:
    infra = "".join(path.read_text() for path in (ROOT / "infra").glob("*.py"))
    names = {
        *re.findall(r'^    "([a-z0-9]+/[a-z0-9/]*)": "', infra, re.MULTILINE),
        *re.findall(r'index_name="(\w+)"', infra),
        *re.findall(r'\bprefix="([a-z0-9/]+)"', infra),
    }
    assert len(names) > 10
    page = ARCHITECTURE.read_text()
    assert {name for name in names if f"`{name}" not in page} == set()


def test_pictures_are_those_of_the_script_and_light() -> None:
    taken = {path.stem: path for path in pictures.FOLDER.iterdir()}
    assert set(taken) == set(pictures.SHOTS)
    assert all(path.stat().st_size <= pictures.MAX_BYTES for path in taken.values())
    readme = (ROOT / "README.md").read_text()
    assert all(f"docs/pictures/{path.name}" in readme for path in taken.values())


def _texts(tree: ast.AST) -> Iterator[str]:
    """Every string of a module; what an f-string fills in is a NUL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "\0"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.long
def test_quoted_messages_are_those_of_the_code() -> None:
    modules = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")]
    spoken = "\n".join(text for path in modules for text in _texts(ast.parse(path.read_text())))
    blocks = re.findall(r"^```text\n(.*?)^```", TROUBLESHOOTING.read_text(), re.MULTILINE | re.DOTALL)
    messages = [line for block in blocks for line in block.splitlines()]
    assert len(messages) > 20
    unknown = [
        message
        for message in messages
        if not all(part.strip() in spoken for part in message.split(_PLACEHOLDER))
    ]
    assert unknown == []


def test_the_changelog_says_of_each_version_when_it_came_and_each_kind_of_change_once() -> None:
    versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]
    for version in versions:
        title, *_ = version.splitlines()
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - (unreleased|\d{4}-\d\d-\d\d)", title)
        kinds = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert len(kinds) == len(set(kinds))
    assert versions[0].index("It needs a new deployment") < versions[0].index("### ")
