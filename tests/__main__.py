"""`python -m tests`: everything that guards the project, in the order in which it fails fastest."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
NODE = ROOT / "node_modules" / ".bin"

CHECKS: dict[str, list[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "types": [BIN / "mypy"],
    "console types": [NODE / "tsc", "-p", "console"],
    "console tests": [NODE / "vitest", "run", "--root", "console"],
    # Two workers, each taking whole files: a file's tests share the stack that they start.
    "tests": [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--durations", "15"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        print(f"== {name}", flush=True)  # noqa: T201
        began = time.monotonic()
        extra = sys.argv[1:] if name == "tests" else []
        done = subprocess.run([*command, *extra], cwd=ROOT, env=_environment(), check=False)
        if done.returncode:
            failed.append(name)
        verdict = "failed" if done.returncode else "passed"
        print(f"== {name} {verdict} in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    if failed:
        print(f"Failed: {', '.join(failed)}")  # noqa: T201
    return 1 if failed else 0


def _environment() -> dict[str, str]:
    """Without the AWS settings of whoever runs it: no test may reach an account."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "18,20",
    }


if __name__ == "__main__":
    sys.exit(main())
