"""What this machine needs to deploy: Node.js, the CDK's command line, the interpreter that cdk.json names."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.doctor.findings import Finding, Findings, fails, fine

MIN_NODE = 20
"""The major version of Node.js from which on the CDK's command line runs: CONTRIBUTING.md."""
_PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Machine:
    """What is installed.

    Attributes:
        node: what `node --version` says; empty without Node.js.
        project: whether the command line runs from the project's folder, which has the CDK app.
        cdk, interpreter: whether `make setup` has put them there.
    """

    node: str
    npx: bool
    project: bool
    cdk: bool
    interpreter: bool


def look(project: Path = _PROJECT) -> Machine:
    return Machine(
        node=_node_version(),
        npx=shutil.which("npx") is not None,
        project=(project / "cdk.json").exists(),
        cdk=(project / "node_modules" / ".bin" / "cdk").exists(),
        interpreter=(project / ".venv" / "bin" / "python").exists(),
    )


def judge(machine: Machine) -> Findings:
    """Whether `npx cdk deploy` can be started."""
    return [_judge_node(machine), _judge_project(machine)]


def _judge_node(machine: Machine) -> Finding:
    subject, link = "Node.js", f"https://nodejs.org: version {MIN_NODE} or later"
    if not machine.node:
        return fails(
            subject, "it is not installed, or not on the PATH; the CDK's command line needs it", link
        )
    if _major(machine.node) < MIN_NODE:
        return fails(subject, f"{machine.node} is too old for the CDK's command line", link)
    if not machine.npx:
        return fails(subject, f"{machine.node} is there, npx is not", "install npm, which npx comes with")
    return fine(subject, machine.node)


def _judge_project(machine: Machine) -> Finding:
    subject = "CDK app"
    if not machine.project:
        return fails(
            subject,
            "this labelloop was installed without the project's folder, which is deployed from",
            "clone the repository, and run `make setup` and `npx cdk deploy` there",
        )
    missing = [
        name for name, there in (("node_modules", machine.cdk), (".venv", machine.interpreter)) if not there
    ]
    if missing:
        return fails(subject, f"{' and '.join(missing)} are not complete", "make setup")
    return fine(subject, "the CDK's command line and the interpreter are installed")


def _node_version() -> str:
    node = shutil.which("node")
    if node is None:
        return ""
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=10)
    return answer.stdout.strip()


def _major(version: str) -> int:
    number = re.match(r"v?(\d+)", version)
    return int(number[1]) if number else 0
