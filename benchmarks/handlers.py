"""What a cold start pays before it does anything: importing each handler, in a fresh interpreter.

Beside each import stands one of boto3 alone, so that the ratio of both says the same on every machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from infra import lambda_asset

RUNS = 9
LIMIT_MS, LIMIT_MB, LIMIT_RATIO = 400, 128, 1.3
BARE = "boto3"
SCRIPT = """
import sys, time
sys.path.insert(0, {asset!r})
began = time.perf_counter()
import {module}
print((time.perf_counter() - began) * 1000)
with open("/proc/self/status") as status:
    print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")))
"""


def measure() -> None:
    """Median of several fresh interpreters that see the code asset and nothing else."""
    asset = lambda_asset.build(lambda_asset.HERE)
    print(f"import, median of {RUNS}; limits {LIMIT_MS} ms, {LIMIT_MB} MB resident")
    print(f"ratio: to an import of {BARE} alone just before it; {LIMIT_RATIO} is aimed at")
    for module in sorted(path.stem for path in (asset / "lambdas").glob("*.py") if path.stem != "__init__"):
        bare, (times, sizes) = _paired(asset, f"lambdas.{module}")
        ms, mb = statistics.median(times), statistics.median(sizes)
        ratio = statistics.median(time / alone for time, alone in zip(times, bare, strict=True))
        verdict = "within" if ms <= LIMIT_MS and mb <= LIMIT_MB else "OVER"
        spread = f"({min(times):.0f} to {max(times):.0f})"
        print(
            f"  lambdas.{module:<19} {ms:6.0f} ms {spread:>14}  ratio {ratio:4.2f}  {mb:5.1f} MB  {verdict}"
        )


def _paired(asset: Path, module: str) -> tuple[list[float], tuple[list[float], list[float]]]:
    """Milliseconds of boto3 alone; milliseconds and megabytes of the module, imported just after it."""
    bare: list[float] = []
    times: list[float] = []
    sizes: list[float] = []
    for _ in range(RUNS):
        bare.append(_import(asset, BARE)[0])
        milliseconds, megabytes = _import(asset, module)
        times.append(milliseconds)
        sizes.append(megabytes)
    return bare, (times, sizes)


def _import(asset: Path, module: str) -> tuple[float, float]:
    script = SCRIPT.format(asset=str(asset), module=module)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True
    )
    milliseconds, megabytes = done.stdout.split()
    return float(milliseconds), float(megabytes)
