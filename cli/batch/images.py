"""Images of a batch by their names, and what of a source is not taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

Kind = Literal["folder", "prefix", "list", "inventory"]

IMAGE_SUFFIXES = frozenset({"", ".jpg", ".jpeg", ".jpe", ".jfif", ".png"})
"""Of objects and files that are taken where nobody has named each of them; the empty one: none to go by."""
MAX_KEY_BYTES = 1024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
MAX_BAD_NAMED = 10
"""Entries that cannot be used and are named; all are counted."""
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a batch: where it lies, or is going to be once it is sent from `file`."""

    bucket: str
    key: str
    version_id: str = ""
    size: int = 0
    """Bytes; 0 where the source does not say."""
    file: str = ""
    """Path of this machine below the source's folder; empty: it lies in its bucket already."""
    modified: str = ""
    """Mark of the file's state."""


@dataclass(frozen=True)
class BadEntry:
    """A line or file that names no image, and why."""

    where: str
    reason: str


class BadEntryError(ValueError):
    """A line names no image; the message says why."""


@dataclass
class Remarks:
    """What of a source was not taken."""

    left_out: Counter[str] = field(default_factory=Counter)
    """Objects that are no images, by what they are."""
    bad: list[BadEntry] = field(default_factory=list)
    """The first entries that name no image, where each was meant to name one."""
    bad_count: int = 0

    def add_bad(self, where: str, reason: str) -> None:
        self.bad_count += 1
        if len(self.bad) < MAX_BAD_NAMED:
            self.bad.append(BadEntry(where, reason))


def checked(bucket: str, key: str, version_id: str = "") -> Image:
    """An image by names from outside.

    Raises:
        BadEntryError: S3 has no such names.
    """
    if not BUCKET.fullmatch(bucket):
        raise BadEntryError(f"{bucket[:80]!r} is no name of a bucket")
    try:
        length = len(key.encode())
        version_id.encode()
    except UnicodeEncodeError as error:
        raise BadEntryError("the key is not Unicode") from error
    if not 0 < length <= MAX_KEY_BYTES:
        raise BadEntryError("there is no key" if not length else f"a key has {MAX_KEY_BYTES} bytes at most")
    if key.endswith("/"):
        raise BadEntryError(f"{key[:80]!r} is a folder")
    return Image(bucket, key, version_id)


def addressed(text: str, bucket: str) -> Image:
    """The image at an address s3://bucket/key or, in this bucket, a key.

    Raises:
        BadEntryError: it is neither.
    """
    if text.startswith("s3://"):
        bucket, _, key = text.removeprefix("s3://").partition("/")
        return checked(bucket, key)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise BadEntryError(f"{text[:80]!r} is neither a key nor an address s3://bucket/key")
    return checked(bucket, text)


def suffix_of(key: str) -> str:
    """The suffix of a key in small letters."""
    return PurePosixPath(key).suffix.lower()


def take(key: str, bucket: str, remarks: Remarks, *, size: int = 0) -> Iterator[Image]:
    """The object, if it is called like an image; else it is counted among what is left out."""
    if key.endswith("/"):
        return
    if (suffix := suffix_of(key)) in IMAGE_SUFFIXES:
        yield Image(bucket, key, size=size)
    else:
        remarks.left_out[suffix] += 1
