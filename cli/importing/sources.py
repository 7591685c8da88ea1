"""Sources of a dataset: a folder or an archive of this machine, or a prefix of a bucket."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from cli.deployment import explain
from cli.importing import archives
from cli.output import CommandError
from lambdas.domain.annotations import image_references, unread_formats
from lambdas.domain.annotations.types import Problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REQUESTS_AT_ONCE = 16
"""Requests in parallel to a bucket that is read from: most of the time of a small file is waiting."""
ANNOTATIONS = frozenset(
    (
        *(".json", ".jsonl", ".ndjson", ".manifest", ".csv", ".tsv", ".xml"),
        *(".txt", ".yaml", ".yml", ".names", ".data", ".lst"),
    )
)
"""Suffixes of the files that are read of a dataset, other than its images."""


@dataclass(frozen=True, slots=True)
class File:
    """Size and modification mark of a file, which differ between two states of it."""

    size: int
    modified: str


@dataclass
class Listing:
    """The files of a dataset, by their paths below its folder, with forward slashes."""

    images: dict[str, File] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    """Files that are neither images nor annotations, by suffix."""
    problems: list[Problem] = field(default_factory=list)

    def add(self, name: str, file: File) -> None:
        if any(part.startswith(".") or part == "__MACOSX" for part in name.split("/")):
            return
        suffix = PurePosixPath(name).suffix.lower()
        if image_references.is_image(name):
            self.images[name] = file
        elif suffix not in ANNOTATIONS:
            self.others[suffix or PurePosixPath(name).name] += 1

    def reject(self, name: str, reason: str, detail: str) -> None:
        self.problems.append(Problem(name, 0, reason, detail, image=name))


_REPLACED = "it was replaced meanwhile: import it again"


class UnreadableError(RuntimeError):
    """A file of the dataset cannot be read; the message says why."""


class Source(Protocol):
    """A dataset, wherever it is stored."""

    where: str
    """Path or address, as it was given on the command line."""
    annotations: Path
    """Folder or file of this machine that the annotations are read from."""
    root: Path
    """Folder of this machine that paths in the annotations start from."""

    @property
    def default_name(self) -> str: ...

    def listing(self) -> Listing:
        """List every file. The list is made once."""

    def read(self, image: str, number: int) -> bytes:
        """The first bytes of an image. Raises UnreadableError."""

    def tail(self, image: str, number: int) -> bytes | None:
        """The last bytes of an image; None where they cost as much as all. Raises UnreadableError."""

    def identity(self, image: str) -> str:
        """A digest of an image's content. Raises UnreadableError."""

    def send(self, image: str, identity: str, s3: S3Client, bucket: str, key: str) -> None:
        """Put an image into a bucket. Raises UnreadableError, also if it no longer has this digest."""

    @property
    def has_hashes(self) -> bool:
        """Whether the digests are SHA-256 hashes of the content."""

    def folder(self, image: str) -> str:
        """The folder, with its slash, that keeps an image apart from others that had its name.

        Empty where annotations can name its content.
        """

    def close(self) -> None:
        """Remove temporary files."""


