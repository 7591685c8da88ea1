"""`python -m benchmarks [NAME...]`: the figures that docs/performance.md quotes, measured on this machine."""

from __future__ import annotations

import os
import platform
import sys

from benchmarks import (
    data,
    engine_learning,
    engine_serving,
    handlers,
    importing,
    ingestion,
    orchestration,
    registration,
    synth,
)

ALL = {
    "handlers": handlers.measure,
    "synth": synth.measure,
    "ingestion": ingestion.measure,
    "orchestration": orchestration.measure,
    "importing": importing.measure,
    "registration": registration.measure,
    "data": data.measure,
    "engine_learning": engine_learning.measure,
    "engine_serving": engine_serving.measure,
}


def main() -> None:
    chosen = sys.argv[1:] or list(ALL)
    if unknown := set(chosen) - set(ALL):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    print(f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}")
    for name in chosen:
        print(f"\n== {name}", flush=True)
        ALL[name]()


if __name__ == "__main__":
    main()
