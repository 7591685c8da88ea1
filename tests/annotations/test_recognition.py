"""What looks like annotations, by the tool that writes such, and when folders are labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import dataset, recognition
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.format_detection import AmbiguousFormatError, detect_format
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, touch, write

KITTI = "Car 0.00 0 -1.58 10.01 13.33 60.12 70.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
DOTA = "10 10 60 10 60 40 10 40 ship 0\n"
TOOLS: dict[str, tuple[str, Any]] = {
    "datumaro.json": ("Datumaro", {"info": {}, "categories": {}, "items": []}),
    "labelbox.ndjson": ("Labelbox", {"data_row": {}, "projects": {}}),
    "bdd.json": ("BDD100K", [{"name": "a.jpg", "labels": [{"box2d": {}}]}]),
    "x_polygons.json": ("Cityscapes", {"imgHeight": 1, "objects": [{"polygon": []}]}),
    "results.json": ("COCO results", [{"image_id": 1, "category_id": 1, "bbox": []}]),
    "metadata.jsonl": ("Hugging Face", {"file_name": "a.jpg", "objects": {}}),
    "imglab.xml": ("dlib", "<?xml version='1.0'?><?xml-stylesheet a?><dataset><images/></dataset>"),
    "page.xml": ("PAGE", "<!-- x --><!DOCTYPE a><PcGts/>"),
    "my labels.csv": ("names the images", "when,what\nMonday,photos/A.JPG is of a cup\n"),
    "ids.csv": ("without their extensions", "id,breed\npicture-1,pug\npicture-2,pug\n"),
    "label_2/of_no_image.txt": ("KITTI", KITTI),
    "labelTxt/a.txt": ("DOTA", DOTA),
    "labelTxt/b.txt": ("DOTA", "imagesource:GoogleEarth\ngsd:0.1\n" + DOTA),
    "Label/a.txt": ("OIDv4", "Apple 10.5 20.5 60 80\n"),
    "gt.txt": ("MOT", "1,1,10,20,30,40,1,1,0.8\n"),
    "wider.txt": ("names the images", "photos/a.jpg\n1\n10 20 30 40 0 0\n"),
    "list.txt": ("names the images", "photos/a.jpg 3\n"),
    "train.tfrecord": ("TFRecord", b"\0"),
    "train.tfrecord-00000-of-00010": ("TFRecord", b"\0"),
    "map.pbtxt": ("TensorFlow", "item {}"),
    "annotations.mat": ("MATLAB", b"MATLAB 5.0"),
    "labels.xlsx": ("spreadsheet", b"PK"),
    "train.parquet": ("Parquet", b"PAR1"),
}


def read(root: Path) -> ReadEvents:
    return collect(dataset.read(root, detect_format(root)))


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("images", [("photos/a.jpg",), ("cup/a.jpg", "tray/b.jpg")])
def test_what_is_not_understood_is_told_and_no_folder_is_a_label(
    tmp_path: Path, name: str, images: tuple[str, ...]
) -> None:
    tool, content = TOOLS[name]
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    touch(tmp_path, *images, "photos/picture-1.png", "photos/picture-2.png", "readme.txt")
    write(tmp_path / name, text)
    detected = detect_format(tmp_path)
    assert detected.format == "unlabelled"
    assert name in detected.why and tool in detected.why
    result = read(tmp_path)
    assert {annotation.kind for annotation in result.annotations} == {None}
    assert len(result.annotations) == len(images) + 2
    [problem] = [problem for problem in result.problems if problem.file == name]
    assert problem.reason == "unknown_format"
    advice = "--columns" if name.endswith(".csv") else "export it as"
    assert tool in problem.detail and advice in problem.detail


@pytest.mark.parametrize("suffix", [".json", ".txt", ".yaml", ".ann"])
def test_files_called_like_the_images_are_annotations(tmp_path: Path, suffix: str) -> None:
    touch(
        tmp_path, "cup/a.jpg", "cup/b.jpg", "tray/c.jpg", f"ann/a{suffix}", f"ann/b{suffix}", f"ann/c{suffix}"
    )
    [suspect] = recognition.suspects(Folder(tmp_path))
    assert (suspect.name, suspect.more) == (f"ann/a{suffix}", 2)
    assert detect_format(tmp_path).format == "unlabelled"


def test_pictures_as_text_before_the_shapes_hide_nothing(tmp_path: Path) -> None:
    content: dict[str, Any] = {"imageData": "A" * 200_000, "shapes": [], "imagePath": "a.jpg"}
    assert recognition.looks_like(write(tmp_path / "a.json", json.dumps(content))) == "labelme JSON"


@pytest.mark.parametrize(
    "names",
    [
        ("train/cat/a.jpg", "train/dog/b.jpg", "val/cat/c.jpg"),
        ("pets/cat/a.jpg", "pets/dog/b.jpg"),
        ("pets/train/cat/a.jpg", "pets/test/dog/b.jpg"),
        ("mask/1.jpg", "no_mask/1.jpg"),
        ("cat/images/1.jpg", "dog/images/2.jpg"),
    ],
)
def test_trees_of_labels(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    write(tmp_path / "README.txt", "a.jpg is my favourite")
    write(tmp_path / "train.txt", "cat/a.jpg\ndog/b.jpg\n")
    write(tmp_path / "results.csv", "0.1,0.2,0.3,0.4,1,2,3,4\n")
    touch(tmp_path, "cat/.DS_Store", "cat/a.xmp")
    assert detect_format(tmp_path).format == "folders"
    labels = {annotation.labels for annotation in read(tmp_path).annotations}
    assert labels in ({("cat",), ("dog",)}, {("mask",), ("no_mask",)})


def test_the_folder_that_holds_all_others_is_told(tmp_path: Path) -> None:
    assert read(touch(tmp_path, "pets/cat/a.jpg", "pets/dog/b.jpg")).noted("holds all others")
    assert not read(touch(tmp_path / "2", "train/cat/a.jpg", "train/dog/b.jpg")).notes


@pytest.mark.parametrize(
    "names",
    [
        ("cat/a.jpg",),
        ("train/cat/a.jpg", "test/cat/b.jpg"),
        ("holiday/2024/a.jpg",),
        ("VOC2007/JPEGImages/a.jpg", "VOC2012/JPEGImages/b.jpg"),
        ("training/image_2/a.png", "testing/image_2/b.png"),
        ("photos/a.jpg", "frames/b.jpg"),
        ("2020/a.jpg", "2021/b.jpg"),
        ("2020-01-31/a.jpg", "20210131/b.jpg"),
        ("100CANON/a.jpg", "101CANON/b.jpg"),
        ("batch_1/a.jpg", "batch_2/b.jpg"),
        ("obj_train_data/a.jpg", "obj_valid_data/a.jpg"),
    ],
)
def test_one_folder_alone_and_names_of_layouts_are_no_labels(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names)
    detected = detect_format(tmp_path)
    assert detected.format == "unlabelled"
    assert {annotation.kind for annotation in read(tmp_path).annotations} == {None}
    if detected.doubt:
        assert f"{detected.doubt} is no label" in detected.why


def test_a_label_and_loose_images_are_asked_about(tmp_path: Path) -> None:
    touch(tmp_path, "cat/a.jpg", "dog/b.jpg", "photos/c.jpg")
    with pytest.raises(AmbiguousFormatError, match="cat, dog"):
        detect_format(tmp_path)


@pytest.mark.parametrize(
    ("images", "suspected"),
    [
        (("images/1.jpg", "masks/1.png"), True),
        (("images/1.png", "masks/1.png"), True),
        (("test/broken/1.png", "ground_truth/broken/1_mask.png"), True),
        (("JPEGImages/1.jpg", "SegmentationClass/1.png"), True),
        (("mask/1.jpg", "no_mask/1.jpg"), False),
        (("masks/1.jpg", "masks/2.jpg"), False),
    ],
)
def test_masks_are_told(tmp_path: Path, images: tuple[str, ...], suspected: bool) -> None:
    suspects = recognition.suspects(Folder(touch(tmp_path, *images)))
    assert [suspect.looks_like for suspect in suspects] == ["masks for segmentation"] * suspected


def test_of_a_thousand_files_a_few_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "cup/a.jpg", "tray/b.jpg", *(f"text/{number}.txt" for number in range(200)))
    opened: list[Path] = []
    real = recognition.looks_like
    monkeypatch.setattr(recognition, "looks_like", lambda path: opened.append(path) or real(path))
    assert recognition.suspects(Folder(tmp_path)) == []
    assert len(opened) <= 20


def test_whatever_is_in_a_file_nothing_is_raised(tmp_path: Path) -> None:
    for number, text in enumerate(
        (b"", b"\xff\xfe<", b'{"shapes"', b"<" * 9, b"\0" * 99, lines(*"1," * 9).encode())
    ):
        for suffix in (".json", ".xml", ".csv", ".txt"):
            recognition.looks_like(write(tmp_path / f"{number}{suffix}", text))


def test_annotations_without_an_extension_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "images/pug/a.jpg", "images/hound/b.jpg", "LICENSE")
    write(tmp_path / "annotation/pug/a", "<annotation><filename>a</filename></annotation>")
    detected = detect_format(tmp_path)
    assert detected.format == "unlabelled"
    [problem] = collect(dataset.read(tmp_path, detected)).problems
    assert "Pascal VOC" in problem.detail and "extension" in problem.detail


@pytest.mark.parametrize("name", ["annotations_trainval2017.zip", "labels.tar.gz", "instances.json.gz"])
def test_annotations_that_are_still_packed_are_told(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "day/a.jpg", "night/b.jpg", name, "models.zip")
    detected = detect_format(tmp_path)
    assert detected.format == "unlabelled"
    [problem] = collect(dataset.read(tmp_path, detected)).problems
    assert problem.file == name and problem.detail.endswith("unpack it")
