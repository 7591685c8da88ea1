"""Evaluations as Rekognition and the engine write them, whole and broken, and the gate's own answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.domain.evaluation import reading, side_by_side
from lambdas.domain.evaluation.records import Detection, Evaluation, TrueObject
from lambdas.domain.shared.boxes import RelativeBox

DETAILS = "rekognition-custom-labels-evaluation-details"
BOX = {"left": 100, "top": 50, "width": 50, "height": 50}
RELATIVE = {"left": 0.1, "top": 0.1, "width": 0.05, "height": 0.1}


def details(judgement: str, present: bool) -> dict[str, Any]:
    kinds = ("is-true-positive", "is-true-negative", "is-false-positive", "is-false-negative")
    return {
        "version": 1,
        **{kind: kind == judgement for kind in kinds},
        "is-present-in-ground-truth": present,
    }


RIGHT, WRONG = details("is-true-positive", True), details("is-false-positive", False)
MISSED, NOT_THERE = details("is-false-negative", True), details("is-true-negative", False)


def line(key: str, *judged: tuple[str, float, dict[str, Any]], truths: tuple[str, ...] = ("cat",)) -> str:
    """A line of the form of AWS's example for object detection."""
    size = [{"width": 1000, "height": 500, "depth": 3}]
    labels = sorted({label for label, *_ in judged})
    return json.dumps(
        {
            "source-ref": f"s3://bucket/{key}",
            "rekognition-custom-labels-training-0": {
                "annotations": [{"class_id": number, **BOX} for number, _ in enumerate(truths)],
                "image_size": size,
            },
            "rekognition-custom-labels-training-0-metadata": {
                "class-map": {str(number): label for number, label in enumerate(truths)},
                "objects": [{"confidence": 1.0} for _ in truths],
            },
            "rekognition-custom-labels-evaluation": {
                "annotations": [{"class_id": labels.index(label), **BOX} for label, *_ in judged],
                "image_size": size,
            },
            "rekognition-custom-labels-evaluation-metadata": {
                "class-map": {str(number): label for number, label in enumerate(labels)},
                "objects": [{"confidence": confidence, DETAILS: its} for _, confidence, its in judged],
            },
        }
    )


def whole_image(*judged: tuple[str, float, dict[str, Any]]) -> str:
    """A line of the form of AWS's example for image classification."""
    written: dict[str, Any] = {
        "source-ref": "s3://bucket/images/a.jpg",
        "rekognition-custom-labels-training-0": 1,
        "rekognition-custom-labels-training-0-metadata": {"class-name": "cat", "confidence": 1.0},
    }
    for number, (label, confidence, its) in enumerate(judged):
        written[f"rekognition-custom-labels-evaluation-{number}"] = number
        metadata = {"class-name": label, "confidence": confidence, DETAILS: its}
        written[f"rekognition-custom-labels-evaluation-{number}-metadata"] = metadata
    return json.dumps(written)


def read(*lines: str, **thresholds: float) -> Evaluation:
    evaluation = reading.from_lines((text.encode() for text in lines), thresholds)
    assert evaluation is not None
    return evaluation


def test_only_what_reached_the_threshold_is_a_detection() -> None:
    evaluation = read(
        line("images/a.jpg", ("cat", 0.96, RIGHT), ("dog", 0.29, WRONG), ("cat", 0.009, MISSED)), cat=0.3
    )
    (image,) = evaluation.images
    assert image.truths == (TrueObject("cat", RelativeBox("cat", **RELATIVE)),)
    assert image.detections == (
        Detection("cat", 0.96, RelativeBox("cat", **RELATIVE)),
        Detection("dog", 0.29, RelativeBox("dog", **RELATIVE)),
    )
    assert (image.key, image.sha256, image.width, image.height) == ("images/a.jpg", "a", 1000, 500)


def test_the_floor_is_the_assumed_threshold_or_else_the_least_confidence_that_counted() -> None:
    lines = [line("images/a.jpg", ("cat", 0.96, RIGHT), ("dog", 0.29, WRONG), ("dog", 0.6, WRONG))]
    assert read(*lines, cat=0.3).floors == {"cat": 0.3, "dog": 0.29}


