"""Small pictures, whatever comes as an image."""

from __future__ import annotations

import base64
from io import BytesIO
from threading import Barrier

import pytest
from PIL import Image

from lambdas.domain.report.thumbnails import MAX_BYTES, SIDE, data_uri, fetch
from tests.fixtures.images import GIF, bomb_png
from tests.fixtures.report_images import jpeg, noise


def opened(uri: str) -> Image.Image:
    kind, data = uri.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    return Image.open(BytesIO(base64.b64decode(data, validate=True)))


@pytest.mark.parametrize(
    ("size", "small"), [((640, 480), (160, 120)), ((300, 900), (53, 160)), ((90, 64), (90, 64))]
)
def test_a_thumbnail_keeps_the_shape(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert opened(data_uri(jpeg(size))).size == small


def test_a_thumbnail_is_small_in_bytes_too() -> None:
    uri = data_uri(noise((1000, 1000)))
    assert len(base64.b64decode(uri.split(",", 1)[1])) <= MAX_BYTES
    assert max(opened(uri).size) == SIDE


def test_a_thumbnail_is_not_turned_and_has_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A camera's maker"
    small = opened(data_uri(jpeg((640, 480), exif=exif)))
    assert small.size == (160, 120)
    assert not small.getexif()


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "I;16", "1"])
def test_every_mode_of_a_png(mode: str) -> None:
    buffer = BytesIO()
    Image.new(mode, (200, 100)).save(buffer, "PNG")
    assert opened(data_uri(buffer.getvalue())).size == (160, 80)


@pytest.mark.parametrize(
    "data", [b"", b"text", GIF, bomb_png(30_000, 30_000), bomb_png(5000, 100), jpeg()[:200]]
)
def test_what_is_no_picture_is_left_away(data: bytes) -> None:
    assert fetch(["a"], lambda key: data) == {}


def test_one_that_fails_leaves_the_others() -> None:
    files = {"a": jpeg(), "c": jpeg()}
    assert set(fetch(["a", "b", "c", "a"], files.__getitem__)) == {"a", "c"}


def test_eight_are_fetched_at_a_time() -> None:
    together = Barrier(8, timeout=20)

    def thumbnail(key: str) -> bytes:
        together.wait()
        return jpeg()

    assert len(fetch(map(str, range(16)), thumbnail)) == 16
