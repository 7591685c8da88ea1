"""One image under detect/, what the champion sees in it, and the JSON beside it under results/."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain import clock, custom_labels
from lambdas.domain.records import Champion, Records

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import ImageTypeDef
    from mypy_boto3_s3 import S3Client

UNUSABLE = {"InvalidImageFormatException", "ImageTooLargeException", "InvalidS3ObjectException"}
"""Errors that the image itself causes: trying again cannot help."""

NOT_SERVING = {"ResourceNotReadyException", "ResourceNotFoundException"}
"""Errors of a version that was stopped, or deleted since."""


class NoChampionError(RuntimeError):
    """No model version serves at present; the image waits and is tried again."""


@dataclass(frozen=True)
class Detected:
    """What became of an image: `detected`, `unusable` or `gone`."""

    outcome: str
    result_key: str
    labels: tuple[dict[str, Any], ...] = ()
    model_version: str = ""


def result_key(key: str) -> str:
    """detect/a/b.jpg has its result at results/a/b.jpg.json."""
    return f"results/{key.removeprefix('detect/')}.json"


def detect_object(
    rekognition: RekognitionClient, s3: S3Client, records: Records, bucket: str, key: str
) -> Detected:
    """Ask the champion about an image in the bucket and write its answer under results/.

    Raises:
        NoChampionError: none serves yet.
    """
    target = result_key(key)
    if key.endswith("/"):
        return Detected("gone", target)
    try:
        champion, labels = ask(rekognition, records, {"S3Object": {"Bucket": bucket, "Name": key}})
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in UNUSABLE:
            raise
        if not _exists(s3, bucket, key):
            return Detected("gone", target)
        _write(
            s3, bucket, target, {"image": key, "error": code, "reason": error.response["Error"]["Message"]}
        )
        return Detected("unusable", target)
    except NoChampionError as error:
        _write(s3, bucket, target, {"image": key, "status": "waiting", "reason": str(error)})
        raise
    _write(s3, bucket, target, {"image": key, "model_version": champion.version_name, "labels": labels})
    return Detected("detected", target, tuple(labels), champion.version_name)


def ask(
    rekognition: RekognitionClient,
    records: Records,
    image: ImageTypeDef,
    *,
    min_confidence: float | None = None,
) -> tuple[Champion, list[dict[str, Any]]]:
    """The champion and what it sees; if it was replaced between being named and being asked, the new one.

    Raises:
        NoChampionError: none serves, or the one that should does not run.
    """
    champion = _serving(records)
    try:
        found = custom_labels.detect(rekognition, champion.version_arn, image, min_confidence=min_confidence)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_SERVING:
            raise
        successor = _serving(records)
        if successor == champion:
            raise NoChampionError(f"the champion {champion.version_name} is not running") from error
        champion = successor
        found = custom_labels.detect(rekognition, champion.version_arn, image, min_confidence=min_confidence)
    return champion, found


def _serving(records: Records) -> Champion:
    champion = records.champion()
    if champion is None:
        raise NoChampionError("no model version has been promoted yet; the image waits for the first")
    return champion


def _exists(s3: S3Client, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def _write(s3: S3Client, bucket: str, key: str, result: dict[str, Any]) -> None:
    body = json.dumps({**result, "at": clock.now()}, indent=2, ensure_ascii=False)
    s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType="application/json")
