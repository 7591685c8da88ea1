"""The dataset report of the newest snapshot that has one, for the console."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState
from lambdas.domain.snapshot import files as snapshot_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@frozen
class LatestReport:
    """A dataset report as it was written, and the run that made it."""

    snapshot: str
    run: str
    made_at: str
    """When the run began."""
    report: dict[str, Any]
    page_key: str


def latest(s3: S3Client, bucket: str, loop_state: LoopState) -> LatestReport:
    """The newest report.

    Raises:
        ApiError: there is none yet.
    """
    for run in loop_state.run_outlines():
        if run.data_report is None or not run.snapshot:
            continue
        try:
            key = snapshot_files.report_key(run.snapshot, "report.json")
            document = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
                raise
            continue
        except ValueError:
            # Cut off while it was written: an older one is whole.
            continue
        page_key = snapshot_files.report_key(run.snapshot)
        return LatestReport(run.snapshot, run.id, run.started_at or "", document, page_key)
    raise ApiError(404, "not_found", "there is no dataset report yet: the first run makes one")
