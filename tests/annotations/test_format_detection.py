"""Which format a dataset has, by what is in it, and what is said when that is not clear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations.format_detection import (
    FORMATS,
    AmbiguousFormatError,
    UnknownFormatError,
    detect_format,
)
from tests.fixtures.datasets_on_disk import coco, touch, write, write_json

CSV = "filename,class\na.jpg,x\n"
LINE = '{"source-ref": "s3://bucket/a.jpg"}\n'
XML = "<?xml version='1.0'?>\n<!-- made by hand -->\n<annotation><filename>a.jpg</filename></annotation>"
FILES = {
    "coco": ("annotations/x.json", '{"images": [], "annotations": []}'),
    "voc": ("a.xml", XML),
    "yolo": ("data.yaml", "names: [a]"),
    "csv": ("x.csv", CSV),
    "manifest": ("x.manifest", LINE),
}


@pytest.mark.parametrize("format", FILES)
def test_formats_are_detected_in_a_folder_and_as_a_file(tmp_path: Path, format: str) -> None:
    name, text = FILES[format]
    touch(tmp_path, "a.jpg", "readme.md", "settings.json", ".cache/x.csv")
    path = write(tmp_path / name, text)
    for detected in (detect_format(tmp_path), detect_format(path)):
        assert (detected.format, detected.files) == (format, (path,))
        assert path.name in detected.why
    assert format in FORMATS


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("x.json", LINE + LINE, "manifest"),
        ("x.jsonl", LINE, "manifest"),
        ("x.tsv", CSV.replace(",", "\t"), "csv"),
        ("x.csv", "a.jpg,x,1,2,3,4\n", "csv"),
        ("x.csv", "image,xmin\n", "csv"),
        ("x.json", '{"info": {}, "images": [' + "0," * 30_000 + '0], "annotations": []}', "coco"),
        ("x.json", '{"images": [{"id": 1', "coco"),
        ("x.json", '{"images": [], "annotations": [{"label": 1, "coordinates": 2}]}', "coco"),
        ("x.json", LINE[:-2] + ', "annotations": 1, "coordinates": 1, "label": 1}', "manifest"),
    ],
)
def test_files_by_their_content(tmp_path: Path, name: str, text: str, format: str) -> None:
    assert detect_format(write(tmp_path / name, text)).format == format


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", b""),
        ("x.json", b'{"a": {"images": []}}'),
        ("x.json", b'["images"]'),
        ("notes.json", b'{"categories": [{"id": 0, "name": "bolt"}], "info": {}}'),
        ("x.json", b"[" * 100_000),
        ("x.json", b"\xff\xfe"),
        ("x.jsonl", b'{"a": 1}'),
        ("x.manifest", b"  "),
        ("x.csv", b"a,b\n1,2\n"),
        ("x.csv", b""),
        ("x.xml", b"<html/>"),
        ("x.yaml", b"a: ["),
        ("x.yaml", b"a: 1"),
        ("x.zip", b"PK"),
    ],
)
def test_files_of_no_known_format(tmp_path: Path, name: str, text: bytes) -> None:
    with pytest.raises(UnknownFormatError, match=rf"{name}.*(begins with|no content|archive).*{FORMATS[0]}"):
        detect_format(write(tmp_path / name, text))


def test_yolo_by_its_label_files(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "labels/b.txt")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.1 0.1\n")
    assert detect_format(tmp_path).format == "yolo"
    write(tmp_path / "labels" / "a.txt", "a note about the image")
    assert detect_format(tmp_path).format == "unlabelled"


def test_folders_and_images_without_annotations(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "train/b.jpg")
    assert detect_format(tmp_path).format == "unlabelled"
    touch(tmp_path, "train/cat/c.jpg", "train/dog/d.jpg")
    with pytest.raises(AmbiguousFormatError, match="folders or unlabelled"):
        detect_format(tmp_path)
    (tmp_path / "images" / "a.jpg").unlink()
    (tmp_path / "train" / "b.jpg").unlink()
    assert detect_format(tmp_path).format == "folders"


# Whole folders


def _coco(root: Path) -> None:
    write_json(touch(root, "a.jpg") / "instances.json", coco())


def _voc(root: Path) -> None:
    write(touch(root, "JPEGImages/a.jpg") / "Annotations/a.xml", XML)


def _yolo(root: Path) -> None:
    write(touch(root, "images/a.jpg") / "labels/a.txt", "0 .5 .5 .2 .2\n")
    write(root / "data.yaml", "names: [bolt]\n")


def _yolo_without_yaml(root: Path) -> None:
    write(touch(root, "a.jpg") / "a.txt", "0 .5 .5 .2 .2\n")
    write(root / "classes.txt", "bolt\n")


def _csv(root: Path) -> None:
    write(touch(root, "a.jpg") / "labels.csv", "image,label\na.jpg,bolt\n")


def _manifest(root: Path) -> None:
    write(root / "output.manifest", LINE)


def _json_lines(root: Path) -> None:
    write(root / "lines.jsonl", LINE)


def _manifest_called_json(root: Path) -> None:
    write(root / "manifest.json", LINE)


def _cvat(root: Path) -> None:
    write(touch(root, "images/a.jpg") / "annotations.xml", "<?xml?>\n<annotations><meta/></annotations>")


def _labelme(root: Path) -> None:
    write_json(touch(root, "a.jpg") / "a.json", {"shapes": [], "imagePath": "a.jpg"})


def _createml(root: Path) -> None:
    boxes = [{"label": "bolt", "coordinates": {"x": 9}}]
    write_json(
        touch(root, "a.jpg") / "_annotations.createml.json", [{"image": "a.jpg", "annotations": boxes}]
    )


def _label_studio(root: Path) -> None:
    write_json(
        touch(root, "a.jpg") / "project-1.json",
        [{"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [], "was_cancelled": False}]}],
    )


def _via(root: Path) -> None:
    entry = '{"filename": "a.jpg", "size": 9, "regions": [], "file_attributes": {}}'
    write(touch(root, "a.jpg") / "via_export.json", f'{{"a.jpg9": {entry}}}')


def _via_project(root: Path) -> None:
    project = '{"_via_settings": {}, "_via_img_metadata": {}}'
    write(touch(root, "a.jpg") / "via.json", project)


def _vertex(root: Path) -> None:
    write(touch(root, "a.jpg") / "data.jsonl", '{"imageGcsUri": "gs://bucket/a.jpg"}\n')


def _kitti(root: Path) -> None:
    write(touch(root, "image_2/a.png") / "label_2/a.txt", "Car 0 0 -1.5 1 2 30 40 1 1 3 0 1 46 -1.5\n")


def _supervisely(root: Path) -> None:
    write_json(
        touch(root, "img/a.jpg") / "ann/a.jpg.json", {"tags": [], "size": {"width": 1}, "objects": [1]}
    )


def _folders(root: Path) -> None:
    touch(root, "train/cat/a.jpg", "train/dog/b.jpg")


def _unlabelled(root: Path) -> None:
    touch(root, "a.jpg", "b.png")


MADE: dict[Callable[[Path], None], str] = {
    _coco: "coco",
    _voc: "voc",
    _yolo: "yolo",
    _yolo_without_yaml: "yolo",
    _csv: "csv",
    _manifest: "manifest",
    _json_lines: "manifest",
    _manifest_called_json: "manifest",
    _cvat: "cvat",
    _labelme: "labelme",
    _createml: "createml",
    _kitti: "kitti",
    _supervisely: "supervisely",
    _vertex: "vertex",
    _via: "via",
    _via_project: "via",
    _label_studio: "labelstudio",
    _folders: "folders",
    _unlabelled: "unlabelled",
}


@pytest.mark.parametrize(("make", "format"), MADE.items())
def test_each_format_also_beside_other_files(
    tmp_path: Path, make: Callable[[Path], None], format: str
) -> None:
    make(tmp_path)
    alone = detect_format(tmp_path)
    write(tmp_path / "README.md", "# About\n")
    write(tmp_path / "LICENSE", "Free\n")
    write(tmp_path / "README.txt", "0 images were harmed\n")
    write(tmp_path / "notes.json", '{"title": "x", "licences": [1]}')
    write(tmp_path / "prices.csv", "when,how much\n1,2\n")
    write(tmp_path / "pipeline.yaml", "steps: [a]\n")
    write(tmp_path / "page.xml", "<html/>")
    assert detect_format(tmp_path) == alone
    assert alone.format == format in FORMATS
    assert alone.why


def test_all_formats_are_tried() -> None:
    assert set(MADE.values()) == set(FORMATS)


@pytest.mark.parametrize(
    "text",
    ['{"images": 2}', '{"images": ["a.jpg"]}', '{"categories": {"cat": 3}}', '{"x": {"annotations": [{}]}}'],
)
def test_figures_about_a_dataset_are_no_coco(tmp_path: Path, text: str) -> None:
    _folders(tmp_path)
    write(tmp_path / "stats.json", text)
    assert detect_format(tmp_path).format == "folders"


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 1, "file_name": "a.jpg"}]}',
        '{"info": {}, "images": [{"id": 1, "file_na',
        '{"annotations": [' + '{"id": 1, "bbox": [1, 2, 3, 4]}, ' * 9000,
    ],
)
def test_coco_that_is_cut_or_longer_than_is_looked_at(tmp_path: Path, text: str) -> None:
    write(touch(tmp_path, "a.jpg") / "c.json", text)
    assert detect_format(tmp_path).format == "coco"


def test_the_annotation_files_are_named(tmp_path: Path) -> None:
    write_json(tmp_path / "train.json", coco())
    write_json(tmp_path / "deep/test.json", coco())
    detected = detect_format(touch(tmp_path, "a.jpg"))
    assert set(detected.files) == {tmp_path / "train.json", tmp_path / "deep/test.json"}
    assert detect_format(tmp_path / "train.json").files == (tmp_path / "train.json",)


def test_two_formats_are_named_with_a_file_of_each(tmp_path: Path) -> None:
    _coco(tmp_path)
    _voc(tmp_path)
    with pytest.raises(AmbiguousFormatError) as caught:
        detect_format(tmp_path)
    assert "coco (instances.json), voc (Annotations/a.xml); say which format" in str(caught.value)
    assert "a folder inside" in str(caught.value)


def test_classes_in_yaml_beside_folders_are_asked_about(tmp_path: Path) -> None:
    write(touch(tmp_path, "train/cat/a.jpg", "train/dog/b.jpg") / "data.yaml", "names: [cat, dog]")
    with pytest.raises(AmbiguousFormatError, match=r"data\.yaml.*cat, dog") as caught:
        detect_format(tmp_path)
    assert caught.value.formats == ("folders", "unlabelled")
    write(tmp_path / "train/cat/a.txt", "0 0.5 0.5 0.2 0.2")
    assert detect_format(tmp_path).format == "yolo"


def test_images_in_folders_and_in_none(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousFormatError, match=r"cat.*cover\.jpg"):
        detect_format(touch(tmp_path, "cat/a.jpg", "dog/b.jpg", "cover.jpg"))


def test_captions_are_no_boxes(tmp_path: Path) -> None:
    write(touch(tmp_path, "a.jpg") / "a.txt", "a photo of a cat\n")
    assert detect_format(tmp_path).format == "unlabelled"


def test_nothing_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match="but nothing"):
        detect_format(tmp_path)
    with pytest.raises(UnknownFormatError, match="1 other files"):
        detect_format(touch(tmp_path, "a.mp4"))
    with pytest.raises(UnknownFormatError, match="2 other files"):
        detect_format(touch(tmp_path, "a.mp4", "b.doc"))
    with pytest.raises(UnknownFormatError, match="begins with"):
        detect_format(write(tmp_path / "c.json", "[1]"))


@settings(max_examples=100)
@given(
    st.sampled_from([".json", ".jsonl", ".manifest", ".xml", ".csv", ".tsv", ".yaml", ".txt"]),
    st.binary(max_size=300),
)
def test_whatever_the_bytes_nothing_else_is_raised(suffix: str, body: bytes) -> None:
    with TemporaryDirectory() as folder:
        write(touch(Path(folder), "a.jpg") / f"a{suffix}", body)
        assert detect_format(Path(folder)).format in FORMATS
