"""Registration: an object under incoming/ becomes an image of the catalogue, labels of some, or a rejection.

Every step can be taken twice and at once by several functions: an image is content-addressed, catalogue
writes are conditional, and the incoming object goes last. An image and its annotation may come in either
order or at the same time: see lambdas/domain/register/annotation_matching.py.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage, new_image
from lambdas.domain.images import exif, thumbnails, tiles
from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import ImageFacts, UnusableImageError
from lambdas.domain.images.opening import open_image
from lambdas.domain.register import annotation_files, annotation_matching, arrivals, originals, rejections
from lambdas.domain.register.arrivals import (
    ANNOTATIONS,
    INCOMING,
    LABELED,
    UNLABELED,
    Arrival,
    GoneError,
    Outcome,
)
from lambdas.domain.register.originals import Cutting
from lambdas.domain.shared import annotation, clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

MAX_SOURCES = 100
"""Names remembered of an image that is dropped again and again; an item has to stay below 400 KB."""


def register_object(s3: S3Client, table: Table, arrival: Arrival, cutting: Cutting | None = None) -> Outcome:
    """Register one object of the data bucket.

    Args:
        cutting: how images that are too large to be trained with are cut; None: they are `oversized`.

    Raises:
        botocore.exceptions.ClientError: S3 or DynamoDB failed; the event has to be delivered again.
    """
    if not arrival.key.startswith(INCOMING) or arrival.key.endswith("/"):
        return Outcome("ignored", arrival.key)
    try:
        arrival, opened = arrivals.open_object(s3, arrival)
        with closing(opened["Body"]):
            return _register(s3, table, arrival, opened, cutting)
    except GoneError:
        changed = annotation_matching.add_gone(s3, table, arrival)
        return Outcome("gone", arrival.key, labels_changed=changed)


def register_in_place(s3: S3Client, table: Table, arrival: Arrival) -> CatalogueImage:
    """Register an image that lies elsewhere in the data bucket, and stays there.

    Raises:
        GoneError: it is not there any more.
        UnusableImageError: it is no image that can be trained with.
    """
    arrival, opened = arrivals.open_object(s3, arrival)
    with closing(opened["Body"]):
        facts, thumbnail = _inspect(arrival, opened)
    _store(s3, arrival, facts, facts.key, thumbnail)
    change = catalogue_images.update_image(
        table,
        facts.sha256,
        lambda known: _with_source(known or new_image(facts, facts.key), arrival.key, None),
    )
    return change.after


def _register(
    s3: S3Client,
    table: Table,
    arrival: Arrival,
    opened: GetObjectOutputTypeDef,
    cutting: Cutting | None,
) -> Outcome:
    if annotation_files.is_annotation_file(arrival.key):
        return annotation_files.register(s3, table, arrival, opened)
    at = clock.to_iso(opened["LastModified"])
    try:
        folder_label = _folder_label(arrival.key)
        try:
            facts, thumbnail = _inspect(arrival, opened)
        except UnusableImageError as error:
            if error.reason not in tiles.TOO_LARGE:
                raise
            if cutting is None:
                return Outcome("oversized", arrival.key)
            return _register_original(s3, table, arrival, at, folder_label, cutting)
    except UnusableImageError as error:
        changed = annotation_matching.add_lost(s3, table, arrival, at)
        outcome = rejections.reject(s3, arrival, error.reason, error.detail)
        return replace(outcome, labels_changed=changed)
    return _register_image(s3, table, arrival, at, folder_label, facts, facts.key, thumbnail)


def _folder_label(key: str) -> str | None:
    """The label that the folder gives; None where folders give none."""
    if key.startswith((ANNOTATIONS, UNLABELED)):
        return None
    if not key.startswith(LABELED):
        folders = f"{LABELED}<label>/, {ANNOTATIONS} or {UNLABELED}"
        raise UnusableImageError("unknown_folder", f"objects go into {folders}")
    folder, slash, _ = key.removeprefix(LABELED).partition("/")
    if not slash:
        raise UnusableImageError(
            "no_label_folder", f"put it into a folder named by its label: {LABELED}<label>/{folder}"
        )
    try:
        return annotation.clean_label(folder)
    except ValueError as error:
        raise UnusableImageError("bad_label", f"the folder cannot be a label: {error}") from error


def _register_image(  # noqa: PLR0917 clients, and all that is known of the object
    s3: S3Client,
    table: Table,
    arrival: Arrival,
    at: str,
    folder_label: str | None,
    facts: ImageFacts,
    key: str,
    thumbnail: bytes,
) -> Outcome:
    _store(s3, arrival, facts, key, thumbnail)
    change = catalogue_images.update_image(
        table,
        facts.sha256,
        lambda known: _with_source(known or new_image(facts, key), arrival.key, folder_label),
        probably_new=True,
    )
    annotated = annotation_matching.add_image(s3, table, arrival, at, facts)
    changed = change.labels_changed + annotated
    return Outcome(
        "duplicate" if change.before else "registered",
        arrival.key,
        sha256=facts.sha256,
        unlabelled=() if change.before or changed else (facts.sha256,),
        labels_changed=changed,
        to_delete=arrival,
    )


def _register_original(  # noqa: PLR0917 clients, and all that is known of the object
    s3: S3Client, table: Table, arrival: Arrival, at: str, folder_label: str | None, cutting: Cutting
) -> Outcome:
    """Register an image that is too large to be trained with, and its tiles."""
    with originals.opened(s3, arrival, cutting) as (facts, image):
        key = originals.key_of(facts)
        thumbnail = thumbnails.of_pixels(image.pixels, image.turn)
        outcome = _register_image(s3, table, arrival, at, folder_label, facts, key, thumbnail)
        cut = originals.cut(s3, table, arrival.bucket, facts.sha256, image, cutting)
    return replace(outcome, unlabelled=cut.unlabelled, labels_changed=cut.labels_changed)


def _store(s3: S3Client, arrival: Arrival, facts: ImageFacts, key: str, thumbnail: bytes) -> None:
    """Put the image under its content address, unless it lies there already; its thumbnail first."""
    thumbnails.put(s3, arrival.bucket, facts.sha256, thumbnail)
    try:
        s3.copy_object(
            CopySource=arrival.version,  # pyrefly: ignore[bad-argument-type]
            Bucket=arrival.bucket,
            Key=key,
            ContentType=facts.content_type,
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise arrivals.gone_or(error) from error


def inspect_upright(data: bytes) -> ImageFacts:
    """Find out what is known of an image's content, with the size that it has upright.

    Raises:
        UnusableImageError: it is no image that can be trained with.
    """
    image_files.check_bytes(len(data))
    return _upright(image_files.inspect(data), data)


def _inspect(arrival: Arrival, opened: GetObjectOutputTypeDef) -> tuple[ImageFacts, bytes]:
    """What is known of the image, and its thumbnail."""
    image_files.check_bytes(arrival.size)
    data = opened["Body"].read()
    try:
        return _upright(image_files.inspect(data), data), thumbnails.of_file(data)
    except UnusableImageError as error:
        if error.reason == "not_an_image":
            suffixes = ", *".join(annotation_files.SUFFIXES)
            hint = f"; annotation files are named *{suffixes} and go into {ANNOTATIONS}"
            raise UnusableImageError(error.reason, error.detail + hint) from error
        raise


def _upright(facts: ImageFacts, data: bytes) -> ImageFacts:
    """The facts with the size of the image upright."""
    with open_image(data, (facts.format,)) as image:
        turned = exif.orientation(image) in exif.QUARTER_TURNS
    return replace(facts, width=facts.height, height=facts.width) if turned else facts


def _with_source(image: CatalogueImage, key: str, folder_label: str | None) -> CatalogueImage:
    if len(image.sources) < MAX_SOURCES:
        image = replace(image, sources=image.sources | {key})
    if folder_label is None or folder_label in image.folder_labels or len(image.folder_labels) == MAX_SOURCES:
        return image
    image = replace(image, folder_labels=image.folder_labels | {folder_label})
    return image if image.annotation_order else _labelled_by_folders(image)


def _labelled_by_folders(image: CatalogueImage) -> CatalogueImage:
    labels = tuple(sorted(image.folder_labels))
    if len(labels) == 1:
        return replace(
            image,
            status=catalogue_images.unless_excluded(image, "labelled"),
            kind="classification",
            labels=labels,
            label_origin="folder",
        )
    names = ", ".join(repr(label) for label in labels[:10])
    reason = f"it lies in folders of different labels: {names}; resolve it with an annotation file"
    return replace(
        image,
        status=catalogue_images.unless_excluded(image, "conflict"),
        kind=None,
        labels=(),
        label_origin="folder",
        conflict_reason=reason,
    )
