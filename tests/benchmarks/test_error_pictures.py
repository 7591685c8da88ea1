"""Pictures of a model's errors, as the benchmark leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import error_pictures
from learning import Box, Example, Prediction, measure


def noise(path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_only_images_with_errors_are_shown_and_small(tmp_path: Path) -> None:
    path = noise(tmp_path / "noise.png")
    examples = [Example(path, ("cat",))] * 20 + [Example(path, ("dog",))] * 20
    predictions = [[Prediction("cat", 80.0)]] * 25 + [[Prediction("dog", 80.0)]] * 15
    evaluation = measure("classification", examples, predictions)
    assert error_pictures.write(tmp_path / "errors" / "pets.jpg", "classification", examples, evaluation) == 5
    assert (tmp_path / "errors" / "pets.jpg").stat().st_size <= error_pictures.MAX_BYTES


def test_boxes_show_where_the_errors_are(tmp_path: Path) -> None:
    path = tmp_path / "black.png"
    Image.new("RGB", (220, 220)).save(path)
    truth, wrong, missed = (Box("nut", left, 20, 40, 40) for left in (20, 90, 160))
    examples = [Example(path, boxes=(truth, missed)), Example(path, boxes=(truth,))]
    predictions = [
        [Prediction("nut", 90.0, truth), Prediction("nut", 95.0, wrong)],
        [Prediction("nut", 90.0, truth)],
    ]
    evaluation = measure("detection", examples, predictions)
    assert error_pictures.write(tmp_path / "nuts.jpg", "detection", examples, evaluation) == 1
    with Image.open(tmp_path / "nuts.jpg") as sheet:
        pixels = np.asarray(sheet).astype(int)
    tops = [pixels[4 + 21, 4 + left + 20] for left in (20, 90, 160)]
    assert tops[0].max() < 60
    assert tops[1][0] > tops[1][1] + 80
    assert min(tops[2][0], tops[2][1]) > tops[2][2] + 80


def test_nothing_is_written_where_nothing_is_wrong(tmp_path: Path) -> None:
    examples = [Example(tmp_path / "a.png", ("cat",))]
    evaluation = measure("classification", examples, [[Prediction("cat", 80.0)]])
    assert error_pictures.write(tmp_path / "none.jpg", "classification", examples, evaluation) == 0
    assert not (tmp_path / "none.jpg").exists()
