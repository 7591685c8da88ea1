"""The average precision that figures are published in."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import average_precision
from learning import Box, Example, Prediction


def prediction(label: str, confidence: float, left: float) -> Prediction:
    return Prediction(label, confidence, Box(label, left, 0, 10, 10))


def test_average_precision_is_the_area_under_the_best_precision_at_each_recall() -> None:
    boxes = tuple(Box("cell", 20 * number, 0, 10, 10) for number in range(4))
    seen = [
        prediction("cell", 90, 0),
        prediction("cell", 80, 1000),
        prediction("cell", 70, 20),
        prediction("cell", 60, 40),
        prediction("cell", 50, 2000),
    ]
    # Precisions 1, 1/2, 2/3, 3/4, 3/5 at recalls 1/4, 1/4, 2/4, 3/4, 3/4: nothing finds the fourth.
    figures = average_precision.of_labels([Example(Path("a.jpg"), boxes=boxes)], [seen])
    assert figures == {"cell": pytest.approx(0.25 * (1 + 0.75 + 0.75))}


def test_the_surest_of_all_images_come_first() -> None:
    images = [Example(Path(name), boxes=(Box("cell", 0, 0, 10, 10),)) for name in ("a.jpg", "b.jpg")]
    seen = [[prediction("cell", 60, 500), prediction("cell", 50, 0)], [prediction("cell", 80, 0)]]
    assert average_precision.of_labels(images, seen) == {"cell": pytest.approx(0.5 + 0.5 * 2 / 3)}


def test_labels_that_no_image_shows_have_no_figure_and_those_never_seen_have_0() -> None:
    image = Example(Path("a.jpg"), boxes=(Box("cell", 0, 0, 10, 10),))
    assert average_precision.of_labels([image], [[prediction("plate", 90, 0)]]) == {"cell": 0}
