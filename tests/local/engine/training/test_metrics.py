"""The figures of an evaluation's summary file beside precision and recall, against the documented ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from learning.metrics import measure
from learning.types import Box, Example, Prediction
from local.engine.training import child as training_child
from local.engine.training import metrics


def shows(*labels: str) -> Example:
    return Example(Path("x"), labels)


def boxes(*placed: Box) -> Example:
    return Example(Path("x"), boxes=placed)


def seen(label: str, confidence: float, box: Box | None = None) -> Prediction:
    return Prediction(label, confidence, box)


NUT = Box("nut", 0, 0, 10, 10)
AWAY = Box("nut", 50, 50, 10, 10)


def test_the_confusion_matrix_of_the_documented_example() -> None:
    # im-summary-file-api.html: 390 images of CAP and 234 of WATCH.
    examples = [shows("CAP")] * 390 + [shows("WATCH")] * 234
    guesses = ["CAP"] * 388 + ["WATCH"] * 2 + ["CAP"] * 70 + ["WATCH"] * 164
    predictions = [[seen("CAP", 40), seen(guess, 60)] for guess in guesses]
    assert metrics.confusion_matrix(examples, predictions) == [
        {"GroundTruthLabel": "CAP", "PredictedLabel": "CAP", "Value": 0.9948717948717949},
        {"GroundTruthLabel": "CAP", "PredictedLabel": "WATCH", "Value": 0.008547008547008548},
        {"GroundTruthLabel": "WATCH", "PredictedLabel": "CAP", "Value": 0.1794871794871795},
        {"GroundTruthLabel": "WATCH", "PredictedLabel": "WATCH", "Value": 0.7008547008547008},
    ]


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        ([[seen("nut", 90, NUT)], [seen("nut", 80, NUT)]], (1.0, 1.0)),
        ([[seen("nut", 90, NUT)], []], (51 / 101, 0.5)),
        ([[seen("nut", 90, AWAY), seen("nut", 80, NUT)], [seen("nut", 70, NUT)]], (2 / 3, 1.0)),
        ([[seen("bolt", 90, Box("bolt", 0, 0, 10, 10))], []], (0.0, 0.0)),
        ([[], []], (0.0, 0.0)),
    ],
)
def test_mean_precision_and_recall_of_known_predictions(
    predictions: list[list[Prediction]], expected: tuple[float, float], capfd: pytest.CaptureFixture[str]
) -> None:
    examples = [boxes(NUT), boxes(NUT)]
    assert metrics.mean_precision_and_recall(examples, predictions) == pytest.approx(expected)
    assert capfd.readouterr().out == ""


def test_mean_precision_is_the_mean_over_the_labels_shown() -> None:
    bolt = Box("bolt", 30, 30, 10, 10)
    figures = metrics.mean_precision_and_recall([boxes(NUT, bolt)], [[seen("nut", 90, NUT)]])
    assert figures == (0.5, 0.5)
    assert metrics.mean_precision_and_recall([boxes()], [[seen("nut", 90, NUT)]]) == (0.0, 0.0)


def test_the_child_writes_what_the_engine_reads(tmp_path: Path) -> None:
    test = [boxes(NUT, AWAY)]
    evaluation = measure("detection", test, [[seen("nut", 90, NUT)]])
    training_child.write_evaluation(tmp_path, "detection", [], test, evaluation, thresholds={"bolt": 0.4})
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert (figures["test_images"], figures["train_images"]) == (1, 0)
    assert figures["labels"][0]["label"] == "nut" and figures["labels"][0]["recall"] == 0.5
    assert figures["thresholds"] == {"bolt": 0.4}
    assert (figures["average_precision"], figures["average_recall"]) == pytest.approx((51 / 101, 0.5))
    assert "confusion_matrix" not in figures
    (line,) = (tmp_path / "predictions.jsonl").read_text().splitlines()
    assert json.loads(line) == [
        {
            "label": "nut",
            "confidence": 90,
            "present": True,
            "box": {"left": 0, "top": 0, "width": 10, "height": 10},
        },
        {
            "label": "nut",
            "confidence": 0.0,
            "present": True,
            "box": {"left": 50, "top": 50, "width": 10, "height": 10},
        },
    ]


def test_the_child_writes_the_confusion_of_image_level_labels(tmp_path: Path) -> None:
    test = [shows("x")]
    evaluation = measure("classification", test, [[seen("x", 90)]])
    training_child.write_evaluation(tmp_path, "classification", test, test, evaluation, thresholds={})
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert figures["confusion_matrix"] == [{"GroundTruthLabel": "x", "PredictedLabel": "x", "Value": 1.0}]
    assert "average_precision" not in figures
