"""labelme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.annotations import dataset, json_files, labelme
from lambdas.domain.annotations.format_detection import detect_format
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch, write, write_json

SHAPE = {"label": "cup", "points": [[10, 20], [60, 70]], "shape_type": "rectangle", "flags": None}


def document(*shapes: Any, image: Any = "a.jpg", **more: Any) -> dict[str, Any]:
    sizes = {"imageWidth": 100, "imageHeight": 80}
    return (
        {
            "version": "5.4.1",
            "flags": {"a": False},
            "shapes": list(shapes),
            "imagePath": image,
            "imageData": None,
        }
        | sizes
        | more
    )


def read(root: Path) -> ReadEvents:
    return collect(dataset.read(root, detect_format(root)))


def test_rectangles_whichever_corner_is_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    turned = SHAPE | {"points": [[60, 20], [10, 70]]}
    write_json(tmp_path / "a.json", document(SHAPE, turned, imageData="AAAA" * 100_000))
    result = read(tmp_path)
    assert result.boxes["a.jpg"] == [("cup", 10, 20, 50, 50)] * 2
    assert (result.of("a.jpg").size, result.of("b.jpg").kind, result.problems) == ((100, 80), None, [])


@pytest.mark.parametrize(
    ("kind", "points", "expected"),
    [
        ("polygon", [[5, 6], [50, 6], [50, 70]], (5, 6, 45, 64)),
        (None, [[5, 6], [50, 6], [50, 70]], (5, 6, 45, 64)),
        ("polygon", [[-5, 6], [50, 6], [50, 90]], (0, 6, 50, 74)),
        ("circle", [[50, 40], [53, 44]], (45, 35, 10, 10)),
        ("mask", [[5, 6], [50, 70]], (5, 6, 45, 64)),
        ("rotation", [[5, 6], [50, 6], [50, 70], [5, 70]], (5, 6, 45, 64)),
    ],
)
def test_outlines_are_taken_by_their_bounding_boxes(
    tmp_path: Path, kind: str | None, points: list[list[int]], expected: tuple[float, ...]
) -> None:
    touch(tmp_path, "a.jpg")
    write_json(tmp_path / "a.json", document({"label": "cup", "points": points, "shape_type": kind}))
    result = read(tmp_path)
    assert result.boxes["a.jpg"] == [("cup", *expected)]
    assert result.problems == [] and result.noted("bounding boxes")


def test_images_without_shapes(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    write_json(tmp_path / "a.json", document())
    write_json(tmp_path / "b.json", document(image="b.jpg", flags={"red": True, "blue": False}))
    write_json(
        tmp_path / "c.json",
        document({"label": "x", "points": [[1, 2]], "shape_type": "point"}, image="c.jpg"),
    )
    result = read(tmp_path)
    assert [(a.kind, a.labels) for a in result.annotations] == [
        ("detection", ()),
        ("classification", ("red",)),
        (None, ()),
    ]
    assert result.noted("nothing is on") and result.noted("flags") and result.noted("points and lines")


@pytest.mark.parametrize(
    ("name", "image"),
    [("a.json", "..\\photos\\a.jpg"), ("a.json", "/home/me/a.jpg"), ("x/a.json", "renamed.png")],
)
def test_images_elsewhere(tmp_path: Path, name: str, image: str) -> None:
    touch(tmp_path, "photos/a.jpg")
    write_json(tmp_path / name, document(SHAPE, image=image))
    result = read(tmp_path)
    assert len(result.of("photos/a.jpg").boxes) == 1, result.problems


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("cup", "bad_boxes"),
        (SHAPE | {"label": None}, "bad_label"),
        (SHAPE | {"points": None}, "missing_box"),
        (SHAPE | {"points": [[1, 2]]}, "missing_box"),
        (SHAPE | {"points": [[1, 2], [3]]}, "bad_number"),
        (SHAPE | {"points": [[1, 2], [float("nan"), 4]]}, "bad_number"),
        (SHAPE | {"points": [[1, 2], [10**400, 4]]}, "bad_number"),
        (SHAPE | {"points": [[-9, 2], [30, 40]]}, "box_outside"),
        (SHAPE | {"points": [[9, 2], [9, 40]]}, "box_too_small"),
        (SHAPE | {"shape_type": "star"}, "unknown_shape"),
        (SHAPE | {"shape_type": ["polygon"]}, "unknown_shape"),
    ],
)
def test_a_bad_shape_is_told_and_the_others_are_taken(tmp_path: Path, shape: Any, reason: str) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    write_json(tmp_path / "a.json", document(SHAPE, shape))
    write_json(tmp_path / "b.json", document(shape, image="b.jpg"))
    result = read(tmp_path)
    assert [(p.file, p.reason, p.image) for p in result.problems] == [
        ("a.json", reason, "a.jpg"),
        ("b.json", reason, "b.jpg"),
    ]
    assert result.problems[0].detail.startswith("shape 2: ")
    assert (len(result.of("a.jpg").boxes), result.of("b.jpg").kind) == (1, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b'{"shapes": [', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"\xff\xfe{", "not_json"),
        (b"[]", "not_an_object"),
        (b'{"shapes": []}', "no_image"),
        (b'{"shapes": 7, "imagePath": "a.jpg"}', "bad_boxes"),
        (b'{"shapes": [], "imagePath": "../../../etc/passwd.jpg"}', "leaves_folder"),
        (b'{"shapes": [], "imagePath": {"a": 1}}', "no_image"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, body: bytes, reason: str) -> None:
    path = write(touch(tmp_path, "a.jpg") / "x.json", body)
    folder = dataset.Folder(tmp_path)
    assert [event.reason for event in labelme.read(path, folder) if isinstance(event, dataset.Problem)][
        :1
    ] == [reason]


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "MAX_BYTES", 100)
    path = write_json(tmp_path / "a.json", document(SHAPE))
    assert collect(labelme.read(path)).reasons == {"file_too_large": 1}
