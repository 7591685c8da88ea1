"""Images as networks take them: upright, in a canvas, in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from learning import (
    Box,
    Example,
    data,
)
from learning.data import Images
from portable.images import Canvas, read, size, upright


def test_a_turned_image_is_read_upright_and_at_least_as_large_as_asked(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGB", (2000, 1000), "black")
    picture.paste("white", (0, 0, 1000, 1000))
    picture.save(tmp_path / "turned.jpg", exif=exif)
    image, whole = read(tmp_path / "turned.jpg", side=400)
    assert whole == (1000, 2000) == size(tmp_path / "turned.jpg")
    assert image.height == 2 * image.width and 400 <= image.height < 2000
    # Orientation 6 is turned clockwise: what was left comes to the top.
    assert image.getpixel((image.width // 2, 10)) == (255, 255, 255)
    assert image.getpixel((image.width // 2, image.height - 10)) == (0, 0, 0)


def test_deep_grey_is_scaled_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((4, 4), 128 * 257, np.uint16))
    assert upright(deep).getpixel((0, 0)) == (128, 128, 128)


def test_a_box_follows_its_pixels_into_the_canvas() -> None:
    image = Image.new("RGB", (400, 200), "black")
    image.paste("white", (100, 50, 200, 150))
    canvas = Canvas(128, 128)
    pixels = data.canvas_tensor(image, canvas).numpy()
    (box,) = data.boxes_in_canvas([Box("square", 100, 50, 100, 100)], image.size, canvas)
    ys, xs = np.nonzero(pixels[0] > 200)
    assert (xs.min(), xs.max() + 1) == pytest.approx((box.left, box.left + box.width), abs=1)
    assert (ys.min(), ys.max() + 1) == pytest.approx((box.top, box.top + box.height), abs=1)


def test_images_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.new("RGB", (128, 96)).save(path)
    images = Images([Example(path)], Canvas(64, 64))
    assert images[0].max() == data.GREY
    Image.new("RGB", (128, 96), "white").save(path)
    assert images[0].max() == data.GREY
    images.forget()
    assert images[0].max() == 255
