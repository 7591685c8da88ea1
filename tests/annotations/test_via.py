"""VIA: projects, and exports as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import tables, via
from tests.fixtures.datasets_on_disk import ReadEvents, collect, write, write_json

RECTANGLE = {"name": "rect", "x": 10, "y": 20, "width": 30, "height": 40}
BOLT = ("bolt", 10, 20, 30, 40)


def region(attributes: Any = None, **shape: Any) -> dict[str, Any]:
    given = {"kind of": "bolt"} if attributes is None else attributes
    return {"shape_attributes": RECTANGLE | shape, "region_attributes": given}


def entry(*regions: Any, image: str = "a.jpg", **of_file: Any) -> dict[str, Any]:
    return {"filename": image, "size": 1234, "regions": list(regions), "file_attributes": of_file}


def export(*entries: Any) -> dict[str, Any]:
    return {f"image{number}": each for number, each in enumerate(entries)}


def read(tmp_path: Path, *entries: Any) -> ReadEvents:
    return collect(via.read(write_json(tmp_path / "x.json", export(*entries))))


def read_csv(tmp_path: Path, *entries: dict[str, Any]) -> ReadEvents:
    text = io.StringIO()
    writer = csv.writer(text)
    header = "filename,file_size,file_attributes,region_count,region_id"
    writer.writerow([*header.split(","), "region_shape_attributes", "region_attributes"])
    for each in entries:
        regions = each["regions"] or [{"shape_attributes": {}, "region_attributes": {}}]
        for number, one in enumerate(regions):
            cells = (json.dumps(one[name]) for name in ("shape_attributes", "region_attributes"))
            of_file = json.dumps(each["file_attributes"])
            writer.writerow([each["filename"], 1234, of_file, len(each["regions"]), number, *cells])
    path = write(tmp_path / "x.csv", text.getvalue())
    assert tables.is_table(path)
    return collect(tables.read(path))


def test_regions_in_every_file(tmp_path: Path) -> None:
    entries = [entry(region(), region({"kind of": "nut"}, x=50)), entry(image="b.jpg")]
    first = {"0": entries[0]["regions"][0], "1": entries[0]["regions"][1]}
    project = {
        "_via_settings": {"core": {"buffer_size": 18}},
        "_via_img_metadata": export(*entries),
        "_via_attributes": {"region": {"kind of": {"type": "text"}}},
    }
    for result in (
        read(tmp_path, *entries),
        read(tmp_path, entries[0] | {"regions": first}, entries[1]),
        collect(via.read(write_json(tmp_path / "p.json", project))),
        read_csv(tmp_path, *entries),
    ):
        assert result.boxes == {"a.jpg": [BOLT, ("nut", 50, 20, 30, 40)], "b.jpg": []}
        assert (result.problems, result.of("b.jpg").kind) == ([], None)
        assert result.noted("attribute 'kind of'") and result.noted(via.EMPTY)


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ({"name": "circle", "cx": 25, "cy": 40, "r": 5}, (20, 35, 10, 10)),
        ({"name": "circle", "cx": 2, "cy": 40, "r": 5}, (0, 35, 7, 10)),
        ({"name": "ellipse", "cx": 25, "cy": 40, "rx": 15, "ry": 20}, (10, 20, 30, 40)),
        ({"name": "ellipse", "cx": 25, "cy": 40, "rx": 20, "ry": 15, "theta": 1.5707963}, (10, 20, 30, 40)),
        ({"name": "polygon", "all_points_x": [10, 40, 40], "all_points_y": [20, 20, 60]}, (10, 20, 30, 40)),
    ],
)
def test_boxes_around_other_shapes_and_that_is_said(
    tmp_path: Path, shape: dict[str, Any], sides: tuple[float, ...]
) -> None:
    result = read(tmp_path, entry({"shape_attributes": shape, "region_attributes": {"x": "bolt"}}))
    assert result.boxes["a.jpg"][0][1:] == pytest.approx(sides, abs=1e-4)
    assert result.noted(via.AROUND)


def test_points_are_left_out(tmp_path: Path) -> None:
    point = {"shape_attributes": {"name": "point", "cx": 1, "cy": 2}, "region_attributes": None}
    result = read(tmp_path, entry(point, region()))
    assert (result.boxes, result.problems, result.noted(via.NO_BOX)) == ({"a.jpg": [BOLT]}, [], True)


@pytest.mark.parametrize(
    ("attributes", "labels"),
    [
        ({"name": "bolt", "quality": "good"}, ["bolt"]),
        ({"Class": "bolt", "caption": "x"}, ["bolt"]),
        ({"type": {"bolt": True, "nut": True, "pin": False}}, ["bolt", "nut"]),
        ({"number": 7}, ["7"]),
        ({"label": "bolt", "name": "Bob"}, ["bolt"]),
    ],
)
def test_which_attribute_is_the_label(tmp_path: Path, attributes: Any, labels: list[str]) -> None:
    result = read(tmp_path, entry(region(attributes)))
    assert [box[0] for box in result.boxes["a.jpg"]] == labels
    assert result.noted("the label of a region")


def test_attributes_of_which_any_may_be_the_label_are_asked_about(tmp_path: Path) -> None:
    result = read(tmp_path, entry(region({"make": "x", "colour": "y"})), entry(region({}), image="b.jpg"))
    assert (result.annotations, result.reasons) == ([], {"unknown_label": 1})
    assert "make, colour" in result.problems[0].detail
    assert read(tmp_path, entry(region({}))).reasons == {"no_labels": 1}


def test_labels_of_whole_images(tmp_path: Path) -> None:
    entries = [entry(**{"class": "old", "caption": "x"}), entry(image="b.jpg", caption="y")]
    for result in (read(tmp_path, *entries), read_csv(tmp_path, *entries)):
        assert [each.labels for each in result.annotations] == [("old",), ()]
        assert result.noted("the label of an image is its attribute 'class'")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (region(x="left"), "bad_number"),
        (region(x=-40), "box_outside"),
        (region(width=0), "box_too_small"),
        (region(width=float("nan")), "bad_number"),
        (region(width=1e12), "box_outside"),
        (region(name="polygon", all_points_x=[1, 2], all_points_y=[1, 2]), "bad_box"),
        (region(name="polygon", all_points_x=[1, 2, 3], all_points_y=7), "bad_box"),
        (region(name="star"), "bad_box"),
        (region({}), "bad_label"),
        (region({"kind of": [7]}), "bad_label"),
        (region(7), "bad_label"),
        ({"shape_attributes": 7, "region_attributes": {}}, "bad_box"),
    ],
)
def test_a_bad_region_is_told_and_the_others_are_taken(tmp_path: Path, bad: Any, reason: str) -> None:
    result = read(tmp_path, entry(bad, region()), entry(bad, image="b.jpg"))
    assert (result.reasons, result.boxes) == ({reason: 2}, {"a.jpg": [BOLT], "b.jpg": []})
    assert {problem.image for problem in result.problems} == {"a.jpg", "b.jpg"}
    assert result.of("b.jpg").kind is None
    table = read_csv(tmp_path, entry(bad, region()))
    assert [(p.line, p.reason) for p in table.problems] == [(2, reason)]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (7, "not_an_object"),
        ({"regions": []}, "no_image"),
        ({"filename": "b.jpg", "regions": 7}, "bad_regions"),
        ({"filename": "b.jpg", "regions": [7]}, "bad_regions"),
        ({"filename": ["b.jpg"], "regions": []}, "no_image"),
    ],
)
def test_an_entry_that_cannot_be_used(tmp_path: Path, broken: Any, reason: str) -> None:
    result = read(tmp_path, broken, entry(region()))
    assert (result.reasons, result.boxes["a.jpg"]) == ({reason: 1}, [BOLT])


def test_files_that_are_cut_and_cells_that_are_no_json(tmp_path: Path) -> None:
    text = json.dumps(export(entry(region()), entry(region(), image="b.jpg")))
    result = collect(via.read(write(tmp_path / "x.json", text[:-40])))
    assert (result.reasons, result.boxes) == ({"cut_off": 1}, {"a.jpg": [BOLT]})
    read_csv(tmp_path, entry(region()))
    path = tmp_path / "x.csv"
    path.write_text(path.read_text() + 'b.jpg,1,{},1,0,"{""name"": ","{}"\n')
    result = collect(via.read(path))
    assert ([(p.line, p.reason) for p in result.problems], result.boxes["a.jpg"]) == (
        [(3, "not_json")],
        [BOLT],
    )
