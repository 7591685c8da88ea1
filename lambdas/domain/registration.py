"""What becomes of an object under incoming/: an image of the catalogue, labels for some, or a rejection.

Every step can be taken twice and at once by several functions: an image is content-addressed, catalogue
writes are conditional, and the incoming object goes last. An image and its annotation may come in either
order or at the same time: an image writes its source and then looks for a pending annotation, an annotation
that finds no source writes itself down as pending and then looks again. Whichever is later applies it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from lambdas.domain import catalogue, clock, images, manifests
from lambdas.domain.catalogue import CatalogueImage, Change, Pending
from lambdas.domain.images import ImageFacts, UnusableImage
from lambdas.domain.manifests import Annotation, BrokenLine

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

INCOMING = "incoming/"
LABELED = "incoming/labeled/"
ANNOTATIONS = "incoming/annotations/"
UNLABELED = "incoming/unlabeled/"
REJECTED = "rejected/"
MANIFEST_SUFFIXES = (".manifest", ".jsonl")

MAX_MANIFEST_LINES = 5_000
"""What one invocation gets done well within its timeout, at a few DynamoDB calls a line."""
SOURCES_KEPT = 100
"""Names remembered of an image that is dropped again and again; an item has to stay below 400 KB."""
BROKEN_LINES_TOLD = 1_000

_IMAGE_KEY = re.compile(r"images/([0-9a-f]{64})\.(?:jpg|png)")
_CHUNK = 1024 * 1024
# CopyObject copies up to 5 GB (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html).
_ONE_COPY = TransferConfig(multipart_threshold=5 * 1024**3, multipart_chunksize=1024**3, use_threads=False)

OutcomeKind = Literal["registered", "duplicate", "annotated", "rejected", "gone", "ignored"]


@dataclass(frozen=True)
class Arrival:
    """An object that was created: what the S3 event says. The key as it is, not URL-encoded."""

    bucket: str
    key: str
    version_id: str | None
    """None if the event does not say: the bucket is not versioned, or the event is not from AWS."""
    size: int
    sequencer: str

    @property
    def version(self) -> dict[str, Any]:
        """The exact object version, as S3 operations take it."""
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Bucket": self.bucket, "Key": self.key, **version}


@dataclass(frozen=True)
class Outcome:
    """What became of an object.

    registered, duplicate: an image, new or known. annotated: a manifest whose good lines were taken.
    rejected: moved under rejected/. gone: deleted before its turn came. ignored: nothing to register.
    """

    kind: OutcomeKind
    key: str
    sha256: str = ""
    reason: str = ""
    labels_changed: int = 0
    """Images that there is now more, less or something else to train with."""
    pending: int = 0
    """Lines of a manifest whose images have not come yet."""
    broken_lines: int = 0
    spent: Arrival | None = None
    """The incoming object of a registered image, for `forget`."""


class _Gone(Exception):
    """The object version is not there any more."""


def register_object(s3: S3Client, table: Table, arrival: Arrival) -> Outcome:
    """Register one object of the data bucket.

    Raises:
        botocore.exceptions.ClientError: S3 or DynamoDB failed; the event has to be delivered again.
    """
    if not arrival.key.startswith(INCOMING) or arrival.key.endswith("/"):
        return Outcome("ignored", arrival.key)
    try:
        arrival, opened = _open(s3, arrival)
        with closing(opened["Body"]):
            return _register(s3, table, arrival, opened)
    except _Gone:
        return Outcome("gone", arrival.key)


def forget(s3: S3Client, outcomes: Iterable[Outcome]) -> None:
    """Delete the incoming objects of registered images, in as few requests as possible.

    One that cannot be deleted now stays under incoming/, where the sweeper finds it.
    """
    spent = [outcome.spent for outcome in outcomes if outcome.spent]
    for bucket in {arrival.bucket for arrival in spent}:
        listed = [arrival for arrival in spent if arrival.bucket == bucket]
        # The request's XML cannot hold every character that a key can.
        plain = [arrival for arrival in listed if arrival.key.isprintable()]
        for arrival in listed:
            if arrival not in plain:
                _delete(s3, arrival)
        versions = [{k: v for k, v in arrival.version.items() if k != "Bucket"} for arrival in plain]
        if versions:
            s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})  # type: ignore[typeddict-item]


def _register(s3: S3Client, table: Table, arrival: Arrival, opened: GetObjectOutputTypeDef) -> Outcome:
    try:
        folder_label = _folder_label(arrival.key)
        if arrival.key.startswith(ANNOTATIONS) and arrival.key.lower().endswith(MANIFEST_SUFFIXES):
            return _register_manifest(s3, table, arrival, opened)
        facts = _inspect(arrival, opened)
    except UnusableImage as refusal:
        return _reject(s3, arrival, refusal.reason, refusal.detail)
    return _register_image(s3, table, arrival, folder_label, facts)


def _folder_label(key: str) -> str | None:
    """The label that the folder gives; None where folders give none."""
    if key.startswith((ANNOTATIONS, UNLABELED)):
        return None
    if not key.startswith(LABELED):
        folders = f"{LABELED}<label>/, {ANNOTATIONS} or {UNLABELED}"
        raise UnusableImage("unknown_folder", f"objects go into {folders}")
    folder, slash, _ = key.removeprefix(LABELED).partition("/")
    if not slash:
        raise UnusableImage(
            "no_label_folder", f"put it into a folder named by its label: {LABELED}<label>/{folder}"
        )
    try:
        return manifests.clean_label(folder)
    except ValueError as error:
        raise UnusableImage("bad_label", f"the folder cannot be a label: {error}") from error


# Images


def _register_image(
    s3: S3Client, table: Table, arrival: Arrival, folder_label: str | None, facts: ImageFacts
) -> Outcome:
    _store(s3, arrival, facts)
    change = catalogue.update_image(
        table,
        facts.sha256,
        lambda known: _with_source(known or _new(facts), arrival.key, folder_label),
        probably_new=True,
    )
    catalogue.put_source(table, arrival.key, facts.sha256, arrival.sequencer)
    waiting = catalogue.get_pendings(table, [arrival.key, _pending_key(facts.key)])
    annotated = [_apply_pending(s3, table, arrival.bucket, facts.sha256, pending) for pending in waiting]
    return Outcome(
        "duplicate" if change.before else "registered",
        arrival.key,
        sha256=facts.sha256,
        labels_changed=int(change.labels_changed or any(annotated)),
        spent=arrival,
    )


def _store(s3: S3Client, arrival: Arrival, facts: ImageFacts) -> None:
    """Put the image under its content address, unless it lies there already."""
    try:
        s3.copy_object(
            CopySource=arrival.version,  # type: ignore[arg-type]
            Bucket=arrival.bucket,
            Key=facts.key,
            ContentType=facts.content_type,
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
            IfNoneMatch="*",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise _gone_or(error) from error


def _inspect(arrival: Arrival, opened: GetObjectOutputTypeDef) -> ImageFacts:
    images.check_bytes(arrival.size)
    data = opened["Body"].read()
    try:
        return images.inspect(data)
    except UnusableImage as refusal:
        if refusal.reason == "not_an_image":
            hint = (
                f"; annotation files are named *{' or *'.join(MANIFEST_SUFFIXES)} and go into {ANNOTATIONS}"
            )
            raise UnusableImage(refusal.reason, refusal.detail + hint) from refusal
        raise


def _new(facts: ImageFacts) -> CatalogueImage:
    return CatalogueImage(
        sha256=facts.sha256,
        key=facts.key,
        width=facts.width,
        height=facts.height,
        format=facts.format,
        bytes=facts.bytes,
        registered_at=clock.now(),
    )


def _with_source(image: CatalogueImage, key: str, folder_label: str | None) -> CatalogueImage:
    if len(image.sources) < SOURCES_KEPT:
        image = replace(image, sources=image.sources | {key})
    if (
        folder_label is None
        or folder_label in image.folder_labels
        or len(image.folder_labels) == SOURCES_KEPT
    ):
        return image
    image = replace(image, folder_labels=image.folder_labels | {folder_label})
    return image if image.annotation_order else _labelled_by_folders(image)


def _labelled_by_folders(image: CatalogueImage) -> CatalogueImage:
    labels = tuple(sorted(image.folder_labels))
    if len(labels) == 1:
        return replace(image, status="labelled", kind="classification", labels=labels, label_origin="folder")
    told = ", ".join(repr(label) for label in labels[:10])
    reason = f"it lies in folders of different labels: {told}; settle it with an annotation file"
    return replace(
        image, status="conflict", kind=None, labels=(), label_origin="folder", conflict_reason=reason
    )


# Annotations


def _register_manifest(
    s3: S3Client, table: Table, arrival: Arrival, opened: GetObjectOutputTypeDef
) -> Outcome:
    sha256 = _check_manifest(opened)
    lines = _Lines()
    _, opened = _open(s3, arrival)
    order = _order(opened["LastModified"], arrival.sequencer)
    for number, text in manifests.numbered_lines(opened["Body"].iter_chunks(_CHUNK)):
        try:
            annotation = manifests.parse_line(text, number)
            pending = Pending(annotation, f"{order}#{number:09d}", arrival.key, number, clock.now())
            lines.count(_take(table, arrival.bucket, pending))
        except BrokenLine as broken:
            lines.add_broken(broken)
    _copy(s3, arrival, f"annotations/{sha256}.manifest")
    if lines.broken:
        told = f"{lines.broken} lines were left out, {lines.taken} were taken; correct and upload them again"
        _write_reason(s3, arrival, "broken_lines", told, lines=lines.told)
    _delete(s3, arrival)
    return Outcome(
        "annotated",
        arrival.key,
        sha256=sha256,
        labels_changed=lines.changed,
        pending=lines.pending,
        broken_lines=lines.broken,
    )


class _Lines:
    """What became of a manifest's lines."""

    def __init__(self) -> None:
        self.taken = self.changed = self.pending = self.broken = 0
        self.told: list[dict[str, Any]] = []

    def count(self, change: Change | None) -> None:
        self.taken += 1
        self.pending += change is None
        self.changed += change is not None and change.labels_changed

    def add_broken(self, broken: BrokenLine) -> None:
        self.broken += 1
        if self.broken <= BROKEN_LINES_TOLD:
            self.told.append({"line": broken.line, "reason": broken.reason, "detail": broken.detail})


