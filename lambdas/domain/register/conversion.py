"""The conversion of annotation files of any length and format into manifests of one invocation each.

The parts of incoming/annotations/set/coco.json are set/coco.json.parts/<hash>-00001.manifest and so on: named
by the file's content, so that a file converted twice has its parts once. They carry what the file was
(`Origin`), so that a part registered late does not beat a file uploaded after its own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import posixpath
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote

from lambdas.domain.annotations import entries
from lambdas.domain.catalogue.images import IMAGE_KEY
from lambdas.domain.register.arrivals import INCOMING, PARTS, Arrival
from lambdas.domain.register.rejections import BrokenLines
from lambdas.domain.shared import clock, manifests
from lambdas.domain.shared.errors import UnusableInputError
from lambdas.domain.shared.manifests import ALSO_ATTRIBUTE, LINE_ATTRIBUTE, BrokenLineError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.annotations.types import Event, ImageAnnotation, Problem

PART_LINES = 1_000
"""What one invocation registers well within its timeout, at a few DynamoDB calls a line."""
MAX_FILE_BYTES = 768 * 1024**2
"""The function converts so much in two thirds of its timeout, and its temporary storage holds it and what it
becomes (infra/register.py); docs/performance.md has the figures."""

MAX_XML_BYTES = 96 * 1024**2
"""XML is read at some 1 to 3 MB a second."""

_STAND_IN = '{"source-ref":"s3://bucket/key",'
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_S3_NAME = re.compile(r"s3://[^/]+/.+", re.DOTALL)
_NORMALISED = (
    "boxes are shares of the image's sides, and the file does not say how large the image is: add columns"
    " image_width and image_height, or use `labelloop import`"
)

_NO_FILENAME = "it does not say which image it is about: write a filename into it, or use `labelloop import`"


class UnusableFileError(UnusableInputError):
    """No line of an annotation file can be used."""


def check_bytes(size: int) -> None:
    """Raise UnusableFileError if an annotation file is larger than can be converted."""
    if size > MAX_FILE_BYTES:
        raise UnusableFileError(
            "file_too_large",
            f"{size} bytes; annotation files of up to {MAX_FILE_BYTES} are taken: split it, or use"
            " `labelloop import`",
        )


@dataclass(frozen=True)
class Origin:
    """The annotation file that a part was made of; empty of a manifest that is no part."""

    order: str = ""
    file: str = ""

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Origin:
        return cls(metadata.get("labelloop-order", ""), unquote(metadata.get("labelloop-file", "")))

    @property
    def metadata(self) -> dict[str, str]:
        """The origin as S3 object metadata, which is ASCII."""
        return {"labelloop-order": self.order, "labelloop-file": quote(self.file)}


class Writer:
    """Puts lines into parts of PART_LINES lines, the last one when the `with` block ends well.

    Good lines and broken ones are counted; only good ones are to be added.
    """

    def __init__(self, s3: S3Client, arrival: Arrival, order: str, sha256: str) -> None:
        self.arrival, self.sha256 = arrival, sha256
        self.parts = self.lines = 0
        self.broken = BrokenLines()
        self.notes: list[str] = []
        self._s3, self._origin = s3, Origin(order, arrival.key)
        self._part: list[bytes] = []

    def add(self, line: bytes) -> None:
        self.lines += 1
        self._part.append(line)
        if len(self._part) == PART_LINES:
            self._put()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._part:
            self._put()

    def _put(self) -> None:
        self.parts += 1
        self._s3.put_object(
            Bucket=self.arrival.bucket,
            Key=f"{self.arrival.key}{PARTS}{self.sha256[:16]}-{self.parts:05d}.manifest",
            Body=b"\n".join(self._part) + b"\n",
            Metadata=self._origin.metadata,
        )
        self._part = []


# Manifests


def split_manifest(lines: Iterable[tuple[int, bytes]], writer: Writer) -> None:
    """Split the numbered lines of a manifest into parts."""
    for number, text in lines:
        try:
            # Its bad boxes are reported when the part is registered.
            manifests.parse_line(text, number, bad_boxes=[])
        except BrokenLineError as broken:
            writer.broken.add(broken)
        else:
            writer.add(_with(text.removeprefix(b"\xef\xbb\xbf"), {LINE_ATTRIBUTE: number}))


def _with(line: bytes, attributes: Mapping[str, Any]) -> bytes:
    """A JSON object's text with attributes put in front of its own."""
    return manifests.entry_line(attributes).encode()[:-1] + b"," + line.lstrip()[1:]


# Other formats


