"""What cannot be used lies under rejected/, and beside it why."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from lambdas.domain import arrivals, clock, manifests
from lambdas.domain.arrivals import INCOMING, Arrival, GoneError, Outcome

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.catalogue import Pending
    from lambdas.domain.manifests import BrokenLine

REJECTED = "rejected/"
BROKEN_LINES_TOLD = 1_000


class BrokenLines:
    """The lines of an annotation file that say nothing usable; the first of them are told one by one."""

    def __init__(self) -> None:
        self.count = 0
        self.told: list[dict[str, Any]] = []

    def add(self, broken: BrokenLine) -> None:
        self.count += 1
        if self.count <= BROKEN_LINES_TOLD:
            self.told.append({"line": broken.line, "reason": broken.reason, "detail": broken.detail})


def reject(s3: S3Client, arrival: Arrival, reason: str, detail: str) -> Outcome:
    """Move the object under rejected/, with its reason."""
    try:
        arrivals.copy(s3, arrival, _rejected_key(arrival.key))
    except GoneError:
        return Outcome("gone", arrival.key)
    _write(s3, arrival, reason, detail)
    arrivals.delete(s3, arrival)
    return Outcome("rejected", arrival.key, reason=reason)


def tell_broken_lines(
    s3: S3Client, arrival: Arrival, broken: BrokenLines, taken: int, file: str = ""
) -> None:
    """Write down which lines of an annotation file were left out, if any were.

    Args:
        file: key of the annotation file that the lines' numbers are of, if not of the arrival.
    """
    if broken.count:
        told = f"{broken.count} lines were left out, {taken} were taken; correct and upload them again"
        more = {"file": file} if file else {}
        _write(s3, arrival, "broken_lines", told, **more, lines=broken.told)


def tell_unfit_pending(s3: S3Client, bucket: str, pending: Pending, broken: BrokenLine) -> None:
    """Write down that an annotation which waited for its image does not fit it."""
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


def _write(s3: S3Client, arrival: Arrival, reason: str, detail: str, **more: Any) -> None:
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
