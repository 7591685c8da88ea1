"""Scores from real answers: exact cases of matching boxes and labels."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.promote.scoring import GroundTruth, score
from lambdas.domain.shared.boxes import RelativeBox

BOX = (0.1, 0.1, 0.4, 0.4)
"""Left, top, width, height."""


def detection(label: str, box: tuple[float, float, float, float], confidence: float = 90) -> dict[str, Any]:
    sides = dict(zip(("left", "top", "width", "height"), box, strict=True))
    return {"label": label, "confidence": confidence, "box": sides}


def truth(*boxes: tuple[str, float, float, float, float]) -> GroundTruth:
    return GroundTruth(tuple(sorted({box[0] for box in boxes})), tuple(RelativeBox(*box) for box in boxes))


def numbers(
    answers: list[tuple[GroundTruth, list[dict[str, Any]]]], label: str
) -> tuple[float, float, float]:
    """F1, precision and recall of a label."""
    (only,) = [entry for entry in score(answers).labels if entry.label == label]
    return only.f1, only.precision, only.recall


@pytest.mark.parametrize(
    ("detections", "expected"),
    [
        pytest.param([detection("cat", BOX)], (1, 1, 1), id="right"),
        pytest.param([], (0, 0, 0), id="missed"),
        pytest.param([detection("dog", BOX)], (0, 0, 0), id="another label"),
        pytest.param([detection("cat", (0.1, 0.1, 0.4, 0.2))], (1, 1, 1), id="half of it is enough"),
        pytest.param([detection("cat", (0.1, 0.1, 0.4, 0.19))], (0, 0, 0), id="less than half is not"),
        pytest.param([detection("cat", BOX), detection("cat", BOX)], (2 / 3, 0.5, 1), id="found twice"),
        pytest.param(
            [detection("cat", (0.6, 0.6, 0.2, 0.2)), detection("cat", BOX)],
            (2 / 3, 0.5, 1),
            id="one too many",
        ),
        pytest.param([{"label": "cat", "confidence": 90}], (0, 0, 0), id="a label without a box"),
    ],
)
def test_one_box(detections: list[dict[str, Any]], expected: tuple[float, float, float]) -> None:
    assert numbers([(truth(("cat", *BOX)), detections)], "cat") == pytest.approx(expected)


def test_each_detection_takes_the_box_that_it_covers_best() -> None:
    left, right = (0.0, 0.0, 0.4, 0.4), (0.1, 0.0, 0.4, 0.4)
    detections = [detection("cat", right, 99), detection("cat", left, 50)]
    assert numbers([(truth(("cat", *left), ("cat", *right)), detections)], "cat") == (1, 1, 1)


def test_the_surest_detection_comes_first() -> None:
    """A doubtful one is wrong if a surer one has the box, whatever their order."""
    detections = [detection("cat", (0.1, 0.1, 0.4, 0.3), 40), detection("cat", BOX, 95)]
    for order in (detections, detections[::-1]):
        assert numbers([(truth(("cat", *BOX)), order)], "cat") == pytest.approx((2 / 3, 0.5, 1))


def test_boxes_of_one_label_do_not_count_for_another() -> None:
    answers = [(truth(("cat", *BOX), ("dog", *BOX)), [detection("cat", BOX)])]
    assert numbers(answers, "cat") == (1, 1, 1)
    assert numbers(answers, "dog") == (0, 0, 0)
    assert score(answers).f1 == 0.5


@pytest.mark.parametrize(
    ("labels", "detected", "cat", "dog"),
    [
        (("cat",), ["cat"], (1, 1, 1), None),
        (("cat", "dog"), ["cat"], (1, 1, 1), (0, 0, 0)),
        (("cat", "dog"), ["dog", "dog", "cat"], (1, 1, 1), (1, 1, 1)),
        (("cat",), [], (0, 0, 0), None),
    ],
)
def test_labels_of_whole_images(
    labels: tuple[str, ...], detected: list[str], cat: tuple[float, ...], dog: tuple[float, ...] | None
) -> None:
    answers = [(GroundTruth(labels), [{"label": label, "confidence": 90} for label in detected])]
    assert numbers(answers, "cat") == cat
    if dog:
        assert numbers(answers, "dog") == dog


def test_scores_add_up_over_images() -> None:
    cat, dog = GroundTruth(("cat",)), GroundTruth(("dog",))
    sees_cat = [{"label": "cat", "confidence": 90}]
    scores = score([(cat, sees_cat), (cat, sees_cat), (cat, []), (dog, sees_cat)])
    assert [(entry.label, entry.test_images) for entry in scores.labels] == [("cat", 3), ("dog", 1)]
    assert numbers([(cat, sees_cat), (cat, []), (dog, sees_cat)], "cat") == pytest.approx((0.5, 0.5, 0.5))
    assert scores.f1 == pytest.approx((4 / 6 + 0) / 2)


def test_nothing_scores_nothing() -> None:
    assert score([]).f1 == 0
    assert score([]).labels == ()