def test_labels_of_whole_images() -> None:
    evaluation = read(whole_image(("cat", 0.2, MISSED), ("dog", 0.9, WRONG), ("cow", 0.1, NOT_THERE)))
    (image,) = evaluation.images
    assert evaluation.kind == "classification"
    assert (image.truths, image.detections) == ((TrueObject("cat"),), (Detection("dog", 0.9),))


@pytest.mark.parametrize(
    "broken",
    [
        line("images/b.jpg", ("cat", 0.96, RIGHT))[:-40],
        line("images/b.jpg", ("cat", float("nan"), RIGHT)),
        line("images/b.jpg", ("cat", 0.9, RIGHT)).replace('"left": 100', '"left": 1e999'),
        line("images/b.jpg", ("cat", 0.9, RIGHT)).replace('"width": 1000', '"width": 0'),
        line("images/b.jpg", ("cat", 0.9, RIGHT)).replace('"class_id": 0', '"class_id": 7'),
        "[" * 100_000,
        "null",
        '{"source-ref": 3}',
        "\ufffd",
    ],
    ids=["cut off", "no confidence", "endless", "no size", "no label", "deep", "null", "other", "binary"],
)
def test_a_line_that_cannot_be_read_is_counted(broken: str) -> None:
    evaluation = read(line("images/a.jpg", ("cat", 0.96, RIGHT)), broken)
    assert (len(evaluation.images), evaluation.unread_lines) == (1, 1)


def test_nothing_that_can_be_read_is_no_evaluation() -> None:
    assert reading.from_lines([b"{", b""], {}) is None


def test_no_more_images_are_read_than_were_asked_for() -> None:
    lines = [line(f"images/{name}.jpg", ("cat", 0.96, RIGHT)).encode() for name in "abc"]
    evaluation = reading.from_lines(lines, {}, limit=2)
    assert evaluation is not None
    assert (len(evaluation.images), evaluation.has_more) == (2, True)
    assert read(*(text.decode() for text in lines[:2])).has_more is False


def manifest_line(key: str) -> str:
    return json.dumps(
        {
            "source-ref": f"s3://bucket/{key}",
            "labels": {
                "annotations": [{"class_id": 0, **BOX}],
                "image_size": [{"width": 1000, "height": 500, "depth": 3}],
            },
            "labels-metadata": {
                "class-map": {"0": "cat"},
                "objects": [{"confidence": 1}],
                "type": "groundtruth/object-detection",
                "human-annotated": "yes",
                "creation-date": "2026-01-01T00:00:00",
                "job-name": "x",
            },
        }
    )


def test_what_the_endpoint_answered() -> None:
    answers = {"images/b.jpg": [{"label": "cat", "confidence": 90.0, "box": RELATIVE}]}
    lines = [manifest_line("images/a.jpg"), manifest_line("images/b.jpg")]
    evaluation = reading.from_answers(lines, answers, {"cat": 0.4})
    assert evaluation is not None
    (image,) = evaluation.images
    assert (evaluation.source, evaluation.kind, image.key) == ("endpoint", "detection", "images/b.jpg")
    assert image.detections == (Detection("cat", 0.9, RelativeBox("cat", **RELATIVE)),)
    assert image.truths == (TrueObject("cat", RelativeBox("cat", **RELATIVE)),)
    assert reading.from_answers(lines, {}, {}) is None


def test_versions_are_compared_on_images_that_are_labelled_the_same() -> None:
    newer = read(
        line("images/a.jpg", ("cat", 0.9, RIGHT)),
        line("images/b.jpg"),
        line("images/c.jpg", truths=("dog",)),
        line("images/d.jpg"),
    )
    older = read(
        line("images/a.jpg"),
        line("images/b.jpg", ("cat", 0.9, RIGHT)),
        line("images/c.jpg", truths=("cat",)),
    )
    compared = side_by_side.compare(newer, older, {}, {})
    assert (compared.images, compared.relabelled) == (2, 1)
    assert (compared.f1, compared.other_f1) == (2 / 3, 2 / 3)
    (better,), (worse,) = compared.better, compared.worse
    assert (better.image.sha256, better.mistakes, better.other_mistakes) == ("a", 0, 1)
    assert (worse.image.sha256, worse.mistakes, worse.other_mistakes) == ("b", 1, 0)
