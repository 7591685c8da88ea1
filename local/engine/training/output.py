"""What a training leaves in S3, each file under the name that AWS's example of DescribeProjectVersions has:
https://docs.aws.amazon.com/AWSJavaScriptSDK/v3/latest/client/rekognition/command/DescribeProjectVersionsCommand/

The developer guide calls the validation files manifest_summary.json, training_manifest_with_validation.json
and testing_manifest_with_validation.json: so they are named where the console downloads them.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from typing import IO, Any

from local.engine import arns
from local.engine.access.s3 import NoObjectError, Objects

logger = logging.getLogger("labelloop.engine.training")

EVALUATION_SUMMARY = "EvaluationResultSummary"
MANIFEST_SUMMARY = "ManifestSummary"
TRAINING_VALIDATION = "TrainingManifestWithValidation"
TESTING_VALIDATION = "TestingManifestWithValidation"
TRAINING_SNAPSHOT = "TrainingGroundTruth"
TESTING_SNAPSHOT = "TestingGroundTruth"
HELD_OUT = "HeldOutPredictions"
"""Custom Labels leaves no such file: what is seen in images by who has not learned from them."""
_FILES = (
    EVALUATION_SUMMARY,
    MANIFEST_SUMMARY,
    TRAINING_VALIDATION,
    TESTING_VALIDATION,
    TRAINING_SNAPSHOT,
    TESTING_SNAPSHOT,
)


class CannotWriteError(Exception):
    """The output bucket did not take a file."""


def output_key(version_arn: str, prefix: str, name: str) -> str:
    """The S3 key of one of a training's files. Raises ValueError if the ARN is not one of a version."""
    arn = arns.parse(version_arn)
    if arn is None or not arn.version:
        raise ValueError(f"{version_arn} is no ARN of a model version")
    return f"{prefix.strip('/')}/{name}-{arn.project}-{arn.version}.json".removeprefix("/")


def output_keys(version_arn: str, prefix: str) -> list[str]:
    """The S3 keys of all files of a training."""
    return [output_key(version_arn, prefix, name) for name in _FILES]


class Output:
    """The place of one training's files: an OutputConfig, and the key to encrypt with if there is one."""

    def __init__(
        self, version_arn: str, bucket: str, prefix: str, objects: Objects, kms_key_id: str = ""
    ) -> None:
        self._version_arn, self._bucket, self._prefix = version_arn, bucket, prefix
        self._objects, self._kms_key_id = objects, kms_key_id

    def put_json(self, name: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """Write a JSON file; its GroundTruthManifest or Summary structure. Raises CannotWriteError."""
        return self._put(name, json.dumps(value, indent=2).encode())

    def put_manifest(self, name: str, lines: Iterable[str]) -> dict[str, Any]:
        """Write JSON Lines; the structure with the one asset that they are. Raises CannotWriteError.

        The lines go through a file, so that they are never all in memory.
        """
        with tempfile.TemporaryFile() as file:
            file.writelines(f"{line}\n".encode() for line in lines)
            file.seek(0)
            return {"Assets": [{"GroundTruthManifest": self._put(name, file)}]}

    def _put(self, name: str, body: bytes | IO[bytes]) -> dict[str, Any]:
        key = output_key(self._version_arn, self._prefix, name)
        try:
            self._objects.put(self._bucket, key, body, "application/json", kms_key_id=self._kms_key_id)
        except NoObjectError as error:
            logger.warning("%s", error)
            raise CannotWriteError(str(error)) from error
        return {"S3Object": {"Bucket": self._bucket, "Name": key}}
