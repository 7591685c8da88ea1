"""Manifests, folders of images, and the whole datasets that they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import dataset, folders, sagemaker
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.format_detection import DetectedFormat, detect_format
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Box
from tests.fixtures.datasets_on_disk import ReadEvents, coco, collect, lines, touch, write, write_json


def entry(ref: Any, **more: Any) -> str:
    box = Box("bolt", 10, 20, 30, 40)
    made = manifests.detection_entry(
        "b", "k", width=100, height=80, boxes=[box], changed_at="2026-01-01T00:00:00Z"
    )
    return json.dumps(made | {"source-ref": ref} | more)


def whole(root: Path) -> ReadEvents:
    return collect(dataset.read(root, detect_format(root)))


# Manifests


def test_lines_name_images_in_buckets_or_paths(tmp_path: Path) -> None:
    refs = ["s3://bucket-a/x/a.jpg", "images/b.jpg", ".\\c.jpg", "/data/d.jpg"]
    path = write(
        tmp_path / "set" / "x.manifest",
        lines(*map(entry, refs), entry("t.jpg", **{"labelloop-split": "TEST"})),
    )
    result = collect(sagemaker.read(path))
    assert result.problems == []
    assert [
        (annotation.image, annotation.line, annotation.dataset_type) for annotation in result.annotations
    ] == [
        ("s3://bucket-a/x/a.jpg", 1, ""),
        ("images/b.jpg", 2, ""),
        ("c.jpg", 3, ""),
        ("/data/d.jpg", 4, ""),
        ("t.jpg", 5, "TEST"),
    ]
    assert result.boxes["c.jpg"] == [("bolt", 10, 20, 30, 40)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not_json"),
        ("[" * 100_000, "not_json"),
        ("[]", "not_an_object"),
        (entry(None), "bad_source_ref"),
        (entry("s3://B/x"), "bad_path"),
        (entry("a.jpg", **{"labelloop-split": "VAL"}), "bad_split"),
        (entry("a.jpg", **{"bounding-box-metadata": {}}), "unknown_type"),
        (entry("good.jpg"), "duplicate_image"),
        (entry("a.jpg", x="x" * 500_000), "not_json"),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_taken(tmp_path: Path, bad: str, reason: str) -> None:
    path = write(tmp_path / "x.manifest", lines(entry("good.jpg"), "", bad, entry("more.jpg")))
    result = collect(sagemaker.read(path))
    assert [annotation.image for annotation in result.annotations] == ["good.jpg", "more.jpg"]
    [problem] = result.problems
    assert (problem.line, problem.reason) in [(3, reason), (3, "line_too_long")]


def test_an_empty_manifest(tmp_path: Path) -> None:
    assert collect(sagemaker.read(write(tmp_path / "x.manifest", "\n"))).reasons == {"empty": 1}


def test_images_of_a_bucket_are_found_in_the_folder_or_left_to_the_bucket(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "b.jpg")
    refs = ["s3://bucket-a/images/a.jpg", "s3://bucket-a/z.jpg", "gone.jpg"]
    write(tmp_path / "test.manifest", lines(*map(entry, refs)))
    result = whole(tmp_path)
    assert {annotation.image: annotation.dataset_type for annotation in result.annotations} == {
        "images/a.jpg": "TEST",
        "s3://bucket-a/z.jpg": "TEST",
        "b.jpg": "",
    }
    assert result.reasons == {"image_missing": 1}


def test_what_labeling_jobs_left_without_labels_is_to_be_labelled(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    failed = {"source-ref": "s3://x-y/b.jpg", "job-metadata": {"failure-reason": "nobody answered"}}
    bad = {"verify": 0, "verify-metadata": {"type": "groundtruth/label-verification", "class-name": "bad"}}
    more = [json.dumps({"source-ref": "s3://x-y/a.jpg"}), json.dumps(failed), entry("s3://x-y/c.jpg", **bad)]
    path = write(tmp_path / "output.manifest", lines(*more, entry("d.jpg"), '{"source-ref": "gone.jpg"}'))
    result = collect(dataset.read(path, detect_format(path)))
    assert {a.image: a.kind for a in result.annotations} == {
        "a.jpg": None,
        "b.jpg": None,
        "c.jpg": None,
        "d.jpg": "detection",
    }
    assert [(p.line, p.reason, p.image) for p in result.problems] == [
        (2, "labeling_failed", "b.jpg"),
        (3, "verified_as_wrong", "c.jpg"),
        (5, "image_missing", ""),
    ]
    assert "nobody answered" in result.problems[0].detail
    assert result.noted("the input of a labeling job")


def test_boxes_that_were_adjusted_are_taken_once_and_that_is_said(tmp_path: Path) -> None:
    first = json.loads(entry("s3://x-y/a.jpg"))
    adjusted = first["bounding-box-metadata"] | {"adjustment-status": "adjusted"}
    boxes: dict[str, Any] = {"image_size": first["bounding-box"]["image_size"], "annotations": []}
    chained = first | {"adjusted": boxes, "adjusted-metadata": adjusted | {"class-map": {}}}
    write(touch(tmp_path, "a.jpg") / "output.manifest", json.dumps(chained))
    result = whole(tmp_path)
    assert (result.of("a.jpg").boxes, result.of("a.jpg").kind, result.problems) == ((), "detection", [])
    assert result.noted("adjusted ones were taken")


def test_a_sequence_of_frames_is_no_image(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.manifest",
        lines(json.dumps({"source-ref": "seq1.json"}), json.dumps({"source": "hello"})),
    )
    assert [p.reason for p in collect(sagemaker.read(path)).problems] == ["not_an_image"] * 2


# Folders


def test_folders_are_labels_and_sides(tmp_path: Path) -> None:
    touch(
        tmp_path,
        *("train/cat/a.jpg", "train/cat/deep/b.PNG", "test/dog/c.jpeg", "validation/dog/d.gif"),
        *("top.jpg", "train/e.jpg", "train/\x07/f.jpg", ".hidden/g.jpg", ".DS_Store", "notes.txt", "LICENSE"),
    )
    result = collect(folders.read(tmp_path))
    assert {
        annotation.image: (annotation.labels, annotation.dataset_type) for annotation in result.annotations
    } == {
        "test/dog/c.jpeg": (("dog",), "TEST"),
        "top.jpg": ((), ""),
        "train/cat/a.jpg": (("cat",), "TRAIN"),
        "train/cat/deep/b.PNG": (("cat",), "TRAIN"),
        "train/e.jpg": ((), "TRAIN"),
        "validation/dog/d.gif": (("dog",), "TRAIN"),
    }
    assert result.of("top.jpg").kind is None
    assert result.reasons == {"bad_label": 1}
    for detail in ("2 times: hidden files", "1 file .txt", "1 file LICENSE", "below their label's folder"):
        assert result.noted(detail), detail


def test_images_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "x/b.jpg")
    result = collect(folders.read_unlabelled(tmp_path))
    assert [(annotation.image, annotation.kind) for annotation in result.annotations] == [
        ("a.jpg", None),
        ("x/b.jpg", None),
    ]


def test_links_are_followed_inside_and_refused_outside(tmp_path: Path) -> None:
    root = touch(tmp_path / "set", "cat/a.jpg")
    touch(tmp_path, "outside/secret.jpg")
    (root / "cat" / "in.jpg").symlink_to(root / "cat" / "a.jpg")
    (root / "dog").symlink_to(root / "cat")
    (root / "cat" / "round").symlink_to(root)
    (root / "cat" / "out.jpg").symlink_to(tmp_path / "outside" / "secret.jpg")
    (root / "away").symlink_to(tmp_path / "outside")
    (root / "broken.jpg").symlink_to(root / "nothing.jpg")
    (root / "self.jpg").symlink_to(root / "self.jpg")
    os.mkfifo(root / "pipe.jpg")
    result = collect(folders.read(root))
    assert [annotation.image for annotation in result.annotations] == [
        "cat/a.jpg",
        "cat/in.jpg",
        "dog/a.jpg",
        "dog/in.jpg",
    ]
    assert {(problem.file, problem.reason) for problem in result.problems} == {
        ("away", "leaves_folder"),
        ("broken.jpg", "broken_link"),
        ("cat/out.jpg", "leaves_folder"),
        ("dog/out.jpg", "leaves_folder"),
        ("pipe.jpg", "unreadable"),
        ("self.jpg", "broken_link"),
    }


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).touch()
    folder = Folder(tmp_path)
    assert (list(folder.images), [problem.reason for problem in folder.problems]) == (
        ["a.jpg"],
        ["name_not_utf8"],
    )


# Whole datasets


def test_an_image_of_two_files_is_taken_from_the_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    write_json(tmp_path / "one.json", coco(["a.jpg"], [{}]))
    write_json(tmp_path / "two.json", coco(["a.jpg", "b.jpg"], [{"category_id": 2}, {"image_id": 2}]))
    result = whole(tmp_path)
    assert {annotation.image: len(annotation.boxes) for annotation in result.annotations} == {
        "a.jpg": 1,
        "b.jpg": 1,
        "c.jpg": 0,
    }
    assert [(p.file, p.reason, p.image) for p in result.problems] == [
        ("two.json", "duplicate_image", "a.jpg")
    ]


def test_two_names_for_one_image(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jpg")
    write_json(tmp_path / "one.json", coco(["/old/a.jpg", "/other/a.jpg"], [{}]))
    result = whole(tmp_path)
    assert ([annotation.image for annotation in result.annotations], result.reasons) == (
        ["x/a.jpg"],
        {"ambiguous_name": 1},
    )


def test_a_name_that_several_images_have(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jpg", "y/a.jpg")
    write_json(tmp_path / "one.json", coco(["a.jpg"], [{}]))
    result = whole(tmp_path)
    assert (result.reasons, [annotation.kind for annotation in result.annotations]) == (
        {"ambiguous_name": 1},
        [None, None],
    )


def test_a_single_file_speaks_only_of_the_images_that_it_names(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    path = write_json(tmp_path / "one.json", coco(["a.jpg"]))
    assert [annotation.image for annotation in whole(path).annotations] == ["a.jpg"]


def test_validation_is_for_training_where_the_set_has_its_own_test(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    write_json(tmp_path / "instances_val.json", coco(["a.jpg"]))
    assert whole(tmp_path).of("a.jpg").dataset_type == "TEST"
    write_json(tmp_path / "instances_test.json", coco(["b.jpg"]))
    assert whole(tmp_path).of("a.jpg").dataset_type == "TRAIN"


def test_a_format_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="coco, voc, yolo"):
        list(dataset.read(tmp_path, DetectedFormat("word", "")))


def test_a_box_that_cannot_be_used_costs_no_other_box_of_its_line(tmp_path: Path) -> None:
    line = json.loads(entry("a.jpg"))
    [boxes] = [value for value in line.values() if isinstance(value, dict) and "annotations" in value]
    good = boxes["annotations"][0]
    boxes["annotations"] = [good | {"left": -9}, good]
    result = collect(sagemaker.read(write(tmp_path / "x.manifest", json.dumps(line))))
    assert len(result.of("a.jpg").boxes) == 1
    assert [(problem.line, problem.reason) for problem in result.problems] == [(1, "box_outside")]
