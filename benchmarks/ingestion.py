"""1,000 images through S3, EventBridge, SQS and Lambda into the catalogue."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from PIL import Image

from benchmarks.embedded_stack import deployed
from lambdas.domain.shared import clock
from tests.fixtures.deployed_loop import Loop

IMAGES = 1000
KILOBYTES = 200
UPLOADERS = 4
LIMIT_PER_SECOND = 40
TIMEOUT_SECONDS = 300


def measure() -> None:
    """From the first upload to the last image catalogued; beside it, the same files put into S3 alone."""
    files = dict(files_of(IMAGES))
    with deployed("ingestion", {"min_new_images": "100000"}) as loop:
        loop.put("incoming/unlabeled/first.jpg", next(files_of(1))[1] + b"\0")  # functions are warm
        _until_catalogued(loop, 1)
        raw = _upload(loop, files, "other/")
        began = datetime.now(UTC)
        uploaded = _upload(loop, files, "incoming/labeled/part/")
        _until_catalogued(loop, IMAGES + 1)
        images = loop.images()
        last = max(clock.parse(image.registered_at) for image in images)
        catalogued = (last - began).total_seconds()
    hashes = {image.sha256 for image in images}
    size = sum(map(len, files.values())) / len(files) / 1000
    print(f"{IMAGES} images of {size:.0f} kB, {UPLOADERS} uploaders; limit {LIMIT_PER_SECOND} images/s")
    print(f"  S3 alone:     {IMAGES / raw:6.1f} images/s")
    print(f"  upload:       {IMAGES / uploaded:6.1f} images/s while they are registered")
    print(f"  to catalogue: {IMAGES / catalogued:6.1f} images/s ({catalogued:.1f} s)")
    print(f"  lost: {IMAGES + 1 - len(hashes)}, twice: {len(images) - len(hashes)}")


def files_of(count: int) -> Iterator[tuple[str, bytes]]:
    """Names and JPEGs that differ in a comment: the same work to decode, another content."""
    body = io.BytesIO()
    Image.effect_noise((640, 480), 90).convert("RGB").save(body, "JPEG", quality=80)
    picture = body.getvalue()
    filler = b" " * max(0, KILOBYTES * 1000 - len(picture) - 20)
    for number in range(count):
        comment = f"{number:08d}".encode() + filler
        segments = b"".join(
            b"\xff\xfe" + struct.pack(">H", len(part) + 2) + part
            for part in (comment[start : start + 65_000] for start in range(0, len(comment), 65_000))
        )
        yield f"{number:05d}.jpg", picture[:2] + segments + picture[2:]


def _upload(loop: Loop, files: dict[str, bytes], prefix: str) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(lambda name: loop.put(prefix + name, files[name]), files))
    return time.monotonic() - began


def _until_catalogued(loop: Loop, count: int) -> None:
    """Wait until `count` images are in the catalogue; looked at seldom, for looking costs the stack time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        page = loop.catalogue.scan(
            Select="COUNT",
            FilterExpression="begins_with(id, :image)",
            ExpressionAttributeValues={":image": "image#"},
        )
        if page["Count"] >= count:
            return
        time.sleep(3)
    raise TimeoutError(f"{page['Count']} of {count} images after {TIMEOUT_SECONDS} s")
