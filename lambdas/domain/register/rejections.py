"""Rejections: what cannot be used is moved under rejected/, and beside it lies why."""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from lambdas.domain.register import arrivals
from lambdas.domain.register.arrivals import INCOMING, Arrival, GoneError, Outcome
from lambdas.domain.shared import clock, manifests

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.catalogue.pending import PendingAnnotation
    from lambdas.domain.shared.manifests import BrokenLineError

REJECTED = "rejected/"
MAX_LISTED_LINES = 1_000
"""Broken lines in a reason; every further one is in a file of its own."""


class BrokenLines:
    """The lines of an annotation file that cannot be used.

    The first ones are listed in the reason; where there are more, all of them are on disk.
    """

    def __init__(self) -> None:
        self.count = 0
        self.listed: list[dict[str, Any]] = []
        self._all: IO[bytes] | None = None
        self._writer: gzip.GzipFile | None = None

    def add(self, broken: BrokenLineError) -> None:
        self.count += 1
        line = {"line": broken.line, "reason": broken.reason, "detail": broken.detail}
        if self.count <= MAX_LISTED_LINES:
            self.listed.append(line)
            return
        if self._writer is None:
            self._all = tempfile.TemporaryFile()  # noqa: SIM115 closed by `every`
            self._writer = gzip.GzipFile(fileobj=self._all, mode="wb", compresslevel=1)
            for first in self.listed:
                self._write(first)
        self._write(line)

    def _write(self, line: dict[str, Any]) -> None:
        assert self._writer  # noqa: S101
        self._writer.write(json.dumps(line).encode() + b"\n")

    @contextmanager
    def every(self) -> Iterator[IO[bytes] | None]:
        """All of them as gzipped JSON Lines, once nothing is to be added; None if `listed` has them all."""
        if self._all is None or self._writer is None:
            yield None
            return
        with self._all:
            self._writer.close()
            self._all.seek(0)
            yield self._all


def reject(s3: S3Client, arrival: Arrival, reason: str, detail: str) -> Outcome:
    """Move the object under rejected/, with its reason."""
    try:
        arrivals.copy(s3, arrival, _rejected_key(arrival.key))
    except GoneError:
        return Outcome("gone", arrival.key)
    _write(s3, arrival, reason, detail)
    arrivals.delete(s3, arrival)
    return Outcome("rejected", arrival.key, reason=reason)


def write_broken_lines(
    s3: S3Client, arrival: Arrival, broken: BrokenLines, taken: int, file: str = ""
) -> None:
    """Write which lines of an annotation file were left out, if any were.

    Args:
        file: key of the annotation file that the lines' numbers are of, if not of the arrival.
    """
    if not broken.count:
        return
    listed = (
        f"{broken.count} lines, or boxes of lines, were left out, {taken} lines were taken; correct and"
        " upload them again"
    )
    more = {"file": file} if file else {}
    with broken.every() as every:
        if every:
            more["all"] = _rejected_key(arrival.key, ".broken.jsonl.gz")
            listed += f"; the first {MAX_LISTED_LINES} are here, every one is in {more['all']}"
            s3.upload_fileobj(every, arrival.bucket, more["all"])
    _write(s3, arrival, "broken_lines", listed, **more, lines=broken.listed)


def write_notes(s3: S3Client, arrival: Arrival, notes: Sequence[str]) -> None:
    """Write what of an annotation file was understood in one of several ways, if anything was."""
    if notes:
        listed = (
            "these things were understood so; where that is wrong, say them otherwise and upload it again"
        )
        _write(s3, arrival, "notes", listed, suffix=".notes.json", notes=list(notes))


def write_unfit_annotation(
    s3: S3Client, bucket: str, pending: PendingAnnotation, broken: Sequence[BrokenLineError]
) -> None:
    """Write why a pending annotation, or a box of it, does not fit its image."""
    _put_json(
        s3,
        bucket,
        _rejected_key(pending.manifest_key, f".line-{pending.line}.reason.json"),
        {
            "key": pending.manifest_key,
            "image": pending.annotation.source_key,
            "line": pending.line,
            "reason": broken[0].reason,
            "detail": "; ".join(each.detail for each in broken),
            "at": clock.now(),
        },
    )


def _write(
    s3: S3Client, arrival: Arrival, reason: str, detail: str, *, suffix: str = ".reason.json", **more: Any
) -> None:
    document = {
        "key": arrival.key,
        "version_id": arrival.version_id,
        "reason": reason,
        "detail": detail,
        "at": clock.now(),
        **more,
    }
    _put_json(s3, arrival.bucket, _rejected_key(arrival.key, suffix), document)


def _rejected_key(key: str, suffix: str = "") -> str:
    rejected = REJECTED + key.removeprefix(INCOMING) + suffix
    if len(rejected.encode()) <= manifests.MAX_KEY_BYTES:
        return rejected
    return f"{REJECTED}{hashlib.sha256(key.encode()).hexdigest()}{suffix}"


def _put_json(s3: S3Client, bucket: str, key: str, document: dict[str, Any]) -> None:
    body = json.dumps(document, indent=2).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
