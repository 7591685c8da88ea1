"""Label Studio's exports: JSON, JSON-MIN and CSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import label_studio, tables
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import NoteCounter
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch, write, write_json

SIZE = {"original_width": 200, "original_height": 100}
RECTANGLE = {"x": 5, "y": 20, "width": 15, "height": 40, "rotation": 0}
BOLT = ("bolt", 10, 20, 30, 40)


def box(label: str = "bolt", **changes: Any) -> dict[str, Any]:
    """A mark as JSON-MIN and CSV have it: 30 x 40 pixels at 10, 20."""
    return {**RECTANGLE, "rectanglelabels": [label], **SIZE, **changes}


def mark(label: str = "bolt", **changes: Any) -> dict[str, Any]:
    """The same as JSON has it."""
    value = {**RECTANGLE, "rectanglelabels": [label], **changes}
    usual = {"id": "x", "from_name": "label", "to_name": "image", "type": "rectanglelabels"}
    return {**usual, **SIZE, "image_rotation": 0, "value": value}


def task(*results: Any, image: str = "a.jpg", **changes: Any) -> dict[str, Any]:
    people = [{"id": n, "result": result, "was_cancelled": False} for n, result in enumerate(results)]
    return {"id": 7, "data": {"image": image, "camera": "north"}, "annotations": people, **changes}


def read(tmp_path: Path, *tasks: Any) -> ReadEvents:
    return collect(label_studio.read(write_json(tmp_path / "x.json", list(tasks))))


def read_csv(tmp_path: Path, *rows: dict[str, Any]) -> ReadEvents:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(
        {name: value if isinstance(value, str | int) else json.dumps(value) for name, value in row.items()}
        for row in rows
    )
    path = write(tmp_path / "x.csv", text.getvalue())
    assert tables.is_table(path)
    return collect(tables.read(path))


def row(image: str = "a.jpg", **changes: Any) -> dict[str, Any]:
    return {
        "annotation_id": 1,
        "annotator": 1,
        "id": 1,
        "image": f"/data/upload/4/{image}",
        "lead_time": 1,
    } | changes


def test_boxes_are_percentages_in_every_export(tmp_path: Path) -> None:
    for result in (
        read(tmp_path, task([mark()], image="/data/upload/4/a.jpg")),
        read(tmp_path, row(label=[box()], created_at="2026-01-01")),
        read_csv(tmp_path, row(label=[box()], created_at="2026-01-01")),
    ):
        [annotation] = result.annotations
        assert (result.problems, result.boxes) == ([], {"/data/upload/4/a.jpg": [BOLT]})
        assert annotation.size == (200, 100)


def test_labels_of_choices_in_every_export(tmp_path: Path) -> None:
    choice = {"type": "choices", "from_name": "c", "to_name": "image", "value": {"choices": ["old", "red"]}}
    for result in (
        read(tmp_path, task([choice])),
        read(tmp_path, row(choice={"choices": ["old", "red"]}, source="north")),
        read_csv(tmp_path, row(mood={"choices": ["old", "red"]}, source="north")),
    ):
        assert [each.labels for each in result.annotations] == [("old", "red")]
    for result in (read(tmp_path, row(choice="old")), read_csv(tmp_path, row(choice="old"))):
        assert [each.labels for each in result.annotations] == [("old",)]


@pytest.mark.parametrize(
    ("value", "sides"),
    [
        ({"points": [[5, 20], [20, 20], [20, 60]], "polygonlabels": ["bolt"]}, (10, 20, 30, 40)),
        (
            {"x": 12.5, "y": 40, "radiusX": 7.5, "radiusY": 20, "rotation": 0, "ellipselabels": ["bolt"]},
            (10, 20, 30, 40),
        ),
        (
            {"x": 12.5, "y": 40, "radiusX": 10, "radiusY": 15, "rotation": 90, "ellipselabels": ["bolt"]},
            (10, 20, 30, 40),
        ),
        (
            {"x": 20, "y": 20, "width": 20, "height": 30, "rotation": 90, "rectanglelabels": ["bolt"]},
            (10, 20, 30, 40),
        ),
    ],
)
def test_boxes_around_other_shapes_and_that_is_said(
    tmp_path: Path, value: Any, sides: tuple[float, ...]
) -> None:
    result = read(tmp_path, task([{"value": value, **SIZE}]))
    assert result.boxes["a.jpg"][0][1:] == pytest.approx(sides)
    assert result.noted(label_studio.AROUND)


def test_a_box_whose_label_is_a_mark_of_its_own(tmp_path: Path) -> None:
    rectangle = {"id": "r", "type": "rectangle", "value": RECTANGLE, **SIZE}
    labels = {"id": "r", "type": "labels", "value": {**RECTANGLE, "labels": ["bolt"]}, **SIZE}
    rest = {"id": "r", "type": "choices", "value": {**RECTANGLE, "choices": ["old"]}, **SIZE}
    points = {
        "type": "keypointlabels",
        "value": {"x": 1, "y": 1, "width": 1, "keypointlabels": ["tip"]},
        **SIZE,
    }
    result = read(tmp_path, task([rectangle, labels, rest, points]))
    assert (result.problems, result.boxes["a.jpg"]) == ([], [BOLT])
    assert result.noted(label_studio.NO_LABELS)
    assert read(tmp_path, task([rectangle])).reasons == {"bad_label": 1}


def test_answers_of_several_people(tmp_path: Path) -> None:
    same = read(tmp_path, task([mark()], [mark()]))
    assert (same.boxes["a.jpg"], same.noted(label_studio.SAME_ANSWER)) == ([BOLT], True)
    for differ in (
        read(tmp_path, task([mark()], [mark("nut")])),
        read(tmp_path, row("a.jpg", label=[box()]), row("a.jpg", label=[box("nut")])),
        read_csv(tmp_path, row("a.jpg", label=[box()]), row("a.jpg", label=[box("nut")])),
    ):
        [annotation] = differ.annotations
        assert (differ.reasons, annotation.kind, annotation.boxes) == ({"several_answers": 1}, None, ())
    whole = task([mark()], [mark("nut")])
    whole["annotations"][1]["ground_truth"] = True
    assert read(tmp_path, whole).boxes["a.jpg"][0][0] == "nut"
    whole["annotations"][1].update(ground_truth=False, was_cancelled=True)
    assert read(tmp_path, whole).boxes["a.jpg"] == [BOLT]


def test_answers_of_nothing_are_backgrounds_among_boxes_only(tmp_path: Path) -> None:
    others = (task([], image="b.jpg"), task(image="c.jpg"))
    result = read(tmp_path, task([mark()], predictions=[{"result": [mark("nut")]}]), *others)
    assert [each.kind for each in result.annotations] == ["detection", "detection", None]
    assert (result.boxes["a.jpg"], result.noted(label_studio.PREDICTIONS)) == ([BOLT], True)
    assert [each.kind for each in read(tmp_path, *others).annotations] == [None, None]
    result = read_csv(tmp_path, row("a.jpg", label=[box()]), row("b.jpg", label=""))
    assert [each.kind for each in result.annotations] == ["detection", "detection"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x": "left"}, "bad_number"),
        ({"x": float("nan")}, "bad_number"),
        ({"x": 1e300}, "box_outside"),
        ({"x": 95}, "box_outside"),
        ({"y": -5}, "box_outside"),
        ({"width": 0}, "box_too_small"),
        ({"width": -5}, "box_too_small"),
        ({"rectanglelabels": [7]}, "bad_label"),
        ({"rectanglelabels": []}, "bad_label"),
        ({"points": 7}, "bad_box"),
        ({"points": [[1, 2, 3]]}, "bad_number"),
        ({"original_width": None}, "no_size"),
        ({"image_rotation": 90}, "rotated_image"),
        ({"rle": [1, 2]}, "mask"),
    ],
)
def test_a_bad_mark_is_told_with_its_task_and_the_others_are_taken(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    bad = box("nut", **changes)
    result = read(tmp_path, task([bad, mark()]), task([bad], image="b.jpg"))
    assert (result.reasons, result.boxes) == ({reason: 2}, {"a.jpg": [BOLT], "b.jpg": []})
    assert "task 7" in result.problems[0].detail
    assert result.of("b.jpg").kind is None
    table = read_csv(tmp_path, row(label=[bad, box()]))
    assert [(p.line, p.reason) for p in table.problems] == [(2, reason)]
    assert list(table.boxes.values()) == [[BOLT]]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (7, "not_an_object"),
        ({"data": {"text": "hello"}, "annotations": []}, "no_image"),
        ({"data": {"left": "b.jpg", "right": "c.jpg"}, "annotations": []}, "no_image"),
        ({"data": {"image": "b.jpg"}, "annotations": {}}, "bad_answer"),
        ({"data": {"image": "b.jpg"}, "annotations": [7]}, "bad_answer"),
        ({"data": {"image": "b.jpg"}, "annotations": [{"result": [7]}]}, "bad_answer"),
        (
            {"data": {"image": "b.jpg"}, "annotations": [{"result": [{"id": ["x"], **RECTANGLE}]}]},
            "bad_label",
        ),
        ({"image": "b.jpg", "mood": "x", "place": "y", "annotation_id": 1}, "unknown_label"),
    ],
)
def test_a_task_that_cannot_be_used(tmp_path: Path, broken: Any, reason: str) -> None:
    result = read(tmp_path, broken, task([mark()]))
    assert (result.reasons, result.boxes["a.jpg"]) == ({reason: 1}, [BOLT])
    assert all(each.kind is None for each in result.annotations if each.image == "b.jpg")


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    text = json.dumps([task([mark()]), task([mark()], image="b.jpg")])
    result = collect(label_studio.read(write(tmp_path / "x.json", text[:-40])))
    assert (result.reasons, result.boxes) == ({"cut_off": 1}, {"a.jpg": [BOLT]})


def test_a_table_whose_labels_are_not_known_is_asked_about(tmp_path: Path) -> None:
    result = read_csv(tmp_path, row(mood="old", place="north"))
    assert (result.annotations, result.reasons) == ([], {"unknown_columns": 1})
    path = tmp_path / "x.csv"
    explicit = collect(tables.read(path, {"image": "image", "label": "mood"}))
    assert [each.labels for each in explicit.annotations] == [("old",)]


def test_json_of_other_tables_is_read_where_it_is_an_answer(tmp_path: Path) -> None:
    result = read_csv(tmp_path, {"image": "a.jpg", "label": [box()]}, {"image": "b.jpg", "label": [{"x": 1}]})
    assert (result.boxes, result.reasons) == ({"a.jpg": [BOLT], "b.jpg": []}, {"json_cell": 1})


def test_images_that_were_uploaded_are_found_by_what_they_were_called(tmp_path: Path) -> None:
    touch(tmp_path, "my photo.jpg")
    path = write_json(tmp_path / "x.json", [task([mark()], image="/data/upload/1/cb0618f6-my_photo.jpg")])
    assert collect(label_studio.read(path, Folder(tmp_path))).boxes == {"my photo.jpg": [BOLT]}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "x",
                    "y",
                    "width",
                    "height",
                    "points",
                    "value",
                    "choices",
                    "labels",
                    "id",
                    "radiusX",
                    "rotation",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=50)
@given(values)
def test_whatever_an_answer_holds_nothing_is_raised(value: Any) -> None:
    marks = (
        [{**SIZE, **each} if isinstance(each, dict) else each for each in value]
        if isinstance(value, list)
        else value
    )
    given_answer = label_studio.answer(marks, "x", NoteCounter())
    assert all(each.width > 0 and each.height > 0 for each in given_answer.boxes)