def _check_manifest(opened: GetObjectOutputTypeDef) -> str:
    """The manifest's SHA-256, if it is one that can be worked through."""
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        for chunk in opened["Body"].iter_chunks(_CHUNK):
            digest.update(chunk)
            yield chunk

    lines = 0
    for lines, _ in enumerate(manifests.numbered_lines(chunks()), start=1):
        if lines > MAX_MANIFEST_LINES:
            raise UnusableImage("too_many_lines", f"more than {MAX_MANIFEST_LINES} lines: split the file")
    if lines == 0:
        raise UnusableImage("empty", "the manifest has no lines")
    return digest.hexdigest()


def _order(modified: datetime, sequencer: str) -> str:
    """Greater for a later upload, and the same whenever and however often its event is delivered."""
    return f"{clock.text(modified)}#{sequencer}"


def _take(table: Table, bucket: str, pending: Pending) -> Change | None:
    """Apply an annotation to its image, or let it wait for it: then None.

    Raises:
        BrokenLine: the annotation cannot be about an image of this bucket, or does not fit its image.
    """
    annotation = pending.annotation
    if annotation.source_bucket != bucket:
        detail = f"the image is in {annotation.source_bucket}; upload it to {bucket} and name that"
        raise BrokenLine(pending.line, "other_bucket", detail)
    if not annotation.source_key.startswith(INCOMING) and not _IMAGE_KEY.fullmatch(annotation.source_key):
        detail = f"source-ref has to name an object under {INCOMING} or images/<sha256>.jpg or .png"
        raise BrokenLine(pending.line, "source_ref_elsewhere", detail)
    found = _find(table, annotation.source_key)
    if found:
        return _apply(table, found, pending)
    key = _pending_key(annotation.source_key)
    catalogue.put_pending(table, key, pending)
    found = _find(table, annotation.source_key)
    if not found:
        return None
    try:
        return _apply(table, found, pending)
    finally:
        catalogue.delete_pending(table, key, pending.order)


