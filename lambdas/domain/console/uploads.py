"""Uploads from the browser: straight into incoming/ of the data bucket, by links to just the object.

A file of more than PART_BYTES is sent in parts, so that what was sent is kept where a connection breaks or
the page is closed. What the catalogue has already is not sent again.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.images.tiles import MAX_FILE_BYTES
from lambdas.domain.register.annotation_files import SUFFIXES
from lambdas.domain.register.arrivals import ANNOTATIONS, LABELED, UNLABELED
from lambdas.domain.register.conversion import MAX_FILE_BYTES as MAX_ANNOTATION_BYTES
from lambdas.domain.shared import annotation
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
"""S3 takes parts of 5 MiB or more: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
MAX_KEY_BYTES = 900
"""Of S3's 1,024; what is rejected lies under a longer key."""
URL_SECONDS = 3600
_MAX_LINKS = 50
"""Links to parts that one answer has."""
IMAGES = (".jpg", ".jpeg", ".png")
_UPLOADED = re.compile(r"incoming/(?:unlabeled|labeled|annotations)/.+")


@frozen
class Wanted:
    """A file that somebody wants to upload."""

    name: str
    """With the folders that it was chosen with."""
    size: int
    sha256: str = ""
    """Of an image; empty of an annotation file."""
    label: str = ""
    """Of the whole image; empty if none is known."""
    annotated: bool = False
    """Whether annotation files are uploaded with it, which may name it."""


@frozen
class Planned:
    """What is to be done with a file."""

    key: str
    """Where it goes; empty if it goes nowhere."""
    known: bool = False
    """Whether the catalogue has it, with the label."""
    problem: str = ""
    """Why it cannot be uploaded."""

    @property
    def is_sent(self) -> bool:
        return bool(self.key) and not self.known


@frozen
class Part:
    """A part that has not been sent."""

    number: int
    url: str


@frozen
class Multipart:
    """A file that is being sent in parts."""

    upload_id: str
    missing: tuple[Part, ...]
    """The first of them."""
    left: int
    """How many are missing."""


_ENDED = ("NoSuchUpload", "InvalidArgument")
"""Codes of an upload that was completed or given up:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html"""


def plan(table: Table, files: Sequence[Wanted]) -> list[Planned]:
    """What is to be done with each of the files, in their order."""
    planned = [_planned(file) for file in files]
    hashes = dict.fromkeys(file.sha256 for file in files if file.sha256)
    ids = [catalogue_images.image_id(sha256) for sha256 in hashes]
    known = {
        image.sha256: image
        for begin in range(0, len(ids), catalogue_images.MAX_BATCH)
        for image in catalogue_images.get_images(table, ids[begin : begin + catalogue_images.MAX_BATCH])
    }
    for place, file in enumerate(files):
        image = known.get(file.sha256)
        if image and planned[place].key and _is_known(image, file, planned[place].key):
            planned[place] = Planned(planned[place].key, known=True)
    return planned


def _is_known(image: CatalogueImage, file: Wanted, key: str) -> bool:
    """Whether the catalogue has the image with its label and, where annotation files may name it, its key."""
    if file.label:
        return annotation.clean_label(file.label) in image.label_names
    return not file.annotated or key in image.sources


def _planned(file: Wanted) -> Planned:
    try:
        return Planned(_key(file))
    except ValueError as error:
        return Planned("", problem=str(error))


def _key(file: Wanted) -> str:
    """Where a file goes.

    Raises:
        ValueError: it cannot be taken; the message says why.
    """
    name = unicodedata.normalize("NFC", file.name).strip("/")
    is_annotation = _is_annotation(name)
    if not is_annotation and not name.lower().endswith(IMAGES):
        raise ValueError("neither a JPEG or PNG image nor an annotation file")
    if not 0 < file.size <= _most(name):
        raise ValueError(f"{file.size} bytes; from 1 to {_most(name)} are taken")
    key = (ANNOTATIONS if is_annotation else _folder(file)) + name
    # A browser takes . and .. out of an address, which then is not the one that was signed.
    if any(unicodedata.category(character)[0] == "C" for character in name) or {".", ".."} & {
        *key.split("/")
    }:
        raise ValueError("its name has control characters, or leads out of its folder")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError("its name is too long")
    return key


