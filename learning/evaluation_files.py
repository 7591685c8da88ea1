"""The files that say how good a model is: the summary, and the evaluation manifest snapshots.

- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file-api.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-evaluation-manifest-snapshot-api.html
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from learning.types import Task

TRAINING_JOB = "rekognition-custom-labels-training-job"
EVALUATION_JOB = "rekognition-custom-labels-evaluation-job"

_TRAINING, _EVALUATION = "rekognition-custom-labels-training", "rekognition-custom-labels-evaluation"
_DETAILS = "rekognition-custom-labels-evaluation-details"
_ALL_THAT_IS_SEEN = 1e-4
"""A threshold that every prediction reaches, and what nobody sees does not."""
_CLASSIFICATION, _DETECTION = "groundtruth/image-classification", "groundtruth/object-detection"


class Line(Protocol):
    """A line of a manifest that can be used."""

    @property
    def source_ref(self) -> str:
        """The image's location."""
        ...

    @property
    def annotated(self) -> Mapping[str, Any]:
        """The line as JSON."""
        ...


Judged = Mapping[str, Any]
"""A prediction on a test image, or a truth that none matches: `label`, `confidence` (0 to 100), `present` (in
the ground truth) and `box` (left, top, width, height; None for image-level labels)."""


def evaluation_summary(
    evaluation: Mapping[str, Any], trained: Iterable[str], version_arn: str, ended: datetime.datetime
) -> dict[str, Any]:
    """The summary file from a child's evaluation.json; labels sorted by their F1 score.

    Labels that no test image shows are only in EvaluationDetails, which lists all labels trained.
    """
    overall = {
        "F1Score": evaluation["f1"],
        "Precision": evaluation["precision"],
        "Recall": evaluation["recall"],
    }
    for optional, name in (
        ("confusion_matrix", "ConfusionMatrix"),
        ("average_precision", "AveragePrecision"),
        ("average_recall", "AverageRecall"),
    ):
        if evaluation.get(optional) is not None:
            overall[name] = evaluation[optional]
    labels = sorted(evaluation["labels"], key=lambda label: (-label["f1"], label["label"]))
    return {
        "Version": 1,
        "AggregatedEvaluationResults": overall,
        "EvaluationDetails": {
            "EvaluationEndTimestamp": _timestamp(ended),
            "Labels": sorted({*trained, *(label["label"] for label in labels)}),
            "NumberOfTestingImages": evaluation["test_images"],
            "NumberOfTrainingImages": evaluation["train_images"],
            "ProjectVersionArn": version_arn,
        },
        "LabelEvaluationResults": [_label_result(label) for label in labels],
    }


def training_snapshot(lines: Iterable[Line], task: Task) -> Iterator[str]:
    """The snapshot of the lines that were learned from. They hold no predictions: only test images are shown
    to the model."""
    return (json.dumps(_ground_truth(line, task)) for line in lines)


def testing_snapshot(
    lines: Iterable[Line],
    task: Task,
    judged: Iterable[Sequence[Judged]],
    thresholds: Mapping[str, float],
    ended: datetime.datetime,
) -> Iterator[str]:
    """The snapshot of the lines that were tested, each with what was predicted and how that compares with the
    truth.

    Args:
        judged: for each line, the predictions and the truths that none found.
        thresholds: assumed threshold of each label, 0 to 1.
    """
    numbers = {label: number for number, label in enumerate(sorted(thresholds))}
    evaluated = _evaluated_labels if task == "classification" else _evaluated_boxes
    for line, verdicts in zip(lines, judged, strict=True):
        truth = _ground_truth(line, task)
        truth.update(evaluated(truth, verdicts, thresholds, numbers, _timestamp(ended)))
        yield json.dumps(truth)


def held_out_snapshot(
    lines: Iterable[Line],
    task: Task,
    judged: Iterable[Sequence[Judged] | None],
    labels: Iterable[str],
    ended: datetime.datetime,
) -> Iterator[str]:
    """What is seen in images by who has not learned from them, in the form of a testing snapshot: whatever is
    seen counts, however unsure it is.

    Args:
        judged: for each line, as `testing_snapshot` takes it; None if nobody has looked.
    """
    looked_at = [(line, each) for line, each in zip(lines, judged, strict=True) if each is not None]
    everything = dict.fromkeys(labels, _ALL_THAT_IS_SEEN)
    return testing_snapshot(
        [line for line, _ in looked_at], task, [each for _, each in looked_at], everything, ended
    )


