"""What the loop itself adds between the end of a burst and a serving model."""

from __future__ import annotations

import threading
import time

from benchmarks.embedded_stack import deployed
from lambdas.domain.shared.records import Run
from local.scenes import classification_scenes
from tests.fixtures.deployed_loop import Loop

LIMIT_S = 15
CONTEXT = {
    "min_new_images": "100000",
    "min_f1": "0",
    "min_label_f1": "0",
    "min_test_images_per_label": "1",
    "shadow_test_images": "3",
    "f1_margin": "1",
}


def measure() -> None:
    """From the lease (the burst has ended) to RUNNING, less the engine's own training and start.

    The first run starts every function; the second finds them warm, as a loop in use does.
    """
    print(f"from the end of a burst to RUNNING, less the engine's training and start; limit {LIMIT_S} s")
    with deployed("orchestration", CONTEXT) as loop:
        for number, name in enumerate(("functions cold", "functions warm")):
            scenes = list(classification_scenes(30, seed=number))
            loop.drop_by_folder(scenes, lambda scene: scene.labels[0])
            while len(loop.images()) < 30 * (number + 1):
                time.sleep(0.5)
            watch = _Watch(loop)
            run = loop.retrain(f"run-{number}", force=True)
            print(f"  {name}: {_own_seconds(loop, run, watch):.1f} s")


class _Watch:
    """Notes when each version was first seen starting and running."""

    def __init__(self, loop: Loop) -> None:
        self.seen: dict[tuple[str, str], float] = {}
        self._loop = loop
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            try:
                statuses = self._loop.statuses()
            except Exception:  # noqa: BLE001 the stack is gone: so is the need to watch
                return
            for name, status in statuses.items():
                self.seen.setdefault((name, status), time.time())
            time.sleep(0.05)


def _own_seconds(loop: Loop, run: Run, watch: _Watch) -> float:
    name = str(run.version)
    (description,) = loop.rekognition.describe_project_versions(
        ProjectArn=loop.outputs["ProjectArn"], VersionNames=[name]
    )["ProjectVersionDescriptions"]
    training = (description["TrainingEndTimestamp"] - description["CreationTimestamp"]).total_seconds()
    running = watch.seen[name, "RUNNING"]
    starting = running - watch.seen.get((name, "STARTING"), running)
    own: float = running - _burst_ended(loop, run) - training - starting
    return own


def _burst_ended(loop: Loop, run: Run) -> float:
    history = loop.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=str(run.execution)
    )
    for page in history:
        for event in page["events"]:
            if event.get("stateEnteredEventDetails", {}).get("name") == "TakeLease":
                entered: float = event["timestamp"].timestamp()
                return entered
    raise LookupError("the burst never ended")
