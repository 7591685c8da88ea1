"""Supervisely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import dataset
from lambdas.domain.annotations.format_detection import detect_format
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch, write, write_json

BOX: dict[str, Any] = {
    "classTitle": "cup",
    "geometryType": "rectangle",
    "points": {"exterior": [[10, 20], [60, 70]], "interior": []},
}


def document(*objects: Any, **more: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"description": "", "tags": [], "size": {"height": 80, "width": 100}}
    return usual | {"objects": [*objects]} | more


def read(root: Path) -> ReadEvents:
    write_json(root / "meta.json", {"classes": [{"title": "cup", "shape": "rectangle"}], "tags": []})
    return collect(dataset.read(root, detect_format(root)))


def test_a_project(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{place}/img/{name}" for place in ("ds0", "ds1") for name in ("a.jpg", "b.png")))
    polygon = BOX | {"geometryType": "polygon", "points": {"exterior": [[5, 6], [50, 6], [50, 70]]}}
    write_json(tmp_path / "ds0/ann/a.jpg.json", document(BOX, polygon))
    write_json(tmp_path / "ds1/ann/a.jpg.json", document())
    write_json(tmp_path / "ds0/ann/b.png.json", document(tags=[{"name": "red"}]))
    write_json(tmp_path / "ds1/ann/b.png.json", document(BOX | {"geometryType": "bitmap"}))
    result = read(tmp_path)
    assert [problem for problem in result.problems if problem.file != "meta.json"] == []
    assert result.boxes["ds0/img/a.jpg"] == [("cup", 10, 20, 50, 50), ("cup", 5, 6, 45, 64)]
    assert (result.of("ds1/img/a.jpg").kind, result.of("ds0/img/b.png").labels) == ("detection", ("red",))
    assert result.of("ds1/img/b.png").kind is None
    assert result.noted("polygons") and result.noted("left out") and result.noted("nothing is on")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (7, "bad_boxes"),
        (BOX | {"classTitle": ""}, "bad_label"),
        (BOX | {"points": None}, "missing_box"),
        (BOX | {"points": {"exterior": [[1, 2]]}}, "missing_box"),
        (BOX | {"points": {"exterior": [[1, 2], 3]}}, "bad_number"),
        (BOX | {"points": {"exterior": [[1, 2], [float("nan"), 3]]}}, "bad_number"),
        (BOX | {"points": {"exterior": [[1, 2], [500, 3]]}}, "box_outside"),
    ],
)
def test_a_bad_object_is_told_and_the_others_are_taken(tmp_path: Path, given: Any, reason: str) -> None:
    touch(tmp_path, "ds/img/a.jpg", "ds/img/b.jpg")
    write_json(tmp_path / "ds/ann/a.jpg.json", document(BOX, given))
    write_json(tmp_path / "ds/ann/b.jpg.json", document(given))
    result = read(tmp_path)
    assert [(p.image, p.reason) for p in result.problems] == [
        ("ds/img/a.jpg", reason),
        ("ds/img/b.jpg", reason),
    ]
    assert (len(result.of("ds/img/a.jpg").boxes), result.of("ds/img/b.jpg").kind) == (1, None)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    touch(tmp_path, "ds/img/a.jpg")
    write_json(tmp_path / "ds/ann/a.jpg.json", document(BOX))
    write_json(tmp_path / "ds/ann/gone.jpg.json", document(BOX))
    write(tmp_path / "ds/ann/cut.jpg.json", '{"tags": [], "size": {}, "objects": [')
    assert read(tmp_path).reasons == {"image_missing": 1, "not_json": 1}
