"""What a cold start pays before it does anything: importing each handler, in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from infra import lambda_asset

RUNS = 9
LIMIT_MS, LIMIT_MB = 400, 128
SCRIPT = """
import sys, time
sys.path.insert(0, {asset!r})
began = time.perf_counter()
import lambdas.{module}
print((time.perf_counter() - began) * 1000)
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")))
"""


def measure() -> None:
    """Median of several fresh interpreters that see the code asset and nothing else."""
    asset = lambda_asset.build(lambda_asset.HERE)
    print(f"import, median of {RUNS}; limits {LIMIT_MS} ms, {LIMIT_MB} MB resident")
    for module in sorted(path.stem for path in (asset / "lambdas").glob("*.py") if path.stem != "__init__"):
        times, sizes = zip(*(_import(asset, module) for _ in range(RUNS)), strict=True)
        ms, mb = statistics.median(times), statistics.median(sizes)
        verdict = "within" if ms <= LIMIT_MS and mb <= LIMIT_MB else "OVER"
        spread = f"({min(times):.0f} to {max(times):.0f})"
        print(f"  lambdas.{module:<9} {ms:6.0f} ms {spread:>14}  {mb:5.1f} MB  {verdict}")


def _import(asset: Path, module: str) -> tuple[float, float]:
    script = SCRIPT.format(asset=str(asset), module=module)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    milliseconds, megabytes = done.stdout.split()
    return float(milliseconds), float(megabytes)
