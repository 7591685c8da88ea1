"""Versions: what lies under incoming/ and is not registered yet, as S3 lists it.

S3's listing is strongly consistent, and what is registered leaves incoming/: together with the history of a
key it knows every upload that there was before it was asked for.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import sources
from lambdas.domain.register.matching import Version
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectVersionsOutputTypeDef

_KEYS_PER_PAGE = 10
"""Keys to look up for each page of a listing that is read for all of them: a page costs as much as a request
for one key, and takes as long as several."""

_ALWAYS = "9"
"""Later than any time."""


@frozen
class Listed:
    """A version of an object, as S3 lists it."""

    key: str
    size: int
    version: Version


def in_page(page: ListObjectVersionsOutputTypeDef) -> Iterator[Listed]:
    """The versions of a page of a listing, those of one key the newest first."""
    deleted: dict[str, str] = {}
    for marker in page.get("DeleteMarkers", []):
        # They are listed apart, and times are whole seconds: of one second only the latest surely counts.
        until = _ALWAYS if marker["IsLatest"] else clock.to_iso(marker["LastModified"])
        deleted[marker["Key"]] = max(until, deleted.get(marker["Key"], ""))
    for listed in page.get("Versions", []):
        key, at = listed["Key"], clock.to_iso(listed["LastModified"])
        yield Listed(key, listed["Size"], Version(listed["VersionId"], at, at < deleted.get(key, "")))


class Versions:
    """The unregistered versions of some keys, all listed before this returns. By normalised keys."""

    def __init__(self, s3: S3Client, bucket: str, keys: Sequence[str]) -> None:
        self.listed_at = clock.now()
        self._s3, self._bucket = s3, bucket
        self._versions: dict[str, dict[str, Version]] = defaultdict(dict)
        forms = {form for key in keys for form in _forms(key)}
        for form in sorted(forms - self._list_together(sorted(forms))):
            for page in self._pages(form):
                if self._add(page) > form:
                    break  # Names that are longer follow.

    def of(self, key: str) -> list[Version]:
        """The unregistered versions of a key, the oldest first."""
        return list(self._versions[sources.normalised(key)].values())[::-1]

    def _list_together(self, keys: Sequence[str]) -> set[str]:
        """List what the keys begin with, as far as that takes fewer pages than requests: the keys listed."""
        if len(keys) < _KEYS_PER_PAGE:
            return set()
        most = len(keys) // _KEYS_PER_PAGE
        for number, page in enumerate(self._pages(_beginning(keys)), start=1):
            last = self._add(page)
            if not page["IsTruncated"]:
                return set(keys)
            if number == most:
                # Its own versions may go on on the next page.
                return {key for key in keys if key.encode() < last.encode()}
        return set()

    def _pages(self, prefix: str) -> Iterable[ListObjectVersionsOutputTypeDef]:
        return self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)

    def _add(self, page: ListObjectVersionsOutputTypeDef) -> str:
        """Take the versions of a page: its last key."""
        last = ""
        for listed in in_page(page):
            last = max(last, listed.key)
            versions = self._versions[sources.normalised(listed.key)]
            versions.setdefault(listed.version.version_id, listed.version)
        return last


def _beginning(keys: Sequence[str]) -> str:
    """What all of the keys, which are sorted, begin with."""
    first, last = keys[0], keys[-1]
    return first[
        : next((n for n, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    ]


def _forms(key: str) -> set[str]:
    """The key as it is, and in the two forms that file systems give names."""
    return {key, sources.normalised(key), unicodedata.normalize("NFD", key)}