def _label_result(label: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Label": label["label"],
        "Metrics": {
            "F1Score": label["f1"],
            "Precision": label["precision"],
            "Recall": label["recall"],
            "Threshold": label["assumed_threshold"],
        },
        "NumberOfTestingImages": label["test_images"],
    }


def _ground_truth(line: Line, task: Task) -> dict[str, Any]:
    """A usable line with its label attributes of the task under the names that AWS gives them."""
    annotated = line.annotated
    wanted = _CLASSIFICATION if task == "classification" else _DETECTION
    snapshot: dict[str, Any] = {"source-ref": line.source_ref}
    number = 0
    for name, value in annotated.items():
        metadata = annotated.get(f"{name}-metadata")
        if not isinstance(metadata, dict) or metadata.get("type") != wanted:
            continue
        if task == "detection":
            value, metadata = _valid_boxes(value, metadata)  # noqa: PLW2901 - the same, without broken boxes
        snapshot[f"{_TRAINING}-{number}"] = value
        snapshot[f"{_TRAINING}-{number}-metadata"] = {**metadata, "job-name": TRAINING_JOB}
        number += 1
    return snapshot


def _valid_boxes(
    value: Mapping[str, Any], metadata: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    annotations = value.get("annotations", [])
    pairs = zip(annotations, metadata["objects"], strict=False)
    valid = [
        (annotation, metadata_of_box) for annotation, metadata_of_box in pairs if "errors" not in annotation
    ]
    boxes = {
        "annotations": [annotation for annotation, _ in valid],
        "image_size": value["image_size"],
    }
    return boxes, {**metadata, "objects": [metadata_of_box for _, metadata_of_box in valid]}


def _evaluated_labels(
    truth: Mapping[str, Any],
    judged: Sequence[Judged],
    thresholds: Mapping[str, float],
    numbers: Mapping[str, int],
    date: str,
) -> dict[str, Any]:
    evaluated: dict[str, Any] = {}
    for number, verdict in enumerate(judged):
        evaluated[f"{_EVALUATION}-{number}"] = numbers[verdict["label"]]
        evaluated[f"{_EVALUATION}-{number}-metadata"] = {
            "confidence": _confidence(verdict),
            "job-name": EVALUATION_JOB,
            "class-name": verdict["label"],
            "human-annotated": "no",
            "creation-date": date,
            "type": _CLASSIFICATION,
            _DETAILS: _details(verdict, thresholds),
        }
    return evaluated


def _evaluated_boxes(
    truth: Mapping[str, Any],
    judged: Sequence[Judged],
    thresholds: Mapping[str, float],
    numbers: Mapping[str, int],
    date: str,
) -> dict[str, Any]:
    # Where there is no object and none was seen, there is no box that could be a true negative.
    verdicts = [verdict for verdict in judged if not _details(verdict, thresholds)["is-true-negative"]]
    boxes = [
        {"class_id": numbers[verdict["label"]], **{side: round(at) for side, at in verdict["box"].items()}}
        for verdict in verdicts
    ]
    objects = [
        {"confidence": _confidence(verdict), _DETAILS: _details(verdict, thresholds)} for verdict in verdicts
    ]
    return {
        _EVALUATION: {"annotations": boxes, "image_size": truth[f"{_TRAINING}-0"]["image_size"]},
        f"{_EVALUATION}-metadata": {
            "confidence": max(map(_confidence, verdicts), default=0.0),
            "job-name": EVALUATION_JOB,
            "class-map": {str(numbers[verdict["label"]]): verdict["label"] for verdict in verdicts},
            "human-annotated": "no",
            "objects": objects,
            "creation-date": date,
            "type": _DETECTION,
        },
    }


def _details(verdict: Judged, thresholds: Mapping[str, float]) -> dict[str, Any]:
    predicted = verdict["confidence"] >= 100 * thresholds[verdict["label"]]
    present = verdict["present"]
    return {
        "version": 1,
        "ground-truth-labelling-jobs": [TRAINING_JOB],
        "is-true-positive": predicted and present,
        "is-true-negative": not predicted and not present,
        "is-false-positive": predicted and not present,
        "is-false-negative": not predicted and present,
        "is-present-in-ground-truth": present,
    }


def _confidence(verdict: Judged) -> float:
    return round(float(verdict["confidence"]) / 100, 5)


def _timestamp(when: datetime.datetime) -> str:
    return when.replace(tzinfo=None).isoformat()