class LocalSource:
    """A dataset on this machine: a folder, or an annotation file and the folder that it lies in."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise CommandError(f"{path} does not exist", exit_code=2)
        self.where, self.annotations = str(path), path
        self.root = path if path.is_dir() else path.parent

    @property
    def default_name(self) -> str:
        resolved = self.annotations.resolve()
        return resolved.name if self.annotations.is_dir() else resolved.stem

    def listing(self) -> Listing:
        return self._listing

    @cached_property
    def _listing(self) -> Listing:
        return self._list()

    def _list(self) -> Listing:
        listing = Listing()

        def unreadable(error: OSError) -> None:
            name = self._relative(Path(error.filename))
            listing.reject(name, "unreadable", f"{error.strerror}: change its permissions")

        for folder, folders, files in os.walk(self.root, onerror=unreadable):
            folders.sort()
            for name in folders:
                if Path(folder, name).is_symlink():
                    detail = "a link to a folder: import that folder by its own path"
                    listing.reject(self._relative(Path(folder, name)), "linked_folder", detail)
            for name in sorted(files):
                self._add(Path(folder, name), listing)
        return listing

    def read(self, image: str, number: int) -> bytes:
        return self._read(image, 0, number)

    def tail(self, image: str, number: int) -> bytes | None:
        return self._read(image, -number, number)

    has_hashes = True

    def identity(self, image: str) -> str:
        return hashlib.sha256(self._read(image)).hexdigest()

    def send(self, image: str, identity: str, s3: S3Client, bucket: str, key: str) -> None:
        body = self._read(image)
        if hashlib.sha256(body).hexdigest() != identity:
            raise UnreadableError(_REPLACED)
        s3.put_object(Bucket=bucket, Key=key, Body=body)

    def folder(self, image: str) -> str:
        return ""

    def close(self) -> None:
        pass

    def _add(self, path: Path, listing: Listing) -> None:
        name = self._relative(path)
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = name.encode(errors="surrogateescape").decode(errors="replace")
            listing.reject(shown, "name_not_utf8", "the file's name is not UTF-8: rename it")
            return
        try:
            if path.is_symlink() and not path.resolve().is_relative_to(self.root.resolve()):
                listing.reject(name, "leaves_folder", "a link out of the dataset's folder: copy the file")
                return
            stat = path.stat()
        except (OSError, RuntimeError) as error:
            listing.reject(name, "unreadable", _why(error))
            return
        listing.add(name, File(stat.st_size, str(stat.st_mtime_ns)))

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _read(self, image: str, start: int = 0, number: int = -1) -> bytes:
        try:
            with (self.root / image).open("rb") as file:
                if start < 0:
                    start = max(0, file.seek(0, os.SEEK_END) + start)
                file.seek(start)
                return file.read(number)
        except OSError as error:
            raise UnreadableError(_why(error)) from error


class ArchiveSource(LocalSource):
    """A dataset in an archive of this machine, which is unpacked to a temporary folder."""

    def __init__(self, path: Path, on_file: archives.OnFile = lambda: None) -> None:
        """Unpack the archive.

        Raises:
            CommandError: it cannot be, or should not be; see archives.unpack.
        """
        self._archive = path
        self._temporary = TemporaryDirectory(prefix="labelloop-import-")
        super().__init__(Path(self._temporary.name))
        self.where = str(path)
        try:
            self._unpacked = archives.unpack(path, self.root, on_file)
        except BaseException:
            self.close()
            raise

    @property
    def default_name(self) -> str:
        return archives.stem(self._archive.resolve())

    def close(self) -> None:
        self._temporary.cleanup()

    def _list(self) -> Listing:
        listing = super()._list()
        # Times of files that were just written say nothing of their content.
        marks = self._unpacked.marks
        listing.images = {name: File(file.size, marks[name]) for name, file in listing.images.items()}
        listing.problems += self._unpacked.problems
        return listing


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class BucketSource:
    """A dataset in a bucket: a prefix, or an annotation file and what lies beside it.

    Annotation files are downloaded to a temporary folder; images are copied within S3. In that folder each
    image is an empty file, because the readers of annotations look for images by name.
    """

    def __init__(self, s3: S3Client, where: str) -> None:
        bucket, _, key = where.removeprefix("s3://").partition("/")
        if not bucket:
            raise CommandError(f"{where}: name a bucket and a prefix, s3://bucket/prefix", exit_code=2)
        self.where, self._s3, self._bucket = where.rstrip("/"), s3, bucket
        self._temporary = TemporaryDirectory(prefix="labelloop-import-")
        self.root = self.annotations = Path(self._temporary.name)
        folder, _, self._file = key.rpartition("/") if self._is_annotations(key) else (key, "", "")
        self._prefix = folder if not folder or folder.endswith("/") else folder + "/"
        if self._file:
            self.annotations = self.root / self._file

    @property
    def default_name(self) -> str:
        return PurePosixPath(self._file).stem or PurePosixPath(self._bucket, self._prefix).name

    def listing(self) -> Listing:
        return self._listing

    @cached_property
    def _listing(self) -> Listing:
        listing = Listing()
        annotations: list[str] = []
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            ):
                for entry in page.get("Contents", []):
                    name = entry["Key"].removeprefix(self._prefix)
                    if self._add(name, File(entry["Size"], entry["ETag"]), listing):
                        annotations.append(name)
            with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
                # The list is read to its end so that errors are raised.
                list(pool.map(self._download, annotations))
        except ClientError as error:
            raise CommandError(f"{self.where} cannot be listed: {explain(error)}") from error
        return listing

    def read(self, image: str, number: int) -> bytes:
        try:
            response = self._s3.get_object(
                Bucket=self._bucket, Key=self._prefix + image, Range=f"bytes=0-{number - 1}"
            )
            return response["Body"].read()
        except ClientError as error:
            raise UnreadableError(explain(error)) from error

    def tail(self, image: str, number: int) -> bytes | None:
        return None

    has_hashes = False

    def identity(self, image: str) -> str:
        return self._listing.images[image].modified

    def send(self, image: str, identity: str, s3: S3Client, bucket: str, key: str) -> None:
        try:
            s3.copy_object(
                CopySource={"Bucket": self._bucket, "Key": self._prefix + image},
                CopySourceIfMatch=identity,
                Bucket=bucket,
                Key=key,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "PreconditionFailed":
                raise UnreadableError(_REPLACED) from error
            if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
                raise
            raise UnreadableError("it was deleted meanwhile") from error

    def folder(self, image: str) -> str:
        # Its content is not at hand, but its ETag is another one for another content.
        return hashlib.sha256(self.identity(image).encode()).hexdigest()[:12] + "/"

    def close(self) -> None:
        self._temporary.cleanup()

    def _is_annotations(self, key: str) -> bool:
        """Whether the key names an annotation file, and not a prefix."""
        if PurePosixPath(key).suffix.lower() not in ANNOTATIONS or key.endswith("/"):
            return False
        try:
            self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError:
            return False
        return True

    def _add(self, name: str, file: File, listing: Listing) -> bool:
        """Add a file to the listing. Returns whether it is an annotation file to download."""
        if not name or name.endswith("/"):
            return False
        path = self.root / name
        if ".." in PurePosixPath(name).parts or not path.resolve().is_relative_to(self.root.resolve()):
            listing.reject(name, "leaves_folder", "a key with ..: rename the object")
            return False
        listing.add(name, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in ANNOTATIONS:
            return self._file in ("", name)
        # Of some annotations that are not read the name tells what they are.
        if name in listing.images or path.suffix.lower() in unread_formats.SUFFIXES:
            path.touch()
        return False

    def _download(self, name: str) -> None:
        # Files are downloaded in parallel: each needs no threads of its own.
        self._s3.download_file(
            self._bucket, self._prefix + name, str(self.root / name), Config=TransferConfig(use_threads=False)
        )
