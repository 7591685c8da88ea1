"""Create ML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import dataset
from lambdas.domain.annotations.format_detection import detect_format
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch, write, write_json

BOX = {"label": "cup", "coordinates": {"x": 35, "y": 45.5, "width": 50, "height": 51}}


def read(root: Path) -> ReadEvents:
    return collect(dataset.read(root, detect_format(root)))


def test_boxes_are_given_by_their_middles(tmp_path: Path) -> None:
    touch(tmp_path, "train/a.jpg", "train/b.jpg", "valid/a.jpg")
    write_json(
        tmp_path / "train/_annotations.createml.json",
        [{"image": "a.jpg", "annotations": [BOX]}, {"image": "b.jpg", "annotations": []}],
    )
    write_json(
        tmp_path / "valid/_annotations.createml.json", [{"imagefilename": "a.jpg", "annotation": [BOX]}]
    )
    result = read(tmp_path)
    assert result.problems == []
    assert result.boxes["train/a.jpg"] == [("cup", 10, 20, 50, 51)] == result.boxes["valid/a.jpg"]
    assert result.of("train/b.jpg").kind == "detection"
    assert (result.of("train/a.jpg").dataset_type, result.of("valid/a.jpg").dataset_type) == ("TRAIN", "TEST")
    assert result.noted("nothing is on")


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (7, "bad_boxes"),
        ({"label": "cup"}, "missing_box"),
        (BOX | {"label": 3}, "bad_label"),
        (BOX | {"coordinates": {"x": 1, "y": 2, "width": 3}}, "bad_number"),
        (BOX | {"coordinates": {"x": 1, "y": float("inf"), "width": 3, "height": 4}}, "bad_number"),
        (BOX | {"coordinates": {"x": 10, "y": 10, "width": -3, "height": 4}}, "box_too_small"),
        (BOX | {"coordinates": {"x": 1, "y": 1, "width": 30, "height": 4}}, "box_outside"),
        (BOX | {"coordinates": {"x": 0.5, "y": 0.5, "width": 0.2, "height": 0.2}}, "box_normalised"),
    ],
)
def test_a_bad_box_is_told_and_the_others_are_taken(tmp_path: Path, annotation: Any, reason: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    elements = [
        {"image": "a.jpg", "annotations": [BOX, annotation]},
        {"image": "b.jpg", "annotations": [annotation]},
    ]
    write_json(tmp_path / "x.json", elements)
    result = read(tmp_path)
    assert [(p.image, p.reason) for p in result.problems] == [("a.jpg", reason), ("b.jpg", reason)]
    assert result.problems[1].detail.startswith("element 2: ")
    assert (len(result.of("a.jpg").boxes), result.of("b.jpg").kind) == (1, None)


def test_elements_that_cannot_be_used_and_a_file_that_is_cut_off(tmp_path: Path) -> None:
    good = {"image": "a.jpg", "annotations": [BOX]}
    touch(tmp_path, "a.jpg", "b.jpg")
    path = write_json(tmp_path / "x.json", [7, {}, good, good, {"image": "gone.jpg"}, {"image": "b.jpg"}])
    result = read(tmp_path)
    assert result.reasons == {
        "not_an_object": 1,
        "no_image": 1,
        "duplicate_image": 1,
        "image_missing": 1,
        "bad_boxes": 1,
    }
    assert (len(result.of("a.jpg").boxes), result.of("b.jpg").kind) == (1, None)
    write(path, path.read_bytes()[:-20])
    assert "cut_off" in read(tmp_path).reasons
