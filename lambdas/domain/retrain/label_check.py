"""Labels that are probably wrong, looked for once a version is trained: all that is known of all its images.

- test images: the training's own evaluation of them;
- training images: what those see who have not learned from them. Engines whose training is LabelLoop's own
  leave that (`Version.held_out`), for test images too. Of others the champion is asked, if it runs, about
  images that it was not trained on, up to `label_check_detections` of them;
- images that look the same, and are labelled differently.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import NOT_SERVING, UNUSABLE_IMAGE
from lambdas.domain.evaluation import issue_file, reading, shadow_answers
from lambdas.domain.evaluation.issue_file import KeptIssues
from lambdas.domain.evaluation.label_issues import LabelIssue, disagreements, label_issues, ranked
from lambdas.domain.evaluation.records import Evaluation, TestImage
from lambdas.domain.retrain import training
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import FencedState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import files as snapshot_files
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine, Version
    from lambdas.domain.evaluation.shadow_answers import Answers

MAX_IMAGES = 20_000
"""Training images that are looked at, and images of groups that look the same."""


def find_label_issues(
    engine: Engine,
    s3: S3Client,
    loop_state: FencedState,
    *,
    bucket: str,
    name: str,
    snapshot_id: str,
    tuning: Tuning,
) -> KeptIssues:
    """Find the label issues of a trained version, those worth most first, and keep them with it.

    Raises:
        EngineError: the version was deleted.
    """
    check = _Check(engine, s3, loop_state, bucket, snapshot_id)
    kept = check.run(training.describe(engine, name), tuning)
    loop_state.check()
    issue_file.write(s3, bucket, name, kept)
    return kept


@frozen
class _Check:
    """A look at the images of a snapshot."""

    engine: Engine
    s3: S3Client
    loop_state: FencedState
    bucket: str
    snapshot_id: str

    def run(self, version: Version, tuning: Tuning) -> KeptIssues:
        """All label issues, ranked."""
        record = self.loop_state.version(version.name)
        thresholds = {
            score.label: score.threshold
            for score in (record.labels if record else ())
            if score.threshold is not None
        }
        issues: list[LabelIssue] = []
        images: dict[str, int] = {}
        if version.tested and (tested := reading.read_evaluation(self.s3, version.tested, thresholds)):
            issues += label_issues(tested)
            images["TEST"] = len(tested.images)
        held_out = self._held_out(version)
        asked: Answers = {}
        if held_out is None:
            asked = self._champions_answers(tuning.label_check_detections)
            lines = snapshot_files.entries(self.s3, self.bucket, self.snapshot_id, "TRAIN")
            if asked and (answered := reading.from_answers(lines, asked, {})):
                issues += label_issues(answered, "TRAIN", "champion")
                images["TRAIN"] = len(answered.images)
        else:
            for dataset, part in self._by_dataset(held_out).items():
                issues += label_issues(part, dataset)
                images[dataset] = max(len(part.images), images.get(dataset, 0))
        for group in self._alike():
            issues += disagreements(group)
        snapshot = snapshots.read(self.s3, self.bucket, self.snapshot_id)
        of_labels: dict[DatasetType, Mapping[str, int]] = {
            "TRAIN": snapshot.train_labels,
            "TEST": snapshot.test_labels,
        }
        return KeptIssues(tuple(ranked(issues, of_labels)[: issue_file.MAX_KEPT]), images, len(asked))

    def _held_out(self, version: Version) -> Evaluation | None:
        if version.held_out is None or version.held_out[0] != self.bucket:
            return None
        return reading.read_evaluation(self.s3, version.held_out, {}, MAX_IMAGES)

    def _by_dataset(self, evaluation: Evaluation) -> dict[DatasetType, Evaluation]:
        """An evaluation of images of both datasets, as two."""
        test = {image.key for image in snapshot_files.images(self.s3, self.bucket, self.snapshot_id, "TEST")}
        parts: dict[DatasetType, list[TestImage]] = {"TRAIN": [], "TEST": []}
        for image in evaluation.images:
            parts["TEST" if image.key in test else "TRAIN"].append(image)
        return {
            dataset: Evaluation("training", evaluation.kind, tuple(part), evaluation.floors)
            for dataset, part in parts.items()
            if part
        }

    def _champions_answers(self, count: int) -> Answers:
        """What the champion sees in training images that it was not trained on; nothing if it does not run.

        What it was asked before is not asked again.
        """
        champion = self.loop_state.champion()
        if champion is None or not count:
            return {}
        record = self.loop_state.version(champion.version_name)
        if record is None or record.snapshot is None:
            return {}
        try:
            learned = {image.key for image in self._images(record.snapshot)}
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return {}
        new = [image.key for image in self._images(self.snapshot_id) if image.key not in learned][:count]
        known = shadow_answers.read(self.s3, self.bucket, champion.version_name) if new else {}
        answers = {key: known[key] for key in new if key in known}
        fresh: dict[str, shadow_answers.Detections] = {}
        try:
            with suppress(_NotServingError):
                for key in new:
                    if key not in answers and (seen := self._ask(champion.version_arn, key)) is not None:
                        fresh[key] = seen
        finally:
            # What was paid for is not asked again by the next attempt.
            if fresh:
                shadow_answers.keep(self.s3, self.bucket, champion.version_name, fresh)
        return {**answers, **fresh}

    def _ask(self, version_arn: str, key: str) -> shadow_answers.Detections | None:
        """What the champion sees; None where the image is at fault, such as one that was deleted since."""
        self.loop_state.check()
        try:
            return self.engine.detect_labels(version_arn, {"S3Object": {"Bucket": self.bucket, "Name": key}})
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in NOT_SERVING:
                raise _NotServingError from error
            if code in UNUSABLE_IMAGE:
                return None
            raise

    def _images(self, snapshot_id: str) -> Iterator[snapshot_files.SnapshotImage]:
        return snapshot_files.images(self.s3, self.bucket, snapshot_id, "TRAIN")

    def _alike(self) -> list[list[tuple[TestImage, DatasetType]]]:
        """Groups of images that look the same, as they are labelled."""
        groups: dict[str, list[tuple[TestImage, DatasetType]]] = {}
        count = 0
        for dataset in DATASET_TYPES:
            files = (self.s3, self.bucket, self.snapshot_id, dataset)
            for image, line in zip(
                snapshot_files.images(*files), snapshot_files.entries(*files), strict=True
            ):
                if image.group and count < MAX_IMAGES:
                    labelled = reading.as_labelled(manifests.parse_line(line, 1))
                    groups.setdefault(image.group, []).append((labelled, dataset))
                    count += 1
        return list(groups.values())


class _NotServingError(RuntimeError):
    """The champion does not run."""
