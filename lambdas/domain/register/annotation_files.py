"""Annotation files under incoming/annotations/: their lines are applied to their images.

A manifest of up to PART_LINES lines is registered as it is. Everything else is first converted into such
manifests (lambdas/domain/register/conversion.py), each with an event of its own, so that a file may be as
long as it wants to be and its parts are registered in parallel. Lines of one part are registered one after
the other: at three DynamoDB calls each that takes seconds, and boto3's resources must not be shared by
threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lambdas.domain.annotations import unread_formats
from lambdas.domain.catalogue.pending import PendingAnnotation
from lambdas.domain.register import arrivals, conversion, matching, rejections
from lambdas.domain.register.annotation_matching import Lines, Taken
from lambdas.domain.register.arrivals import ANNOTATIONS, Arrival, Outcome
from lambdas.domain.register.conversion import UnusableFileError
from lambdas.domain.register.rejections import BrokenLines
from lambdas.domain.shared import clock, manifests
from lambdas.domain.shared.manifests import BrokenLineError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

MANIFESTS = (".manifest", ".jsonl")
CONVERTED = (".json", ".csv", ".tsv", ".xml")
SUFFIXES = MANIFESTS + CONVERTED
_REFUSED = (".ndjson", ".txt", ".yaml", ".yml", ".names", ".data", ".zip", *unread_formats.SUFFIXES)
"""Of files that are no images, and are refused as the annotations that they look like."""

_CHUNK = 1024 * 1024
_BATCH_LINES = 100
"""Lines whose images are looked for together."""


def is_annotation_file(key: str) -> bool:
    """Whether the key is that of an annotation file."""
    return key.startswith(ANNOTATIONS) and key.lower().endswith(SUFFIXES + _REFUSED)


def register(s3: S3Client, table: Table, arrival: Arrival, opened: GetObjectOutputTypeDef) -> Outcome:
    """Apply the file's lines, or convert it into manifests that have their own events.

    Raises:
        GoneError: it was deleted since.
        botocore.exceptions.ClientError: S3 or DynamoDB failed; the event has to be delivered again.
    """
    try:
        conversion.check_bytes(arrival.size)
        if not arrival.key.lower().endswith(MANIFESTS):
            return _convert(s3, arrival, opened)
        sha256, lines = _measure(opened)
    except UnusableFileError as error:
        return rejections.reject(s3, arrival, error.reason, error.detail)
    if lines > conversion.PART_LINES:
        return _split(s3, arrival, sha256)
    return _register_lines(s3, table, arrival, sha256)


def _measure(opened: GetObjectOutputTypeDef) -> tuple[str, int]:
    """SHA-256 and number of lines of a manifest."""
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        for chunk in opened["Body"].iter_chunks(_CHUNK):
            digest.update(chunk)
            yield chunk

    lines = sum(1 for _ in manifests.numbered_lines(chunks()))
    if lines == 0:
        raise UnusableFileError("empty", "the manifest has no lines")
    return digest.hexdigest(), lines


# Converting


def _split(s3: S3Client, arrival: Arrival, sha256: str) -> Outcome:
    _, opened = arrivals.open_object(s3, arrival)
    lines = manifests.numbered_lines(opened["Body"].iter_chunks(_CHUNK))
    order = arrival.order(opened["LastModified"])
    with conversion.Writer(s3, arrival, order, sha256) as writer:
        conversion.split_manifest(lines, writer)
    return _converted(s3, arrival, writer)


def _convert(s3: S3Client, arrival: Arrival, opened: GetObjectOutputTypeDef) -> Outcome:
    order = arrival.order(opened["LastModified"])
    with (
        conversion.downloaded(arrival, opened["Body"].iter_chunks(_CHUNK)) as (path, sha256),
        conversion.Writer(s3, arrival, order, sha256) as writer,
    ):
        conversion.convert(path, writer)
    return _converted(s3, arrival, writer)


def _converted(s3: S3Client, arrival: Arrival, writer: conversion.Writer) -> Outcome:
    _put_away(s3, arrival, writer.sha256)
    rejections.write_broken_lines(s3, arrival, writer.broken, writer.lines)
    rejections.write_notes(s3, arrival, writer.notes)
    arrivals.delete(s3, arrival)
    return Outcome(
        "converted",
        arrival.key,
        sha256=writer.sha256,
        parts=writer.parts,
        notes=len(writer.notes),
        broken_lines=writer.broken.count,
    )


# Registering


def _register_lines(s3: S3Client, table: Table, arrival: Arrival, sha256: str) -> Outcome:
    _, opened = arrivals.open_object(s3, arrival)
    origin = conversion.Origin.read(opened["Metadata"])
    order = origin.order or arrival.order(opened["LastModified"])
    lines, matching_lines = _Lines(), Lines(s3, table, arrival.bucket)
    parsed = _parsed(arrival, order, opened["Body"].iter_chunks(_CHUNK))
    while batch := list(islice(parsed, _BATCH_LINES)):
        for taken in matching_lines.take(batch, lines.broken.add):
            lines.count(taken)
    _put_away(s3, arrival, sha256)
    rejections.write_broken_lines(s3, arrival, lines.broken, lines.taken, origin.file)
    arrivals.delete(s3, arrival)
    return Outcome(
        "annotated",
        arrival.key,
        sha256=sha256,
        labels_changed=lines.changed,
        pending=lines.pending,
        broken_lines=lines.broken.count,
    )


def _parsed(
    arrival: Arrival, order: str, chunks: Iterator[bytes]
) -> Iterator[PendingAnnotation | BrokenLineError]:
    """The annotations of a manifest's good lines, and between them what is wrong with others."""
    for number, text in manifests.numbered_lines(chunks):
        try:
            bad_boxes: list[BrokenLineError] = []
            annotation = manifests.parse_line(text, number, bad_boxes=bad_boxes)
        except BrokenLineError as error:
            yield error
            continue
        line = annotation.file_line or number
        for bad in bad_boxes:
            yield BrokenLineError(line, bad.reason, bad.detail)
        # Files of one second, whose events may have no sequencer, are told apart by what they say.
        order_of_line = f"{order}#{line:09d}#{matching.says(annotation)}"
        yield PendingAnnotation(annotation, order_of_line, arrival.key, line, clock.now())


class _Lines:
    """Counts what became of a manifest's lines."""

    def __init__(self) -> None:
        self.taken = self.changed = self.pending = 0
        self.broken = BrokenLines()

    def count(self, taken: Taken) -> None:
        self.taken += 1
        self.pending += taken.pending
        self.changed += taken.labels_changed


def _put_away(s3: S3Client, arrival: Arrival, sha256: str) -> None:
    """Copy the file to annotations/, where it stays under a name made of its content."""
    suffix = PurePosixPath(arrival.key).suffix.lower()
    arrivals.copy(s3, arrival, f"annotations/{sha256}{'.manifest' if suffix in MANIFESTS else suffix}")
