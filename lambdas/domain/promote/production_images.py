"""Production images that people answered lately, on which a challenger is held against the champion as well.

People are asked about those that the champion is unsure of, and about a sample of the others: what it is
unsure of is more of these images than of all. There it is wrong more often, so that on them a challenger
looks better beside it than it is. So they may only keep a challenger from serving, never let it serve: of
those that are no worse, no more are refused than on a fair sample.
"""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.shared.annotation import Kind

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MAX_LOOKED_AT = 500
"""Images labelled last among which they are looked for."""
_FOLDERS = ("detect/", "applications/", "batches/", "results/")
"""Of the images that champions were asked about, clips' frames among them."""


def recent(catalogue: Table, count: int, kind: Kind, learned: Container[str]) -> list[CatalogueImage]:
    """Up to `count` production images that people answered, the latest first.

    Args:
        kind: of the labels that the versions give.
        learned: keys of images that a version was trained on, or is tested on already.
    """
    if not count:
        return []
    newest = catalogue_images.newest(catalogue, "labelled", MAX_LOOKED_AT)
    answered = [image for image in newest if _is_of(image, kind) and _is_answered(image)]
    return [image for image in answered if image.key not in learned][:count]


def _is_of(image: CatalogueImage, kind: Kind) -> bool:
    """Whether it can be tested with: a classification has no use for images with nothing on them."""
    return image.kind == kind and (kind == "detection" or bool(image.labels))


def _is_answered(image: CatalogueImage) -> bool:
    return image.label_origin == "person" and any(key.startswith(_FOLDERS) for key in image.sources)