@contextmanager
def downloaded(arrival: Arrival, chunks: Iterable[bytes]) -> Iterator[tuple[Path, str]]:
    """The file on disk for as long as the block runs, under its own suffix, and its SHA-256."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "annotations" + PurePosixPath(arrival.key).suffix.lower())
        with path.open("wb") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        yield path, digest.hexdigest()


def convert(path: Path, writer: Writer) -> None:
    """Convert a file of any format that has all annotations in one file into parts.

    Raises:
        UnusableFileError: no line of it can be taken, because it is of none of these formats.
    """
    # Imported here, because most of a cold start's events need no reader.
    from lambdas.domain.annotations import dataset, types  # noqa: PLC0415
    from lambdas.domain.annotations.format_detection import (  # noqa: PLC0415
        AmbiguousFormatError,
        UnknownFormatError,
        detect_format,
    )

    if path.suffix == ".xml" and path.stat().st_size > MAX_XML_BYTES:
        detail = f"{path.stat().st_size} bytes; XML of up to {MAX_XML_BYTES} is taken: use `labelloop import`"
        raise UnusableFileError("file_too_large", detail)
    try:
        format = detect_format(path).format
    except (UnknownFormatError, AmbiguousFormatError) as error:
        detail = str(error).replace(path.name, PurePosixPath(writer.arrival.key).name)
        raise UnusableFileError("unknown_format", detail) from error
    reader = _OWN_READERS.get(format) or dataset.READERS.get(format)
    if reader is None:
        detail = f"of a dataset in the format {format}, which is more than this file: use `labelloop import`"
        raise UnusableFileError("unknown_format", detail)
    if format == "manifest":
        with path.open("rb") as file:
            split_manifest(manifests.numbered_lines(iter(lambda: file.read(1024**2), b"")), writer)
        return
    now = clock.now()
    spool, names = path.with_suffix(".gz"), _BareNames()
    with gzip.open(spool, "wt", compresslevel=1, encoding="utf-8") as kept:
        for event in reader(path, None):
            if isinstance(event, types.Problem):
                writer.broken.add(BrokenLineError(event.line, event.reason, _detail(event)))
            elif isinstance(event, types.Note):
                writer.notes.append(event.detail)
            elif isinstance(event, types.ImageAnnotation) and event.normalised and not event.size:
                writer.broken.add(BrokenLineError(event.line, "normalised_boxes", _NORMALISED))
            elif isinstance(event, types.ImageAnnotation) and event.kind:
                names.add(event.image)
                pixels = types.in_pixels(event, *(event.size or (0, 0)))
                try:
                    kept.write(_Entry.of(pixels, now).kept())
                except BrokenLineError as broken:
                    writer.broken.add(broken)
    with gzip.open(spool, "rt", encoding="utf-8") as kept:
        for text in kept:
            try:
                writer.add(_line(_Entry.read(text), names, writer.arrival))
            except BrokenLineError as broken:
                writer.broken.add(broken)


def _read_table(path: Path, folder: None) -> Iterator[Event]:
    from lambdas.domain.annotations import tables  # noqa: PLC0415 as above

    return tables.read(path)


def _read_voc(path: Path, folder: None) -> Iterator[Event]:
    """Read one file of Pascal VOC, which has to name its image: `path` is not called as it was uploaded."""
    from lambdas.domain.annotations import types, voc  # noqa: PLC0415 as above

    for event in voc.read(path):
        if isinstance(event, types.ImageAnnotation) and event.image == path.stem:
            yield types.Problem(event.file, 0, "missing_image", _NO_FILENAME)
        else:
            yield event


_OWN_READERS = {"csv": _read_table, "voc": _read_voc}


@dataclass(frozen=True)
class _Entry:
    """What a file says about an image, kept on disk until the names of all images are known."""

    image: str
    line: int
    attributes: str
    """Its line of a manifest without the source-ref."""

    @classmethod
    def of(cls, event: ImageAnnotation, changed_at: str) -> _Entry:
        """The entry of an image; single bad boxes are reported when it is registered.

        Raises:
            BrokenLineError: it could not be registered.
        """
        line = manifests.entry_line(entries.entry(event, "bucket", "key", changed_at))
        manifests.parse_line(line, event.line, bad_boxes=[])
        return cls(event.image, event.line, "{" + line.removeprefix(_STAND_IN))

    def kept(self) -> str:
        """The entry as a line of text; JSON has no tabs but as escapes."""
        return f"{self.line}\t{json.dumps(self.image)}\t{self.attributes}\n"

    @classmethod
    def read(cls, text: str) -> _Entry:
        line, image, attributes = text.rstrip("\n").split("\t")
        return cls(json.loads(image), int(line), attributes)


class _BareNames:
    """Which file names, without their folders, one image alone has."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._several: set[int] = set()

    def add(self, image: str) -> None:
        name = hash(_bare(image))
        (self._several if name in self._seen else self._seen).add(name)

    def is_one(self, image: str) -> bool:
        return hash(_bare(image)) not in self._several


def _line(entry: _Entry, names: _BareNames, arrival: Arrival) -> bytes:
    key, also = _keys(entry, names, arrival)
    line: dict[str, Any] = {LINE_ATTRIBUTE: entry.line} if entry.line else {}
    line["source-ref"] = key
    if also:
        line[ALSO_ATTRIBUTE] = also
    for name in filter(None, (key, also)):
        manifests.check_source(name, entry.line)
    return _with(entry.attributes.encode(), line)


def _keys(entry: _Entry, names: _BareNames, arrival: Arrival) -> tuple[str, str]:
    """Where the image is: its name as seen from the file's folder, and if that fails its bare name there.

    A content address is of the bucket, from wherever it is named.
    """
    if _S3_NAME.fullmatch(entry.image):
        return entry.image, ""
    if IMAGE_KEY.fullmatch(entry.image):
        return f"s3://{arrival.bucket}/{entry.image}", ""
    folder = posixpath.dirname(arrival.key)
    beside = f"s3://{arrival.bucket}/{folder}/{_bare(entry.image)}"
    key = posixpath.normpath(posixpath.join(folder, entry.image.replace("\\", "/")))
    elsewhere = not key.startswith(INCOMING) or _DRIVE.match(entry.image)
    named = "" if elsewhere else f"s3://{arrival.bucket}/{key}"
    if named == beside or not names.is_one(entry.image):
        beside = ""
    if not named and not beside:
        raise BrokenLineError(
            entry.line,
            "ambiguous_name",
            f"{entry.image} is outside the bucket, and several images are called {_bare(entry.image)}:"
            f" name it as seen from {folder}/",
        )
    return named or beside, beside if named else ""


def _bare(image: str) -> str:
    return image.replace("\\", "/").rpartition("/")[2]


def _detail(problem: Problem) -> str:
    return f"{problem.image}: {problem.detail}" if problem.image else problem.detail
