"""An S3 Inventory: the report of a bucket's objects that S3 writes every day or week.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html has the manifest, and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html what its lists hold.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from cli.batch.images import BadEntryError, Image, Kind, Remarks, checked, take
from cli.batch.stored import Stored
from cli.output import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MANIFEST = "manifest.json"
_MAX_MANIFEST = 64 * 1024 * 1024
_PIECE = 1024 * 1024


class InventorySource:
    """The objects of an inventory that are called like images; of several versions, the latest."""

    kind: Kind = "inventory"

    def __init__(self, manifest: Stored, s3: S3Client) -> None:
        self.where = manifest.where
        self.remarks = Remarks()
        self._s3 = s3
        self._manifest = _read(manifest)
        self._columns = [name.strip() for name in self._manifest["fileSchema"].split(",")]
        if missing := {"Bucket", "Key"} - set(self._columns):
            raise CommandError(f"{self.where} has no column {sorted(missing)[0]} in its fileSchema")
        self._bucket = str(self._manifest["destinationBucket"]).rsplit(":", 1)[-1]

    @property
    def default_name(self) -> str:
        return str(self._manifest.get("sourceBucket") or "inventory")

    def images(self) -> Iterator[Image]:
        for file in self._manifest["files"]:
            stored = Stored.in_bucket(self._s3, f"s3://{self._bucket}/{file['key']}")
            self._check(stored, str(file.get("MD5checksum") or ""))
            with stored.unpacked() as content:
                rows = csv.reader(io.TextIOWrapper(content, "utf-8", newline=""))
                for number, row in enumerate(rows, start=1):
                    yield from self._image(row, f"{stored.name}, line {number}")

    def _check(self, stored: Stored, md5: str) -> None:
        """Make sure that the list is the one that the manifest means."""
        with stored.opened() as content:
            hashed = hashlib.md5(usedforsecurity=False)
            while piece := content.read(_PIECE):
                hashed.update(piece)
        digest = hashed.hexdigest()
        if md5 and digest != md5:
            raise CommandError(
                f"{stored.where} is not what {self.where} lists: its MD5 is {digest}, not {md5};"
                " take the manifest of another day"
            )

    def _image(self, row: list[str], where: str) -> Iterator[Image]:
        if len(row) != len(self._columns):
            self.remarks.add_bad(where, f"it has {len(row)} columns in place of {len(self._columns)}")
            return
        fields = dict(zip(self._columns, row, strict=True))
        if fields.get("IsDeleteMarker", "").lower() == "true":
            self.remarks.left_out["deleted objects"] += 1
            return
        if fields.get("IsLatest", "true").lower() == "false":
            self.remarks.left_out["older versions"] += 1
            return
        size = fields.get("Size", "")
        try:
            # Keys are URL-encoded. A plus sign is %2B then, whichever way a space is written.
            key = unquote_plus(fields["Key"], errors="strict")
            if key.endswith("/"):
                return
            image = checked(fields["Bucket"], key)
        except (BadEntryError, UnicodeDecodeError) as error:
            self.remarks.add_bad(where, str(error))
            return
        yield from take(image.key, image.bucket, self.remarks, size=int(size) if size.isdigit() else 0)


def _read(manifest: Stored) -> dict[str, Any]:
    with manifest.opened() as file:
        body = file.read(_MAX_MANIFEST + 1)
    try:
        document = json.loads(body) if len(body) <= _MAX_MANIFEST else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not _is_manifest(document):
        raise CommandError(
            f"{manifest.where} is not the manifest of an S3 Inventory, which has fileFormat, fileSchema,"
            " destinationBucket and files; a list of images is a .csv or .jsonl file",
            exit_code=2,
        )
    if document["fileFormat"] != "CSV":
        raise CommandError(
            f"{manifest.where} is an inventory in {document['fileFormat']}, and only CSV is read: choose CSV"
            " in the inventory's configuration, or query it with Athena and give the result, a CSV file with"
            " the columns bucket and key",
            exit_code=2,
        )
    return document


def _is_manifest(document: dict[str, Any]) -> bool:
    texts = all(
        isinstance(document.get(name), str) for name in ("fileFormat", "fileSchema", "destinationBucket")
    )
    entries = document.get("files")
    return (
        texts
        and isinstance(entries, list)
        and all(isinstance(file, dict) and isinstance(file.get("key"), str) for file in entries)
    )
