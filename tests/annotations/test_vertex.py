"""Vertex AI's JSON Lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import vertex
from lambdas.domain.annotations.dataset_files import Folder
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, touch, write

BOX = {"displayName": "bolt", "xMin": 0.1, "yMin": 0.2, "xMax": 0.4, "yMax": 0.6}


def entry(image: str = "a.jpg", use: str = "", **rest: Any) -> dict[str, Any]:
    labels = {"dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": use}} if use else {}
    return {"imageGcsUri": f"gs://bucket/{image}", **labels, **rest}


def read(tmp_path: Path, *entries: Any, folder: Folder | None = None) -> ReadEvents:
    rows = [each if isinstance(each, str) else json.dumps(each) for each in entries]
    return collect(vertex.read(write(tmp_path / "x.jsonl", lines(*rows)), folder))


def test_labels_boxes_and_uses(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        entry("a.jpg", "training", classificationAnnotation={"displayName": "daisy"}),
        entry("b.jpg", "test", classificationAnnotations=[{"displayName": "rose"}, {"displayName": "red"}]),
        entry("c.jpg", "validation", boundingBoxAnnotations=[BOX, BOX | {"displayName": "nut"}]),
        entry("d.jpg", "unassigned", boundingBoxAnnotations=[]),
        entry("e.jpg"),
    )
    assert [(each.kind, each.labels, each.dataset_type) for each in result.annotations] == [
        ("classification", ("daisy",), "TRAIN"),
        ("classification", ("rose", "red"), "TEST"),
        ("detection", (), "TRAIN"),
        ("detection", (), ""),
        (None, (), ""),
    ]
    first, second = result.boxes["/bucket/c.jpg"]
    assert (first[0], second[0], result.of("/bucket/c.jpg").normalised) == ("bolt", "nut", True)
    assert first[1:] == pytest.approx((0.1, 0.2, 0.3, 0.4))
    assert (result.problems, result.noted(vertex.UNLABELLED)) == ([], True)


def test_images_of_a_folder(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, "images/a.jpg"))
    result = read(tmp_path, entry(boundingBoxAnnotations=[BOX]), entry("gone.jpg"), folder=folder)
    assert ([each.image for each in result.annotations], result.reasons) == (
        ["images/a.jpg"],
        {"image_missing": 1},
    )


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not_json"),
        ("[" * 5000, "not_json"),
        ("7", "not_an_object"),
        ({"x": 1}, "no_image"),
        (entry("b.jpg", "sometimes"), "bad_split"),
        (entry("b.jpg", boundingBoxAnnotations=[7]), "not_an_object"),
        (entry("b.jpg", boundingBoxAnnotations=[BOX | {"xMin": "x"}]), "bad_number"),
        (entry("b.jpg", boundingBoxAnnotations=[BOX | {"xMin": float("nan")}]), "bad_number"),
        (entry("b.jpg", boundingBoxAnnotations=[BOX | {"xMax": 0.05}]), "box_swapped"),
        (entry("b.jpg", boundingBoxAnnotations=[BOX | {"xMax": 40}]), "box_outside"),
        (entry("b.jpg", classificationAnnotation={"displayName": 7}), "bad_label"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_others_are_taken(
    tmp_path: Path, bad: Any, reason: str
) -> None:
    result = read(
        tmp_path, entry(boundingBoxAnnotations=[BOX]), bad, entry("c.jpg", boundingBoxAnnotations=[BOX])
    )
    assert [(p.line, p.reason) for p in result.problems] == [(2, reason)]
    assert len(result.boxes["/bucket/a.jpg"]) == len(result.boxes["/bucket/c.jpg"]) == 1
    assert all(each.kind is None for each in result.annotations if each.image == "/bucket/b.jpg")


def test_an_image_in_two_datasets(tmp_path: Path) -> None:
    label = {"classificationAnnotation": {"displayName": "rose"}}
    result = read(tmp_path, entry("a.jpg", "training", **label), entry("a.jpg", "test", **label))
    assert (result.reasons, result.annotations[0].dataset_type) == ({"split_conflict": 1}, "TRAIN")
