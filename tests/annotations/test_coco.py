"""COCO: what is taken, what is refused, and that nothing good is lost beside it."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import box_parsing, entries
from lambdas.domain.annotations import coco as reader
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import ImageAnnotation
from lambdas.domain.shared import manifests
from tests.fixtures.datasets_on_disk import BOX, ReadEvents, coco, collect, touch, write, write_json


def read(tmp_path: Path, value: Any, name: str = "set/coco.json") -> ReadEvents:
    return collect(reader.read(write_json(tmp_path / name, value)))


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


@pytest.mark.parametrize(
    ("bbox", "inside"),
    [
        ([-0.8, 0, 50, 20], (0, 0, 49.2, 20)),
        ([50, 30, 50.9, 50.9], (50, 30, 50, 50)),
        ([-0.4, 0, 101, 20], (0, 0, 100, 20)),
    ],
)
def test_what_rounding_puts_out_of_the_image_is_cut_off(
    tmp_path: Path, bbox: list[float], inside: tuple[float, ...]
) -> None:
    result = read(tmp_path, coco(["a.jpg"], [{"bbox": bbox}]))
    [box] = result.boxes["a.jpg"]
    assert result.problems == []
    assert list(box[1:]) == pytest.approx(list(inside))
    line = manifests.entry_line(entries.entry(result.of("a.jpg"), "bucket", "a.jpg", "2026-01-01T00:00:00Z"))
    assert len(manifests.parse_line(line, 1).boxes) == 1, "what is read can be registered"


@settings(max_examples=200)
@given(st.lists(st.floats(-3, 110) | st.floats(), min_size=4, max_size=4))
def test_every_box_that_is_taken_is_inside_the_image(bbox: list[float]) -> None:
    try:
        box = box_parsing.of_sides(
            "bolt", *(box_parsing.number(value, "bbox") for value in bbox), size=(100, 80)
        )
    except AnnotationError as bad:
        reasons = ("bad_number", "too_small", "outside", "normalised", "corners_suspected")
        assert bad.reason.removeprefix("box_") in reasons
        return
    assert box.width > 0 and box.height > 0
    assert box.left >= -1e-6 and box.top >= -1e-6
    assert box.left + box.width <= 100 + 2e-6 and box.top + box.height <= 80 + 2e-6


@pytest.mark.parametrize("bbox", [[-0.9, 5, 0.5, 30], [5, -0.9, 30, 0.9], [100.5, 5, 0.4, 30]])
def test_a_box_of_which_nothing_is_inside_the_image(tmp_path: Path, bbox: list[float]) -> None:
    assert read(tmp_path, coco(["a.jpg"], [{"bbox": bbox}])).reasons == {"box_outside": 1}


def test_numbers_written_as_text_are_taken_and_that_is_said(tmp_path: Path) -> None:
    result = read(tmp_path, coco(["a.jpg"], [{"bbox": ["10", "20", 30, 40]}]))
    assert (result.problems, result.of("a.jpg").boxes) == ([], (BOX,))
    assert result.noted("written as text")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image_id": 9}, "unknown_image"),
        ({"image_id": None}, "bad_id"),
        ({"image_id": "01"}, "unknown_image"),
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


RUNS = {"counts": [0, 3, 5], "size": [2, 4]}


def test_a_few_crowds_among_many_objects_are_left_out_and_that_is_said_of_their_images(
    tmp_path: Path,
) -> None:
    crowd = {"iscrowd": 1, "segmentation": RUNS}
    rest = [{"image_id": 3}] * 20
    result = read(tmp_path, coco(["a.jpg", "b.jpg", "c.jpg"], [crowd, {}, {"image_id": 2, **crowd}, *rest]))
    assert [(p.reason, p.image) for p in result.problems if p.reason == "crowd"] == [
        ("crowd", "a.jpg"),
        ("crowd", "b.jpg"),
    ]
    assert "its 1 other boxes are taken" in result.problems[0].detail
    assert (len(result.of("a.jpg").boxes), result.of("b.jpg").kind) == (1, None)
    assert result.noted("2 times: annotations of crowds")


@pytest.mark.parametrize(
    ("annotations", "boxes"),
    [
        ([{"iscrowd": 1}], 1),
        ([{"iscrowd": 1}, {}], 2),
        ([{"iscrowd": "1"}, {}], 2),
        ([{"iscrowd": 1, "attributes": {"occluded": False}}, *[{"ignore": 0}] * 20], 21),
        ([{"iscrowd": 1, "id": 900100258000}, {}], 1),
    ],
)
def test_masks_that_tools_write_as_crowds_are_objects(
    tmp_path: Path, annotations: list[dict[str, Any]], boxes: int
) -> None:
    annotations = [{"segmentation": RUNS, "bbox": [i, 2, 30, 40], **a} for i, a in enumerate(annotations)]
    result = read(tmp_path, coco(["a.jpg"], annotations))
    assert len(result.of("a.jpg").boxes) == boxes
    assert result.noted("taken as single objects") == (boxes == len(annotations))
    assert ("crowd" in result.reasons) == (boxes < len(annotations))


def test_boxes_of_polygons_and_masks_without_bbox(tmp_path: Path) -> None:
    polygon = {"bbox": None, "segmentation": [[10, 20, 40, 20, 40, 60], [12, 22, 20, 22, 12, 30]]}
    mask: dict[str, Any] = {
        "bbox": [],
        "segmentation": {"size": [80, 100], "counts": [10 * 80 + 20, 40, 6960]},
    }
    result = read(tmp_path, coco(["a.jpg"], [polygon, mask, {"bbox": None, "segmentation": [[1, 2]]}]))
    assert result.boxes["a.jpg"] == [("bolt", 10, 20, 30, 40), ("bolt", 10, 20, 1, 40)]
    assert (result.reasons, result.noted("around polygons")) == ({"bad_mask": 1}, True)


def test_ids_as_numbers_and_as_text_are_the_same(tmp_path: Path) -> None:
    whole = coco(["a.jpg"], [{"image_id": "1", "category_id": "2"}, {"image_id": 1, "category_id": "01"}])
    result = read(tmp_path, whole)
    assert ([box.label for box in result.of("a.jpg").boxes], result.reasons) == (
        ["nut"],
        {"unknown_category": 1},
    )


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
    result = collect(reader.read(path))
    assert result.reasons == {"cut_off": 1}
    with_boxes = [annotation for annotation in result.annotations if annotation.boxes]
    complete = text[:-300].count('"bbox": [10, 20, 30, 40]}')
    assert len(with_boxes) == complete > 10
    lost = {annotation.kind for annotation in result.annotations if not annotation.boxes}
    assert lost == {None}, "nobody knows what is on them: they are no background to train with"
    assert result.noted("not known to have nothing on them")


def test_a_file_that_only_lists_images_says_nothing_of_them(tmp_path: Path) -> None:
    whole = coco(["a.jpg"])
    assert read(tmp_path, whole).of("a.jpg").kind == "detection"
    del whole["annotations"]
    result = read(tmp_path, whole)
    assert (result.of("a.jpg").kind, result.reasons) == (None, {"no_annotations": 1})


def test_annotations_of_which_none_fits_an_image_leave_no_background(tmp_path: Path) -> None:
    result = read(tmp_path, coco(["a.jpg", "b.jpg"], [{"image_id": "x1"}, {"image_id": "x2"}]))
    assert ({annotation.kind for annotation in result.annotations}, result.reasons) == (
        {None},
        {"unknown_image": 2},
    )


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
    result = collect(reader.read(write(tmp_path / "coco.json", body)))
    assert (result.annotations, result.reasons) == ([], {reason: 1})


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
    result = collect(reader.read(write(tmp_path / "coco.json", text)))
    assert result.reasons == {"bad_number": 1}
    assert [annotation.image for annotation in result.annotations] == [*names[:2], "back/NaN.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("name", "dataset_type"),
    [
        ("instances_train2017.json", "TRAIN"),
        ("set/instances_val2017.json", "TEST"),
        ("test/_annotations.coco.json", "TEST"),
        ("train_and_test.json", ""),
        ("set/contest.json", ""),
    ],
)
def test_the_files_name_tells_the_split(tmp_path: Path, name: str, dataset_type: str) -> None:
    assert read(tmp_path, coco(["a.jpg"]), name).of("a.jpg").dataset_type == dataset_type


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
        ("https://example.com/x/a%20b.jpg?raw=1", "/example.com/x/a b.jpg", ""),
        ("https://example.com/download?file=7", "", "remote_image"),
        ("ftp://example.com/a.jpg", "", "remote_image"),
        ("/data/local-files/?d=set%2Fa.jpg", "/set/a.jpg", ""),
        ("http://localhost:8080/data/local-files/?d=set/a.jpg", "/set/a.jpg", ""),
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
    assert [annotation.image for annotation in result.annotations] == ([image] if image else []) + [
        "good.jpg"
    ]
    assert len(result.of("good.jpg").boxes) == 1
    if isinstance(name, str) and "\\" in name:
        assert result.noted("backslashes")


def test_images_of_a_folder_are_found_beside_the_file_below_and_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "train2017/b.jpg", "val2017/b.jpg", "c.JPG", "test/x/d.jpg", "e.jpg")
    names = ["../images/a.jpg", "b.jpg", "C:\\old\\c.jpg", "x/d.jpg", "../../secret.jpg", "train/e.png"]
    path = write_json(tmp_path / "annotations" / "instances_train2017.json", coco(names))
    folder = Folder(tmp_path)
    result = collect(reader.read(path, folder))
    assert [annotation.image for annotation in result.annotations] == [
        "images/a.jpg",
        "train2017/b.jpg",
        "c.JPG",
        "test/x/d.jpg",
    ]
    assert result.reasons == {"leaves_folder": 1, "image_missing": 1}
    assert {annotation.image for annotation in folder.unnamed()} == {"val2017/b.jpg", "e.jpg"}


@pytest.mark.long
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


def test_labels_have_the_same_id_in_every_file_that_is_written(tmp_path: Path) -> None:
    bolt, nut = BOX, replace(BOX, label="nut")
    reader.write_coco(
        tmp_path,
        [
            ImageAnnotation("a.jpg", "detection", boxes=(bolt, nut), size=(100, 80), dataset_type="TRAIN"),
            ImageAnnotation("b.jpg", "detection", boxes=(nut,), size=(100, 80), dataset_type="TEST"),
        ],
    )
    train, test = (json.loads((tmp_path / name).read_text()) for name in ("train.json", "test.json"))
    assert train["categories"] == test["categories"] == [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]
    assert [annotation["category_id"] for annotation in test["annotations"]] == [2]


@pytest.mark.parametrize(("degrees", "box"), [(0.0, (10, 20, 30, 40)), (90.0, (5, 25, 40, 30))])
def test_a_rotated_box_is_taken_by_the_upright_one_around_it(
    tmp_path: Path, degrees: float, box: tuple[float, ...]
) -> None:
    result = read(tmp_path, coco(["a.jpg"], [{"attributes": {"occluded": False, "rotation": degrees}}]))
    [(_, *sides)] = result.boxes["a.jpg"]
    assert sides == pytest.approx(box)
    assert result.noted("rotated boxes") == bool(degrees)
