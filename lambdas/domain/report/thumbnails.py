"""Small JPEGs of the examples, as data: URIs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Semaphore

from lambdas.domain.images.files import MAX_SIDE
from lambdas.domain.images.opening import open_image

SIDE = 160
"""Pixels, of the longer one."""
MAX_BYTES = 7_000
_QUALITIES = (80, 65, 45, 25)
_THREADS = 8
_DECODERS = Semaphore(2)
"""Of 4096 x 4096 pixels each: the threads wait for the network, not for memory."""


def fetch(keys: Iterable[str], thumbnail: Callable[[str], bytes | None]) -> dict[str, str]:
    """data: URIs of those images that could be had, by key.

    Args:
        thumbnail: the bytes of an image, the whole or a smaller one; None if it cannot be had. Called from
            several threads at once.
    """
    wanted = sorted(set(keys))

    def uri_of(key: str) -> str:
        try:
            data = thumbnail(key)
            return data_uri(data) if data else ""
        # A report without a picture is worth more than no report: an image may be gone, or hostile.
        except Exception:  # noqa: BLE001
            return ""

    with ThreadPoolExecutor(_THREADS) as threads:
        return {key: uri for key, uri in zip(wanted, threads.map(uri_of, wanted), strict=True) if uri}


def data_uri(data: bytes) -> str:
    """A thumbnail of an image file, without its metadata, as stored: an EXIF orientation is not applied.

    Raises:
        OSError, ValueError: it is not a JPEG or PNG that Custom Labels would take.
    """
    with _DECODERS, open_image(data) as image:
        if max(image.size) > MAX_SIDE:
            raise ValueError(f"{image.width} x {image.height} pixels")
        image.draft("RGB", (SIDE, SIDE))
        small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    for quality in _QUALITIES:
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= MAX_BYTES:
            return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    raise ValueError("too much detail for a thumbnail")
