"""Sends what a batch consists of: the images of a folder, each once, and the parts of its input."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cli.batch import spool as spooling
from cli.batch.images import Image
from cli.batch.spool import Spool
from cli.importing.journal import Journal
from cli.importing.sources import File
from cli.output import CommandError
from cli.progress import meter
from lambdas.domain.batch import files
from lambdas.domain.batch.files import InputLine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from rich.console import Console

THREADS = 16
"""Requests at once: most of the time of a small file is waiting."""
_AHEAD = 4 * THREADS
"""Requests that are made ready at once, so that memory does not grow with the batch."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def images(  # noqa: PLR0917 one for each thing that is at hand
    console: Console, folder: str, spool: Spool, s3: S3Client, bucket: str, name: str
) -> None:
    """Send the images of a folder that are not in the bucket yet, as the journal and the bucket say.

    Raises:
        CommandError: a file cannot be read, or was changed since it was counted.
        botocore.exceptions.ClientError, BotoCoreError: S3 cannot be written to.
    """
    prefix = files.images_prefix(name)
    there = _sizes(s3, bucket, prefix)
    root = Path(folder)

    def send(image: Image) -> str:
        """Send an image if it has to be: the hash of its content."""
        key, file = prefix + image.key, File(image.size, image.modified)
        known = journal.content(key) if there.get(key) == image.size else None
        if known and journal.has(key, file):
            return known
        body = _body(root, image)
        content = hashlib.sha256(body).hexdigest()
        if content != known:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        return content

    def note(image: Image, content: str) -> None:
        journal.note(prefix + image.key, File(image.size, image.modified), content)
        progress.advance(image.size)

    with (
        closing(Journal.of(bucket, f"batch-{name}", folder)) as journal,
        meter(console, "Sending images", spool.count) as progress,
    ):
        for_all(send, spool, note)


def parts(console: Console, spool: Spool, s3: S3Client, bucket: str, name: str) -> None:
    """Write the parts of a batch's input, and delete those that an earlier try left behind them."""
    count = -(-spool.count // files.PART_LINES)

    def put(part: tuple[int, list[InputLine]]) -> None:
        number, lines = part
        body = files.as_text(lines).encode()
        s3.put_object(Bucket=bucket, Key=files.input_key(name, number), Body=body)

    with meter(console, "Writing the input", count) as progress:
        for_all(put, enumerate(spooling.parts(spool, name)), lambda *_: progress.advance())
    wanted = {files.input_key(name, number) for number in range(count)}
    for key in _sizes(s3, bucket, files.input_prefix(name)).keys() - wanted:
        s3.delete_object(Bucket=bucket, Key=key)


def for_all(
    function: Callable[[Item], Outcome], items: Iterable[Item], note: Callable[[Item, Outcome], None]
) -> None:
    """Call the function with every item, THREADS of them at once, and note what it has returned.

    Whatever interrupts it (a KeyboardInterrupt, an error of one item), what was done by then is noted.

    Args:
        note: called by this thread alone.
    """
    under_way: dict[Future[Outcome], Item] = {}

    def note_ended(futures: Iterable[Future[Outcome]]) -> None:
        """Note those that have ended well, and then raise what another one has failed with."""
        for future in sorted(futures, key=lambda future: future.exception() is not None):
            note(under_way.pop(future), future.result())

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for item in items:
                under_way[pool.submit(function, item)] = item
                if len(under_way) >= _AHEAD:
                    note_ended(wait(under_way, return_when=FIRST_COMPLETED).done)
            note_ended(wait(under_way).done)
        finally:
            pool.shutdown(cancel_futures=True)
            note_ended([future for future in under_way if not future.cancelled() and not future.exception()])


def _sizes(s3: S3Client, bucket: str, prefix: str) -> dict[str, int]:
    """Sizes of the objects under a prefix by their keys."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}


def _body(root: Path, image: Image) -> bytes:
    try:
        body = (root / image.file).read_bytes()
    except OSError as error:
        raise CommandError(f"{root / image.file} cannot be read: {error.strerror or error}") from error
    if len(body) != image.size:
        raise CommandError(f"{root / image.file} was changed meanwhile: create the batch again")
    return body
