"""The script: learn from a snapshot, export the model, evaluate it.

SageMaker's folders and variables: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
and, of what runs a script in AWS's container, https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import learning
from learning import evaluation_files
from learning.export import export_checked
from learning.held_out import held_out
from learning.metrics import Judged, judge
from learning.trunk import WEIGHTS_VARIABLE, chosen_weights
from learning.types import Evaluation, Example, Progress, Task
from portable.facts import MODEL_FILE
from training_job import manifests
from training_job.manifests import Line, ManifestError

logger = logging.getLogger("training_job")

SEED = 20240607
"""Of every training: the same snapshot and the same time give the same model, as far as arithmetic allows."""
SUMMARY_FILE, TESTED_FILE, HELD_OUT_FILE = "evaluation.json", "evaluation.manifest", "held-out.manifest"
"""What the model's folder has beside the model: the forms are those of Custom Labels' own files."""
LABEL_CHECK_SHARE = 0.2
"""Of the time that learning may take: how much more looking for labels takes that are contradicted."""
STEPS_VARIABLE = "LABELLOOP_TRAINING_STEPS"
"""The variable that bounds the steps, so that a model does not depend on how busy a machine is."""
UNTESTED_THRESHOLD = 0.5
"""The assumed threshold of a label of which neither the training nor the evaluation gives one."""


def run(
    manifest_folder: Path,
    images: Path,
    target: Path,
    *,
    version: str,
    seconds: float,
    steps: int | None = None,
    weights: Path | None = None,
    checkpoints: Path | None = None,
) -> float:
    """Learn from the manifests in a folder, and leave model and evaluation in another: the F1 score.

    Args:
        steps: that are learned at most.
        weights: of the pretrained trunk that the learning begins with; None: it begins with nothing.
        checkpoints: the folder that a killed training is gone on with from.

    Raises:
        ManifestError: the snapshot cannot be trained on.
        ValueError: the same, as the learning says it, or the model cannot be exported.
    """
    train = manifests.read(manifest_folder / "train.manifest", images)
    task = manifests.task_of(train)
    examples = [line.example for line in train]
    model = learning.train(
        task,
        examples,
        budget_seconds=seconds,
        max_steps=steps,
        seed=SEED,
        weights=weights,
        checkpoints=checkpoints,
        progress=_say,
    )
    test = manifests.of_labels(manifests.read(manifest_folder / "test.manifest", images), model.labels, task)
    if not test:
        raise ManifestError("no test image shows a label that the model knows")
    shown = [line.example for line in test]
    target.mkdir(parents=True, exist_ok=True)
    evaluation = export_checked(model, target, shown)
    if not (target / MODEL_FILE).exists():
        raise ValueError("the exported model does not see what was learned, and nothing else could answer")
    if weights:
        write_held_out(target, model, [*train, *test], weights, LABEL_CHECK_SHARE * seconds)
    thresholds = dict.fromkeys(model.labels, UNTESTED_THRESHOLD) | dict(model.facts.thresholds)
    write_evaluation(target, version, task, test, evaluation, trained=len(train), thresholds=thresholds)
    return evaluation.f1


def write_held_out(
    target: Path, model: learning.Model, lines: Sequence[Line], weights: Path, seconds: float
) -> None:
    """Write what is seen in images by who has not learned from them, on the pretrained trunk."""
    examples = [line.example for line in lines]
    seen = held_out(model, examples, weights=weights, seconds=seconds, seed=SEED)
    judged = [
        None if each is None else [_document(one) for one in judge(model.task, example, each)]
        for example, each in zip(examples, seen, strict=True)
    ]
    ended = datetime.datetime.now(datetime.UTC)
    snapshot = evaluation_files.held_out_snapshot(lines, model.task, judged, model.labels, ended)
    (target / HELD_OUT_FILE).write_text("".join(f"{line}\n" for line in snapshot))


def write_evaluation(
    target: Path,
    version: str,
    task: Task,
    test: Sequence[Line],
    evaluation: Evaluation,
    *,
    trained: int,
    thresholds: dict[str, float],
) -> None:
    """Write what the gates and the console read of an evaluation: the summary last.

    Args:
        trained: how many images were learned from.
        thresholds: for labels that no test image shows, of which the evaluation cannot say anything.
    """
    ended = datetime.datetime.now(datetime.UTC)
    thresholds = thresholds | {label.label: label.assumed_threshold for label in evaluation.labels}
    judged = _judged(task, [line.example for line in test], evaluation)
    snapshot = evaluation_files.testing_snapshot(test, task, judged, thresholds, ended)
    (target / TESTED_FILE).write_text("".join(f"{line}\n" for line in snapshot))
    figures = {
        "f1": evaluation.f1,
        "precision": evaluation.precision,
        "recall": evaluation.recall,
        "train_images": trained,
        "test_images": len(test),
        "labels": [asdict(label) for label in evaluation.labels],
    }
    summary = evaluation_files.evaluation_summary(figures, thresholds, version, ended)
    (target / SUMMARY_FILE).write_text(json.dumps(summary, indent=2))


def _judged(
    task: Task, examples: Sequence[Example], evaluation: Evaluation
) -> Iterator[list[dict[str, Any]]]:
    for example, seen in zip(examples, evaluation.predictions, strict=True):
        yield [_document(verdict) for verdict in judge(task, example, seen)]


def _document(verdict: Judged) -> dict[str, Any]:
    box = verdict.box
    sides = {"left": box.left, "top": box.top, "width": box.width, "height": box.height} if box else None
    return {"label": verdict.label, "confidence": verdict.confidence, "present": verdict.right, "box": sides}


_said = -1


def _say(now: Progress) -> None:
    """Say in the log each tenth of the way."""
    global _said  # noqa: PLW0603 of this process, which trains once
    tenth = int(10 * now.fraction)
    if tenth != _said:
        _said = tenth
        logger.info("learning: %d %%, step %d", 10 * tenth, now.step)


def main(arguments: Sequence[str]) -> int:
    """Train as the container's variables say; 1 if it cannot be done, with the reason where SageMaker looks.

    "The first 1024 characters of this file are returned in the FailureReason field":
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args(arguments)
    try:
        f1 = run(
            Path(os.environ["SM_CHANNEL_MANIFESTS"]),
            Path(os.environ["SM_CHANNEL_IMAGES"]),
            Path(os.environ["SM_MODEL_DIR"]),
            version=options.version,
            seconds=options.seconds,
            steps=int(steps) if (steps := os.environ.get(STEPS_VARIABLE)) else None,
            weights=chosen_weights(os.environ.get(WEIGHTS_VARIABLE, "")),
            checkpoints=Path(kept) if (kept := os.environ.get("CHECKPOINTS")) else None,
        )
    except ValueError as error:
        logger.exception("the training cannot be done")
        folder = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failure").write_text(str(error)[:1024])
        return 1
    logger.info("f1=%.4f", f1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
