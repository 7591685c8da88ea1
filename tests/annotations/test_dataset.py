"""Whole datasets: several annotation files, and files beside them that are not understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import dataset
from lambdas.domain.annotations.format_detection import detect_format
from tests.annotations.test_manifests_and_folders import entry
from tests.fixtures.datasets_on_disk import ReadEvents, coco, collect, lines, touch, write, write_json


def read(root: Path) -> ReadEvents:
    return collect(dataset.read(root, detect_format(root)))


def captions(*images: str) -> dict[str, Any]:
    whole = coco(images)
    del whole["categories"]
    return whole | {"annotations": [{"id": 1, "image_id": 1, "caption": "a bolt"}] * 3}


def test_cocos_own_layout_gives_the_boxes_whatever_other_files_say(tmp_path: Path) -> None:
    touch(tmp_path, "train2017/a.jpg", "train2017/b.jpg", "val2017/c.jpg")
    folder = tmp_path / "annotations"
    write_json(folder / "captions_train2017.json", captions("a.jpg", "b.jpg"))
    write_json(folder / "instances_train2017.json", coco(["a.jpg", "b.jpg"], [{}]))
    write_json(folder / "instances_val2017.json", coco(["c.jpg"], [{}]))
    result = read(tmp_path)
    assert {
        annotation.image: (annotation.kind, len(annotation.boxes)) for annotation in result.annotations
    } == {
        "train2017/a.jpg": ("detection", 1),
        "train2017/b.jpg": ("detection", 0),
        "val2017/c.jpg": ("detection", 1),
    }
    [problem] = result.problems
    assert (problem.file, problem.reason) == ("annotations/captions_train2017.json", "no_boxes")


def test_a_file_that_says_again_what_another_said_is_no_problem(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    other = {"bbox": [1, 2, 30, 40], "image_id": 3}
    images = ["a.jpg", "b.jpg", "c.jpg"]
    write_json(tmp_path / "instances.json", coco(images, [{}, {"category_id": 2}, {"image_id": 2}]))
    write_json(tmp_path / "person_keypoints.json", coco(images, [{}, other]))
    result = read(tmp_path)
    assert [len(annotation.boxes) for annotation in result.annotations] == [2, 1, 0]
    [problem] = result.problems
    assert (problem.file, problem.reason, problem.image) == (
        "person_keypoints.json",
        "duplicate_image",
        "c.jpg",
    )
    assert result.noted("2 times: images of which another file")


def test_captions_alone_leave_their_images_to_people(tmp_path: Path) -> None:
    write_json(touch(tmp_path, "a.jpg") / "captions.json", captions("a.jpg"))
    result = read(tmp_path)
    assert ([annotation.kind for annotation in result.annotations], result.reasons) == (
        [None],
        {"no_boxes": 1},
    )


def test_some_annotations_without_box_and_category(tmp_path: Path) -> None:
    whole = coco(["a.jpg"], [{}])
    whole["annotations"].append({"id": 2, "image_id": 1})
    write_json(touch(tmp_path, "a.jpg") / "x.json", whole)
    result = read(tmp_path)
    assert (len(result.of("a.jpg").boxes), result.reasons) == (1, {"no_boxes": 1})
    assert result.problems[0].detail.startswith("1 of its annotations")


@pytest.mark.parametrize("images", [("a.jpg",), ("cat/a.jpg",)])
def test_a_file_that_looks_like_annotations_and_is_not_understood_is_told(
    tmp_path: Path, images: tuple[str, ...]
) -> None:
    touch(tmp_path, *images, "readme.txt")
    write_json(tmp_path / "createml.json", [{"image": "a.jpg", "annotations": []}])
    result = read(tmp_path)
    [problem] = result.problems
    assert (problem.file, problem.reason) == ("createml.json", "unknown_format")
    assert "names the images" in problem.detail and "COCO" in problem.detail


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_coco_of_another_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(coco(["größe.jpg"], [{}]), ensure_ascii=False)
    write(touch(tmp_path, "größe.jpg") / "x.json", text.encode(encoding))
    result = read(tmp_path)
    assert (len(result.of("größe.jpg").boxes), result.problems) == (1, [])


def test_a_yolo_export_with_notes_about_its_categories(tmp_path: Path) -> None:
    write_json(touch(tmp_path, "images/a.jpg") / "notes.json", {"categories": [{"id": 0, "name": "bolt"}]})
    write(tmp_path / "classes.txt", "bolt\n")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.2\n")
    assert [box.label for box in read(tmp_path).of("images/a.jpg").boxes] == ["bolt"]


def _coco_of(root: Path, side: str) -> None:
    write_json(root / side / "_annotations.coco.json", coco([f"{side}.jpg"], [{}]))


def _table_of(root: Path, side: str) -> None:
    write(root / side / "labels.csv", lines("filename,class", f"{side}.jpg,bolt"))


def _manifest_of(root: Path, side: str) -> None:
    write(root / side / "x.manifest", entry(f"{side}.jpg"))


@pytest.mark.parametrize("write_side", [_coco_of, _table_of, _manifest_of])
def test_what_becomes_of_validation_images_is_said(tmp_path: Path, write_side: Any) -> None:
    for side in ("train", "valid", "test"):
        write_side(touch(tmp_path, f"{side}/{side}.jpg"), side)
    result = read(tmp_path)
    assert result.of("valid/valid.jpg").dataset_type == "TRAIN"
    [note] = [note for note in result.notes if "validation" in note.detail]
    assert note.file.startswith("valid/")


def test_what_becomes_of_rows_for_validation_is_said(tmp_path: Path) -> None:
    write(touch(tmp_path, "a.jpg") / "x.csv", lines("image,label,split", "a.jpg,bolt,validation"))
    result = read(tmp_path)
    assert (result.of("a.jpg").dataset_type, result.noted("taken to test with")) == ("TEST", True)


@pytest.mark.parametrize("name", ["sample_submission.csv", "submission.csv", "SampleSubmission.csv"])
def test_labels_in_an_example_of_an_answer_are_not_taken(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    write(tmp_path / "train.csv", lines("image,label", "a.jpg,cat"))
    write(tmp_path / name, lines("image,label", "b.jpg,dog"))
    result = read(tmp_path)
    assert {image.image: image.labels for image in result.annotations} == {"a.jpg": ("cat",), "b.jpg": ()}
    assert [note.file for note in result.notes if note.detail == dataset.EXAMPLE] == [name]


def test_masks_beside_annotated_images_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "JPEGImages/a.jpg", "SegmentationClass/a.png", "SegmentationObject/a.png")
    write_json(tmp_path / "coco.json", coco(["JPEGImages/a.jpg"], [{}]))
    [problem] = read(tmp_path).problems
    assert (problem.image, problem.reason) == ("SegmentationClass/a.png", "mask")
    assert "as do 1 more" in problem.detail
