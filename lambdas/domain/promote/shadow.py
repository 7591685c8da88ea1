"""Shadow evaluation: test images sent through a real endpoint before it serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.promote import promotion, shadow_gate
from lambdas.domain.promote.scoring import GroundTruth, score
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.rekognition.custom_labels import CustomLabelsError
from lambdas.domain.shared import manifests
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.scores import Scores, Verdict
from lambdas.domain.shared.state import FencedState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import files as snapshot_files

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class ShadowImage:
    """A test image in the data bucket and what it truly shows."""

    bucket: str
    key: str
    truth: GroundTruth


def evaluate_challenger(
    rekognition: RekognitionClient,
    s3: S3Client,
    loop_state: FencedState,
    *,
    project_arn: str,
    bucket: str,
    name: str,
    rollback: bool,
    tuning: Tuning,
) -> Verdict:
    """The shadow gate's verdict on a running version, recorded with its scores.

    Args:
        rollback: a person wants this version to serve; it only has to answer.

    Raises:
        CustomLabelsError: no run of this deployment has trained the version.
    """
    challenger = promotion.version_named(rekognition, project_arn, name)
    record = loop_state.version(name)
    if record is None:
        raise CustomLabelsError(
            f"{name} was not trained by a run of this deployment: no snapshot to test it on"
        )
    tests = shadow_images(s3, bucket, str(record.snapshot), tuning.shadow_test_images)
    scores = evaluate(rekognition, s3, challenger.arn, tests)
    champion, champion_scores = loop_state.champion(), None
    if champion and champion.version_arn != challenger.arn:
        champion_scores = evaluate_champion(rekognition, s3, champion.version_arn, tests)
    verdict = (
        shadow_gate.judge_rollback(scores) if rollback else shadow_gate.judge(scores, champion_scores, tuning)
    )
    loop_state.update_version(ModelVersion(name, shadow=scores, verdicts=(*record.verdicts, verdict)))
    return verdict


def shadow_images(s3: S3Client, bucket: str, snapshot_id: str, count: int) -> list[ShadowImage]:
    """Up to `count` images of a snapshot's test dataset, every label among them as far as that goes.

    The manifest is in the order of content hashes, which is as good as shuffled and always the same.
    """
    lines = snapshot_files.entries(s3, bucket, snapshot_id, "TEST")
    return _spread(_first_of_each_label((_test_image(line) for line in lines), count), count)


def evaluate(
    rekognition: RekognitionClient, s3: S3Client, version_arn: str, tests: Sequence[ShadowImage]
) -> Scores:
    """Scores of a running version on the test images."""
    return score((test.truth, _detect(rekognition, version_arn, test)) for test in tests)


def evaluate_champion(
    rekognition: RekognitionClient, s3: S3Client, version_arn: str, tests: Sequence[ShadowImage]
) -> Scores | None:
    """Scores of the champion; None if it does not run: there is nothing to hold the challenger against."""
    try:
        return evaluate(rekognition, s3, version_arn, tests)
    except ClientError as error:
        if error.response["Error"]["Code"] in custom_labels.NOT_SERVING:
            return None
        raise


def _detect(rekognition: RekognitionClient, version_arn: str, test: ShadowImage) -> list[dict[str, object]]:
    image = {"S3Object": {"Bucket": test.bucket, "Name": test.key}}
    return custom_labels.detect(rekognition, version_arn, image)


def _first_of_each_label(images: Iterable[ShadowImage], count: int) -> list[ShadowImage]:
    """The first `count` images of each label, in their order: `_spread` chooses no others."""
    kept: Counter[str] = Counter()
    first = []
    for image in images:
        if any(kept[label] < count for label in image.truth.labels):
            first.append(image)
            kept.update(image.truth.labels)
    return first


def _spread(images: list[ShadowImage], count: int) -> list[ShadowImage]:
    """A sample in which no label is left out as long as there is room: each next image is the first one
    with the label that was seen least."""
    waiting = list(images)
    seen: Counter[str] = Counter()
    chosen: list[ShadowImage] = []
    while waiting and len(chosen) < count:
        left = {label for image in waiting for label in image.truth.labels}
        rarest = min(left, key=lambda label: (seen[label], label))
        image = next(image for image in waiting if rarest in image.truth.labels)
        waiting.remove(image)
        seen.update(image.truth.labels)
        chosen.append(image)
    return chosen


def _test_image(line: str) -> ShadowImage:
    entry = manifests.parse_line(line, 1)
    width, height = entry.image_size or (1, 1)
    boxes = tuple(
        RelativeBox(box.label, box.left / width, box.top / height, box.width / width, box.height / height)
        for box in entry.boxes
    )
    labels = tuple(sorted({box.label for box in entry.boxes} or set(entry.labels)))
    return ShadowImage(entry.source_bucket, entry.source_key, GroundTruth(labels, boxes))