def _is_annotation(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _most(name: str) -> int:
    """How many bytes a file of this name may have."""
    return MAX_ANNOTATION_BYTES if _is_annotation(name) else MAX_FILE_BYTES


def _folder(file: Wanted) -> str:
    """Where an image goes: beside the annotation files that may name it, as they name what is beside them."""
    if not file.label:
        return ANNOTATIONS if file.annotated else UNLABELED
    label = annotation.clean_label(file.label)
    if "/" in label:
        raise ValueError(f"the label {label} has a slash, which a folder cannot have: use an annotation file")
    return f"{LABELED}{label}/"


def link(signer: S3Client, bucket: str, key: str, content_type: str, size: int) -> str:
    """An address to which just this object can be sent, of this size."""
    return signer.generate_presigned_url(
        "put_object",
        Params={"Bucket": bucket, "Key": key, "ContentType": content_type, "ContentLength": size},
        ExpiresIn=URL_SECONDS,
    )


def parts(  # noqa: PLR0917 clients, and what is sent
    s3: S3Client, signer: S3Client, bucket: str, key: str, size: int, upload_id: str, content_type: str
) -> Multipart:
    """Begin to send a file in parts, or go on with it: links to those that are missing.

    Args:
        upload_id: empty: it is begun.

    Raises:
        ApiError: nothing is being sent to that key under this id any more.
    """
    _check(key, size)
    sent, sizes = dict[int, int](), _sizes(size)
    if upload_id:
        sent = {number: int(part["Size"]) for number, part in _listed(s3, bucket, key, upload_id).items()}
    else:
        begun = s3.create_multipart_upload(Bucket=bucket, Key=key, ContentType=content_type)
        upload_id = begun["UploadId"]
    missing = [number for number, bytes in sizes.items() if sent.get(number) != bytes]
    links = (
        Part(
            number,
            signer.generate_presigned_url(
                "upload_part",
                Params={
                    "Bucket": bucket,
                    "Key": key,
                    "UploadId": upload_id,
                    "PartNumber": number,
                    "ContentLength": sizes[number],
                },
                ExpiresIn=URL_SECONDS,
            ),
        )
        for number in islice(missing, _MAX_LINKS)
    )
    return Multipart(upload_id, tuple(links), len(missing))


def complete(s3: S3Client, bucket: str, key: str, size: int, upload_id: str) -> None:
    """Make one object of the parts that were sent.

    Raises:
        ApiError: parts are missing, or nothing is being sent under this id; any more, if it was completed.
    """
    _check(key, size)
    sizes, listed = _sizes(size), _listed(s3, bucket, key, upload_id)
    missing = [number for number in sizes if number not in listed or listed[number]["Size"] != sizes[number]]
    if missing:
        raise ApiError(409, "conflict", f"{len(missing)} parts of the file were not sent yet: send them")
    # What was sent beyond the size is no part of the file.
    etags: list[Any] = [{"PartNumber": number, "ETag": listed[number]["ETag"]} for number in sizes]
    try:
        s3.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": etags}
        )
    except ClientError as error:
        # Another tab of the browser may send the same file.
        if error.response["Error"]["Code"] in _ENDED:
            raise _gone() from error
        if error.response["Error"]["Code"] == "InvalidPart":
            raise ApiError(409, "conflict", "a part was sent anew meanwhile: try again") from error
        raise


def _check(key: str, size: int) -> None:
    if not _UPLOADED.fullmatch(key) or len(key.encode()) > MAX_KEY_BYTES:
        raise ApiError(422, "bad_request", "key is what the plan of the upload gave", "key")
    if not PART_BYTES < size <= _most(key):
        raise ApiError(
            422, "bad_request", f"files of {PART_BYTES + 1} to {_most(key)} bytes are sent in parts", "size"
        )


def _sizes(size: int) -> dict[int, int]:
    """The size of every part, by its number."""
    count = -(-size // PART_BYTES)
    return {number: min(PART_BYTES, size - (number - 1) * PART_BYTES) for number in range(1, count + 1)}


def _listed(s3: S3Client, bucket: str, key: str, upload_id: str) -> dict[int, Mapping[str, Any]]:
    """The parts that were sent, by their numbers."""
    try:
        pages = s3.get_paginator("list_parts").paginate(Bucket=bucket, Key=key, UploadId=upload_id)
        return {int(part["PartNumber"]): part for page in pages for part in page.get("Parts", [])}
    except ClientError as error:
        if error.response["Error"]["Code"] in _ENDED:
            raise _gone() from error
        raise


def _gone() -> ApiError:
    return ApiError(410, "gone", "this upload has ended: begin it again")