def _find(table: Table, key: str) -> str | None:
    """SHA-256 of the registered image that a source-ref's key names."""
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
        status="labelled" if anything else "unlabelled",
        conflict_reason="",
        kind=annotation.kind if anything else None,
        labels=annotation.labels,
        boxes=annotation.boxes,
        label_origin="annotation",
        annotation_order=order,
    )


def _apply_pending(s3: S3Client, table: Table, bucket: str, sha256: str, pending: Pending) -> bool:
    """Apply the annotation that waited for this key: whether that changed labels."""
    changed = False
    try:
        changed = _apply(table, sha256, pending).labels_changed
    except BrokenLine as broken:
        _put_json(
            s3,
            bucket,
            _rejected_key(pending.manifest_key, f".line-{broken.line}.reason.json"),
            {
                "key": pending.manifest_key,
                "image": pending.annotation.source_key,
                "line": broken.line,
                "reason": broken.reason,
                "detail": broken.detail,
                "at": clock.now(),
            },
        )
    catalogue.delete_pending(table, pending.annotation.source_key, pending.order)
    return changed


# Objects


def _open(s3: S3Client, arrival: Arrival) -> tuple[Arrival, GetObjectOutputTypeDef]:
    """The arrival with its exact version, and that version opened.

    Its key is asked first: a delete marker there says that people do not want the object any more.

    Raises:
        _Gone: it was deleted since.
    """
    try:
        opened = s3.get_object(Bucket=arrival.bucket, Key=arrival.key)
        version = opened.get("VersionId")
        if arrival.version_id not in (None, version):
            # Something else was uploaded to the key since, and has an event of its own.
            opened["Body"].close()
            opened, version = s3.get_object(**arrival.version), arrival.version_id
    except ClientError as error:
        raise _gone_or(error) from error
    return replace(arrival, version_id=version, size=opened["ContentLength"]), opened


