"""COCO: what is taken, what is refused, and that nothing good is lost beside it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import coco as reader
from lambdas.domain.annotations.local import Folder
from tests.annotations.said import BOX, Said, coco, said, touch, write, write_json


def read(tmp_path: Path, value: Any, name: str = "set/coco.json") -> Said:
    return said(reader.read(write_json(tmp_path / name, value)))


def test_boxes_of_an_image_come_together_in_any_order_of_sections(tmp_path: Path) -> None:
    whole = coco(["a.jpg", "b.jpg"], [{}, {"image_id": 2}, {"category_id": 2, "bbox": [1.5, 2, 3, 4]}])
    for order in (["images", "annotations", "categories"], ["annotations", "categories", "images"]):
        result = read(tmp_path, {name: whole[name] for name in order})
        assert result.problems == []
        assert result.boxes == {
            "a.jpg": [("bolt", 10, 20, 30, 40), ("nut", 1.5, 2, 3, 4)],
            "b.jpg": [("bolt", 10, 20, 30, 40)],
        }
        assert result.of("a.jpg").size == (100, 80)


def test_an_image_without_annotations_is_background_and_that_is_said(tmp_path: Path) -> None:
    result = read(tmp_path, coco(["a.jpg", "b.jpg"], [{}]))
    assert (result.of("b.jpg").kind, result.of("b.jpg").boxes) == ("detection", ())
    assert result.noted("nothing is on")


@pytest.mark.parametrize(
    ("bbox", "reason"),
    [
        (None, "missing_box"),
        ([], "missing_box"),
        ([1, 2, 3], "bad_box"),
        ("1,2,3,4", "bad_box"),
        ([-5, 1, 9, 9], "box_outside"),
        ([10, 10, 0, 9], "box_too_small"),
        ([30, 30, -9, 9], "box_too_small"),
        ([float("nan"), 1, 9, 9], "bad_number"),
        ([1, 1, float("inf"), 9], "bad_number"),
        ([True, 1, 9, 9], "bad_number"),
        (["x", 1, 9, 9], "bad_number"),
        ([10**400, 1, 9, 9], "bad_number"),
        ([0.1, 0.2, 0.3, 0.4], "box_normalised"),
        ([60, 50, 90, 70], "box_corners_suspected"),
        ([90, 70, 50, 40], "box_outside"),
        ([5, 5, 300, 9], "box_outside"),
    ],
)
def test_a_bad_box_is_told_and_the_others_are_taken(tmp_path: Path, bbox: Any, reason: str) -> None:
    result = read(tmp_path, coco(["a.jpg", "b.jpg"], [{"bbox": bbox}, {}, {"bbox": bbox, "image_id": 2}]))
    assert result.reasons == {reason: 2}
    assert "annotations, id 1" in result.problems[0].detail
    assert result.boxes["a.jpg"] == [("bolt", 10, 20, 30, 40)]
    assert result.of("b.jpg").kind is None, "not background: something was said that cannot be used"


def test_rounding_out_of_the_image_is_taken(tmp_path: Path) -> None:
    result = read(tmp_path, coco(["a.jpg"], [{"bbox": [-0.4, 0, 100.9, 20]}]))
    assert (result.problems, len(result.of("a.jpg").boxes)) == ([], 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image_id": 9}, "unknown_image"),
        ({"image_id": None}, "bad_id"),
        ({"image_id": "1"}, "unknown_image"),
        ({"image_id": [1]}, "bad_id"),
        ({"category_id": 9}, "unknown_category"),
        ({"category_id": 10**30}, "unknown_category"),
    ],
)
def test_an_annotation_of_nothing_known_is_told(tmp_path: Path, change: Any, reason: str) -> None:
    result = read(tmp_path, coco(["a.jpg"], [change, {}]))
    assert (result.reasons, result.boxes["a.jpg"]) == ({reason: 1}, [("bolt", 10, 20, 30, 40)])


def test_elements_that_are_no_objects_are_told(tmp_path: Path) -> None:
    whole = coco(["a.jpg"], [{}])
    for section in whole.values():
        section += [None, 3, ["x"]]
    result = read(tmp_path, whole)
    assert (result.reasons, len(result.of("a.jpg").boxes)) == ({"not_an_object": 9}, 1)


def test_duplicate_ids(tmp_path: Path) -> None:
    whole = coco(["a.jpg", "b.jpg"], [{}, {"id": 1}, {"id": 1, "bbox": [1, 1, 9, 9]}])
    whole["images"][1]["id"] = 1
    result = read(tmp_path, whole)
    assert result.reasons == {"duplicate_image_id": 1, "duplicate_annotation": 1}
    assert len(result.of("a.jpg").boxes) == 2, "an id used again for another box loses no box"
    assert result.noted("share their id")


def test_an_image_under_two_ids_is_one(tmp_path: Path) -> None:
    result = read(tmp_path, coco(["a.jpg", "a.jpg"], [{}, {"image_id": 2, "category_id": 2}]))
    assert [box.label for box in result.of("a.jpg").boxes] == ["bolt", "nut"]
    assert result.noted("another id")


def test_crowds_are_left_out_and_leave_no_background(tmp_path: Path) -> None:
    result = read(
        tmp_path, coco(["a.jpg"], [{"iscrowd": 1, "segmentation": {"counts": [1], "size": [1, 1]}}])
    )
    assert (result.problems, result.of("a.jpg").kind) == ([], None)
    assert result.noted("crowds")


def test_labels_are_cleaned_and_bad_ones_told_with_what_has_them(tmp_path: Path) -> None:
    categories = {1: " bolt\u0301 ", 2: "", 3: "=HYPERLINK(1)", 4: "x" * 300}
    whole = coco(["a.jpg"], [{"category_id": id} for id in categories], categories)
    result = read(tmp_path, whole)
    assert result.of("a.jpg").boxes[0].label == "bolt\u0301"
    assert result.reasons == {"bad_label": 5, "formula": 1}


def test_categories_that_share_an_id(tmp_path: Path) -> None:
    whole = coco(["a.jpg"], [{}])
    whole["categories"].append({"id": 1, "name": "other"})
    result = read(tmp_path, whole)
    assert (result.reasons, result.of("a.jpg").boxes) == ({"duplicate_category": 1}, (BOX,))


def test_a_cut_file_gives_what_was_before_the_cut_and_says_so(tmp_path: Path) -> None:
    text = json.dumps(coco([f"{i}.jpg" for i in range(1, 21)], [{"image_id": i} for i in range(1, 21)]))
    assert list(json.loads(text)) == ["images", "categories", "annotations"]
    path = write(tmp_path / "coco.json", text[:-300])
    result = said(reader.read(path))
    assert result.reasons == {"cut_off": 1}
    with_boxes = [found for found in result.found if found.boxes]
    complete = text[:-300].count('"bbox": [10, 20, 30, 40]}')
    assert len(with_boxes) == complete > 10


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "cut_off"),
        (b"[]", "not_coco"),
        (b'{"a": 1}', "not_coco"),
        (b'{"images": 3}', "not_coco"),
        (b"\xff\xfe{\x00", "cut_off"),
        (b'{"images": [' + b"[" * 100_000, "cut_off"),
        (b'{"images": [{"id": 1, "file_name": "\xff.jpg"}]}', "cut_off"),
    ],
)
def test_what_is_no_coco_at_all(tmp_path: Path, body: bytes, reason: str) -> None:
    result = said(reader.read(write(tmp_path / "coco.json", body)))
    assert (result.found, result.reasons) == ([], {reason: 1})


def test_boxes_without_categories(tmp_path: Path) -> None:
    whole = coco(["a.jpg"], [{}])
    del whole["categories"]
    assert read(tmp_path, whole).reasons == {"unknown_category": 1, "no_categories": 1}


def test_a_byte_order_mark_and_words_that_json_lacks(tmp_path: Path) -> None:
    """Python writes NaN and Infinity; names may have these words, and quotes, in them."""
    names = ["NaN, Infinity.jpg", 'a "NaN" b.jpg', "back\\\\NaN.jpg", "b.jpg"]
    whole = coco(names, [{"bbox": [1, 1, float("nan"), float("-inf")]}, {"image_id": 2}])
    whole["info"] = [float("nan")] * 30_000
    text = "\ufeff" + json.dumps({"info": whole.pop("info"), **whole})
    result = said(reader.read(write(tmp_path / "coco.json", text)))
    assert result.reasons == {"bad_number": 1}
    assert [found.image for found in result.found] == [*names[:2], "back/NaN.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017.json", "TRAIN"),
        ("set/instances_val2017.json", "TEST"),
        ("test/_annotations.coco.json", "TEST"),
        ("train_and_test.json", ""),
        ("set/contest.json", ""),
    ],
)
def test_the_files_name_tells_the_split(tmp_path: Path, name: str, split: str) -> None:
    assert read(tmp_path, coco(["a.jpg"]), name).of("a.jpg").split == split


@pytest.mark.parametrize(
    ("name", "image", "reason"),
    [
        (".\\images\\a.jpg", "images/a.jpg", ""),
        ("C:\\pictures\\a.jpg", "C:/pictures/a.jpg", ""),
        ("/home/bob/a.jpg", "/home/bob/a.jpg", ""),
        ("x/../a.jpg", "a.jpg", ""),
        ("s3://bucket-a/a b.jpg", "s3://bucket-a/a b.jpg", ""),
        ("gs://bucket/x/a.jpg", "/bucket/x/a.jpg", ""),
        ("s3://Bad_Bucket!/a.jpg", "", "bad_path"),
        ("https://example.com/a.jpg", "", "remote_image"),
        ("", "", "no_image"),
        (None, "", "no_image"),
        (7, "", "no_image"),
        ("..", "", "bad_path"),
        ("images/", "", "bad_path"),
        ("a\x00.jpg", "", "bad_path"),
        ("x" * 2000, "", "bad_path"),
        ("=HYPERLINK(a.jpg)", "", "formula"),
    ],
)
def test_how_images_are_named(tmp_path: Path, name: Any, image: str, reason: str) -> None:
    result = read(tmp_path, coco([name, "good.jpg"], [{}, {"image_id": 2}]))
    assert result.reasons == ({reason: 1} if reason else {})
    assert [found.image for found in result.found] == ([image] if image else []) + ["good.jpg"]
    assert len(result.of("good.jpg").boxes) == 1
    if isinstance(name, str) and "\\" in name:
        assert result.noted("backslashes")


def test_images_of_a_folder_are_found_beside_the_file_below_and_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "train2017/b.jpg", "val2017/b.jpg", "c.JPG", "test/x/d.jpg", "e.jpg")
    names = ["../images/a.jpg", "b.jpg", "C:\\old\\c.jpg", "x/d.jpg", "../../secret.jpg", "train/e.png"]
    path = write_json(tmp_path / "annotations" / "instances_train2017.json", coco(names))
    folder = Folder(tmp_path)
    result = said(reader.read(path, folder))
    assert [found.image for found in result.found] == [
        "images/a.jpg",
        "train2017/b.jpg",
        "c.JPG",
        "test/x/d.jpg",
    ]
    assert result.reasons == {"leaves_folder": 1, "image_missing": 1}
    assert {found.image for found in folder.unnamed()} == {"val2017/b.jpg", "e.jpg"}


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        path = tmp_path / f"{number}.json"
        write_json(
            path, coco([f"{i}.jpg" for i in range(number)], [{"image_id": 1 + i} for i in range(number)])
        )
        tracemalloc.start()
        assert sum(len(getattr(event, "boxes", ())) for event in reader.read(path)) == number
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(6000) < peak(600) + 300_000
