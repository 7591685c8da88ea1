"""The learning library as the child processes use it; only they import this module, as it loads torch."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from local.engine import learning
from local.engine.endpoint import Found
from local.engine.learning.data import upright
from local.engine.learning.types import Box, Example, Prediction, Progress

SEED = 20240607
"""The same datasets and the same time give the same model, as far as arithmetic allows."""


def run(directory: Path, seconds: float) -> None:
    """Learn from job.json in the directory, within `seconds`; leaves model/ and evaluation.json there, and
    progress.json as it goes."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    job = json.loads((directory / "job.json").read_text())
    train = [_example(example) for example in job["train"]]
    test = [_example(example) for example in job["test"]]
    model = learning.train(
        job["task"],
        train,
        budget_seconds=seconds,
        seed=SEED,
        progress=_progress_to(directory / "progress.json"),
    )
    (directory / "model").mkdir(exist_ok=True)
    model.save(directory / "model")
    found = learning.evaluate(model, test)
    evaluation: dict[str, Any] = {
        "f1": found.f1,
        "precision": found.precision,
        "recall": found.recall,
        "train_images": len(train),
        "test_images": len(test),
        "labels": [
            {
                "label": label.label,
                "f1": label.f1,
                "precision": label.precision,
                "recall": label.recall,
                "assumed_threshold": label.assumed_threshold,
                "test_images": label.test_images,
            }
            for label in found.labels
        ],
    }
    # What the evaluation cannot say of labels that no test image shows.
    evaluation["thresholds"] = dict(model.facts.thresholds)
    if job["task"] == "classification":
        evaluation["confusion_matrix"] = _confusion(test, found.predictions)
    write_whole(directory / "evaluation.json", json.dumps(evaluation))


def load(directory: Path) -> Callable[[bytes], list[Found]]:
    """The trained model of a version's directory, as a function of an image's bytes."""
    model = learning.Model.load(directory / "model")

    def predict(body: bytes) -> list[Found]:
        with Image.open(io.BytesIO(body)) as opened:
            image = upright(opened)
        return [_found(prediction, image.width, image.height) for prediction in model.predict(image)]

    return predict


def write_whole(path: Path, text: str) -> None:
    """Write so that a reader finds the old text or the new, and never a part."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def _progress_to(path: Path) -> Callable[[Progress], None]:
    return lambda progress: write_whole(path, json.dumps(vars(progress)))


def _example(found: dict[str, Any]) -> Example:
    return Example(
        path=Path(found["path"]),
        labels=tuple(found["labels"]),
        boxes=tuple(Box(**box) for box in found["boxes"]),
    )


def _found(prediction: Prediction, width: int, height: int) -> Found:
    box = prediction.box
    ratios = (box.left / width, box.top / height, box.width / width, box.height / height) if box else None
    return Found(prediction.label, float(prediction.confidence), ratios)


def _confusion(test: Sequence[Example], seen: Sequence[Sequence[Prediction]]) -> list[dict[str, Any]]:
    """Of the images of each label, the share that the model gives each label as its best guess."""
    counts: dict[str, Counter[str]] = {}
    for example, predictions in zip(test, seen, strict=True):
        if predictions:
            best = max(predictions, key=lambda prediction: prediction.confidence).label
            for label in example.labels:
                counts.setdefault(label, Counter())[best] += 1
    return [
        {"GroundTruthLabel": truth, "PredictedLabel": predicted, "Value": count / row.total()}
        for truth, row in sorted(counts.items())
        for predicted, count in sorted(row.items())
    ]
