"""The dataset report of a snapshot, written beside it before money is spent on a training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain import report
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending
from lambdas.domain.report import Report, ReportImage, SnapshotFacts, UnusableCounts, html
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import DATASET_TYPES
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import files as snapshot_files
from lambdas.domain.snapshot import snapshots
from lambdas.domain.snapshot.snapshots import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client


def check(
    table: Table, s3: S3Client, bucket: str, snapshot: Snapshot, *, tuning: Tuning, region: str
) -> Report:
    """Make a snapshot's report and write it as datasets/<id>/report.json and report.html."""
    counts = catalogue_images.count_by_status(table)
    limits = replace(report.limits_of(region), min_test_images=tuning.min_test_images_per_label)
    made = report.make(
        _images(s3, bucket, snapshot),
        unusable=UnusableCounts(
            unlabelled=counts["unlabelled"],
            conflicts=counts["conflict"],
            excluded=counts["excluded"],
            pending_annotations=pending.count_pending(table),
            left_out=snapshot.left_out,
        ),
        thumbnail=lambda key: s3.get_object(Bucket=bucket, Key=key)["Body"].read(),
        title=f"Snapshot {snapshot.id}",
        limits=limits,
        facts=SnapshotFacts(snapshot.manifest_bytes, snapshot.not_as_requested),
    )
    for name, body, content_type in (
        ("report.json", json.dumps(made.as_dict(), ensure_ascii=False), "application/json"),
        ("report.html", html.page(made), "text/html; charset=utf-8"),
    ):
        key = snapshot_files.report_key(snapshot.id, name)
        s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType=content_type)
    return made


def why_not_train(made: Report, bucket: str, snapshot: Snapshot, tuning: Tuning) -> str:
    """Why a training would fail or be wasted, and where that is shown; empty if it would not."""
    reason = snapshots.why_not_train(snapshot, tuning)
    if not reason and made.errors:
        reason = f"the dataset report stops it: {'; '.join(finding.title for finding in made.errors)}"
    return f"{reason}. See s3://{bucket}/{snapshot_files.report_key(snapshot.id)}" if reason else ""


def _images(s3: S3Client, bucket: str, snapshot: Snapshot) -> Iterator[ReportImage]:
    for dataset_type in DATASET_TYPES:
        lines = snapshot_files.entries(s3, bucket, snapshot.id, dataset_type)
        beside = snapshot_files.images(s3, bucket, snapshot.id, dataset_type)
        for number, (line, image) in enumerate(zip(lines, beside, strict=True), start=1):
            entry = manifests.parse_line(line, number)
            yield ReportImage(
                key=image.key,
                width=image.width,
                height=image.height,
                dataset_type=dataset_type,
                kind=entry.kind,
                labels=entry.labels,
                boxes=entry.boxes,
                perceptual_hash=image.perceptual_hash,
                group=image.group,
            )
