"""CVAT for images."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import cvat, xml_files
from lambdas.domain.annotations.dataset_files import Folder
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch, write

BOX = '<box label="cup" occluded="1" xtl="10.0" ytl="20.5" xbr="60" ybr="70" z_order="0"><attribute/></box>'
META = "<meta><task><labels><label><name>cup</name></label></labels></task></meta>"


def image(shapes: str = BOX, name: str = "a.jpg", more: str = "") -> str:
    return f'<image id="0" name="{name}" width="100" height="80" {more}>\n{shapes}\n</image>\n'


def read(root: Path, *images: str, before: str = "") -> ReadEvents:
    inside = f"{META}\n{''.join(images)}"
    text = f"<?xml version='1.0' encoding='utf-8'?>\n{before}<annotations>{inside}</annotations>"
    path = write(root / "annotations.xml", text)
    folder = Folder(root)
    return collect([*cvat.read(path, folder), *folder.events()])


def test_boxes_and_tags_are_taken(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg", "images/d.jpg")
    tags = '<tag label="red"/><tag label="blue"/><tag label="red"/>'
    result = read(tmp_path, image(), image("", "b.jpg"), image(tags, "c.jpg"))
    assert result.problems == []
    assert result.boxes["images/a.jpg"] == [("cup", 10, 20.5, 50, 49.5)]
    annotation = result.of("images/a.jpg")
    assert (annotation.size, annotation.line, annotation.file) == ((100, 80), 3, "annotations.xml")
    assert (result.of("images/b.jpg").kind, result.of("images/b.jpg").boxes) == ("detection", ())
    assert (result.of("images/c.jpg").kind, result.of("images/c.jpg").labels) == (
        "classification",
        ("red", "blue"),
    )
    assert result.of("images/d.jpg").kind is None
    assert result.noted("nothing is on")


def test_without_a_single_shape_nothing_is_known(tmp_path: Path) -> None:
    assert read(touch(tmp_path, "a.jpg"), image("")).of("a.jpg").kind is None


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="cup" points="5,6;50.5,6;50,70"/>', (5, 6, 45.5, 64)),
        ('<mask label="cup" rle="3, 4" left="5" top="6" width="7" height="8"/>', (5, 6, 7, 8)),
        ('<ellipse label="cup" cx="50" cy="40" rx="10" ry="5"/>', (40, 35, 20, 10)),
        ('<box label="cup" xtl="40" ytl="30" xbr="60" ybr="50" rotation="90.0"/>', (40, 30, 20, 20)),
        ('<box label="cup" xtl="40" ytl="35" xbr="60" ybr="45" rotation="270"/>', (45, 30, 10, 20)),
        ('<box label="cup" xtl="0" ytl="35" xbr="60" ybr="45" rotation="90"/>', (25, 10, 10, 60)),
    ],
)
def test_other_outlines_are_taken_by_their_bounding_boxes(
    tmp_path: Path, shape: str, expected: tuple[float, ...]
) -> None:
    result = read(touch(tmp_path, "a.jpg"), image(shape))
    [box] = result.boxes["a.jpg"]
    assert box[1:] == pytest.approx(expected)
    assert result.noted("bounding boxes") or result.noted("upright boxes")


@pytest.mark.parametrize("shape", ["points", "polyline", "skeleton", "cuboid"])
def test_what_is_no_box_is_left_out_and_makes_no_background(tmp_path: Path, shape: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    result = read(tmp_path, image(f'<{shape} label="cup" points="1,2;3,4"/>'), image(name="b.jpg"))
    assert result.of("a.jpg").kind is None
    assert result.noted("left out")


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<box label="cup" xtl="1" ytl="2" xbr="3"/>', "bad_number"),
        ('<box label="cup" xtl="nan" ytl="2" xbr="30" ybr="40"/>', "bad_number"),
        ('<box label="cup" xtl="-9" ytl="2" xbr="30" ybr="40"/>', "box_outside"),
        ('<box label="cup" xtl="1" ytl="2" xbr="300" ybr="40"/>', "box_outside"),
        ('<box label="cup" xtl="30" ytl="2" xbr="3" ybr="40"/>', "box_swapped"),
        ('<box label="cup" xtl="1" ytl="2" xbr="30" ybr="40" rotation="x"/>', "bad_number"),
        ('<box xtl="1" ytl="2" xbr="30" ybr="40"/>', "bad_label"),
        ('<polygon label="cup" points="1,2;3,4"/>', "missing_box"),
        ('<polygon label="cup" points="1,2;3;4"/>', "missing_box"),
        ('<tag label=""/>', "bad_label"),
    ],
)
def test_a_bad_shape_is_told_and_the_others_are_taken(tmp_path: Path, shape: str, reason: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    result = read(tmp_path, image(shape + BOX), image(shape, "b.jpg"))
    assert [(p.image, p.line, p.reason) for p in result.problems] == [
        ("a.jpg", 3, reason),
        ("b.jpg", 6, reason),
    ]
    assert len(result.of("a.jpg").boxes) == 1
    assert result.of("b.jpg").kind is None


def test_tags_beside_boxes_are_told(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "a.jpg"), image(BOX + '<tag label="red"/>'))
    assert (result.reasons, result.of("a.jpg").kind, result.of("a.jpg").labels) == (
        {"mixed_kinds": 1},
        "detection",
        (),
    )


def test_subsets_of_a_project(tmp_path: Path) -> None:
    touch(tmp_path, "images/train/a.jpg", "images/validation/a.jpg")
    result = read(tmp_path, image(more='subset="train"'), image(more='subset="Validation"'))
    assert result.problems == []
    assert {a.image: a.dataset_type for a in result.annotations} == {
        "images/train/a.jpg": "TRAIN",
        "images/validation/a.jpg": "TEST",
    }


def test_images_that_are_missing_or_named_twice(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "a.jpg"), image(), image(), image(name="gone.jpg"), image(name=""))
    assert result.reasons == {"duplicate_image": 1, "image_missing": 1, "no_image": 1}
    assert len(result.of("a.jpg").boxes) == 1


def test_tracks_of_a_video_are_refused_by_name(tmp_path: Path) -> None:
    track = '<track id="0" label="cup"><box frame="0" xtl="1" ytl="2" xbr="3" ybr="4"/></track>'
    result = read(touch(tmp_path, "a.jpg"), track, track)
    [problem] = result.problems
    assert problem.reason == "video_annotations" and problem.detail.startswith("2 tracks of a video")
    assert result.of("a.jpg").kind is None


@pytest.mark.parametrize(
    ("before", "images", "reason"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]>', image(name="&a;.jpg"), "forbidden_xml"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>', image("&a;"), "forbidden_xml"),
        ("", "<image name='a.jpg'>", "not_xml"),
        ("", image() + "\0", "not_xml"),
        ("<other>", "", "not_xml"),
        ("", "", "no_images"),
    ],
)
def test_files_that_are_cut_off_or_hostile(tmp_path: Path, before: str, images: str, reason: str) -> None:
    result = read(touch(tmp_path, "a.jpg"), images, before=before)
    assert reason in result.reasons
    assert {annotation.image for annotation in result.annotations} == {"a.jpg"}


def test_images_before_the_cut_are_taken(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "a.jpg", "b.jpg"), image(), "<image name='b.jpg'><box")
    assert result.reasons == {"not_xml": 1}
    assert len(result.of("a.jpg").boxes) == 1
    assert result.of("b.jpg").kind is None


def test_an_element_without_end_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_files, "MAX_ELEMENTS", 100)
    assert read(touch(tmp_path, "a.jpg"), image(BOX * 200)).reasons["element_too_large"] == 1
    monkeypatch.setattr(xml_files, "_MAX_TOKEN_BYTES", 100_000)
    assert read(tmp_path, image(f'<polygon points="{"1,2;" * 100_000}"/>')).reasons["element_too_large"] == 1


@settings(max_examples=40)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=60)))
def test_whatever_the_bytes_nothing_is_raised(body: bytes | str) -> None:
    with TemporaryDirectory() as folder:
        path = write(touch(Path(folder), "a.jpg") / "x.xml", body if isinstance(body, bytes) else image(body))
        collect(cvat.read(path))
