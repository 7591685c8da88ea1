"""Images as models take them, whatever their EXIF tags say."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from portable.images import read

ORIENTATION, RESOLUTION, WIDTH = 0x0112, 0x011A, 0x0100
SHORT, ASCII, RATIONAL, UNDEFINED, SIGNED_RATIONAL, FLOAT = 3, 2, 5, 7, 10, 11
QUARTER_TURN = (ORIENTATION, SHORT, 1, struct.pack("<HH", 6, 0))


def jpeg(*tags: tuple[int, int, int, bytes], after: bytes = b"") -> io.BytesIO:
    """A picture of 80 x 64 pixels with EXIF tags: number, type, count and value of each."""
    written = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in tags)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(tags)) + written + bytes(4) + after
    file = io.BytesIO()
    Image.new("RGB", (80, 64), "red").save(file, "JPEG", exif=exif)
    return file


@pytest.mark.parametrize("turn", range(10))
def test_an_image_is_turned_as_its_orientation_says(turn: int) -> None:
    image, size = read(jpeg((ORIENTATION, SHORT, 1, struct.pack("<HH", turn, 0))))
    assert image.size == size == ((64, 80) if turn in range(5, 9) else (80, 64))


@pytest.mark.parametrize(
    ("kind", "count", "value", "after"),
    [
        (ASCII, 4, b"ab\0\0", b""),
        (UNDEFINED, 4, b"\6\0\0\0", b""),
        (FLOAT, 1, struct.pack("<f", float("inf")), b""),
        (FLOAT, 1, struct.pack("<f", float("nan")), b""),
        (FLOAT, 1, struct.pack("<f", 6.5), b""),
        (RATIONAL, 1, struct.pack("<I", 26), struct.pack("<II", 0, 0)),
        (SHORT, 0x7FFFFFFF, bytes(4), b""),
    ],
    ids=["text", "bytes", "infinite", "no number", "a fraction", "0/0", "more than there is"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_orientation_turns_nothing(kind: int, count: int, value: bytes, after: bytes) -> None:
    image, size = read(jpeg((ORIENTATION, kind, count, value), after=after))
    assert image.size == size == (80, 64)


@pytest.mark.parametrize(
    ("odd", "after"),
    [
        ((RESOLUTION, SIGNED_RATIONAL, 1, struct.pack("<I", 38)), struct.pack("<ii", -1, 0)),
        ((WIDTH, FLOAT, 1, struct.pack("<f", float("nan"))), b""),
    ],
    ids=["a fraction", "no number"],
)
def test_odd_tags_beside_it_keep_no_image_from_being_turned(
    odd: tuple[int, int, int, bytes], after: bytes
) -> None:
    image, size = read(jpeg(odd, QUARTER_TURN, after=after))
    assert image.size == size == (64, 80)


def test_what_is_no_image_is_said_so() -> None:
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read(io.BytesIO(b"no image"))
