"""How the champion's answers look on its test images: what those in production are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.drift.counts import Counts
from lambdas.domain.drift.observations import Look, look_of
from lambdas.domain.evaluation import reading, shadow_answers
from lambdas.domain.snapshot import files as snapshot_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Version
    from lambdas.domain.evaluation.records import Evaluation, TestImage
    from lambdas.domain.shared.records import ModelVersion


class NoReferenceError(RuntimeError):
    """There is nothing that arriving images could be held against; the message says why."""


def read(
    s3: S3Client, bucket: str, record: ModelVersion, version: Version | None, thresholds: Mapping[str, float]
) -> dict[str, Look]:
    """How a version's answers look on each of its test images, by the image's key.

    The endpoint's answers are taken if it was asked about all of them, as it is what answers in production;
    else those of the training's evaluation. The shadow gate chooses the images that decide most, so that a
    part of them is no sample.

    Args:
        thresholds: percent by label, the deployment's own.

    Raises:
        NoReferenceError: there is no evaluation, or it cannot be compared with what is answered.
    """
    own = {score.label: score.threshold for score in record.labels if score.threshold is not None}
    for label, percent in thresholds.items():
        if percent / 100 < own.get(label, 0.0):
            raise NoReferenceError(
                f"the deployment's threshold of {label} lies below the model's own, and what lies between"
                " them on the test images is not known"
            )
    answers = shadow_answers.read(s3, bucket, record.id)
    evaluation = None
    if version and version.tested and version.tested[0] == bucket:
        evaluation = reading.read_evaluation(s3, version.tested, own)
    # It was asked about other images as well.
    tested = {image.key for image in evaluation.images} if evaluation else _test_images(s3, bucket, record)
    answered = {key: answers[key] for key in sorted(tested & set(answers))}
    if answered and (evaluation is None or len(answered) == len(tested)):
        return {key: _above(detections, thresholds) for key, detections in answered.items()}
    if evaluation is None:
        raise NoReferenceError(f"there is no evaluation of {record.id} on test images")
    return of_evaluation(evaluation, thresholds)


def _test_images(s3: S3Client, bucket: str, record: ModelVersion) -> set[str]:
    """Keys of the test images of a version's snapshot; none if that is gone."""
    if not record.snapshot:
        return set()
    try:
        return {image.key for image in snapshot_files.images(s3, bucket, record.snapshot, "TEST")}
    except s3.exceptions.NoSuchKey:
        return set()


def of_evaluation(evaluation: Evaluation, thresholds: Mapping[str, float]) -> dict[str, Look]:
    """How the answers of an evaluation look."""
    return {image.key: _above(_detections(image), thresholds) for image in evaluation.images}


def counted(looks: Mapping[str, Look]) -> Counts:
    """The looks as counts."""
    counts = Counts()
    for look in looks.values():
        counts.add(look)
    return counts


def _above(detections: Any, thresholds: Mapping[str, float]) -> Look:
    return look_of([one for one in detections if one["confidence"] >= thresholds.get(one["label"], 0)])


def _detections(image: TestImage) -> list[dict[str, Any]]:
    return [
        {
            "label": one.label,
            "confidence": 100 * one.confidence,
            "box": {"width": one.box.width, "height": one.box.height} if one.box else None,
        }
        for one in image.detections
    ]
