"""The builder of the dataset report: one pass over the images, and every check sees each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from lambdas.domain.report import missing_checks, quota_checks, snapshot_checks, thumbnails
from lambdas.domain.report.box_checks import BoxChecks
from lambdas.domain.report.duplicate_checks import DuplicateChecks
from lambdas.domain.report.examples import share_out
from lambdas.domain.report.image_check import ImageCheck, check_image
from lambdas.domain.report.label_checks import LabelChecks
from lambdas.domain.report.limits import REKOGNITION, Limits
from lambdas.domain.report.model import SEVERITIES, Finding, ReportImage, SnapshotFacts, UnusableCounts
from lambdas.domain.report.picture_checks import PictureChecks
from lambdas.domain.report.quota_checks import RefusedImages
from lambdas.domain.report.report import Report
from lambdas.domain.report.statistics import Statistics


class _Check(Protocol):
    """A check of the dataset: sees every image once, keeping little of it."""

    def add(self, checked: ImageCheck) -> None: ...

    def findings(self, statistics: Statistics) -> Iterator[Finding]: ...


def make(
    snapshot_images: Iterable[ReportImage],
    *,
    unusable: UnusableCounts,
    thumbnail: Callable[[str], bytes | None],
    title: str,
    limits: Limits = REKOGNITION,
    facts: SnapshotFacts | None = None,
) -> Report:
    """Make the report on a snapshot.

    Args:
        snapshot_images: all of them, in any order; read once, and not kept.
        thumbnail: the bytes of the image with this key, or of a smaller version of it; None, or any
            exception, shows a placeholder. Asked for the examples only, from up to eight threads.
        limits: `limits_of(region)` knows those of an AWS Region.
    """
    statistics = Statistics()
    checks: tuple[_Check, ...] = (
        RefusedImages(limits),
        LabelChecks(limits),
        BoxChecks(limits),
        DuplicateChecks(),
        PictureChecks(limits),
    )
    for image in snapshot_images:
        checked = check_image(image, limits)
        statistics.add(checked)
        for check in checks:
            check.add(checked)
    all_findings = [
        *quota_checks.findings(statistics, limits),
        *snapshot_checks.findings(facts or SnapshotFacts(), limits),
        *(finding for check in checks for finding in check.findings(statistics)),
        *missing_checks.findings(unusable, statistics, limits),
    ]
    findings = share_out(sorted(all_findings, key=lambda finding: SEVERITIES.index(finding.severity)))
    keys = (example.key for finding in findings for example in finding.examples)
    return Report(title, statistics, findings, thumbnails.fetch(keys, thumbnail))