def _copy(s3: S3Client, arrival: Arrival, key: str) -> None:
    try:
        s3.copy(
            CopySource=arrival.version,  # type: ignore[arg-type]
            Bucket=arrival.bucket,
            Key=key,
            ExtraArgs={"TaggingDirective": "REPLACE"},
            Config=_ONE_COPY,
        )
    except ClientError as error:
        raise _gone_or(error) from error


def _delete(s3: S3Client, arrival: Arrival) -> None:
    s3.delete_object(**arrival.version)


def _gone_or(error: ClientError) -> Exception:
    missing = error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchVersion")
    return _Gone() if missing else error


# Rejections


def _reject(s3: S3Client, arrival: Arrival, reason: str, detail: str) -> Outcome:
    try:
        _copy(s3, arrival, _rejected_key(arrival.key))
    except _Gone:
        return Outcome("gone", arrival.key)
    _write_reason(s3, arrival, reason, detail)
    _delete(s3, arrival)
    return Outcome("rejected", arrival.key, reason=reason)


def _write_reason(s3: S3Client, arrival: Arrival, reason: str, detail: str, **more: Any) -> None:
    document = {
        "key": arrival.key,
        "version_id": arrival.version_id,
        "reason": reason,
        "detail": detail,
        "at": clock.now(),
        **more,
    }
    _put_json(s3, arrival.bucket, _rejected_key(arrival.key, ".reason.json"), document)


def _rejected_key(key: str, suffix: str = "") -> str:
    rejected = REJECTED + key.removeprefix(INCOMING) + suffix
    if len(rejected.encode()) <= manifests.MAX_KEY_BYTES:
        return rejected
    return f"{REJECTED}{hashlib.sha256(key.encode()).hexdigest()}{suffix}"


def _put_json(s3: S3Client, bucket: str, key: str, document: dict[str, Any]) -> None:
    body = json.dumps(document, indent=2).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
