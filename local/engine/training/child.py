"""The child process of a training: `python -m local.engine.training.child DIRECTORY SECONDS [STEPS]`.

Nothing else of the engine imports this module, as it loads torch.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import learning
from learning.metrics import Judged, judge
from learning.types import Box, Evaluation, Example, Progress, Task
from local.engine import children
from local.engine.training import metrics, progress
from local.engine.training.budget import Budget

SEED = 20240607
"""The same datasets and the same time give the same model, as far as arithmetic allows."""
TELL_SECONDS = 0.5
"""How often, at most, progress is told."""


def run(directory: Path, budget: Budget) -> None:
    """Learn from job.json in the directory, within the budget; leaves model/, predictions.jsonl and
    evaluation.json there, and progress.json as it goes."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    job = json.loads((directory / "job.json").read_text())
    train = [_example(example) for example in job["train"]]
    test = [_example(example) for example in job["test"]]
    teller = _Teller(directory)
    model = learning.train(
        job["task"],
        train,
        budget_seconds=budget.seconds,
        most_steps=budget.steps,
        seed=SEED,
        progress=teller.learning,
    )
    (directory / "model").mkdir(exist_ok=True)
    model.save(directory / "model")
    found = learning.evaluate(model, test, progress=teller.testing)
    write_evaluation(directory, model.task, train, test, found, thresholds=model.facts.thresholds)


def write_evaluation(
    directory: Path,
    task: Task,
    train: Sequence[Example],
    test: Sequence[Example],
    found: Evaluation,
    *,
    thresholds: Mapping[str, float],
) -> None:
    """Write predictions.jsonl, and evaluation.json last, which says that all of it is there.

    Args:
        thresholds: for labels that no test image shows, of which the evaluation cannot say anything.
    """
    with (directory / "predictions.jsonl").open("w") as file:
        for example, seen in zip(test, found.predictions, strict=True):
            judged = [_judged(one) for one in judge(task, example, seen)]
            file.write(json.dumps(judged) + "\n")
    figures: dict[str, Any] = {
        "f1": found.f1,
        "precision": found.precision,
        "recall": found.recall,
        "train_images": len(train),
        "test_images": len(test),
        "labels": [asdict(label) for label in found.labels],
        "thresholds": dict(thresholds),
    }
    if task == "classification":
        figures["confusion_matrix"] = metrics.confusion_matrix(test, found.predictions)
    else:
        mean = metrics.mean_precision_and_recall(test, found.predictions)
        figures["average_precision"], figures["average_recall"] = mean
    progress.write_whole(directory / "evaluation.json", json.dumps(figures))


class _Teller:
    """Leaves in a version's directory how far its training is."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._began = self._told = time.monotonic()
        self._last = progress.State("learning", 0.0, 0.0, 0, None)

    def learning(self, now: Progress) -> None:
        self._tell(replace(self._last, fraction=now.fraction, step=now.step, f1=now.f1))

    def testing(self, fraction: float) -> None:
        if fraction == 1 or time.monotonic() - self._told >= TELL_SECONDS:
            self._tell(replace(self._last, phase="testing", fraction=fraction))

    def _tell(self, state: progress.State) -> None:
        self._told = time.monotonic()
        self._last = replace(state, seconds=round(self._told - self._began, 3))
        progress.write(self._directory, self._last)


def _example(found: dict[str, Any]) -> Example:
    return Example(
        path=Path(found["path"]),
        labels=tuple(found["labels"]),
        boxes=tuple(Box(**box) for box in found["boxes"]),
    )


def _judged(one: Judged) -> dict[str, Any]:
    """As evaluation_files.Judged has it."""
    box = one.box
    sides = {"left": box.left, "top": box.top, "width": box.width, "height": box.height} if box else None
    return {"label": one.label, "confidence": one.confidence, "present": one.right, "box": sides}


def main(directory: Path, budget: Budget) -> None:
    """Learn and evaluate at low priority; end as soon as the engine is gone."""
    children.end_with_parent()
    os.nice(5)
    run(directory, budget)


if __name__ == "__main__":
    steps = int(sys.argv[3]) if sys.argv[3:] else None
    main(Path(sys.argv[1]), Budget(float(sys.argv[2]), steps))
