"""What a Distributed Map reads from S3 and writes to it, with the permissions of its state machine's role.

AWS: items come from an object (JSON, JSON Lines, CSV, an inventory's manifest) or from a listing, which the
state machine's role has to be allowed to read, and results go to objects that it has to be allowed to write.
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html
https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
MiniStack: reads without asking IAM, knows no inventories, and writes no results.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import Iterator
from typing import Any

_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_WRITER_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
"""https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html#resultwriter-iam-policies"""
NOT_ALLOWED = "States.Permissions"


class MapData:
    """S3 as the role of a state machine may use it.

    Args:
        stepfunctions: MiniStack's module.
        role_arn: of the state machine.
    """

    def __init__(self, stepfunctions: Any, role_arn: str) -> None:
        from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported
        from ministack.services import s3  # noqa: PLC0415

        self._stepfunctions, self._iam, self._s3 = stepfunctions, iam_evaluator, s3
        self._role_arn = role_arn

    def require(self, error: str, actions: tuple[str, ...], resource: str, **context: str) -> None:
        """Fail the state with this error unless the role may do all of this."""
        for action in actions:
            if not self._may(action, resource, context):
                raise self._stepfunctions._ExecutionError(
                    error, f"{self._role_arn} is not authorized to perform: {action} on resource: {resource}"
                )

    def _may(self, action: str, resource: str, context: dict[str, str]) -> bool:
        if os.environ.get("AUTH", "false").lower() != "true":
            return True
        account, role = self._role_arn.split(":")[4], self._role_arn.rsplit("/", 1)[-1]
        asked = self._iam.EvalContext(
            principal_arn=self._role_arn,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=self._stepfunctions.get_region(),
            service_context={name.replace("_", ":"): value for name, value in context.items()},
        )
        policies = self._iam._gather_role_policies(role, account)
        return bool(self._iam.evaluate(asked, policies).decision == "Allow")

    def items(self, reader: dict[str, Any], arguments: dict[str, Any]) -> Iterator[Any]:
        """The items that an ItemReader reads.

        Args:
            arguments: of its S3 action, evaluated.
        """
        config = reader.get("ReaderConfig") or {}
        try:
            if reader["Resource"].endswith("s3:listObjectsV2"):
                yield from self._listed(config, arguments)
            elif config.get("InputType") == "MANIFEST":
                yield from self._inventory(arguments)
            else:
                text = self._text(arguments["Bucket"], arguments["Key"], arguments.get("VersionId"))
                yield from self._stepfunctions._parse_reader_items(text, config)
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise self._failed(f"the dataset could not be read: {error!r}") from error

    def _failed(self, cause: str) -> Exception:
        failed: Exception = self._stepfunctions._ExecutionError("States.ItemReaderFailed", cause)
        return failed

    def _listed(self, config: dict[str, Any], arguments: dict[str, Any]) -> Iterator[Any]:
        name, prefix = arguments["Bucket"], arguments.get("Prefix", "")
        self.require("States.ItemReaderFailed", ("s3:ListBucket",), f"arn:aws:s3:::{name}", s3_prefix=prefix)
        bucket = self._s3._buckets.get(name)
        if bucket is None:
            raise self._failed(f"The specified bucket does not exist. (Bucket: {name})")
        for key in sorted(key for key in list(bucket["objects"]) if key.startswith(prefix)):
            known = bucket["objects"][key]
            if config.get("Transformation") == "LOAD_AND_FLATTEN":
                yield from self._stepfunctions._parse_reader_items(self._text(name, key), config)
                continue
            yield {
                "Etag": known.get("etag", ""),
                "Key": key,
                "LastModified": self._stepfunctions._epoch_seconds(known.get("last_modified")),
                "Size": known.get("size", 0),
                "StorageClass": known.get("storage_class") or "STANDARD",
            }

    def _inventory(self, arguments: dict[str, Any]) -> Iterator[dict[str, str]]:
        """The rows of a CSV inventory: each as its manifest's schema names its columns.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
        """
        manifest = json.loads(self._text(arguments["Bucket"], arguments["Key"]))
        if manifest["fileFormat"] != "CSV":
            raise self._failed(f"an inventory of the format {manifest['fileFormat']} is not read here")
        bucket = manifest["destinationBucket"].removeprefix("arn:aws:s3:::")
        columns = [column.strip() for column in manifest["fileSchema"].split(",")]
        for file in manifest["files"]:
            text = gzip.decompress(self._bytes(bucket, file["key"])).decode()
            for row in csv.reader(io.StringIO(text)):
                yield dict(zip(columns, row, strict=False))

    def _text(self, bucket: str, key: str, version_id: str | None = None) -> str:
        return self._bytes(bucket, key, version_id).decode()

    def _bytes(self, bucket: str, key: str, version_id: str | None = None) -> bytes:
        action = "s3:GetObjectVersion" if version_id else "s3:GetObject"
        self.require("States.ItemReaderFailed", (action,), f"arn:aws:s3:::{bucket}/{key}")
        query = {"versionId": [version_id]} if version_id else {}
        status, _, body = self._s3._get_object(bucket, key, {}, query)
        if status != 200:
            raise self._failed(f"The specified key does not exist. (Bucket: {bucket}, Key: {key})")
        return bytes(body)

    def write(self, bucket: str, key: str, body: str) -> int:
        """Write an object of results: its bytes."""
        self.require("States.ResultWriterFailed", _WRITER_ACTIONS, f"arn:aws:s3:::{bucket}/{key}")
        data = body.encode()
        status, _, answer = self._s3._put_object(bucket, key, data, {"content-type": "application/json"})
        if status != 200:
            raise self._stepfunctions._ExecutionError("States.ResultWriterFailed", str(answer))
        return len(data)
