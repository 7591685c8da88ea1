"""`python -m benchmarks [NAME...]`: the figures that docs/performance.md quotes, measured on this machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

from benchmarks import (
    active_choice,
    batch_costs,
    batches,
    comparisons,
    data,
    dataset_pages,
    detection,
    drift,
    engine_datasets,
    engine_learning,
    engine_serving,
    gates,
    handlers,
    importing,
    ingestion,
    label_issues,
    ledger,
    orchestration,
    production_precision,
    registration,
    review,
    serving_function,
    serving_policies,
    stack_server,
    synth,
    tiling,
)

ALL = {
    "handlers": handlers.measure,
    "synth": synth.measure,
    "ingestion": ingestion.measure,
    "stack_server": stack_server.measure,
    "orchestration": orchestration.measure,
    "importing": importing.measure,
    "ledger": ledger.measure,
    "registration": registration.measure,
    "data": data.measure,
    "dataset_pages": dataset_pages.measure,
    "review": review.measure,
    "comparisons": comparisons.measure,
    "gates": gates.measure,
    "batch_costs": batch_costs.measure,
    "batches": batches.measure,
    "serving_function": serving_function.measure,
    "serving_policies": serving_policies.measure,
    "engine_learning": engine_learning.measure,
    "engine_datasets": engine_datasets.measure,
    "engine_serving": engine_serving.measure,
    "detection": detection.measure,
    "tiling": tiling.measure,
    "drift": drift.measure,
    "label_issues": label_issues.measure,
    "production_precision": production_precision.measure,
    "active_choice": active_choice.measure,
}


def main() -> None:
    chosen = sys.argv[1:] or list(ALL)
    if unknown := set(chosen) - set(ALL):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    if len(chosen) == 1:
        print(f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}")
        print(f"\n== {chosen[0]}", flush=True)
        ALL[chosen[0]]()
        return
    # Each in a process of its own: what one imports and keeps must not count for the next.
    for name in chosen:
        subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)


if __name__ == "__main__":
    main()
