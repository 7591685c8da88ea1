"""`python -m tests`: everything that guards the project, in the order in which it fails fastest.

With `--quick`, which is `make check`, only what needs no stack, no browser, no synthesis, no training and no
half second.
Other arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
NODE = ROOT / "node_modules" / ".bin"

PYTEST = [sys.executable, "-m", "pytest"]
QUICK = "not embedded and not browser and not synthesis and not training and not long"
SPREAD = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""Each worker takes whole files, whose tests share what they start, or files that share a deployment; see
tests/conftest.py. They wait for other processes at times, so that a third worker has something to do."""
LONGEST_FIRST = (
    "tests/endtoend",
    "tests/local/engine/api/test_clients.py",
    "tests/learning/test_training.py",
    "tests/web",
    "tests/local",
    "tests/infra",
    "tests/statemachines",
    "tests",
)
"""No worker is left with something long at the end."""
SLOWEST = ("--durations", "25", "--durations-min", "2")
CHECKS: dict[str, list[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "imports": [BIN / "lint-imports", "--no-logo", "--no-cache"],
    "types": [BIN / "pyrefly", "check", "--summary=none"],
    "console types": [NODE / "tsc", "-p", "console"],
    "console tests": [NODE / "vitest", "run", "--root", "console"],
    "built once": [sys.executable, "-m", "tests.fixtures.built"],
    "collected": [*PYTEST, "--collect-only", "-qq"],
    "tests": [*PYTEST, *SPREAD, *SLOWEST, *LONGEST_FIRST],
}
NOT_UNIT = ("tests/endtoend", "tests/infra", "tests/statemachines", "tests/web")
"""Folders that have no unit test: to read them, and what they import, takes seconds."""
UNIT_TESTS: list[str | Path] = [
    *(*PYTEST, "-n", "2", "--dist", "worksteal", *SLOWEST, "-m", QUICK),
    *(f"--ignore={folder}" for folder in NOT_UNIT),
    "tests",
]
QUICK_CHECKS = {name: CHECKS[name] for name in ("format", "lint", "imports", "types", "console types")} | {
    "built once": [*CHECKS["built once"], "--tables"],
    "unit tests": UNIT_TESTS,
}
BESIDE = {"types", "console types", "console tests", "built once"}
"""Checks that go on beside those after them, which wait for other processes half of their time. A test that
needs what is built waits for it."""
QUIET = {*BESIDE, "collected"}
"""Checks whose output is of interest if they fail.

Tests are collected once before workers do it: one process, not each of them, then compiles what is imported
and rewrites the assertions, and a test file that cannot be imported is known at once.
"""


@dataclass
class Check:
    """A check that has been started."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes] | None
    began: float

    def passed(self) -> bool:
        """Wait for its end, and print the output of one that failed if that was not seen as it came."""
        status = self.process.wait()
        seconds = time.monotonic() - self.began
        if self.output and status:
            self.output.seek(0)
            print(f"== {self.name}\n{self.output.read().decode(errors='replace')}", end="")  # noqa: T201
        print(f"== {self.name} {'failed' if status else 'passed'} in {seconds:.0f} s", flush=True)  # noqa: T201
        return status == 0


def main(arguments: list[str]) -> int:
    """Run every check, and return 1 if one of them failed."""
    quick = "--quick" in arguments
    for_pytest = [argument for argument in arguments if argument != "--quick"]
    began = time.monotonic()
    with ExitStack() as files:
        verdicts: dict[str, bool] = {}
        beside: list[Check] = []
        for name, command in (QUICK_CHECKS if quick else CHECKS).items():
            given = for_pytest if name.endswith("tests") and command[1] == "-m" else []
            if name not in QUIET:
                print(f"== {name}", flush=True)  # noqa: T201
            output = files.enter_context(tempfile.TemporaryFile()) if name in QUIET else None
            check = _start(name, [*command, *given], output)
            if name in BESIDE:
                beside.append(check)
            else:
                verdicts[name] = check.passed()
        verdicts |= {check.name: check.passed() for check in beside}
    failed = [name for name, passed in verdicts.items() if not passed]
    verdict = f"Failed: {', '.join(failed)}" if failed else "All passed"
    print(f"{verdict}, in {time.monotonic() - began:.0f} s")  # noqa: T201
    return 1 if failed else 0


def _start(name: str, command: list[str | Path], output: IO[bytes] | None = None) -> Check:
    process = subprocess.Popen(
        command, cwd=ROOT, env=_environment(), stdout=output, stderr=subprocess.STDOUT if output else None
    )
    return Check(name, process, output, time.monotonic())


def _environment() -> dict[str, str]:
    """Without the AWS settings of whoever runs it: no test may reach an account.

    Bytecode is written, whatever whoever runs it says: many processes import the same.
    """
    dropped = ("AWS_", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if not key.startswith(dropped)} | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
