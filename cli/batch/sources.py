"""Sources of a batch: a folder, a prefix of a bucket, a list of keys, or an S3 Inventory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cli.batch.folder import FolderSource
from cli.batch.images import IMAGE_SUFFIXES, Image, Kind, Remarks, suffix_of
from cli.batch.inventory import MANIFEST, InventorySource
from cli.batch.lists import SUFFIXES, ListSource
from cli.batch.prefix import PrefixSource
from cli.batch.stored import Stored
from cli.output import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Source(Protocol):
    """The images of a batch, in an order that stays the same."""

    kind: Kind
    where: str
    """Its path or address, complete, so that the same source is known again."""
    remarks: Remarks
    """Complete once the images were read to their end."""

    @property
    def default_name(self) -> str:
        """What a batch of it is called if nobody says."""

    def images(self) -> Iterator[Image]:
        """Read the images, however many, in constant memory.

        Raises:
            CommandError: the source cannot be read.
        """


def source_of(where: str, s3: S3Client, data_bucket: str) -> Source:
    """The source at a path of this machine or an address s3://bucket/key.

    Args:
        data_bucket: bucket of the keys of a list on this machine.

    Raises:
        CommandError: there is none, or it is of no kind that is read.
    """
    name = where.rsplit("/", 1)[-1]
    if where.startswith("s3://"):
        if name == MANIFEST or name.lower().endswith(SUFFIXES):
            stored = Stored.in_bucket(s3, where)
            return InventorySource(stored, s3) if name == MANIFEST else ListSource(stored, data_bucket)
        return PrefixSource(s3, where)
    path = Path(where)
    if path.is_dir():
        return FolderSource(path, data_bucket)
    if not path.exists():
        raise CommandError(f"{where} does not exist", exit_code=2)
    if path.name == MANIFEST:
        return InventorySource(Stored.on_disk(path), s3)
    if path.name.lower().endswith(SUFFIXES):
        return ListSource(Stored.on_disk(path), data_bucket)
    hint = f"; `labelloop detect {where}` looks at one image" if suffix_of(name) in IMAGE_SUFFIXES else ""
    raise CommandError(
        f"{where} is no source of a batch: give a folder, an address s3://bucket/prefix, a list"
        f" ({', '.join(SUFFIXES[:5])}; also .gz) or the {MANIFEST} of an S3 Inventory{hint}",
        exit_code=2,
    )
