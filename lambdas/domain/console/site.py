"""Publishes a built web site: puts it into its bucket."""

from __future__ import annotations

import json
import mimetypes
import zipfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONFIG = "config.json"
_ONE_YEAR = "public, max-age=31536000, immutable"
_ASK_ALWAYS = "no-cache"
_DELETED_AT_ONCE = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""


class PublishingError(RuntimeError):
    """The site is not as it should be; says what S3 refused."""


def publish(s3: S3Client, asset: tuple[str, str], site: str, config: Mapping[str, object]) -> list[str]:
    """Put the files of an asset, and the configuration, into the site's bucket, and delete what is no part of
    it any more: the keys that are there then. index.html comes last: what it names is there by then.

    Args:
        asset: bucket and key of a zip file.

    Raises:
        PublishingError: S3 kept an object that should be deleted.
    """
    body = s3.get_object(Bucket=asset[0], Key=asset[1])["Body"].read()
    with zipfile.ZipFile(BytesIO(body)) as files:
        names = sorted(
            (name for name in files.namelist() if not name.endswith("/")),
            key=lambda n: (n == "index.html", n),
        )
        _put(s3, site, CONFIG, json.dumps(config, indent=2).encode())
        for name in names:
            _put(s3, site, name, files.read(name))
    kept = {*names, CONFIG}
    _delete(s3, site, [key for key in _keys(s3, site) if key not in kept])
    return sorted(kept)


def empty(s3: S3Client, site: str) -> None:
    """Delete every object of the site; nothing if its bucket is gone already."""
    try:
        _delete(s3, site, list(_keys(s3, site)))
    except s3.exceptions.NoSuchBucket:
        return


def _put(s3: S3Client, site: str, key: str, body: bytes) -> None:
    # Vite names what lies under assets/ by its content.
    cached = _ONE_YEAR if key.startswith("assets/") else _ASK_ALWAYS
    content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
    s3.put_object(Bucket=site, Key=key, Body=body, ContentType=content_type, CacheControl=cached)


def _keys(s3: S3Client, site: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=site):
        yield from (item["Key"] for item in page.get("Contents", []))


def _delete(s3: S3Client, site: str, keys: list[str]) -> None:
    for start in range(0, len(keys), _DELETED_AT_ONCE):
        part = keys[start : start + _DELETED_AT_ONCE]
        answer = s3.delete_objects(
            Bucket=site, Delete={"Objects": [{"Key": key} for key in part], "Quiet": True}
        )
        if errors := answer.get("Errors"):
            first = errors[0]
            raise PublishingError(f"{first['Key']} could not be deleted: {first['Code']} {first['Message']}")
