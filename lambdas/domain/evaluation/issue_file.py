"""The label issues of a version as they are kept: computed once, by its run, and read by pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from lambdas.domain.evaluation.label_issues import LabelIssue
from lambdas.domain.evaluation.records import Detection, TestImage, TrueObject
from lambdas.domain.shared.boxes import RelativeBox

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_KEPT = 2000
"""Label issues of a version, those worth most: the next training looks again."""


@dataclass(frozen=True)
class KeptIssues:
    """The label issues of a version, and what was looked at for them."""

    issues: tuple[LabelIssue, ...]
    images: dict[str, int] = field(default_factory=dict)
    """How many images of each dataset were looked at."""
    asked: int = 0
    """Training images that the champion was asked about for them."""


def key(version: str) -> str:
    """Of the object that holds the label issues of a version."""
    return f"evaluations/{version}/label-issues.jsonl"


def write(s3: S3Client, bucket: str, version: str, kept: KeptIssues) -> None:
    """Keep the label issues of a version."""
    lines = [{"images": kept.images, "asked": kept.asked}, *map(_document, kept.issues[:MAX_KEPT])]
    body = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    s3.put_object(Bucket=bucket, Key=key(version), Body=body, ContentType="application/json")


def read(s3: S3Client, bucket: str, version: str) -> KeptIssues | None:
    """The label issues of a version; None if its run has kept none, or nothing of them can be read."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key(version))["Body"]
    except s3.exceptions.NoSuchKey:
        return None
    try:
        head, *lines = (msgspec.json.decode(line) for line in body.read().split(b"\n") if line)
        return KeptIssues(tuple(map(_issue, lines)), dict(head["images"]), int(head["asked"]))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _document(issue: LabelIssue) -> dict[str, Any]:
    image = issue.image
    members = {name: value for name, value in vars(issue).items() if name not in ("image", "truth")}
    return {
        **members,
        "detection": asdict(issue.detection) if issue.detection else None,
        # Its place among the image's labels: two of them may be alike.
        "truth": image.truths.index(issue.truth) if issue.truth else None,
        "image": {"key": image.key, "width": image.width, "height": image.height},
        "truths": _written(image.truths),
    }


def _issue(document: dict[str, Any]) -> LabelIssue:
    truths = tuple(TrueObject(truth["label"], _box(truth["box"])) for truth in document.pop("truths"))
    image = TestImage(**document.pop("image"), truths=truths, detections=())
    place, seen = document.pop("truth"), document.pop("detection")
    detection = Detection(seen["label"], seen["confidence"], _box(seen["box"])) if seen else None
    return LabelIssue(
        image=image, truth=None if place is None else truths[place], detection=detection, **document
    )


def _written(truths: Sequence[TrueObject]) -> list[dict[str, Any]]:
    return [asdict(truth) for truth in truths]


def _box(sides: dict[str, Any] | None) -> RelativeBox | None:
    return RelativeBox(**sides) if sides else None
