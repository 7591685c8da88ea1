"""Thumbnails, whatever comes as an image."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from lambdas.domain.images import thumbnails
from tests.fixtures.report_images import jpeg, noise


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize(
    ("size", "small"), [((640, 480), (320, 240)), ((300, 900), (107, 320)), ((90, 64), (90, 64))]
)
def test_a_thumbnail_keeps_the_shape(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert opened(thumbnails.of_file(jpeg(size))).size == small


def test_a_thumbnail_is_upright_and_has_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A camera's maker"
    small = opened(thumbnails.of_file(jpeg((640, 480), exif=exif)))
    assert small.size == (240, 320)
    assert not dict(small.getexif())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16", "LA"])
def test_every_kind_of_pixels_becomes_one(mode: str) -> None:
    buffer = BytesIO()
    Image.new(mode, (400, 200), 1 if mode == "1" else None).save(buffer, "PNG")
    assert opened(thumbnails.of_file(buffer.getvalue())).size == (320, 160)


def test_a_thumbnail_is_small_in_bytes_too() -> None:
    assert len(thumbnails.of_file(noise((2000, 2000)))) < 60_000
