from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.shared import annotation as shared_annotation
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Annotation, Box
from lambdas.domain.shared.manifests import BrokenLineError

CHANGED_AT = "2026-03-04T05:06:07.000008Z"


def classification(*labels: str, source: Any = "s3://bucket/incoming/annotations/a.jpg") -> dict[str, Any]:
    line: dict[str, Any] = {"source-ref": source}
    for index, label in enumerate(labels):
        line[f"sport{index}"] = 0
        line[f"sport{index}-metadata"] = {
            "class-name": label,
            "confidence": 0.8,
            "type": "groundtruth/image-classification",
            "job-name": "identify-sport",
            "human-annotated": "yes",
            "creation-date": "2018-10-18T22:18:13.527256",
        }
    return line


def detection(*boxes: dict[str, Any], size: Any = (640, 480)) -> dict[str, Any]:
    return {
        "source-ref": "s3://bucket/images/IMG_1186.png",
        "bounding-box": {
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": list(boxes),
        },
        "bounding-box-metadata": {
            "objects": [{"confidence": 1} for _ in boxes],
            "class-map": {"0": "Echo", "1": "Echo Dot"},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2013-11-18T02:53:27",
            "job-name": "my job",
        },
    }


def box(class_id: Any = 0, left: Any = 1, top: Any = 2, width: Any = 30, height: Any = 40) -> dict[str, Any]:
    return {"class_id": class_id, "left": left, "top": top, "width": width, "height": height}


def parse(line: object, number: int = 1) -> Annotation:
    return manifests.parse_line(json.dumps(line), number)


def reason(line: object) -> str:
    with pytest.raises(BrokenLineError) as broken:
        manifests.parse_line(line if isinstance(line, str | bytes) else json.dumps(line), 7)
    assert broken.value.line == 7
    assert broken.value.detail
    return broken.value.reason


def test_one_image_level_label() -> None:
    assert parse(classification("football")) == Annotation(
        "bucket", "incoming/annotations/a.jpg", "classification", labels=("football",)
    )


def test_several_image_level_labels_are_sorted_and_counted_once() -> None:
    assert parse(classification("football", "ball", "ball")).labels == ("ball", "football")


def test_bounding_boxes() -> None:
    line = detection(box(1, 399, 251, 155, 101), box(0, 86, 65, 220, 334))
    assert parse(line) == Annotation(
        "bucket",
        "images/IMG_1186.png",
        "detection",
        boxes=(Box("Echo Dot", 399, 251, 155, 101), Box("Echo", 86, 65, 220, 334)),
        image_size=(640, 480),
    )


def test_no_boxes_is_an_answer() -> None:
    assert parse(detection()).boxes == ()


def test_boxes_may_lack_an_image_size() -> None:
    line = detection(box())
    del line["bounding-box"]["image_size"]
    assert parse(line).image_size is None


def test_fractions_of_pixels_are_rounded_inside_the_image() -> None:
    [read] = parse(detection(box(0, 0.6, 0.5, 639.4, 479.5))).boxes
    assert (read.left + read.width, read.top + read.height) == (640, 480)


def test_an_attribute_of_another_kind_of_job_is_passed_over_beside_a_known_one() -> None:
    line = detection(box())
    line |= {"check": 1, "check-metadata": {"type": "groundtruth/label-verification", "class-name": "good"}}
    assert len(parse(line).boxes) == 1


def test_a_key_keeps_every_character() -> None:
    key = "incoming/annotations/a b+c%20d/\nä\u4e2d.jpg"
    assert parse(classification("x", source=f"s3://my.bucket-1/{key}")).source_key == key


@pytest.mark.parametrize(
    "text", ["{", "", "nope", '{"source-ref": }', "[" * 100_000, '{"a":' + "1" * 5000 + "}"]
)
def test_broken_json(text: str) -> None:
    assert reason(text) == "not_json"


@pytest.mark.parametrize("text", ["[]", "3", '"s3://bucket/key"', "null"])
def test_json_that_is_no_object(text: str) -> None:
    assert reason(text) == "not_an_object"


def test_bytes_that_are_no_text_and_a_byte_order_mark() -> None:
    assert reason(b'{"source-ref": "\xff\xfe"}') == "not_utf8"
    text = json.dumps(classification("cat"))
    assert manifests.parse_line(b"\xef\xbb\xbf" + text.encode(), 1) == manifests.parse_line(text, 1)


def test_a_line_longer_than_an_entry_can_be() -> None:
    assert reason(json.dumps(classification("cat")) + " " * 100_000) == "line_too_long"
    assert reason(b" " * 400_001) == "line_too_long"


def test_no_source_ref() -> None:
    line = classification("cat")
    del line["source-ref"]
    assert reason(line) == "no_source_ref"


