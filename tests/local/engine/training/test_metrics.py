"""Evaluation: the figures against the documented ones, and every prediction's verdict against the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.metrics import Judged, judge, measure, overlap
from learning.types import Box, Example, Prediction, Task
from local.engine.training import child as training_child
from local.engine.training import metrics


def shows(*labels: str) -> Example:
    return Example(Path("x"), labels)


def boxes(*placed: Box) -> Example:
    return Example(Path("x"), boxes=placed)


def seen(label: str, confidence: float, box: Box | None = None) -> Prediction:
    return Prediction(label, confidence, box)


NUT = Box("nut", 0, 0, 10, 10)
BESIDE = Box("nut", 3, 0, 10, 10)
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


def test_the_overall_figures_of_the_documented_example() -> None:
    # 381 of 388 CAPs right, 227 of 236 WATCHes: the labels' figures and their means are the documented ones.
    examples = [shows("CAP")] * 390 + [shows("WATCH")] * 234
    guesses = ["CAP"] * 381 + ["WATCH"] * 9 + ["CAP"] * 7 + ["WATCH"] * 227
    found = measure("classification", examples, [[seen(guess, 60)] for guess in guesses])
    cap, watch = found.labels
    assert (cap.f1, watch.f1) == pytest.approx((0.9794344473007711, 0.9659574468085106))
    assert (cap.precision, watch.precision) == pytest.approx((0.9819587628865979, 0.961864406779661))
    assert (found.f1, found.precision, found.recall) == pytest.approx(
        (0.9726959470546408, 0.9719115848331294, 0.9735042735042735)
    )


def test_a_box_is_found_once_and_what_is_not_found_is_told() -> None:
    judged = judge("detection", boxes(NUT, AWAY), [seen("nut", 60, BESIDE), seen("nut", 90, NUT)])
    assert judged == [
        Judged("nut", 90, True, NUT),
        Judged("nut", 60, False, BESIDE),
        Judged("nut", 0.0, True, AWAY, predicted=False),
    ]


def test_a_prediction_takes_the_box_that_it_overlaps_most() -> None:
    (first, second) = judge("detection", boxes(BESIDE, NUT), [seen("nut", 90, NUT), seen("nut", 80, NUT)])
    # The second one is left with the neighbour, which it overlaps by 7/13.
    assert (first.right, second.right) == (True, True)


def test_labels_that_are_not_predicted_are_told() -> None:
    assert judge("classification", shows("x", "y"), [seen("x", 80), seen("z", 10)]) == [
        Judged("x", 80, True, None),
        Judged("z", 10, False, None),
        Judged("y", 0.0, True, None, predicted=False),
    ]


def test_many_boxes_are_matched_like_few() -> None:
    grid = [Box("nut", 20 * column, 20 * row, 10, 10) for row in range(7) for column in range(7)]
    moved = [seen("nut", 50 + number, Box("nut", b.left + 2, b.top, 10, 10)) for number, b in enumerate(grid)]
    judged = judge("detection", boxes(*grid), [*moved, seen("nut", 10, AWAY)])
    assert sum(one.right for one in judged) == 49
    assert [one.right for one in judged if one.box == AWAY] == [False]
    assert all(one.predicted for one in judged)
    assert overlap(grid[0], moved[0].box or AWAY) == pytest.approx(8 / 12)


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
    found = metrics.mean_precision_and_recall([boxes(NUT, bolt)], [[seen("nut", 90, NUT)]])
    assert found == (0.5, 0.5)
    assert metrics.mean_precision_and_recall([boxes()], [[seen("nut", 90, NUT)]]) == (0.0, 0.0)


PLACES = st.builds(
    Box,
    st.sampled_from(["nut", "bolt"]),
    st.integers(0, 3).map(lambda n: 4.0 * n),
    st.just(0.0),
    st.just(10.0),
    st.just(10.0),
)
SEEN = st.builds(
    lambda box, confidence: Prediction(box.label, confidence, box),
    PLACES,
    st.integers(1, 6).map(lambda n: 15.0 * n),
)


@settings(max_examples=150)
@given(
    st.sampled_from(["detection", "classification"]),
    st.lists(st.tuples(st.lists(PLACES, max_size=4), st.lists(SEEN, max_size=5)), min_size=1, max_size=4),
)
def test_the_verdicts_come_to_the_figures(
    task: Task, images: list[tuple[list[Box], list[Prediction]]]
) -> None:
    examples = [Example(Path("x"), tuple({box.label for box in here}), tuple(here)) for here, _ in images]
    predictions = [
        list({(p.label if task == "classification" else n): p for n, p in enumerate(ps)}.values())
        for _, ps in images
    ]
    if not any(here for here, _ in images):
        return
    for figures in measure(task, examples, predictions).labels:
        judged = [
            one
            for example, found in zip(examples, predictions, strict=True)
            for one in judge(task, example, found)
            if one.label == figures.label
        ]
        above = [one for one in judged if one.confidence >= 100 * figures.assumed_threshold]
        right = sum(one.right for one in above)
        truths = sum(one.right for one in judged)
        assert figures.recall == pytest.approx(right / truths)
        assert figures.precision == pytest.approx(right / len(above) if above else 0.0)


def test_the_child_writes_what_the_engine_reads(tmp_path: Path) -> None:
    test = [boxes(NUT, AWAY)]
    found = measure("detection", test, [[seen("nut", 90, NUT)]])
    training_child.write_evaluation(tmp_path, "detection", [], test, found, thresholds={"bolt": 0.4})
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
    found = measure("classification", test, [[seen("x", 90)]])
    training_child.write_evaluation(tmp_path, "classification", test, test, found, thresholds={})
    figures = json.loads((tmp_path / "evaluation.json").read_text())
    assert figures["confusion_matrix"] == [{"GroundTruthLabel": "x", "PredictedLabel": "x", "Value": 1.0}]
    assert "average_precision" not in figures
