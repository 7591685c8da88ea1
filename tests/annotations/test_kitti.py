"""KITTI."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.domain.annotations import dataset
from lambdas.domain.annotations.format_detection import detect_format
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, touch, write

CAR = "Car 0.00 0 -1.58 10.5 20 60.5 70 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"
DONT_CARE = "DontCare -1 -1 -10 1.0 2.0 30.0 40.0 -1 -1 -1 -1000 -1000 -1000 -10"


def read(root: Path) -> ReadEvents:
    return collect(dataset.read(root, detect_format(root)))


def test_the_benchmarks_own_layout(tmp_path: Path) -> None:
    for folder in ("image_2", "image_3"):
        touch(tmp_path, f"training/{folder}/000000.png", f"training/{folder}/000001.png")
    touch(tmp_path, "testing/image_2/000000.png")
    write(tmp_path / "training/label_2/000000.txt", lines(CAR, DONT_CARE, CAR + " 0.9"))
    write(tmp_path / "training/label_2/000001.txt", "")
    result = read(tmp_path)
    assert result.problems == []
    assert result.boxes["training/image_2/000000.png"] == [("Car", 10.5, 20, 50, 50)] * 2
    assert result.of("training/image_2/000001.png").kind == "detection"
    assert {
        a.image: a.kind for a in result.annotations if "image_2" not in a.image or "testing" in a.image
    } == {
        "training/image_3/000000.png": None,
        "training/image_3/000001.png": None,
        "testing/image_2/000000.png": None,
    }
    assert {a.dataset_type for a in result.annotations if a.kind} == {""}, "its test images have no labels"
    assert result.noted("DontCare") and result.noted("nothing is on")


def test_another_layout_with_a_split(tmp_path: Path) -> None:
    touch(tmp_path, "train/images/a.jpg", "val/images/b.jpg")
    write(tmp_path / "train/labels/a.txt", lines(CAR))
    write(tmp_path / "val/labels/b.txt", lines(CAR))
    result = read(tmp_path)
    assert {a.image: (a.dataset_type, len(a.boxes)) for a in result.annotations} == {
        "train/images/a.jpg": ("TRAIN", 1),
        "val/images/b.jpg": ("TEST", 1),
    }


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("Car 0 0", "wrong_columns"),
        (CAR.replace("10.5", "nan"), "bad_number"),
        (CAR.replace("10.5", "-90"), "box_outside"),
        (CAR.replace("60.5", "1"), "box_swapped"),
        (CAR.replace("Car", "=Car"), "formula"),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_taken(tmp_path: Path, bad: str, reason: str) -> None:
    touch(tmp_path, "a.png", "b.png")
    write(tmp_path / "a.txt", lines(CAR, "", bad))
    write(tmp_path / "b.txt", lines(bad))
    result = read(tmp_path)
    assert [(p.file, p.line, p.reason) for p in result.problems] == [
        ("a.txt", 3, reason),
        ("b.txt", 1, reason),
    ]
    assert (len(result.of("a.png").boxes), result.of("b.png").kind) == (1, None)
