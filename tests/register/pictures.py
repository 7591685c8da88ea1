"""Small images, good and bad, for the tests of register."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def picture(
    colour: int = 0,
    *,
    size: tuple[int, int] = (80, 70),
    format: str = "JPEG",
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """An image with a gradient, so that its bytes are more than a header; `colour` makes it another one."""
    gradient = Image.linear_gradient("L").resize(size).point(lambda level: (level + colour) % 256)
    image = Image.merge("RGB", [gradient, gradient, gradient]).convert(mode)
    return encoded(image, format, **options)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def bomb_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")
