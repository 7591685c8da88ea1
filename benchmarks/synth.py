"""How long `cdk synth` takes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNS = 3
LIMIT_S = 10


def measure() -> None:
    """Whole `cdk synth` processes, after one that builds the code asset."""
    _synth()
    seconds = [_synth() for _ in range(RUNS)]
    print(f"cdk synth: median {statistics.median(seconds):.1f} s of {RUNS}; limit {LIMIT_S} s")


def _synth() -> float:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(ROOT / "node_modules/.bin/cdk"), "synth", "--quiet", "--output", folder]
        command += ["--app", f"{sys.executable} app.py"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - began
