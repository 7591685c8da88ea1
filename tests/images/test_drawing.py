from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lambdas.domain.images import drawing

ORIENTATION = 0x0112
GREY = (128, 128, 128)


def detection(label: str, left: float, top: float, width: float, height: float) -> dict[str, Any]:
    box = {"left": left, "top": top, "width": width, "height": height}
    return {"label": label, "confidence": 87.6, "box": box}


def bounds(picture: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The smallest rectangle with every pixel of this colour."""
    inside = [
        (x, y)
        for x in range(picture.width)
        for y in range(picture.height)
        if picture.getpixel((x, y)) == colour
    ]
    xs, ys = [x for x, _ in inside], [y for _, y in inside]
    return min(xs), min(ys), max(xs), max(ys)


def test_a_box_is_where_it_was_found() -> None:
    picture = drawing.annotate(Image.new("RGB", (400, 300), GREY), [detection("bolt", 0.25, 0.5, 0.5, 0.25)])
    left, top, right, bottom = bounds(picture, drawing.colour_of("bolt"))
    assert (left, right, bottom) == (100, 300, 225)
    assert top < 150, "the caption stands above the box"
    assert picture.getpixel((200, 190)) == GREY, "the box is not filled"


def test_boxes_are_drawn_on_the_upright_picture() -> None:
    body = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (300, 200), GREY).save(body, "JPEG", exif=exif)
    picture = drawing.annotate(body.getvalue(), [detection("bolt", 0.0, 0.5, 0.5, 0.5)])
    assert picture.size == (200, 300)
    assert picture.getpixel((0, 299)) == drawing.colour_of("bolt")


@pytest.mark.parametrize("left", [-0.2, 0.0, 0.97])
@pytest.mark.parametrize("top", [-0.2, 0.0, 0.97])
def test_captions_stay_inside(left: float, top: float) -> None:
    picture = Image.new("RGB", (200, 150), GREY)
    drawn = drawing.annotate(picture, [detection("a label of some length", left, top, 0.5, 0.5)])
    colour = drawing.colour_of("a label of some length")
    x0, y0, x1, y1 = bounds(drawn, colour)
    assert x1 - x0 > 100
    assert y1 - y0 >= drawing.MIN_TEXT


def test_labels_of_the_whole_picture_are_listed() -> None:
    labels = [{"label": "damaged", "confidence": 99.0}, {"label": "empty", "confidence": 1.0}]
    drawn = drawing.annotate(Image.new("L", (200, 150), 128), labels)
    first, second = (bounds(drawn, drawing.colour_of(label["label"])) for label in labels)  # pyrefly: ignore[bad-argument-type]
    assert first[3] <= second[1], "one below the other"


def test_a_label_always_has_its_colour() -> None:
    assert drawing.colour_of("bolt") == drawing.colour_of("bolt")
    names = ["bolt", "gear", "nut", "washer", "assembled", "damaged", "empty"]
    assert len({drawing.colour_of(name) for name in names}) == len(names)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_saved_in_the_format_of_its_name(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "new" / f"a{suffix}"
    drawing.save(Image.new("RGB", (10, 10)), target)
    with Image.open(target) as picture:
        assert picture.format == {".jpg": "JPEG", ".png": "PNG"}[suffix]
