"""How an annotation comes to its image, whichever of the two is first.

An image writes its source and then looks for a pending annotation; an annotation that finds no source writes
itself down as pending and then looks again. Whichever is later applies it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain import catalogue, manifests, rejections
from lambdas.domain.arrivals import INCOMING, PARTS
from lambdas.domain.catalogue import CatalogueImage, Change, Pending
from lambdas.domain.manifests import Annotation, BrokenLine

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

_IMAGE_KEY = re.compile(r"images/([0-9a-f]{64})\.(?:jpg|png)")


def take(table: Table, bucket: str, pending: Pending) -> Change | None:
    """Apply an annotation to its image, or let it wait for it: then None.

    Raises:
        BrokenLine: the annotation cannot be about an image of this bucket, or does not fit its image.
    """
    names = _names(bucket, pending)
    found = _find(table, names)
    if found:
        return _apply(table, found, pending)
    for name in names:
        annotation = replace(pending.annotation, source_key=name, also_key="")
        catalogue.put_pending(table, _pending_key(name), replace(pending, annotation=annotation))
    found = _find(table, names)
    if not found:
        return None
    try:
        return _apply(table, found, pending)
    finally:
        for name in names:
            catalogue.delete_pending(table, _pending_key(name), pending.order)


def take_pendings(s3: S3Client, table: Table, bucket: str, sha256: str, names: list[str]) -> bool:
    """Apply what waited for an image under these keys: whether that changed labels."""
    waiting = catalogue.get_pendings(table, [_pending_key(name) for name in names])
    changed = [_take_pending(s3, table, bucket, sha256, pending) for pending in waiting]
    return any(changed)


def _take_pending(s3: S3Client, table: Table, bucket: str, sha256: str, pending: Pending) -> bool:
    changed = False
    try:
        changed = _apply(table, sha256, pending).labels_changed
    except BrokenLine as broken:
        rejections.tell_unfit_pending(s3, bucket, pending, broken)
    key = pending.annotation.source_key
    for name in {key, second_name(pending.manifest_key, key)}:
        catalogue.delete_pending(table, name, pending.order)
    return changed


def second_name(manifest_key: str, key: str) -> str:
    """The second key that an image may come under: its bare name beside the annotation file that names it.

    Only of an image that a file converted into `manifest_key` names; else the key itself.
    """
    file, parts, _ = manifest_key.rpartition(PARTS)
    if not parts:
        return key
    return f"{file.rpartition('/')[0]}/{key.rpartition('/')[2]}"


def _names(bucket: str, pending: Pending) -> list[str]:
    annotation = pending.annotation
    if annotation.source_bucket != bucket:
        detail = f"the image is in {annotation.source_bucket}; upload it to {bucket} and name that"
        raise BrokenLine(pending.line, "other_bucket", detail)
    names = [name for name in (annotation.source_key, annotation.also_key) if name]
    if any(not name.startswith(INCOMING) and not _IMAGE_KEY.fullmatch(name) for name in names):
        detail = f"source-ref has to name an object under {INCOMING} or images/<sha256>.jpg or .png"
        raise BrokenLine(pending.line, "source_ref_elsewhere", detail)
    return names


def _find(table: Table, names: list[str]) -> str | None:
    """SHA-256 of the registered image that the first of these keys with one names."""
    return next((sha256 for name in names if (sha256 := _registered(table, name))), None)


def _registered(table: Table, key: str) -> str | None:
    named = _IMAGE_KEY.fullmatch(key)
    if named is None:
        return catalogue.get_source(table, key)
    return named[1] if catalogue.get_image(table, named[1]) else None


def _pending_key(key: str) -> str:
    named = _IMAGE_KEY.fullmatch(key)
    return f"images/{named[1]}" if named else key


def _apply(table: Table, sha256: str, pending: Pending) -> Change:
    def annotated(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise catalogue.CatalogueError(f"{catalogue.image_id(sha256)} has a source but is not there")
        if problem := manifests.check_fits(pending.annotation, image.width, image.height):
            raise BrokenLine(pending.line, *problem)
        return _annotated(image, pending.annotation, pending.order)

    return catalogue.update_image(table, sha256, annotated)


def _annotated(image: CatalogueImage, annotation: Annotation, order: str) -> CatalogueImage:
    if order <= image.annotation_order:
        return image
    # Custom Labels does not train with an image that has no boxes (WARNING_NO_ANNOTATIONS).
    anything = bool(annotation.labels or annotation.boxes)
    return replace(
        image,
        status=catalogue.unless_withdrawn(image, "labelled" if anything else "unlabelled"),
        conflict_reason="",
        kind=annotation.kind if anything else None,
        labels=annotation.labels,
        boxes=annotation.boxes,
        label_origin="annotation",
        annotation_order=order,
        split_wanted=annotation.split_wanted or image.split_wanted,
    )
