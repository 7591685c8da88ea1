"""Pascal VOC."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import voc, xml_files
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch, write


def one(name: str = "a.jpg", objects: str = "", size: str = "<width>100</width><height>80</height>") -> str:
    return f"<annotation>\n<filename>{name}</filename>\n<size>{size}</size>\n{objects}</annotation>"


def thing(label: str = "bolt", box: str = "10 20 40 60", more: str = "") -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=False)
    bounds = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{label}</name>{more}<bndbox>{bounds}</bndbox></object>\n"


GOOD = thing("good", "1 2 30.5 40.5", "<difficult>1</difficult><truncated>1</truncated>")


def read(root: Path) -> ReadEvents:
    return collect(voc.read(root))


def test_objects_are_taken_also_difficult_and_truncated_ones(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    write(tmp_path / "a.xml", one(objects=thing() + GOOD))
    result = read(tmp_path)
    assert (result.problems, result.notes) == ([], [])
    assert result.boxes == {"a.jpg": [("bolt", 10, 20, 30, 40), ("good", 1, 2, 29.5, 38.5)]}
    assert (result.of("a.jpg").size, result.of("a.jpg").file) == ((100, 80), "a.xml")


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("<object><name>x</name></object>\n", "missing_box"),
        (thing(box="1 2 3"), "bad_number"),
        (thing(box="x 2 30 40"), "bad_number"),
        (thing(box="nan 2 30 40"), "bad_number"),
        (thing(box="1_0 2 30 40"), "bad_number"),
        (thing(box="40 2 30 40"), "box_swapped"),
        (thing(box="30 2 30 40"), "box_too_small"),
        (thing(box="-9 2 30 40"), "box_outside"),
        (thing(box="0.1 0.1 0.5 0.5"), "box_normalised"),
        (thing(label=""), "bad_label"),
        (thing(label="=1+1"), "formula"),
    ],
)
def test_a_bad_object_is_told_with_its_line_and_the_others_are_taken(
    tmp_path: Path, bad: str, reason: str
) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path / "a.xml", one(objects=GOOD + bad))
    write(tmp_path / "b.xml", one(objects=bad))
    result = read(tmp_path)
    assert [(p.file, p.line, p.reason) for p in result.problems] == [
        ("a.xml", 5, reason),
        ("b.xml", 4, reason),
    ]
    assert len(result.of("a.jpg").boxes) == 1
    assert result.of("b.jpg").kind is None


def test_images_are_found_whatever_their_case_and_extension(tmp_path: Path) -> None:
    touch(tmp_path, "train/IMG_1.JPG", "train/IMG_2.png", "test/IMG_3.jpeg", "test/c.jpg")
    write(tmp_path / "train/IMG_1.xml", one("img_1.jpg", GOOD))
    write(tmp_path / "train/IMG_2.xml", one("IMG_2.jpg", GOOD))
    write(tmp_path / "test/img_3.xml", one("C:\\x\\IMG_3", GOOD))
    write(tmp_path / "test/other.xml", one("c.jpg", GOOD))
    result = read(tmp_path)
    assert result.problems == []
    assert {annotation.image: annotation.dataset_type for annotation in result.annotations} == {
        "train/IMG_1.JPG": "TRAIN",
        "train/IMG_2.png": "TRAIN",
        "test/IMG_3.jpeg": "TEST",
        "test/c.jpg": "TEST",
    }
    assert result.noted("extensions")


def test_the_official_layout_and_its_sets(tmp_path: Path) -> None:
    touch(tmp_path, *(f"JPEGImages/{i}.jpg" for i in range(4)))
    for i in range(4):
        write(tmp_path / f"Annotations/{i}.xml", one(f"{i}.jpg", GOOD))
    write(tmp_path / "ImageSets/Main/train.txt", "0\n")
    write(tmp_path / "ImageSets/Main/val.txt", "1\n2\n")
    write(tmp_path / "ImageSets/Main/test.txt", "2\n")
    write(tmp_path / "ImageSets/Main/cat_train.txt", "3 -1\n")
    result = read(tmp_path)
    assert [annotation.dataset_type for annotation in result.annotations] == ["TRAIN", "TRAIN", "TEST", ""]
    assert [(p.file, p.line, p.reason) for p in result.problems] == [
        ("ImageSets/Main/val.txt", 2, "split_conflict")
    ]
    (tmp_path / "ImageSets/Main/test.txt").unlink()
    assert read(tmp_path).of("JPEGImages/1.jpg").dataset_type == "TEST", "no other images to test with"


@pytest.mark.parametrize(
    ("body", "reason", "line"),
    [
        (b"", "empty", 0),
        (b"<annotation>\n<filename>", "not_xml", 2),
        (b"<html></html>", "not_voc", 0),
        (b'<?xml version="1.0" encoding="nonsense"?><annotation/>', "not_xml", 0),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>', "forbidden_xml", 0),
        (
            b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>',
            "forbidden_xml",
            0,
        ),
        (b"<annotation>\xff</annotation>", "not_xml", 1),
        (b"\x00\x01", "not_xml", 1),
    ],
)
def test_files_that_are_no_annotation(tmp_path: Path, body: bytes, reason: str, line: int) -> None:
    touch(tmp_path, "a.jpg", "good.jpg")
    write(tmp_path / "a.xml", body)
    write(tmp_path / "good.xml", one("good.jpg", GOOD))
    result = read(tmp_path)
    [problem] = result.problems
    assert (problem.file, problem.reason) == ("a.xml", reason)
    if line:
        assert problem.line == line
    assert result.of("a.jpg").kind is None
    assert len(result.of("good.jpg").boxes) == 1


def test_what_is_missing_and_what_is_left(tmp_path: Path) -> None:
    touch(tmp_path, "left.jpg", "empty.jpg")
    write(tmp_path / "gone.xml", one("gone.jpg", GOOD))
    write(tmp_path / "empty.xml", one("empty.jpg", size="<width>0</width>"))
    result = read(tmp_path)
    assert result.reasons == {"image_missing": 1}
    assert (result.of("left.jpg").kind, result.of("empty.jpg").kind) == (None, "detection")
    assert result.of("empty.jpg").size is None
    assert result.noted("without objects") and result.noted("no size")


def test_one_file_alone_names_its_image_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "train" / "x.xml", one("sub\\b.jpg", GOOD))
    result = collect(voc.read(path))
    assert [(annotation.image, annotation.dataset_type) for annotation in result.annotations] == [
        ("sub/b.jpg", "TRAIN")
    ]
    assert collect(voc.read(write(path, one("", GOOD)))).annotations[0].image == "x"


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_files, "MAX_TREE_BYTES", 100)
    write(tmp_path / "a.xml", one(objects=GOOD))
    assert read(tmp_path).reasons == {"file_too_large": 1}


def test_boxes_beyond_the_size_that_is_told(tmp_path: Path) -> None:
    """Sizes are wrong in real sets: whether the boxes fit is seen from the image."""
    touch(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path / "a.xml", one(objects=GOOD + thing(box="10 20 400 300")))
    write(tmp_path / "b.xml", one("b.jpg", thing(box="10 20 100.9 80")))
    result = read(tmp_path)
    assert (result.of("a.jpg").size, len(result.of("a.jpg").boxes)) == (None, 2)
    assert result.of("b.jpg").size == (100, 80), "rounding"
    assert result.noted("reach out of the size")


def box(*sides: float) -> str:
    names = ("xmin", "ymin", "xmax", "ymax")
    return f"<bndbox>{''.join(f'<{n}>{v}</{n}>' for n, v in zip(names, sides, strict=True))}</bndbox>\n"


def test_one_object_may_have_several_boxes(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    boxes = box(1, 2, 30, 40) + box(9, 9, 9, 9) + box(50, 2, 60, 40)
    write(tmp_path / "a.xml", one(objects=f"<object><name>car</name>\n{boxes}</object>" + thing()))
    result = read(tmp_path)
    assert [sides[:3] for sides in result.boxes["a.jpg"]] == [("car", 1, 2), ("car", 50, 2), ("bolt", 10, 20)]
    [problem] = result.problems
    assert (problem.line, problem.reason) == (6, "box_too_small")


def test_an_object_of_several_names_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    pair = f"<name>car</name>{box(1, 2, 30, 40)}<name>bus</name>{box(50, 2, 60, 40)}"
    write(tmp_path / "a.xml", one(objects=f"<object>{pair}</object>" + GOOD))
    result = read(tmp_path)
    assert ([box[0] for box in result.boxes["a.jpg"]], result.reasons) == (["good"], {"bad_label": 2})
    assert "bus, car" in result.problems[0].detail


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        (
            "<polygon><x1>5</x1><y1>6</y1><x2>50</x2><y2>6</y2><x3>50</x3><y3>70</y3></polygon>",
            (5, 6, 45, 64),
        ),
        (
            "<polygon>"
            + "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((1, 2), (9, 2), (9, 8)))
            + "</polygon>",
            (1, 2, 8, 6),
        ),
    ],
)
def test_polygons_are_taken_by_their_bounding_boxes(
    tmp_path: Path, polygon: str, expected: tuple[int, ...]
) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path / "a.xml", one(objects=f"<object><name>car</name>{polygon}</object>"))
    both = (
        f"<object><name>car</name>{polygon}{box(1, 2, 30, 40)}</object><object><deleted>1</deleted></object>"
    )
    write(tmp_path / "b.xml", one("b.jpg", both))
    result = read(tmp_path)
    assert result.boxes["a.jpg"] == [("car", *expected)]
    assert result.boxes["b.jpg"] == [("car", 1, 2, 29, 38)], "of two outlines the box counts"
    assert result.problems == [] and result.noted("polygons")


@pytest.mark.parametrize(
    ("outline", "reason"),
    [
        ("<robndbox><cx>9</cx><cy>9</cy><w>5</w><h>5</h><angle>0.3</angle></robndbox>", "rotated_box"),
        ("<polygon><x1>1</x1><y1>1</y1></polygon>", "missing_box"),
        ("<polygon><pt/><pt/><pt/></polygon>", "bad_number"),
    ],
)
def test_outlines_that_are_no_boxes(tmp_path: Path, outline: str, reason: str) -> None:
    touch(tmp_path, "a.jpg")
    write(tmp_path / "a.xml", one(objects=f"<object><name>car</name>{outline}</object>"))
    result = read(tmp_path)
    assert (result.reasons, result.of("a.jpg").kind) == ({reason: 1}, None)


@pytest.mark.parametrize(("more", "dataset_type"), [((), "TEST"), (("test/c.jpg",), "TRAIN")])
def test_validation_images_and_that_is_said(tmp_path: Path, more: tuple[str, ...], dataset_type: str) -> None:
    touch(tmp_path, "train/a.jpg", "valid/b.jpg", *more)
    write(tmp_path / "valid/b.xml", one("b.jpg", GOOD))
    result = read(tmp_path)
    assert result.of("valid/b.jpg").dataset_type == dataset_type
    assert result.noted("validation images were taken")


@settings(max_examples=80)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: one(objects=thing(text)))))
def test_whatever_the_bytes_nothing_is_raised_and_good_files_are_taken(body: str | bytes) -> None:
    with TemporaryDirectory() as folder:
        root = touch(Path(folder), "a.jpg", "good.jpg")
        write(root / "a.xml", body if isinstance(body, bytes) else body.encode(errors="replace"))
        write(root / "good.xml", one("good.jpg", GOOD))
        result = read(root)
    assert len(result.of("good.jpg").boxes) == 1
    assert {annotation.image for annotation in result.annotations} == {"a.jpg", "good.jpg"}
