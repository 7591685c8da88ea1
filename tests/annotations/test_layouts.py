"""Tables without a header, whose order of cells is judged by all rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import layouts, tables
from lambdas.domain.annotations.problems import AnnotationError
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, write

BOLT = ("bolt", 10, 20, 30, 40)


def read(tmp_path: Path, *rows: str) -> ReadEvents:
    path = write(tmp_path / "table.csv", lines(*rows))
    assert tables.is_table(path)
    return collect(tables.read(path))


def test_an_image_and_any_number_of_labels(tmp_path: Path) -> None:
    result = read(tmp_path, "a.jpg,rose", "b.jpg,rose,red,wilted", "c.jpg", "d.jpg,7")
    assert {each.image: each.labels for each in result.annotations} == {
        "a.jpg": ("rose",),
        "b.jpg": ("rose", "red", "wilted"),
        "c.jpg": (),
        "d.jpg": ("7",),
    }
    assert (result.of("c.jpg").kind, result.problems) == (None, [])


def test_the_set_in_front_of_some_rows(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        "TRAIN,gs://x/a.jpg,rose",
        "gs://x/b.jpg,rose,red",
        "UNASSIGNED,c.jpg,lily",
        "test,d.jpg,rose",
    )
    assert [(each.labels, each.dataset_type) for each in result.annotations] == [
        (("rose",), "TRAIN"),
        (("rose", "red"), ""),
        (("lily",), ""),
        (("rose",), "TEST"),
    ]


def test_boxes_of_automl_by_two_corners_or_four_and_nothing(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        "TEST,gs://x/c.png,,,,,,,,,",
        "TRAIN,gs://x/a.png,car,0.1,0.1,,,0.3,0.3,,",
        "gs://x/b.png,car,0.3,0.1,0.3,0.3,0.1,0.3,0.1,0.1",
    )
    assert result.problems == []
    for image in ("/x/a.png", "/x/b.png"):
        [box] = result.boxes[image]
        assert box[1:] == pytest.approx((0.1, 0.1, 0.2, 0.2))
        assert result.of(image).normalised
    assert (result.of("/x/c.png").kind, result.of("/x/c.png").dataset_type) == ("detection", "TEST")


def test_the_label_last_with_a_background_first(tmp_path: Path) -> None:
    result = read(tmp_path, "b.jpg,,,,,", "a.jpg,10,20,40,60,bolt", "c.jpg,10,20,40,60,7")
    assert result.boxes == {"b.jpg": [], "a.jpg": [BOLT], "c.jpg": [("7", *BOLT[1:])]}
    assert result.of("b.jpg").kind == "detection"


def test_the_columns_of_makesense(tmp_path: Path) -> None:
    result = read(tmp_path, "bolt,10,20,30,40,a.jpg,100,80", "nut,1,2,3,4,a.jpg,100,80")
    assert result.boxes == {"a.jpg": [BOLT, ("nut", 1, 2, 3, 4)]}
    assert result.of("a.jpg").size == (100, 80)
    assert read(tmp_path, 'a.jpg,"[bolt,nut]"').of("a.jpg").labels == ("bolt", "nut")


def test_numbers_that_can_be_read_in_two_ways_are_asked_about(tmp_path: Path) -> None:
    rows = ("a.jpg,20,30,120,140,200", "b.jpg,15,12,79,91,220")
    result = read(tmp_path, *rows)
    [problem] = result.problems
    assert (problem.reason, result.annotations) == ("ambiguous_columns", [])
    for label, command in (
        ("'20'", "--columns image=1,label=2,left=3,top=4,right=5,bottom=6"),
        ("'200'", "--columns image=1,left=2,top=3,right=4,bottom=5,label=6"),
    ):
        assert f"{label} with {command}" in problem.detail
        pairs = (pair.partition("=") for pair in command.split()[1].split(","))
        mapping = {role: number for role, _, number in pairs}
        path = write(tmp_path / "table.csv", lines(*rows))
        assert collect(tables.read(path, mapping)).boxes["a.jpg"][0][0] == label.strip("'")


@pytest.mark.parametrize(
    ("row", "label"),
    [("a.jpg,{0},{1},{2},{3},5", "5"), ("a.jpg,5,{0},{1},{2},{3}", "5")],
)
def test_numbers_of_many_rows_that_make_boxes_in_one_way_only(tmp_path: Path, row: str, label: str) -> None:
    rows = [row.format(1, 2 + i % 3, 40 + i, 30 + i) for i in range(20)]
    result = read(tmp_path, *rows)
    assert {box[0] for box in result.boxes["a.jpg"]} == {label}


@pytest.mark.parametrize(
    "rows",
    [
        ["a.jpg,bolt,30,40,20,20", "b.jpg,bolt,1,2,30,40"],
        ["TRAIN,a.jpg,30,40,20,20,bolt", "TRAIN,b.jpg,1,2,30,40,bolt"],
    ],
)
def test_corners_that_are_more_likely_width_and_height_are_asked_about(
    tmp_path: Path, rows: list[str]
) -> None:
    result = read(tmp_path, *rows)
    assert (result.reasons, result.annotations) == ({"ambiguous_columns": 1}, [])
    split = "split=1," if rows[0].startswith("TRAIN") else ""
    assert "line 1" in result.problems[0].detail
    assert f"--columns {split}image=" in result.problems[0].detail
    assert "width=" in result.problems[0].detail


def test_a_row_unlike_the_others_is_a_problem_and_its_image_not_complete(tmp_path: Path) -> None:
    good = [f"{i}.jpg,bolt,10,20,40,60" for i in range(5)]
    result = read(tmp_path, *good, "a.jpg,bolt,10,20,40,60", "a.jpg,nut,x,20,40,60", "notes,,,,,")
    assert [(p.line, p.reason, p.image) for p in result.problems] == [
        (7, "other_cells", "a.jpg"),
        (8, "other_cells", "notes"),
    ]
    assert len(result.annotations) == 6


def test_rows_of_two_kinds_are_asked_about(tmp_path: Path) -> None:
    result = read(tmp_path, "a.jpg,bolt", "b.jpg,bolt,1,2,30,40", "c.jpg,nut")
    [problem] = result.problems
    assert problem.reason == "mixed_columns"
    assert "line 1 (a.jpg, bolt)" in problem.detail and "line 2 (b.jpg" in problem.detail


@pytest.mark.parametrize(
    "row",
    ["a.jpg,bolt,0.95", "a.jpg,a_mask.png", "a.jpg,1,2,30,40", "a.jpg,3,bolt", "a.jpg,bolt,1,2,30"],
)
def test_cells_that_are_no_labels_are_not_taken_for_labels(tmp_path: Path, row: str) -> None:
    path = write(tmp_path / "table.csv", lines(row, row.replace("a.", "b.")))
    assert not tables.is_table(path)
    assert collect(tables.read(path)).reasons == {"unknown_columns": 1}


def test_a_header_of_words_that_are_not_known_is_asked_about(tmp_path: Path) -> None:
    result = read(tmp_path, "Datei,Klasse", "a.jpg,bolt", "b.jpg,nut")
    assert (result.reasons, result.annotations) == ({"unknown_columns": 1}, [])
    assert "Datei, Klasse" in result.problems[0].detail


cells = st.sampled_from(
    ["a.jpg", "b.png", "", "bolt", "1", "20", "0.5", "TRAIN", "-3", "nan", "[x]", "{", "=1"]
)


@settings(max_examples=50)
@given(st.lists(st.lists(cells, min_size=1, max_size=12), min_size=1, max_size=6))
def test_whatever_the_rows_a_layout_fits_them_or_is_none(rows: list[list[str]]) -> None:
    try:
        layout = layouts.of_rows(enumerate(rows, start=1))
    except AnnotationError as error:
        assert "--columns" in error.detail or "header" in error.detail
        return
    if layout:
        assert sum(layout.fits(layouts.aligned(row)) for row in rows) * 2 >= len(rows)
