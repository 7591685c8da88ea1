"""The images of a batch, kept in a temporary file between being counted and being sent.

So a source of ten million images is read once, what was shown is what is sent, and memory does not grow with
their number; the file has some ten bytes an image.
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import IO, Any, cast

from cli.batch.images import Image
from lambdas.domain.batch import files
from lambdas.domain.batch.files import InputLine

MAX_BUCKETS = 1000
"""Buckets that are told apart. No account has so many by far, and memory is bounded."""


class Spool:
    """Images in the order in which they came. Used in a `with` block."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="labelloop-batch-")  # noqa: SIM115 __exit__ closes it
        self._writer: IO[bytes] = cast(Any, gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=1))
        self.count = 0
        self.bytes = 0
        self.buckets: Counter[str] = Counter()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._file.close()

    def fill(self, images: Iterable[Image]) -> Iterator[Image]:
        """Keep the images while they pass, so that they can be counted."""
        for image in images:
            fields = [image.bucket, image.key, image.version_id, image.size, image.file, image.modified]
            self._writer.write(json.dumps(fields).encode() + b"\n")
            self.count += 1
            self.bytes += image.size
            if image.bucket in self.buckets or len(self.buckets) < MAX_BUCKETS:
                self.buckets[image.bucket] += 1
            yield image
        self._writer.close()

    def __iter__(self) -> Iterator[Image]:
        self._file.seek(0)
        with gzip.GzipFile(fileobj=self._file) as content:
            for line in cast(Any, content):
                yield Image(*json.loads(line))


def parts(images: Iterable[Image], name: str) -> Iterator[list[InputLine]]:
    """The lines of each part of a batch's input."""
    prefix = files.images_prefix(name)
    numbered = (
        InputLine(
            str(number), image.bucket, prefix + image.key if image.file else image.key, image.version_id
        )
        for number, image in enumerate(images)
    )
    while part := list(islice(numbered, files.PART_LINES)):
        yield part
