"""Which format a dataset has, and what is said when that is not clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.domain.annotations.format_detection import FORMATS, AmbiguousError, UnrecognisedError, recognise
from tests.fixtures.datasets_on_disk import coco, touch, write, write_json

VOC = "<annotation><filename>a.jpg</filename></annotation>"
CSV = "filename,class\na.jpg,x\n"
LINE = '{"source-ref": "s3://bucket/a.jpg"}'
FILES = {
    "coco": ("annotations/x.json", '{"images": [], "annotations": []}'),
    "voc": ("a.xml", VOC),
    "yolo": ("data.yaml", "names: [a]"),
    "csv": ("x.csv", CSV),
    "manifest": ("x.manifest", LINE),
}


@pytest.mark.parametrize("format", FILES)
def test_formats_are_recognised_in_a_folder_and_as_a_file(tmp_path: Path, format: str) -> None:
    name, text = FILES[format]
    touch(tmp_path, "a.jpg", "readme.md", "settings.json", ".cache/x.csv")
    path = write(tmp_path / name, text)
    for recognised in (recognise(tmp_path), recognise(path)):
        assert (recognised.format, recognised.files) == (format, (path,))
        assert path.name in recognised.why
    assert format in FORMATS


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("x.json", LINE + "\n" + LINE, "manifest"),
        ("x.jsonl", LINE, "manifest"),
        ("x.tsv", CSV.replace(",", "\t"), "csv"),
        ("x.csv", "a.jpg,x,1,2,3,4\n", "csv"),
        ("x.csv", "image,xmin\n", "csv"),
        ("x.json", '{"info": {}, "images": [' + "0," * 30_000 + '0], "annotations": []}', "coco"),
        ("x.json", '{"images": [{"id": 1', "coco"),
    ],
)
def test_files_by_their_content(tmp_path: Path, name: str, text: str, format: str) -> None:
    assert recognise(write(tmp_path / name, text)).format == format


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
    with pytest.raises(UnrecognisedError, match=rf"{name}.*(begins with|no content).*{FORMATS[0]}"):
        recognise(write(tmp_path / name, text))


def test_two_formats_in_one_folder(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", coco())
    write(tmp_path / "t.csv", CSV)
    with pytest.raises(AmbiguousError, match=r"coco \(x.json\), csv \(t.csv\); say which format"):
        recognise(tmp_path)


def test_yolo_by_its_label_files(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "labels/b.txt")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.1 0.1\n")
    assert recognise(tmp_path).format == "yolo"
    write(tmp_path / "labels" / "a.txt", "a note about the image")
    assert recognise(tmp_path).format == "unlabelled"


def test_folders_and_images_without_annotations(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "train/b.jpg")
    assert recognise(tmp_path).format == "unlabelled"
    touch(tmp_path, "train/cat/c.jpg")
    with pytest.raises(AmbiguousError, match="folders or unlabelled"):
        recognise(tmp_path)
    (tmp_path / "images" / "a.jpg").unlink()
    (tmp_path / "train" / "b.jpg").unlink()
    assert recognise(tmp_path).format == "folders"


def test_nothing_to_recognise(tmp_path: Path) -> None:
    with pytest.raises(UnrecognisedError, match="but nothing"):
        recognise(tmp_path)
    touch(tmp_path, "a.zip")
    with pytest.raises(UnrecognisedError, match="1 other files"):
        recognise(tmp_path)