@pytest.mark.parametrize(
    "source",
    ["", "a.jpg", "https://bucket/a.jpg", "s3://bucket", "s3://bucket/", "s3:///a", "s3://B_/a", 3, None, [],
     "s3://bucket/\ud800", "s3://bucket/" + "ä" * 513],
)  # fmt: skip
def test_malformed_source_ref(source: Any) -> None:
    assert reason(classification("cat", source=source)) == "bad_source_ref"


def test_no_label_attributes() -> None:
    assert reason({"source-ref": "s3://bucket/a"}) == "unlabelled"
    assert reason({"source-ref": "s3://bucket/a", "sport": 1}) == "no_label_attributes"
    assert (
        reason({"source-ref": "s3://bucket/a", "sport-metadata": {"class-name": "x"}})
        == "no_label_attributes"
    )
    assert reason({"source-ref": "s3://bucket/a", "sport": 1, "sport-metadata": 2}) == "no_label_attributes"


@pytest.mark.parametrize("type", ["groundtruth/semantic-segmentation", "", None, 3, ["x"]])
def test_unknown_types(type: Any) -> None:
    line = classification("cat")
    line["sport0-metadata"]["type"] = type
    assert reason(line) == "unknown_type"


def test_labels_and_boxes_for_one_image() -> None:
    assert reason(classification("cat") | detection(box())) == "mixed_kinds"


@pytest.mark.parametrize("name", ["", "   ", None, 3, "a\nb", "a\x00", "x" * 256, "\ud800", "a\u2028b"])
def test_what_cannot_be_a_label(name: Any) -> None:
    assert reason(classification(name)) == "bad_label"


def test_labels_are_trimmed_and_normalized() -> None:
    assert parse(classification("  cafe\u0301 ")).labels == ("caf\u00e9",)


def test_more_labels_and_boxes_than_custom_labels_takes() -> None:
    assert len(parse(classification(*(f"label {i}" for i in range(50)))).labels) == 50
    assert reason(classification(*(f"label {i}" for i in range(51)))) == "too_many_labels"
    assert len(parse(detection(*[box()] * 50)).boxes) == 50
    # Of an image that is cut into tiles there may be more; whether this one is, its size tells.
    many = parse(detection(*[box()] * 51))
    assert manifests.fit(many, 640, 480)[1][0][0] == "too_many_boxes"
    assert len(manifests.fit(many, 640, 480, is_cut=True)[0].boxes) == 51
    assert reason(detection(*[box()] * 1001)) == "too_many_boxes"


@pytest.mark.parametrize("class_id", [2, "x", None, True, 1.0, [0]])
def test_class_id_without_label(class_id: Any) -> None:
    assert reason(detection(box(class_id))) == "class_id_without_label"


def test_class_id_without_class_map() -> None:
    line = detection(box())
    del line["bounding-box-metadata"]["class-map"]
    assert reason(line) == "class_id_without_label"


@pytest.mark.parametrize("annotations", [None, {}, "x", [3], [None]])
def test_annotations_that_are_no_boxes(annotations: Any) -> None:
    line = detection()
    line["bounding-box"]["annotations"] = annotations
    assert reason(line) == "bad_boxes"


@pytest.mark.parametrize("field", ["left", "top", "width", "height"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-1, "box_outside"),
        (-0.5, "box_outside"),
        (float("-inf"), "box_outside"),
        (float("nan"), "bad_boxes"),
        (float("inf"), "bad_boxes"),
        (10**400, "bad_boxes"),
        ("3", "bad_boxes"),
        (None, "bad_boxes"),
        (True, "bad_boxes"),
        (641, "box_outside"),
    ],
)
def test_numbers_that_make_no_box(field: str, value: Any, expected: str) -> None:
    assert reason(detection(box() | {field: value})) == expected


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("value", [0, 0.0, 0.2, 1])
def test_boxes_of_no_size(field: str, value: Any) -> None:
    assert reason(detection(box() | {field: value})) == "box_too_small"


def test_a_box_that_is_too_small_once_the_image_is_scaled_down() -> None:
    assert len(parse(detection(box(0, 0, 0, 3, 3), size=(1280, 1280))).boxes) == 1
    assert reason(detection(box(0, 0, 0, 3, 3), size=(4096, 4096))) == "box_too_small"


@pytest.mark.parametrize("size", [(0, 5), ("640", "480"), (None, None), (True, True), (6.5, 5), (-1, 5)])
def test_an_image_size_that_is_none(size: Any) -> None:
    assert reason(detection(box(), size=size)) == "bad_image_size"


