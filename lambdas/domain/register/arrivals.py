"""Objects that were created under incoming/, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

INCOMING = "incoming/"
LABELED = "incoming/labeled/"
ANNOTATIONS = "incoming/annotations/"
UNLABELED = "incoming/unlabeled/"
PARTS = ".parts/"
"""Ends the folder, named as an annotation file, of the manifests that it was converted into."""

# CopyObject copies up to 5 GB (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
_ONE_COPY = TransferConfig(multipart_threshold=5 * 1024**3, multipart_chunksize=1024**3, use_threads=False)

OutcomeKind = Literal[
    "registered",
    "duplicate",
    "annotated",
    "converted",
    "rejected",
    "gone",
    "ignored",
    "sent_on",
    "oversized",
    "cut",
]


@frozen
class Arrival:
    """An object that was created: what the S3 event says. The key as it is, not URL-encoded."""

    bucket: str
    key: str
    version_id: str | None
    """None if the event does not say: the bucket is not versioned, or the event is not from AWS."""
    size: int
    sequencer: str
    overwritten: bool = False
    """Whether something else has been uploaded to its key since; known once it was opened."""

    @property
    def version(self) -> dict[str, Any]:
        """The exact object version, as S3 operations take it."""
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Bucket": self.bucket, "Key": self.key, **version}

    def order(self, modified: datetime) -> str:
        """What orders uploads: greater for a later one, the same however often its event is delivered."""
        return f"{clock.to_iso(modified)}#{self.sequencer}"


@frozen
class Outcome:
    """What became of an object.

    registered, duplicate: an image, new or known. annotated: an annotation file whose good lines were taken.
    converted: one that was made into manifests of its own, which have their own events. rejected: moved
    under rejected/. gone: deleted before its turn came. ignored: nothing to register. sent_on: to the
    function for annotation files. oversized: an image that is to be sent there to be cut. cut: an original
    whose labels have changed.
    """

    kind: OutcomeKind
    key: str
    sha256: str = ""
    reason: str = ""
    unlabelled: tuple[str, ...] = ()
    """Content hashes of new images that nothing is known of."""
    labels_changed: int = 0
    """Images that there is now more, less or something else to train with."""
    pending: int = 0
    """Lines of a manifest whose images have not come yet."""
    broken_lines: int = 0
    """Lines of an annotation file, and single boxes of lines, that were left out."""
    notes: int = 0
    """What was understood in one of several ways."""
    parts: int = 0
    """Manifests that an annotation file was converted into."""
    to_delete: Arrival | None = None
    """The incoming object of a registered image, for `delete_registered`."""


class GoneError(Exception):
    """The object version is not there any more."""


def open_object(s3: S3Client, arrival: Arrival) -> tuple[Arrival, GetObjectOutputTypeDef]:
    """Open the object: the arrival with its exact version, and that version opened.

    Its key is asked first: a delete marker there says that people do not want the object any more.

    Raises:
        GoneError: it was deleted since.
    """
    try:
        opened = s3.get_object(Bucket=arrival.bucket, Key=arrival.key)
        version = opened.get("VersionId")
        overwritten = arrival.version_id not in (None, version)
        if overwritten:
            # Something else was uploaded to the key since, and has an event of its own.
            opened["Body"].close()
            opened, version = s3.get_object(**arrival.version), arrival.version_id
    except ClientError as error:
        raise gone_or(error) from error
    size = opened["ContentLength"]
    return replace(arrival, version_id=version, size=size, overwritten=overwritten), opened


def copy(s3: S3Client, arrival: Arrival, key: str) -> None:
    """Copy the object, however large it is, to another key of its bucket.

    Raises:
        GoneError: it was deleted since.
    """
    try:
        s3.copy(
            CopySource=arrival.version,  # pyrefly: ignore[bad-argument-type]
            Bucket=arrival.bucket,
            Key=key,
            ExtraArgs={"TaggingDirective": "REPLACE"},
            Config=_ONE_COPY,
        )
    except ClientError as error:
        raise gone_or(error) from error


def delete(s3: S3Client, arrival: Arrival) -> None:
    """Delete the object's version."""
    s3.delete_object(**arrival.version)


def delete_registered(s3: S3Client, outcomes: Iterable[Outcome]) -> None:
    """Delete the incoming objects of registered images, in as few requests as possible.

    One that cannot be deleted now stays under incoming/, where the sweeper finds it.
    """
    to_delete = [outcome.to_delete for outcome in outcomes if outcome.to_delete]
    for bucket in {arrival.bucket for arrival in to_delete}:
        listed = [arrival for arrival in to_delete if arrival.bucket == bucket]
        # The request's XML cannot hold every character that a key can.
        plain = [arrival for arrival in listed if arrival.key.isprintable()]
        for arrival in listed:
            if arrival not in plain:
                delete(s3, arrival)
        versions = [{k: v for k, v in arrival.version.items() if k != "Bucket"} for arrival in plain]
        if versions:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})  # pyrefly: ignore[bad-assignment]


def gone_or(error: ClientError) -> Exception:
    """The error to raise for one about an object: GoneError if it says that there is none."""
    missing = error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchVersion")
    return GoneError() if missing else error
