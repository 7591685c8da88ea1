"""`python -m tests`: everything that guards the project, in the order in which it fails fastest.

Arguments go to pytest.
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

SPREAD = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""Each worker takes whole files, whose tests share the stack that they start. They wait for other processes,
so that a third worker has something to do."""
FIRST = ("tests/endtoend", "tests/web", "tests/learning", "tests/local")
"""What takes longest, so that no worker is left with it at the end."""
CHECKS: dict[str, list[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "imports": [BIN / "lint-imports", "--no-cache"],
    "types": [BIN / "pyrefly", "check", "--summary=none"],
    "console types": [NODE / "tsc", "-p", "console"],
    "console tests": [NODE / "vitest", "run", "--root", "console"],
    "tests": [sys.executable, "-m", "pytest", *SPREAD, "--durations", "25", *FIRST, "tests"],
}
BESIDE = "types"
"""The check that goes on beside those after it, for the tests wait for other processes half of their time."""


@dataclass
class Check:
    """A check that has been started."""

    name: str
    process: subprocess.Popen[bytes]
    output: IO[bytes] | None
    began: float

    def passed(self) -> bool:
        """Wait for its end, and tell what it said if that was not seen as it came."""
        status = self.process.wait()
        seconds = time.monotonic() - self.began
        if self.output:
            self.output.seek(0)
            print(f"== {self.name}\n{self.output.read().decode(errors='replace')}", end="")  # noqa: T201
        print(f"== {self.name} {'failed' if status else 'passed'} in {seconds:.0f} s", flush=True)  # noqa: T201
        return status == 0


def main() -> int:
    with ExitStack() as files:
        verdicts: dict[str, bool] = {}
        beside: Check | None = None
        for name in CHECKS:
            if name == BESIDE:
                beside = _start(name, files.enter_context(tempfile.TemporaryFile()))
            else:
                print(f"== {name}", flush=True)  # noqa: T201
                verdicts[name] = _start(name).passed()
        if beside:
            verdicts[beside.name] = beside.passed()
    failed = [name for name, passed in verdicts.items() if not passed]
    if failed:
        print(f"Failed: {', '.join(failed)}")  # noqa: T201
    return 1 if failed else 0


def _start(name: str, output: IO[bytes] | None = None) -> Check:
    command = [*CHECKS[name], *(sys.argv[1:] if name == "tests" else [])]
    process = subprocess.Popen(
        command, cwd=ROOT, env=_environment(), stdout=output, stderr=subprocess.STDOUT if output else None
    )
    return Check(name, process, output, time.monotonic())


def _environment() -> dict[str, str]:
    """Without the AWS settings of whoever runs it: no test may reach an account."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
    }


if __name__ == "__main__":
    sys.exit(main())