def test_boxes_are_held_against_the_image_itself() -> None:
    line = detection(box(0, 600, 400, 40, 80))
    assert manifests.check_fits(parse(line), 640, 480) is None
    problem = manifests.check_fits(parse(line), 480, 640)
    assert problem is not None
    assert problem[0] == "image_size_differs"
    del line["bounding-box"]["image_size"]
    problem = manifests.check_fits(parse(line), 639, 480)
    assert problem is not None
    assert problem[0] == "box_outside"


# Lines


def test_lines_keep_their_numbers_however_the_bytes_come() -> None:
    data = b"one\r\n\n  \nfour\nfive"
    for size in range(1, len(data) + 1):
        chunks = (data[start : start + size] for start in range(0, len(data), size))
        assert list(manifests.numbered_lines(chunks)) == [(1, b"one"), (4, b"four"), (5, b"five")]


def test_a_line_without_end_takes_no_memory() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield b"x" * 1_000_000
        yield b"\nlast"

    tracemalloc.start()
    lines = [(number, len(line)) for number, line in manifests.numbered_lines(endless())]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [number for number, _ in lines] == [1, 2]
    assert lines[0][1] > 400_000
    assert peak < 10_000_000


# Any input

labels = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20).map(
    shared_annotation.clean_label
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@st.composite
def fitting_boxes(draw: st.DrawFn) -> tuple[int, int, list[Box]]:
    width, height = draw(st.integers(64, 1280)), draw(st.integers(64, 1280))
    boxes = []
    for _ in range(draw(st.integers(0, 5))):
        left, top = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
        box_width, box_height = draw(st.integers(2, width - left)), draw(st.integers(2, height - top))
        boxes.append(Box(draw(labels), left, top, box_width, box_height))
    return width, height, boxes


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_whatever_a_line_is_it_is_an_annotation_or_a_broken_line(line: str | bytes) -> None:
    with pytest.raises(BrokenLineError):
        manifests.parse_line(line, 1)


@pytest.mark.long
@given(json_values, json_values, st.sampled_from(["left", "top", "width", "height", "class_id"]), json_values)
def test_whatever_is_in_the_fields_the_line_is_read_or_refused(
    value: Any, metadata: Any, field: str, side: Any
) -> None:
    for line in (
        {"source-ref": "s3://bucket/a", "x": value, "x-metadata": metadata},
        detection(box() | {field: side}),
        detection(box()) | {"bounding-box": value},
        detection(box(), size=(value, metadata)),
        classification("cat")
        | {"sport0-metadata": {"type": manifests.CLASSIFICATION_TYPE, "class-name": value}},
    ):
        try:
            annotation = parse(line)
        except BrokenLineError:
            continue
        assert all(box.width > 0 and box.left >= 0 for box in annotation.boxes)
        assert all(0 < len(label) <= 255 for label in annotation.labels)


@pytest.mark.long
@given(st.lists(labels, min_size=1, max_size=50, unique=True))
def test_a_classification_entry_reads_as_it_was_written(names: list[str]) -> None:
    entry = manifests.classification_entry("bucket", "images/a.jpg", names, CHANGED_AT)
    read = manifests.parse_line(manifests.entry_line(entry), 1)
    assert read == Annotation("bucket", "images/a.jpg", "classification", labels=tuple(sorted(names)))


@given(fitting_boxes())
def test_a_detection_entry_reads_as_it_was_written(case: tuple[int, int, list[Box]]) -> None:
    width, height, boxes = case
    entry = manifests.detection_entry(
        "bucket", "images/a.png", width=width, height=height, boxes=boxes, changed_at=CHANGED_AT
    )
    read = manifests.parse_line(manifests.entry_line(entry), 1)
    assert read.boxes == tuple(boxes)
    assert manifests.check_fits(read, width, height) is None


def test_entries_have_what_the_documentation_requires_and_are_deterministic() -> None:
    entry = manifests.classification_entry("bucket", "images/a.jpg", ["dog", "cat"], CHANGED_AT)
    assert entry == manifests.classification_entry("bucket", "images/a.jpg", ["cat", "dog"], CHANGED_AT)
    metadata = entry["label-0-metadata"]
    required = {"confidence", "class-name", "human-annotated", "creation-date", "type"}
    assert required <= set(metadata)
    assert metadata["creation-date"] == "2026-03-04T05:06:07.000008"
    boxes = [Box("dog", 0, 0, 9, 9), Box("cat", 1, 1, 9, 9)]
    entry = manifests.detection_entry(
        "bucket", "images/a.jpg", width=80, height=70, boxes=boxes, changed_at=CHANGED_AT
    )
    assert entry["bounding-box"]["image_size"] == [{"width": 80, "height": 70, "depth": 3}]
    assert entry["bounding-box-metadata"]["class-map"] == {"0": "cat", "1": "dog"}
    assert len(entry["bounding-box-metadata"]["objects"]) == 2
