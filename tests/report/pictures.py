"""Images of a data set, for the tests of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

from PIL import Image

from lambdas.domain import report
from lambdas.domain.manifests import Box
from lambdas.domain.report import Finding, Report, ReportImage, UnusableCounts

NOTHING_UNUSABLE = UnusableCounts(unlabelled=0, conflicts=0, withdrawn=0, missing=0, left_out={})


def box(label: str = "bolt", left: int = 100, top: int = 100, width: int = 120, height: int = 90) -> Box:
    return Box(label, left, top, width, height)


def detection(key: str, *boxes: Box, side: Any = "TRAIN", **facts: Any) -> ReportImage:
    image = ReportImage(key, 640, 480, side, "detection", (), boxes, "0f" * 8, "")
    return replace(image, **facts)


def classification(key: str, *labels: str, side: Any = "TRAIN", **facts: Any) -> ReportImage:
    image = ReportImage(key, 640, 480, side, "classification", labels, (), "0f" * 8, "")
    return replace(image, **facts)


def good_detections(
    labels: Sequence[str] = ("bolt", "gear"), train: int = 60, test: int = 20
) -> list[ReportImage]:
    """A data set that nothing can be said against."""
    images = []
    for label in labels:
        for number in range(train + test):
            side = "TEST" if number < test else "TRAIN"
            images.append(detection(f"images/{label}-{number:04d}.jpg", box(label), side=side))
    return images


def good_classifications(
    labels: Sequence[str] = ("damaged", "whole"), train: int = 60, test: int = 20
) -> list[ReportImage]:
    images = []
    for label in labels:
        for number in range(train + test):
            side = "TEST" if number < test else "TRAIN"
            images.append(classification(f"images/{label}-{number:04d}.jpg", label, side=side))
    return images


def made(
    images: Iterable[ReportImage],
    *,
    unusable: UnusableCounts = NOTHING_UNUSABLE,
    thumbnail: Callable[[str], bytes | None] = lambda key: None,
    **options: Any,
) -> Report:
    return report.make(images, unusable=unusable, thumbnail=thumbnail, title="Parts", **options)


def codes(made_report: Report) -> list[str]:
    return [finding.code for finding in made_report.findings]


def found(made_report: Report, code: str) -> Finding:
    """The finding of this code; the test fails with the codes there are if it is missing."""
    matching = [finding for finding in made_report.findings if finding.code == code]
    assert len(matching) == 1, f"{code} is not among {codes(made_report)}"
    return matching[0]


def keys(finding: Finding) -> set[str]:
    return {example.key for example in finding.examples}


def jpeg(size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    buffer = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, "JPEG", **options)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (640, 480), format: str = "PNG") -> bytes:
    """Pixels that compress as badly as any."""
    buffer = BytesIO()
    Image.effect_noise(size, 200).convert("RGB").save(buffer, format)
    return buffer.getvalue()
