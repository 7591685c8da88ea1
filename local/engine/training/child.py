"""The child process of a training: `python -m local.engine.training.child DIRECTORY SECONDS [STEPS]`.

Nothing else of the engine imports this module, as it loads torch.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import learning
from learning.export import export_checked
from learning.held_out import held_out
from learning.metrics import Judged, judge
from learning.trunk import WEIGHTS_VARIABLE, chosen_weights
from learning.types import Box, Evaluation, Example, Progress, Task
from local.engine import children
from local.engine.training import metrics, progress
from local.engine.training.budget import Budget, label_check_seconds

SEED = 20240607
"""The seed of every training: the same datasets and the same time give the same model, as far as arithmetic
allows."""
REPORT_SECONDS = 0.5
"""How long, at least, lies between two reports of progress."""
TESTING_SHARE = 0.05
"""The share of a training that testing takes, about."""


def run(directory: Path, budget: Budget) -> None:
    """Learn from job.json in the directory, within the budget.

    Leaves model/, predictions.jsonl, held_out.jsonl and evaluation.json there, and progress.json as it goes.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    job = json.loads((directory / "job.json").read_text())
    train = [_example(example) for example in job["train"]]
    test = [_example(example) for example in job["test"]]
    weights = chosen_weights(os.environ.get(WEIGHTS_VARIABLE, ""))
    check_seconds = label_check_seconds() if weights else 0.0
    reporter = _Reporter(directory, budget.seconds / (budget.seconds + check_seconds))
    model = learning.train(
        job["task"],
        train,
        budget_seconds=budget.seconds,
        max_steps=budget.steps,
        seed=SEED,
        weights=weights,
        progress=reporter.learning,
    )
    model.save(directory / "model")
    evaluation = export_checked(model, directory / "model", test, progress=reporter.testing)
    if weights and check_seconds:
        examples = [*train, *test]
        report = reporter.checking
        write_held_out(directory, model, examples, weights=weights, seconds=check_seconds, report=report)
    write_evaluation(directory, model.task, train, test, evaluation, thresholds=model.facts.thresholds)


def write_held_out(
    directory: Path,
    model: learning.Model,
    examples: Sequence[Example],
    *,
    weights: Path,
    seconds: float,
    report: Callable[[float], None],
) -> None:
    """Write held_out.jsonl, with a line for each image to learn from and then for each to test with: what is
    seen by who has not learned from it, null if nothing was.

    Args:
        weights: of the pretrained trunk, without which nothing can be seen so.
    """
    predictions = held_out(model, examples, weights=weights, seconds=seconds, seed=SEED, progress=report)
    with (directory / "held_out.jsonl").open("w") as file:
        for example, seen in zip(examples, predictions, strict=True):
            judged = None if seen is None else [_judged(one) for one in judge(model.task, example, seen)]
            file.write(json.dumps(judged) + "\n")


def write_evaluation(
    directory: Path,
    task: Task,
    train: Sequence[Example],
    test: Sequence[Example],
    evaluation: Evaluation,
    *,
    thresholds: Mapping[str, float],
) -> None:
    """Write predictions.jsonl, and evaluation.json last, which says that all of it is there.

    Args:
        thresholds: for labels that no test image shows, of which the evaluation cannot say anything.
    """
    with (directory / "predictions.jsonl").open("w") as file:
        for example, seen in zip(test, evaluation.predictions, strict=True):
            judged = [_judged(verdict) for verdict in judge(task, example, seen)]
            file.write(json.dumps(judged) + "\n")
    figures: dict[str, Any] = {
        "f1": evaluation.f1,
        "precision": evaluation.precision,
        "recall": evaluation.recall,
        "train_images": len(train),
        "test_images": len(test),
        "labels": [asdict(label) for label in evaluation.labels],
        "thresholds": dict(thresholds),
    }
    if task == "classification":
        figures["confusion_matrix"] = metrics.confusion_matrix(test, evaluation.predictions)
    else:
        mean = metrics.mean_precision_and_recall(test, evaluation.predictions)
        figures["average_precision"], figures["average_recall"] = mean
    progress.write_whole(directory / "evaluation.json", json.dumps(figures))


class _Reporter:
    """Leaves in a version's directory how far its training is.

    Args:
        learning_share: of the time that learning and looking for wrong labels may take, what learning may.
    """

    def __init__(self, directory: Path, learning_share: float) -> None:
        self._directory = directory
        self._learned = learning_share * (1 - TESTING_SHARE)
        self._tested = self._learned + TESTING_SHARE
        self._began = self._reported = time.monotonic()
        self._last = progress.State("learning", 0.0, 0.0, 0, None)

    def learning(self, now: Progress) -> None:
        done = replace(self._last, fraction=self._learned * now.fraction, step=now.step, f1=now.f1)
        self._report(replace(done, second_stage=now.second_stage))

    def testing(self, fraction: float) -> None:
        if fraction == 1 or time.monotonic() - self._reported >= REPORT_SECONDS:
            done = self._learned + TESTING_SHARE * fraction
            self._report(replace(self._last, phase="testing", fraction=done))

    def checking(self, fraction: float) -> None:
        if time.monotonic() - self._reported >= REPORT_SECONDS:
            done = self._tested + (1 - self._tested) * fraction
            self._report(replace(self._last, phase="checking", fraction=done))

    def _report(self, state: progress.State) -> None:
        self._reported = time.monotonic()
        self._last = replace(state, seconds=round(self._reported - self._began, 3))
        progress.write(self._directory, self._last)


def _example(document: dict[str, Any]) -> Example:
    return Example(
        path=Path(document["path"]),
        labels=tuple(document["labels"]),
        boxes=tuple(Box(**box) for box in document["boxes"]),
    )


def _judged(verdict: Judged) -> dict[str, Any]:
    """A verdict as `evaluation_files.Judged` has it."""
    box = verdict.box
    sides = {"left": box.left, "top": box.top, "width": box.width, "height": box.height} if box else None
    return {"label": verdict.label, "confidence": verdict.confidence, "present": verdict.right, "box": sides}


def main(directory: Path, budget: Budget) -> None:
    """Learn and evaluate at low priority; end as soon as the engine is gone."""
    children.end_with_parent()
    os.nice(5)
    run(directory, budget)


if __name__ == "__main__":
    steps = int(sys.argv[3]) if sys.argv[3:] else None
    main(Path(sys.argv[1]), Budget(float(sys.argv[2]), steps))
