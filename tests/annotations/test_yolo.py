"""YOLO."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.domain.annotations import yolo, yolo_config
from lambdas.domain.annotations.types import in_pixels
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, touch, write

NAMES = "names: [bolt, nut]\n"
GOOD = "1 0.5 0.5 0.2 0.4"
GOOD_BOX = ("nut", 0.4, 0.3, 0.2, 0.4)


def data_set(root: Path, config: str = NAMES, **labels: str) -> Path:
    """images/a.jpg with labels/a.txt and so on."""
    write(root / "data.yaml", config)
    for name, text in labels.items():
        touch(root, f"images/{name}.jpg")
        write(root / "labels" / f"{name}.txt", text)
    return root


def read(root: Path) -> ReadEvents:
    return collect(yolo.read(root))


def test_boxes_are_shares_and_come_in_pixels_when_asked_for(tmp_path: Path) -> None:
    annotation = read(data_set(tmp_path, a=lines("0 0.5 0.5 1 1", GOOD))).of("images/a.jpg")
    assert (annotation.normalised, annotation.size) == (True, None)
    first, second = in_pixels(annotation, 200, 100).boxes
    assert (first.label, first.left, first.top, first.width, first.height) == ("bolt", 0, 0, 200, 100)
    assert (second.left, second.top, second.width, second.height) == pytest.approx((80, 30, 40, 40))
    assert in_pixels(in_pixels(annotation, 200, 100), 9, 9).boxes == (first, second)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("7 0.5 0.5 0.2 0.2", "unknown_class"),
        ("-1 0.5 0.5 0.2 0.2", "unknown_class"),
        ("0.5 0.5 0.5 0.2 0.2", "unknown_class"),
        ("1e300 0.5 0.5 0.2 0.2", "unknown_class"),
        ("bolt 0.5 0.5 0.2 0.2", "bad_number"),
        ("0 0.5 0.5 0.2", "wrong_columns"),
        ("0 0.5 0.5 0.2 0.2 0.9", "wrong_columns"),
        ("0", "wrong_columns"),
        ("0 50 50 20 20", "box_outside"),
        ("0 0.5 0.5 -0.2 0.2", "box_outside"),
        ("0 0.99 0.5 0.2 0.2", "box_outside"),
        ("0 0.5 0.5 0 0.2", "box_too_small"),
        ("0 nan 0.5 0.2 0.2", "bad_number"),
        ("0 0.5 0.5 0.2 x", "bad_number"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_others_are_taken(
    tmp_path: Path, bad: str, reason: str
) -> None:
    result = read(data_set(tmp_path, a=lines("", GOOD, bad), b=lines(bad)))
    assert [(p.file, p.line, p.reason) for p in result.problems] == [
        ("labels/a.txt", 3, reason),
        ("labels/b.txt", 1, reason),
    ]
    [box] = result.boxes["images/a.jpg"]
    assert box[0] == GOOD_BOX[0]
    assert box[1:] == pytest.approx(GOOD_BOX[1:])
    assert result.of("images/b.jpg").kind is None


def test_polygons_are_taken_by_their_bounding_boxes_and_that_is_said(tmp_path: Path) -> None:
    result = read(data_set(tmp_path, a=lines("0 0.1 0.2 0.5 0.1 0.3 0.6")))
    [box] = result.boxes["images/a.jpg"]
    assert box[1:] == pytest.approx((0.1, 0.1, 0.4, 0.5))
    assert result.noted("polygons")


def test_key_points_are_no_polygon(tmp_path: Path) -> None:
    config = NAMES + "kpt_shape: [2, 3]\n"
    result = read(data_set(tmp_path, config, a=lines(GOOD + " 0.1 0.1 2 0.2 0.2 1", GOOD)))
    assert result.boxes["images/a.jpg"][0] == result.boxes["images/a.jpg"][1]
    assert result.noted("key points")


def test_empty_and_missing_label_files(tmp_path: Path) -> None:
    touch(data_set(tmp_path, a="", b=GOOD), "images/c.jpg", "README.dataset.txt")
    write(tmp_path / "labels" / "gone.txt", GOOD)
    write(tmp_path / "labels" / "c.txt.bak", GOOD)
    result = read(tmp_path)
    assert (result.of("images/a.jpg").kind, result.of("images/c.jpg").kind) == ("detection", None)
    assert [(p.file, p.reason) for p in result.problems] == [("labels/gone.txt", "image_missing")]
    assert result.noted("nothing is on")


@pytest.mark.parametrize(
    ("config", "labels", "reasons"),
    [
        ("names: {0: bolt, '1': nut}", ["bolt", "nut"], {}),
        ("names: [8, 1.5]", ["8", "1.5"], {}),
        ("names: [bolt]\nnc: 3", ["bolt", None], {"unknown_class": 1}),
        ("names: [bolt, '']", ["bolt", None], {"bad_label": 1, "unknown_class": 1}),
        ("names: {0: bolt, x: nut}", ["bolt", None], {"bad_class": 1, "unknown_class": 1}),
        ("names: [bolt, '=1+1']", ["bolt", None], {"formula": 1, "unknown_class": 1}),
        ("names: [[a], bolt]", [None, "bolt"], {"bad_label": 1, "unknown_class": 1}),
        ("names: [", [None, None], {"not_yaml": 1, "no_names": 1, "unknown_class": 2}),
        ("- 1", [None, None], {"not_yaml": 1, "no_names": 1, "unknown_class": 2}),
        ("", [None, None], {"not_yaml": 1, "no_names": 1, "unknown_class": 2}),
        (
            "names: !!python/object:os.system [x]",
            [None, None],
            {"not_yaml": 1, "no_names": 1, "unknown_class": 2},
        ),
        ("names: [bolt]\nd: 2020-99-99", [None, None], {"not_yaml": 1, "no_names": 1, "unknown_class": 2}),
    ],
)
def test_names_of_classes(
    tmp_path: Path, config: str, labels: list[str | None], reasons: dict[str, int]
) -> None:
    result = read(data_set(tmp_path, config, a=lines("0 0.5 0.5 0.2 0.2", "1 0.5 0.5 0.2 0.2")))
    taken = [box.label for box in result.of("images/a.jpg").boxes]
    assert (taken, result.reasons) == ([label for label in labels if label], reasons)


def test_classes_from_a_list(tmp_path: Path) -> None:
    data_set(tmp_path, a=GOOD)
    (tmp_path / "data.yaml").unlink()
    write(tmp_path / "labels" / "classes.txt", "bolt\r\nnut\r\n\r\n")
    result = read(tmp_path)
    assert ([box[0] for box in result.boxes["images/a.jpg"]], result.problems) == (["nut"], [])
    assert result.noted("a line each")


def test_splits_as_roboflow_has_them(tmp_path: Path) -> None:
    config = NAMES + "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path / "data.yaml", config)
    for folder in ("train", "valid", "test"):
        touch(tmp_path, f"{folder}/images/{folder}.jpg")
        write(tmp_path / folder / "labels" / f"{folder}.txt", GOOD)
    result = read(tmp_path)
    assert {annotation.image: annotation.dataset_type for annotation in result.annotations} == {
        "test/images/test.jpg": "TEST",
        "train/images/train.jpg": "TRAIN",
        "valid/images/valid.jpg": "TRAIN",
    }
    assert all(annotation.boxes for annotation in result.annotations)
    assert (result.problems, result.noted("was read as")) == ([], True)


def test_validation_images_test_where_there_are_no_others(tmp_path: Path) -> None:
    config = NAMES + "path: /content/x\ntrain: [images/one, images/two]\nval: images/val\n"
    write(tmp_path / "data.yaml", config)
    touch(tmp_path, "images/one/a.jpg", "images/two/b.jpg", "images/val/c.jpg", "images/other/d.jpg")
    result = read(tmp_path)
    assert [annotation.dataset_type for annotation in result.annotations] == ["TRAIN", "", "TRAIN", "TEST"]
    assert result.noted("path '/content/x'")


def test_lists_of_images(tmp_path: Path) -> None:
    write(tmp_path / "data.yaml", NAMES + "path: .\ntrain: train.txt\nval: val.txt\n")
    touch(tmp_path, "images/a.jpg", "images/b.jpg")
    write(tmp_path / "train.txt", lines("./images/a.jpg", "images/gone.jpg", "../../x.jpg"))
    write(tmp_path / "val.txt", lines("/data/images/b.jpg"))
    result = read(tmp_path)
    assert [annotation.dataset_type for annotation in result.annotations] == ["TRAIN", "TEST"]
    assert [(p.file, p.line, p.reason) for p in result.problems] == [
        ("train.txt", 2, "image_missing"),
        ("train.txt", 3, "leaves_folder"),
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("../../etc", "leaves_folder"),
        ("/etc", "leaves_folder"),
        ("gone", "path_missing"),
        ("{a: b}", "bad_path"),
        ("https://x/y.zip", "path_missing"),
    ],
)
def test_paths_that_cannot_be_followed(tmp_path: Path, entry: str, reason: str) -> None:
    result = read(data_set(tmp_path, NAMES + f"train: {entry}\n", a=GOOD))
    assert result.reasons == {reason: 1}
    assert len(result.of("images/a.jpg").boxes) == 1


def test_label_files_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set(tmp_path, a=GOOD, b=GOOD)
    write(tmp_path / "labels" / "a.txt", b"\xff\x00\xfe")
    result = read(tmp_path)
    assert (result.reasons, result.of("images/a.jpg").kind) == ({"wrong_encoding": 1}, None)
    monkeypatch.setattr(yolo, "MAX_BYTES", 2)
    assert read(tmp_path).reasons == {"file_too_large": 2}
    monkeypatch.setattr(yolo_config, "MAX_BYTES", 5)
    assert read(tmp_path).reasons["no_names"] == 1


def test_labels_beside_the_images_and_the_configuration_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "custom.yaml", NAMES)
    write(tmp_path / "other.yml", "a: b")
    touch(tmp_path, "train/a.JPG")
    write(tmp_path / "train" / "a.txt", GOOD)
    for result in (read(tmp_path), collect(yolo.read(tmp_path / "custom.yaml"))):
        assert (result.of("train/a.JPG").dataset_type, len(result.of("train/a.JPG").boxes)) == ("TRAIN", 1)


def test_label_files_whose_names_are_written_in_another_way(tmp_path: Path) -> None:
    touch(tmp_path, "images/e\u0301t\u00e9 1.png", "images/a.png", "images/b c.png", "images/b%20c.png")
    write(tmp_path / "classes.txt", "bolt\nnut\n")
    for name in ("%C3%A9t%C3%A9%201", "a", "b%20c"):
        write(tmp_path / "labels" / f"{name}.txt", lines(GOOD))
    result = read(tmp_path)
    assert {each.image: bool(each.boxes) for each in result.annotations} == {
        "images/e\u0301t\u00e9 1.png": True,
        "images/a.png": True,
        "images/b c.png": False,
        "images/b%20c.png": True,
    }
    assert (result.problems, result.noted(yolo.ALIKE)) == ([], True)


def test_a_label_file_that_may_be_of_two_images(tmp_path: Path) -> None:
    touch(tmp_path, "\u00e9.png", "e\u0301.png")
    write(tmp_path / "classes.txt", "bolt\nnut\n")
    write(tmp_path / "%C3%A9.txt", lines(GOOD))
    result = read(tmp_path)
    assert (result.reasons, {each.kind for each in result.annotations}) == ({"ambiguous_name": 1}, {None})
    assert all(name in result.problems[0].detail for name in ("\u00e9.png", "e\u0301.png"))
