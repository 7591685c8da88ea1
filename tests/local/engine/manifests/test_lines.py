"""Manifest lines: what each documented error is raised by, where it is written, and lines of odd content."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.evaluation_files import training_snapshot
from local.engine.manifests import lines as manifest_lines
from local.engine.manifests.errors import MESSAGES, problem
from tests.fixtures.engine import boxed, classified

Change = Callable[[dict[str, Any]], object]


def changed(line: str, change: Change) -> str:
    value = json.loads(line)
    change(value)
    return json.dumps(value)


def codes_in(value: Any, kind: str = "errors") -> list[str]:
    return [error["code"] for error in value.get(kind, [])]


CAT = boxed("a.png", ("cat", 1, 2, 30, 40))
CLASSIFIED = classified("a.png", "cat")


def parse_all(manifest: bytes) -> list[manifest_lines.Line]:
    return [manifest_lines.parse(line) for line in manifest_lines.lines_of(io.BytesIO(manifest))]


# Errors that cost the line


@pytest.mark.parametrize(
    ("line", "change", "place", "code"),
    [
        (CAT, lambda v: v.pop("source-ref"), [], "ERROR_MISSING_SOURCE_REF"),
        (CAT, lambda v: v.update({"source-ref": ""}), [], "ERROR_MISSING_SOURCE_REF"),
        (CAT, lambda v: v.update({"source-ref": "https://x/a.png"}), [], "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (CAT, lambda v: v.update({"source-ref": 7}), [], "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (CAT, lambda v: v.update({"source-ref": "s3://bucket"}), [], "ERROR_INVALID_SOURCE_REF_FORMAT"),
        (CAT, lambda v: v.pop("box"), [], "ERROR_NO_LABEL_ATTRIBUTES"),
        (CAT, lambda v: v.pop("box-metadata"), [], "ERROR_NO_LABEL_ATTRIBUTES"),
        (CAT, lambda v: v.update(box=3), [], "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        (CAT, lambda v: v["box"].pop("image_size"), ["box"], "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        (
            CAT,
            lambda v: v["box"]["image_size"][0].update(width=True),
            ["box"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",
        ),
        (
            CAT,
            lambda v: v["box"]["annotations"][0].update(left="1"),
            ["box"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",
        ),
        (
            CAT,
            lambda v: v["box"]["annotations"][0].update(class_id="0"),
            ["box"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",
        ),
        (
            CAT,
            lambda v: v["box"]["annotations"][0].update(width=10**400),
            ["box"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",
        ),
        (CLASSIFIED, lambda v: v.update(label0=True), [], "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        (
            CAT,
            lambda v: v.update({"box-metadata": 1}),
            [],
            "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        ),
        (
            CAT,
            lambda v: v["box-metadata"].pop("class-map"),
            ["box-metadata"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        ),
        (
            CAT,
            lambda v: v["box-metadata"].pop("creation-date"),
            ["box-metadata"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        ),
        (
            CLASSIFIED,
            lambda v: v["label0-metadata"].pop("class-name"),
            ["label0-metadata"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        ),
        (
            CLASSIFIED,
            lambda v: v["label0-metadata"].update(confidence=1.5),
            ["label0-metadata"],
            "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT",
        ),
        (
            CAT,
            lambda v: v["box-metadata"].update(type="groundtruth/wrongtype"),
            ["box-metadata"],
            "ERROR_UNSUPPORTED_USE_CASE_TYPE",
        ),
        (
            CAT,
            lambda v: v["box-metadata"]["objects"][0].pop("confidence"),
            ["box-metadata"],
            "ERROR_MISSING_BOUNDING_BOX_CONFIDENCE",
        ),
        (
            CLASSIFIED,
            lambda v: v["label0-metadata"].update({"class-name": "x" * 300}),
            ["label0-metadata"],
            "ERROR_INVALID_LABEL_NAME_LENGTH",
        ),
    ],
)
def test_an_error_of_a_line_is_written_where_it_is_and_costs_the_line(
    line: str, change: Change, place: list[str], code: str
) -> None:
    read = manifest_lines.parse(changed(line, change))
    assert code in read.errors
    assert not read.usable_for("detection") and not read.usable_for("classification")
    where = read.annotated
    for name in place:
        where = where[name]
    assert code in codes_in(where)


def test_messages_name_the_attribute_as_documented() -> None:
    wrong = manifest_lines.parse(
        changed(CAT, lambda v: v["box-metadata"].update(type="groundtruth/x"))
    ).annotated
    (error,) = wrong["box-metadata"]["errors"]
    assert error["message"] == (
        "The use case type of the box-metadata label attribute metadata is unsupported. Check the type field."
    )
    assert wrong["errors"] == [problem("ERROR_NO_VALID_LABEL_ATTRIBUTES")]
    sizeless = manifest_lines.parse(changed(CAT, lambda v: v["box"].pop("image_size"))).annotated
    assert sizeless["box"]["errors"][0]["message"] == "The format of the label attribute box is invalid."


def test_a_line_of_no_valid_attribute_says_so_too() -> None:
    read = manifest_lines.parse(changed(CAT, lambda v: v["box"].pop("image_size")))
    assert read.errors == ("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT", "ERROR_NO_VALID_LABEL_ATTRIBUTES")


def test_one_broken_label_costs_the_line() -> None:
    read = manifest_lines.parse(changed(classified("a.png", "cat", "dog"), lambda v: v.update(label1="one")))
    assert read.errors == ("ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT",)
    assert read.labels == ()


def test_more_than_fifty_boxes_are_too_many() -> None:
    fifty = manifest_lines.parse(boxed("a.png", *[("cat", n, n, 9, 9) for n in range(50)]))
    more = manifest_lines.parse(boxed("a.png", *[("cat", n, n, 9, 9) for n in range(51)]))
    assert (len(fifty.boxes), fifty.errors) == (50, ())
    assert "ERROR_TOO_MANY_BOUNDING_BOXES" in codes_in(more.annotated["box"])
    assert more.boxes == ()


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[1]",
        "{",
        "",
        '{"source-ref": "s3://b/k", "x": NaN}',
        '{"source-ref": "s3://b/k", "x": -Infinity}',
        '{"source-ref": "s3://b/k", "x": 1e999}',
        '{"source-ref": "s3://b/k", "x": "\\ud800"}',
        '{"source-ref": "s3://b/\ud800"}',
        '{"x": ' + "9" * 5000 + "}",
        '{"x": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"x": "' + "y" * 100_000 + '"}',
        b'{"source-ref": "s3://b/\xff"}',
    ],
)
def test_a_line_that_is_no_json_is_replaced_by_its_error(line: str | bytes) -> None:
    read = manifest_lines.parse(line)
    assert (read.errors, read.source_ref) == (("ERROR_INVALID_JSON_LINE",), "")
    assert read.annotated == {"errors": [problem("ERROR_INVALID_JSON_LINE")]}


def test_json_may_be_nested_deep() -> None:
    line = json.loads(CAT) | {"extra": None}
    text = json.dumps(line).replace("null", "[" * 400 + "]" * 400)
    assert manifest_lines.parse(text).usable_for("detection") == ("cat",)


# Errors that cost a box


@pytest.mark.parametrize(
    ("box", "size", "code"),
    [
        ((-1, 0, 10, 10), (96, 96), "ERROR_INVALID_BOUNDING_BOX"),
        ((90, 0, 10, 10), (96, 96), "ERROR_INVALID_BOUNDING_BOX"),
        ((0, 0, 1, 10), (96, 96), "ERROR_BOUNDING_BOX_TOO_SMALL"),
        # Three pixels of 4,000 are less than one of the 1,280 that training makes of them.
        ((0, 0, 3, 10), (4000, 300), "ERROR_BOUNDING_BOX_TOO_SMALL"),
    ],
)
def test_an_error_of_a_box_costs_the_box(
    box: tuple[int, int, int, int], size: tuple[int, int], code: str
) -> None:
    read = manifest_lines.parse(boxed("a.png", ("cat", *box), ("dog", 1, 2, 30, 40), size=size))
    assert read.errors == (code,)
    assert [box.label for box in read.boxes] == ["dog"]
    assert [codes_in(annotation) for annotation in read.annotated["box"]["annotations"]] == [[code], []]


def test_a_box_without_a_class_is_lost() -> None:
    line = boxed("a.png", ("cat", 1, 2, 30, 40), ("dog", 1, 2, 30, 40))
    read = manifest_lines.parse(changed(line, lambda v: v["box"]["annotations"][0].update(class_id=9)))
    assert (read.errors, read.boxed) == (("ERROR_MISSING_CLASS_MAP_ID",), ("dog",))
    assert codes_in(read.annotated["box"]["annotations"][0]) == ["ERROR_MISSING_CLASS_MAP_ID"]


def test_a_line_without_a_valid_box_is_lost() -> None:
    read = manifest_lines.parse(boxed("a.png", ("cat", 0, 0, 1, 1)))
    assert "ERROR_NO_VALID_ANNOTATIONS" in codes_in(read.annotated["box"])
    assert read.boxed == ()


# Warnings


def test_an_unlabelled_image_is_a_warning() -> None:
    read = manifest_lines.parse('{"source-ref": "s3://b/a.png"}')
    assert read.errors == ()
    assert read.annotated["warnings"] == [problem("WARNING_UNANNOTATED_RECORD")]
    assert manifest_lines.is_ignored(read, "classification")


@pytest.mark.parametrize("change", [lambda v: None, lambda v: v["box"].pop("annotations")])
def test_no_boxes_are_warnings(change: Change) -> None:
    read = manifest_lines.parse(changed(boxed("a.png"), change))
    assert read.errors == ()
    assert codes_in(read.annotated, "warnings") == ["WARNING_NO_ANNOTATIONS"]
    assert codes_in(read.annotated["box"], "warnings") == ["WARNING_NO_ATTRIBUTE_ANNOTATIONS"]
    assert manifest_lines.is_ignored(read, "detection")


# Whole manifests


def test_lines_are_told_apart_by_line_feeds_only() -> None:
    odd = classified("a.png", "line\u2028separator").encode().decode("unicode_escape")
    text = f"\ufeff{odd}\r\n\r\n{CLASSIFIED}\r\n"
    lines = parse_all(text.encode())
    assert [line.errors for line in lines] == [(), ("ERROR_INVALID_JSON_LINE",), ()]
    assert lines[0].labels == ("line\u2028separator",)


@pytest.mark.parametrize(
    ("manifest", "lines"),
    [
        (b"", []),
        (b"\n \r\n", []),
        (b"\xef\xbb\xbf\n\n", []),
        (b"\xef\xbb\xbf{}", [b"{}"]),
        (b"\n\xef\xbb\xbf{}\n", [b"\xef\xbb\xbf{}"]),
        (b"\n{}\n\n\n{}\n\n", [b"{}", b"", b"", b"{}"]),
    ],
)
def test_blank_lines_count_between_others_only(manifest: bytes, lines: list[bytes]) -> None:
    assert list(manifest_lines.lines_of(io.BytesIO(manifest))) == lines


def test_one_line_of_other_bytes_costs_that_line() -> None:
    lines = parse_all(CLASSIFIED.encode() + b"\n\xff\n" + CAT.encode())
    assert [len(line.errors) for line in lines] == [0, 1, 0]


def test_a_validated_line_can_be_read_again() -> None:
    broken = manifest_lines.parse(boxed("a.png", ("cat", 0, 0, 1, 1), ("dog", 1, 2, 30, 40)))
    assert manifest_lines.parse(broken.text) == broken
    repaired = changed(broken.text, lambda v: v["box"]["annotations"][0].update(width=9, height=9))
    assert manifest_lines.parse(repaired).errors == ()
    assert "errors" not in manifest_lines.parse(repaired).text


def test_a_line_without_notes_stays_as_it_came() -> None:
    assert manifest_lines.parse(f"  {CAT}\r").text == CAT


# Lines of odd content

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**300, 10**301),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["0", 0, 1.0, -0.5, "s3://b/k", "groundtruth/object-detection", [], {}, "\ud800"]),
)
ANY = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "annotations",
                    "image_size",
                    "class_id",
                    "left",
                    "errors",
                    "warnings",
                    "objects",
                    "type",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
PATHS = (
    ["source-ref"],
    ["box"],
    ["box", "image_size"],
    ["box", "image_size", 0],
    ["box", "image_size", 0, "width"],
    ["box", "annotations"],
    ["box", "annotations", 0],
    ["box", "annotations", 0, "class_id"],
    ["box", "annotations", 0, "left"],
    ["box", "annotations", 0, "height"],
    ["box", "errors"],
    ["box-metadata"],
    ["box-metadata", "class-map"],
    ["box-metadata", "class-map", "0"],
    ["box-metadata", "objects"],
    ["box-metadata", "objects", 0],
    ["box-metadata", "type"],
    ["label0"],
    ["label0-metadata"],
    ["label0-metadata", "class-name"],
    ["label0-metadata", "confidence"],
    ["errors"],
    ["warnings"],
    ["extra-metadata"],
)


def holds_together(read: manifest_lines.Line) -> None:
    """What is true of every line, whatever it was."""
    assert set(read.errors) <= set(MESSAGES)
    assert json.loads(read.text) == read.annotated
    read.text.encode()
    assert manifest_lines.parse(read.text).boxes == read.boxes
    assert tuple(dict.fromkeys(box.label for box in read.boxes)) == read.boxed
    if not read.source_ref:
        assert read.errors and not read.all_labels
    assert bool(read.usable_for("detection")) == bool(read.boxes)
    tasks: tuple[manifest_lines.Task, ...] = ("classification", "detection")
    for task in tasks:
        if read.usable_for(task):
            (snapshot,) = training_snapshot([read], task)
            assert manifest_lines.parse(snapshot).usable_for(task) == read.usable_for(task)


@pytest.mark.long
@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(PATHS), ANY), min_size=1, max_size=3),
    st.sampled_from([CAT, CLASSIFIED]),
)
def test_a_line_of_odd_values_is_read(changes: list[tuple[list[Any], Any]], line: str) -> None:
    value = json.loads(line)
    for path, odd in changes:
        where = value
        for name in path[:-1]:
            try:
                where = where[name]
            except (KeyError, TypeError, IndexError):
                break
        if isinstance(where, dict) and isinstance(path[-1], str):
            where[path[-1]] = odd
        elif isinstance(where, list) and where and isinstance(path[-1], int):
            where[0] = odd
    holds_together(manifest_lines.parse(json.dumps(value)))


@settings(max_examples=200)
@given(st.one_of(st.text(st.characters(), max_size=60), st.binary(max_size=60)))
def test_any_text_is_read(text: str | bytes) -> None:
    holds_together(manifest_lines.parse(text))
    for line in parse_all(text if isinstance(text, bytes) else text.encode(errors="surrogatepass")):
        holds_together(line)
