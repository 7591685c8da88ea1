"""`labelloop import` of 2,000 images into the embedded stack, beside the same files put into S3 alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from benchmarks.embedded_stack import deployed
from benchmarks.ingestion import KILOBYTES, files_of
from cli.importing.command import import_into
from cli.importing.journal import Journal
from cli.importing.sources import LocalSource
from cli.progress import Meter
from local import embedded
from tests.fixtures.deployed_loop import Loop

IMAGES = 2000
UPLOADERS = 16
"""As many as the import has."""
LIMIT_PER_SECOND = 60


def measure() -> None:
    """The import while what came is registered, which takes the same processors; and the raw upload."""
    with tempfile.TemporaryDirectory() as folder, deployed("import", {"min_new_images": "100000"}) as loop:
        files = dict(files_of(IMAGES))
        for name, body in files.items():
            path = Path(folder, "set", "part" if int(name[:5]) % 2 else "other", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        s3 = boto3.session.Session().client(
            "s3",
            endpoint_url=loop.stack.endpoint,
            region_name=embedded.REGION,
            aws_access_key_id=embedded.ACCESS_KEY_ID,
            aws_secret_access_key=embedded.SECRET_ACCESS_KEY,
        )
        raw = _raw(loop, files)
        began = time.monotonic()
        journal = Journal(Path(folder, "journal.sqlite"))
        plan, _ = import_into(
            LocalSource(Path(folder, "set")), s3, loop.bucket, journal, name="set", meter=Meter()
        )
        imported = time.monotonic() - began
        assert len(plan.items) == IMAGES
    print(f"{IMAGES} images of {KILOBYTES} kB in two folders; limit {LIMIT_PER_SECOND} images/s")
    print(f"  S3 alone: {IMAGES / raw:6.1f} images/s, {UPLOADERS} uploaders")
    print(f"  import:   {IMAGES / imported:6.1f} images/s, looked at and sent, while they are registered")


def _raw(loop: Loop, files: Mapping[str, bytes]) -> float:
    began = time.monotonic()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(lambda name: loop.put(f"other/{name}", files[name]), files))
    return time.monotonic() - began
