"""A prefix of a bucket as the source of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cli.batch.images import BUCKET, Image, Kind, Remarks, take
from cli.deployment import explain
from cli.output import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PrefixSource:
    """The objects under a prefix that are called like images."""

    kind: Kind = "prefix"

    def __init__(self, s3: S3Client, where: str) -> None:
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        if not BUCKET.fullmatch(bucket):
            raise CommandError(f"{where}: name a bucket and a prefix, s3://bucket/prefix", exit_code=2)
        if prefix.endswith("*"):
            prefix = prefix.removesuffix("*")
        elif prefix and not prefix.endswith("/"):
            prefix += "/"
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self.where = f"s3://{bucket}/{prefix}"
        self.remarks = Remarks()

    @property
    def default_name(self) -> str:
        return PurePosixPath(self._bucket, self._prefix).name

    def images(self) -> Iterator[Image]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        try:
            for page in pages:
                for entry in page.get("Contents", []):
                    yield from take(entry["Key"], self._bucket, self.remarks, size=entry["Size"])
        except ClientError as error:
            raise CommandError(f"{self.where} cannot be listed: {explain(error)}") from error
