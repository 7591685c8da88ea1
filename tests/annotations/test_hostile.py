"""Whatever a file holds: no reader raises, and no good row is lost beside a bad one."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import box_parsing, dataset
from lambdas.domain.annotations.format_detection import (
    FORMATS,
    AmbiguousFormatError,
    DetectedFormat,
    UnknownFormatError,
    detect_format,
)
from lambdas.domain.annotations.problems import AnnotationError
from tests.annotations.test_manifests_and_folders import entry
from tests.fixtures.datasets_on_disk import ReadEvents, coco, collect, lines, touch, write, write_json

MANY = settings(max_examples=80)
FILES = {
    "coco": ["x.json"],
    "voc": ["a.xml", "ImageSets/Main/train.txt"],
    "yolo": ["data.yaml", "classes.txt", "a.txt", "train.txt"],
    "csv": ["x.csv", "y.tsv"],
    "manifest": ["x.manifest"],
    "cvat": ["x.xml"],
    "labelme": ["a.json"],
    "createml": ["x.json"],
    "labelstudio": ["x.json"],
    "via": ["x.json"],
    "vertex": ["x.jsonl"],
    "kitti": ["a.txt", "good.txt"],
    "supervisely": ["a.jpg.json"],
}
TOKENS = [
    *("images", "annotations", "bbox", "[", "]", "{", "}", '"', ",", ":", "\\", "NaN", "\n", "\r", ";", "\t"),
    *("shapes", "points", "imagePath", "coordinates", "label", "<annotations>", "<image name='a.jpg'>"),
    *("<box label='a' xtl='1'", "<polygon label='a' points='1,2;'/>", "</image>", "Car 0 0 0", "DontCare"),
    *("<annotation>", "</annotation>", "<object>", "<bndbox>", "<xmin>", "1", "-1", "1e999", "0.5", " "),
    *(
        "names: ",
        "- ",
        "train: ",
        "path: ",
        "kpt_shape: ",
        "&a ",
        "*a ",
        "filename",
        "label",
        "a.jpg",
        "xmin",
    ),
    *('{"source-ref": ', "../", "C:\\", "\ufeff", "\0", "\ud7ff", "=1", "<!DOCTYPE x [", "&lt;"),
]
junk = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(TOKENS), max_size=40).map(lambda parts: "".join(parts).encode()),
)


def test_a_value_that_would_fill_the_memory_is_not_shown() -> None:
    value: list[Any] = ["x"]
    for _ in range(60):
        value = [value, value]
    for take in (box_parsing.label, lambda given: box_parsing.number(given, "a side")):
        with pytest.raises(AnnotationError, match="a list"):
            take(value)


values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=10),
        st.sampled_from(["a.jpg", "../a.jpg", "=x", 10**400, -(10**30)]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def read_all(root: Path, format: str) -> ReadEvents:
    files = tuple(root / name for name in FILES[format] if (root / name).is_file())
    return collect(dataset.read(root, DetectedFormat(format, "", files)))


@pytest.mark.long
@pytest.mark.parametrize("format", FILES)
@MANY
@given(data=st.data())
def test_no_content_makes_a_reader_raise(format: str, data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        root = touch(Path(folder), "a.jpg", "good.jpg")
        for name in FILES[format]:
            write(root / name, data.draw(junk))
        result = read_all(root, format)
        assert {annotation.image for annotation in result.annotations} >= {"a.jpg", "good.jpg"}, (
            "every image is told of"
        )
        assert len({annotation.image for annotation in result.annotations}) == len(result.annotations)
        for annotation in result.annotations:
            for box in annotation.boxes:
                assert box.width > 0 and box.height > 0
        try:
            assert detect_format(root).format in FORMATS
        except (AmbiguousFormatError, UnknownFormatError) as error:
            assert str(error)


@pytest.mark.long
@MANY
@given(
    st.lists(st.tuples(st.sampled_from(["images", "categories", "annotations"]), values, values), max_size=5)
)
def test_coco_loses_no_good_element(bad: list[tuple[str, Any, Any]]) -> None:
    with TemporaryDirectory() as folder:
        touch(Path(folder), "good.jpg")
        whole = coco(["good.jpg"], [{}, {"category_id": 2}])
        for section, element, broken in bad:
            usual = dict(coco(["good.jpg"], [{}])[section][0])
            for name in usual:
                if name != "id":
                    usual[name] = broken
            usual["id"] = 1000 + len(whole[section])
            whole[section] = [element, usual, *whole[section], element]
        write_json(Path(folder, "x.json"), whole)
        result = read_all(Path(folder), "coco")
        assert [box.label for box in result.of("good.jpg").boxes] == ["bolt", "nut"]
        assert bool(result.problems) == bool(bad)


cells = st.text(st.characters(exclude_characters='"', codec="utf-8"), max_size=8)


@pytest.mark.long
@MANY
@given(
    st.lists(
        st.one_of(
            st.lists(cells, max_size=9).map(",".join), st.sampled_from(['"', 'a"b', '"a"b', "\xff", ',"'])
        ),
        max_size=5,
    )
)
def test_tables_lose_no_good_row(bad: list[str]) -> None:
    good = "good.jpg,bolt,1,2,30,40"
    with TemporaryDirectory() as folder:
        touch(Path(folder), "good.jpg")
        body = lines("image,label,xmin,ymin,xmax,ymax", good).encode()
        for row in bad:
            body += (
                row.replace("\x00", "").encode("latin-1", errors="replace") + b"\n" + good.encode() + b"\n"
            )
        write(Path(folder, "x.csv"), body)
        result = read_all(Path(folder), "csv")
        assert len(result.of("good.jpg").boxes) == 1 + len(bad)


@pytest.mark.long
@MANY
@given(st.lists(junk.map(lambda row: row.replace(b"\n", b"").replace(b"good.jpg", b"")), max_size=5))
def test_manifests_lose_no_good_line(bad: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        touch(Path(folder), *(f"{number}.jpg" for number in range(len(bad))))
        body = b"".join(
            row + b"\n" + entry(f"{number}.jpg").encode() + b"\n" for number, row in enumerate(bad)
        )
        write(Path(folder, "x.manifest"), body)
        result = read_all(Path(folder), "manifest")
        assert sum(len(annotation.boxes) for annotation in result.annotations) == len(bad)


@MANY
@given(
    st.lists(
        st.lists(
            st.sampled_from(["0", "1", "7", "0.5", "-1", "nan", "x", "1e400", "٣", "1_0"]), max_size=8
        ).map(" ".join),
        max_size=6,
    )
)
def test_yolo_loses_no_good_line(bad: list[str]) -> None:
    good = "1 0.4375 0.5 0.125 0.25"
    with TemporaryDirectory() as folder:
        root = touch(Path(folder), "a.jpg")
        write(root / "data.yaml", "names: [bolt, nut]")
        write(root / "a.txt", "".join(f"{row}\n{good}\n" for row in bad))
        taken = [(box.label, box.left, box.height) for box in read_all(root, "yolo").of("a.jpg").boxes]
        assert taken.count(("nut", 0.375, 0.25)) >= len(bad)


@MANY
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["name", "xmin", "ymin", "xmax", "ymax"]), st.text("a1-.e= ", max_size=5)
        ),
        max_size=5,
    )
)
def test_voc_loses_no_good_object(bad: list[dict[str, str]]) -> None:
    def thing(sides: dict[str, str]) -> str:
        name = f"<name>{sides.get('name', '')}</name>"
        bounds = "".join(f"<{side}>{value}</{side}>" for side, value in sides.items() if side != "name")
        return f"<object>{name}<bndbox>{bounds}</bndbox></object>\n"

    good = thing({"name": "good", "xmin": "3", "ymin": "4", "xmax": "30", "ymax": "40"})
    with TemporaryDirectory() as folder:
        root = touch(Path(folder), "a.jpg")
        write(root / "a.xml", f"<annotation>{''.join(thing(sides) + good for sides in bad)}</annotation>")
        result = read_all(root, "voc")
        taken = [box for box in result.of("a.jpg").boxes if box.label == "good"]
        assert len(taken) >= len(bad)


@MANY
@given(st.integers(0, 2000))
def test_a_cut_coco_file_gives_every_complete_element(cut: int) -> None:
    whole = coco([f"{i}.jpg" for i in range(8)], [{"image_id": i} for i in range(1, 9)])
    ordered = {name: whole[name] for name in ("categories", "images", "annotations")}
    text = json.dumps(ordered)[:cut]
    with TemporaryDirectory() as folder:
        touch(Path(folder), *(f"{i}.jpg" for i in range(8)))
        write(Path(folder, "x.json"), text)
        result = read_all(Path(folder), "coco")
        complete = text.count("[10, 20, 30, 40]}")
        assert sum(len(annotation.boxes) for annotation in result.annotations) == complete
        assert ("cut_off" in result.reasons) == (cut < len(json.dumps(ordered)))
