"""Computes embeddings of catalogued images that have none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.domain.catalogue import embeddings
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.embeddings import ImageFeatures
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.shared.annotation import Box
from portable import ModelFileError
from portable.embedding import Embedder

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

logger = Logger(child=True)


def load(trunk: Path) -> Embedder | None:
    """The pretrained trunk in a file; None where it cannot be had: then there are no drafts."""
    try:
        return Embedder.load(trunk)
    except ModelFileError as error:
        logger.warning("there is no trunk, so labels are not drafted", extra={"reason": str(error)})
        return None


def missing(table: Table, embedder: Embedder, hashes: Sequence[str]) -> list[str]:
    """Those of the images that have no embedding of this trunk."""
    known = embeddings.get_embeddings(table, hashes, embedder.name)
    return [sha256 for sha256 in hashes if sha256 not in known]


def embed_missing(
    s3: S3Client,
    bucket: str,
    table: Table,
    embedder: Embedder,
    hashes: Sequence[str],
    *,
    boxes_of: Callable[[CatalogueImage], Sequence[Box]],
) -> int:
    """Compute the embeddings that images lack: how many. What cannot be read gets an empty one, and is not
    tried again; what S3 does not give keeps no other image from its own.

    Args:
        boxes_of: the objects of an image, as far as they are known.
    """
    known = embeddings.get_embeddings(table, hashes, embedder.name)
    computed = {}
    for image in catalogue_images.get_images(table, [catalogue_images.image_id(one) for one in hashes]):
        before, boxes = known.get(image.sha256), boxes_of(image)
        if before and before.is_complete(objects_known=bool(boxes)):
            continue
        try:
            data = s3.get_object(Bucket=bucket, Key=image.key)["Body"].read()
            computed[image.sha256] = _embedding(embedder, data, boxes)
        except (s3.exceptions.NoSuchKey, ValueError):
            logger.exception("the image has no embedding", extra={"image": image.sha256})
            computed[image.sha256] = ImageFeatures(b"")
        except ClientError:
            # Without the permission to list the bucket S3 says so of an object that is gone, too.
            logger.exception("the image cannot be got", extra={"image": image.sha256})
    embeddings.put_embeddings(table, computed, embedder.name)
    return len(computed)


def _embedding(embedder: Embedder, data: bytes, boxes: Sequence[Box]) -> ImageFeatures:
    sides = [(box.left, box.top, box.width, box.height) for box in boxes]
    objects = embedder.embed_objects(data, sides).tobytes() if sides else b""
    return ImageFeatures(embedder.embed(data).tobytes(), objects)
