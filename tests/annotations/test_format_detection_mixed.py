"""Which format a dataset has, by what is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations.format_detection import FORMATS, AmbiguousError, UnrecognisedError, recognise
from tests.fixtures.datasets_on_disk import coco, touch, write, write_json

LINE = '{"source-ref": "s3://bucket/a.jpg"}\n'
XML = "<?xml version='1.0'?>\n<!-- made by hand -->\n<annotation><filename>a.jpg</filename></annotation>"


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
    _folders: "folders",
    _unlabelled: "unlabelled",
}


@pytest.mark.parametrize(("make", "format"), MADE.items())
def test_each_format_also_beside_other_files(
    tmp_path: Path, make: Callable[[Path], None], format: str
) -> None:
    make(tmp_path)
    alone = recognise(tmp_path)
    write(tmp_path / "README.md", "# About\n")
    write(tmp_path / "LICENSE", "Free\n")
    write(tmp_path / "README.txt", "0 images were harmed\n")
    write(tmp_path / "notes.json", '{"title": "x", "licences": [1]}')
    write(tmp_path / "prices.csv", "when,how much\n1,2\n")
    write(tmp_path / "pipeline.yaml", "steps: [a]\n")
    write(tmp_path / "page.xml", "<html/>")
    assert recognise(tmp_path) == alone
    assert alone.format == format in FORMATS
    assert alone.why


def test_all_formats_are_tried() -> None:
    assert set(MADE.values()) == set(FORMATS)


@pytest.mark.parametrize(
    "text",
    ['{"images": 2}', '{"images": ["a.jpg"]}', '{"categories": {"cat": 3}}', '{"x": {"annotations": [{}]}}'],
)
def test_figures_about_a_data_set_are_no_coco(tmp_path: Path, text: str) -> None:
    _folders(tmp_path)
    write(tmp_path / "stats.json", text)
    assert recognise(tmp_path).format == "folders"


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
    assert recognise(tmp_path).format == "coco"


def test_the_annotation_files_are_told(tmp_path: Path) -> None:
    write_json(tmp_path / "train.json", coco())
    write_json(tmp_path / "deep/test.json", coco())
    recognised = recognise(touch(tmp_path, "a.jpg"))
    assert set(recognised.files) == {tmp_path / "train.json", tmp_path / "deep/test.json"}
    assert recognise(tmp_path / "train.json").files == (tmp_path / "train.json",)


def test_two_formats_are_named_with_a_file_of_each(tmp_path: Path) -> None:
    _coco(tmp_path)
    _voc(tmp_path)
    with pytest.raises(AmbiguousError) as caught:
        recognise(tmp_path)
    for words in ("coco (instances.json)", "voc (Annotations/a.xml)", "say which format", "a folder inside"):
        assert words in str(caught.value)


def test_images_in_folders_and_in_none(tmp_path: Path) -> None:
    with pytest.raises(AmbiguousError, match=r"cat.*cover\.jpg"):
        recognise(touch(tmp_path, "cat/a.jpg", "dog/b.jpg", "cover.jpg"))


def test_captions_are_no_boxes(tmp_path: Path) -> None:
    write(touch(tmp_path, "a.jpg") / "a.txt", "a photo of a cat\n")
    assert recognise(tmp_path).format == "unlabelled"


def test_nothing_that_is_known(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedError, match="nothing"):
        recognise(tmp_path)
    with pytest.raises(UnrecognisedError, match="2 other files"):
        recognise(touch(tmp_path, "a.mp4", "b.doc"))
    with pytest.raises(UnrecognisedError, match="begins with"):
        recognise(write(tmp_path / "c.json", "[1]"))


@settings(max_examples=100)
@given(
    st.sampled_from([".json", ".jsonl", ".manifest", ".xml", ".csv", ".tsv", ".yaml", ".txt"]),
    st.binary(max_size=300),
)
def test_whatever_the_bytes_nothing_else_is_raised(suffix: str, body: bytes) -> None:
    with TemporaryDirectory() as folder:
        write(touch(Path(folder), "a.jpg") / f"a{suffix}", body)
        assert recognise(Path(folder)).format in FORMATS
