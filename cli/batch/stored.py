"""A file of any length, on this machine or in a bucket, read as lines in constant memory."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from cli.deployment import explain
from cli.output import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_LINE_BYTES = 64 * 1024
"""Many times as long as a key with its bucket can be."""


@dataclass(frozen=True)
class Stored:
    """A file by its path, or by its bucket and key."""

    where: str
    s3: S3Client | None = None
    bucket: str = ""
    """Empty of a file on this machine."""
    key: str = ""

    @classmethod
    def on_disk(cls, path: Path) -> Stored:
        return cls(str(path.resolve()))

    @classmethod
    def in_bucket(cls, s3: S3Client, where: str) -> Stored:
        """Args: where: s3://bucket/key."""
        bucket, _, key = where.removeprefix("s3://").partition("/")
        return cls(where, s3, bucket, key)

    @property
    def name(self) -> str:
        return self.where.rsplit("/", 1)[-1]

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file as it is stored. One of a bucket is copied to this machine first.

        Raises:
            CommandError: it cannot be read.
        """
        try:
            if not self.s3:
                with Path(self.where).open("rb") as file:
                    yield file
                return
            with tempfile.TemporaryFile(prefix="labelloop-batch-") as file:
                self.s3.download_fileobj(self.bucket, self.key, file)
                file.seek(0)
                yield file
        except ClientError as error:
            raise CommandError(f"{self.where} cannot be read: {explain(error)}") from error
        except OSError as error:
            raise CommandError(f"{self.where} cannot be read: {error.strerror or error}") from error

    @contextmanager
    def unpacked(self) -> Iterator[IO[bytes]]:
        """The file's content, unpacked if it is called .gz.

        Raises:
            CommandError: it cannot be read, or is not what its name says.
        """
        with self.opened() as file:
            if not self.name.lower().endswith(".gz"):
                yield file
                return
            try:
                with gzip.GzipFile(fileobj=file) as content:
                    yield cast(Any, content)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise CommandError(f"{self.where} is broken: {error}") from error


def lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """The lines without their ends; None for one of more than MAX_LINE_BYTES."""
    while line := file.readline(MAX_LINE_BYTES):
        if line.endswith(b"\n") or len(line) < MAX_LINE_BYTES:
            yield line.rstrip(b"\r\n")
            continue
        while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield None
