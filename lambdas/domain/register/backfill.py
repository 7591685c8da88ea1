"""Completes what an older version has registered: thumbnails, and the entries of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import label_entries
from lambdas.domain.catalogue.images import CatalogueImage, Status
from lambdas.domain.images import thumbnails

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

_THREADS = 8


def incomplete(s3: S3Client, table: Table, bucket: str) -> Iterator[str]:
    """The hashes of registered images that have no thumbnail; lists all thumbnails for that."""
    there = set(_thumbnails(s3, bucket))
    for status in get_args(Status):
        for id in catalogue_images.ids(table, status):
            sha256 = id.removeprefix(catalogue_images.image_id(""))
            if sha256 not in there:
                yield sha256


def complete(s3: S3Client, table: Table, bucket: str, hashes: Sequence[str]) -> dict[str, str]:
    """Make the thumbnails of up to MAX_BATCH images, after the entries of their labels: why some have none.

    Raises:
        botocore.exceptions.ClientError: DynamoDB failed; it can be taken again.
    """
    images = catalogue_images.get_images(table, [*map(catalogue_images.image_id, hashes)])
    for image in images:
        label_entries.put(table, image.sha256, image.label_names, image.changed_at, image.revision)
    failed: dict[str, str] = {}

    def make(image: CatalogueImage) -> None:
        try:
            data = s3.get_object(Bucket=bucket, Key=image.key)["Body"].read()
            thumbnails.put(s3, bucket, image.sha256, thumbnails.of_file(data))
        # An image may be gone, or too large for this machine: the others are made all the same.
        except Exception as error:  # noqa: BLE001
            failed[image.sha256] = str(error)

    with ThreadPoolExecutor(_THREADS) as threads:
        list(threads.map(make, images))
    return failed


def _thumbnails(s3: S3Client, bucket: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=thumbnails.PREFIX)
    for page in pages:
        for item in page.get("Contents", []):
            yield item["Key"].removeprefix(thumbnails.PREFIX).partition(".")[0]
