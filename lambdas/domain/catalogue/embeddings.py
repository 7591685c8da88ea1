"""Embeddings of images: what the pretrained trunk says they look like, kept by content.

One item for each image that was ever asked about or learned from, of 2.6 KB, or of 5.2 KB where its objects
are known: for 250,000 images up to 1.3 GB, which cost 0.33 USD a month and 0.94 USD to write
(https://aws.amazon.com/dynamodb/pricing/on-demand/). An image's content never changes, so its item is written
once, and once more when its objects become known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.catalogue.images import MAX_BATCH
from lambdas.domain.shared.dynamodb import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@dataclass(frozen=True)
class ImageFeatures:
    """What the trunk says an image and its objects look like, as 16-bit floats."""

    image: bytes
    """Of the whole image; empty if it cannot be read."""
    objects: bytes = b""
    """Of its objects, in the mean; empty as long as none are known."""

    def is_complete(self, *, objects_known: bool) -> bool:
        """Whether nothing can be added, where the image's objects are known, or not."""
        return not (objects_known and self.image and not self.objects)


def get_embeddings(table: Table, hashes: Sequence[str], trunk: str) -> dict[str, ImageFeatures]:
    """The embeddings that this trunk has made of these images, by the images' hashes."""
    embeddings = {}
    keys = [{"id": _id(sha256)} for sha256 in dict.fromkeys(hashes)]
    for start in range(0, len(keys), MAX_BATCH):
        for item in batch_get(table, keys[start : start + MAX_BATCH]):
            if item["trunk"] == trunk:
                sha256 = str(item["id"]).removeprefix(_id(""))
                embeddings[sha256] = ImageFeatures(bytes(item["features"]), bytes(item.get("objects", b"")))
    return embeddings


def put_embeddings(table: Table, embeddings: Mapping[str, ImageFeatures], trunk: str) -> None:
    """Keep embeddings that this trunk has made of images, by the images' hashes."""
    for sha256, embedding in embeddings.items():
        item = {"id": _id(sha256), "trunk": trunk, "features": embedding.image, "objects": embedding.objects}
        table.put_item(Item=item)


def _id(sha256: str) -> str:
    return f"embedding#{sha256}"
