"""Embeddings of images: what the pretrained trunk says they look like, kept by content.

One item for each image that was ever asked about or learned from, of 2.6 KB: for 250,000 images 0.65 GB,
which cost 0.16 USD a month and 0.47 USD to write (https://aws.amazon.com/dynamodb/pricing/on-demand/). An
image's content never changes, so its item is written once, whoever comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.catalogue.images import MAX_BATCH
from lambdas.domain.shared.dynamodb import batch_get

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


def get_embeddings(table: Table, hashes: Sequence[str], trunk: str) -> dict[str, bytes]:
    """The embeddings that this trunk has made of these images, as 16-bit floats, by the images' hashes; empty
    of those that it cannot read."""
    embeddings = {}
    keys = [{"id": _id(sha256)} for sha256 in dict.fromkeys(hashes)]
    for start in range(0, len(keys), MAX_BATCH):
        for item in batch_get(table, keys[start : start + MAX_BATCH]):
            if item["trunk"] == trunk:
                embeddings[str(item["id"]).removeprefix(_id(""))] = bytes(item["features"])
    return embeddings


def put_embeddings(table: Table, embeddings: Mapping[str, bytes], trunk: str) -> None:
    """Keep embeddings that this trunk has made of images, by the images' hashes."""
    for sha256, features in embeddings.items():
        table.put_item(Item={"id": _id(sha256), "trunk": trunk, "features": features})


def _id(sha256: str) -> str:
    return f"embedding#{sha256}"
