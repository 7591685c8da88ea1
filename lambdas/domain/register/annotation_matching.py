"""Annotation matching: how an annotation comes to its image, whichever of the two is first.

An image writes its source and then reads the pending annotations; an annotation without a source is kept as
pending, and then its source is read again. Whichever is later applies the annotation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending as catalogue_pending
from lambdas.domain.catalogue import sources
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage, Change
from lambdas.domain.catalogue.pending import PendingAnnotation
from lambdas.domain.register import rejections
from lambdas.domain.register.arrivals import INCOMING
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.manifests import BrokenLineError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client


BrokenBoxHandler = Callable[[BrokenLineError], None]
"""Takes every box that was left out of an annotation."""


def apply_or_keep(
    table: Table, bucket: str, pending: PendingAnnotation, on_broken_box: BrokenBoxHandler
) -> Change | None:
    """Apply an annotation to its image, or keep it as pending until the image comes: then None.

    Raises:
        BrokenLineError: the annotation cannot be about an image of this bucket, or does not fit its image.
    """
    names = _names(bucket, pending)
    sha256 = _find(table, names)
    if sha256:
        return _apply(table, sha256, pending, on_broken_box)
    catalogue_pending.put_pending(table, pending)
    sha256 = _find(table, names)
    if not sha256:
        return None
    try:
        return _apply(table, sha256, pending, on_broken_box)
    finally:
        catalogue_pending.delete_pending(table, pending)


def apply_pending(s3: S3Client, table: Table, bucket: str, sha256: str, names: list[str]) -> bool:
    """Apply the annotations that are pending for an image under these keys: whether that changed labels."""
    annotations = catalogue_pending.get_pending(table, names)
    changed = [_apply_pending(s3, table, bucket, sha256, pending) for pending in annotations]
    return any(changed)


def _apply_pending(s3: S3Client, table: Table, bucket: str, sha256: str, pending: PendingAnnotation) -> bool:
    changed, broken = False, list[BrokenLineError]()
    try:
        changed = _apply(table, sha256, pending, broken.append).labels_changed
    except BrokenLineError as line:
        broken.append(line)
    if broken:
        rejections.write_unfit_annotation(s3, bucket, pending, broken)
    catalogue_pending.delete_pending(table, pending)
    return changed


def _names(bucket: str, pending: PendingAnnotation) -> list[str]:
    annotation = pending.annotation
    if annotation.source_bucket != bucket:
        detail = f"the image is in {annotation.source_bucket}; upload it to {bucket} and name that"
        raise BrokenLineError(pending.line, "other_bucket", detail)
    names = [name for name in (annotation.source_key, annotation.also_key) if name]
    if any(
        not name.startswith(INCOMING) and not catalogue_images.IMAGE_KEY.fullmatch(name) for name in names
    ):
        detail = f"source-ref has to name an object under {INCOMING} or images/<sha256>.jpg or .png"
        raise BrokenLineError(pending.line, "source_ref_elsewhere", detail)
    return names


def _find(table: Table, names: list[str]) -> str | None:
    """SHA-256 of the registered image that the first of these keys with one names."""
    return next((sha256 for name in names if (sha256 := _registered(table, name))), None)


def _registered(table: Table, key: str) -> str | None:
    named = catalogue_images.IMAGE_KEY.fullmatch(key)
    if named is None:
        return sources.get_source(table, key)
    return named[1] if catalogue_images.get_image(table, named[1]) else None


def _apply(table: Table, sha256: str, pending: PendingAnnotation, on_broken_box: BrokenBoxHandler) -> Change:
    problems: list[tuple[str, str]] = []

    def annotated(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise CatalogueError(f"{catalogue_images.image_id(sha256)} has a source but is not there")
        fitting, problems[:] = manifests.fit(pending.annotation, image.width, image.height)
        if problems and not fitting.boxes:
            raise BrokenLineError(pending.line, *problems[0])
        return _annotated(image, fitting, pending.order)

    change = catalogue_images.update_image(table, sha256, annotated)
    for problem in problems:
        on_broken_box(BrokenLineError(pending.line, *problem))
    return change


def _annotated(image: CatalogueImage, annotation: Annotation, order: str) -> CatalogueImage:
    if order <= image.annotation_order:
        return image
    return replace(
        image,
        # Also with nothing on it: somebody looked, and need not be asked again. Snapshots leave it out.
        status=catalogue_images.unless_excluded(image, "labelled"),
        conflict_reason="",
        kind=annotation.kind,
        labels=annotation.labels,
        boxes=annotation.boxes,
        label_origin="annotation",
        annotation_order=order,
        requested_dataset_type=annotation.requested_dataset_type or image.requested_dataset_type,
    )
