"""The engines of a deployment that has two: each version is its own engine's, as its name and ARN say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambdas.domain.engines.port import EngineError, engine_of
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import SERVERLESS_SUFFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Datasets, Detector, Engine, EngineName, Image, Label, Version
    from lambdas.domain.shared.state import FencedState
    from lambdas.domain.shared.tuning import Tuning


@frozen
class Detectors:
    """Asks each version as its engine does."""

    rekognition: Detector
    serverless: Detector

    def detect_labels(
        self, version_arn: str, image: Image, *, min_confidence: float | None = None
    ) -> list[Label]:
        """What a version sees on an image."""
        of = self.serverless if engine_of(version_arn) == "serverless" else self.rekognition
        return of.detect_labels(version_arn, image, min_confidence=min_confidence)


@frozen
class Engines:
    """Both engines as one. What is about no version yet is about that of the usual engine."""

    rekognition: Engine
    serverless: Engine
    usual: EngineName

    def named(self, name: str) -> Engine:
        """One of the two, or the usual one.

        Raises:
            EngineError: there is none of that name.
        """
        both = {"rekognition": self.rekognition, "serverless": self.serverless}
        if (wanted := name or self.usual) not in both:
            raise EngineError(f"there is no engine {wanted}: rekognition and serverless are")
        return both[wanted]

    @property
    def name(self) -> EngineName:
        """The usual one's."""
        return self.usual

    @property
    def region(self) -> str:
        """Where they train and run."""
        return self.rekognition.region

    def detect_labels(
        self, version_arn: str, image: Image, *, min_confidence: float | None = None
    ) -> list[Label]:
        """What a version sees on an image."""
        detectors = Detectors(self.rekognition, self.serverless)
        return detectors.detect_labels(version_arn, image, min_confidence=min_confidence)

    def datasets(
        self, s3: S3Client, loop_state: FencedState, bucket: str, waited_seconds: float = 0
    ) -> Datasets:
        """What the usual engine trains on."""
        return self.named("").datasets(s3, loop_state, bucket, waited_seconds)

    def version_name(self, number: int, snapshot_id: str) -> str:
        """What the version of a snapshot is called that the usual engine trains."""
        return self.named("").version_name(number, snapshot_id)

    def describe_version(self, name: str) -> Version | None:
        """The version of that name; None if there is none."""
        return self._of_name(name).describe_version(name)

    def list_versions(self) -> list[Version]:
        """The versions of both."""
        return [*self.rekognition.list_versions(), *self.serverless.list_versions()]

    def list_unowned(self) -> list[Version]:
        """What runs in the account that no deployment has made, or taken over."""
        return [*self.rekognition.list_unowned(), *self.serverless.list_unowned()]

    def train_version(self, name: str, *, bucket: str, tags: Mapping[str, str]) -> Version:
        """Begin the training of a version; the one begun before, if there is one."""
        return self._of_name(name).train_version(name, bucket=bucket, tags=tags)

    @property
    def announces_ends(self) -> bool:
        """Whether an event tells of the end of the usual engine's trainings."""
        return self.named("").announces_ends

    def cancel_training(self, version: Version) -> bool:
        """Begin to end a training that is under way: False if its engine cannot."""
        return self._of(version).cancel_training(version)

    def start_version(self, version: Version, inference_units: int, max_inference_units: int = 0) -> None:
        """Begin to start a version that does not run."""
        self._of(version).start_version(version, inference_units, max_inference_units)

    def stop_version(self, version: Version) -> None:
        """Begin to stop a running version."""
        self._of(version).stop_version(version)

    def delete_version(self, version: Version) -> None:
        """Begin to delete a version."""
        self._of(version).delete_version(version)

    def price_in_words(self, version: Version, tuning: Tuning) -> str:
        """What a version's answers cost."""
        return self._of(version).price_in_words(version, tuning)

    @property
    def max_trainings(self) -> int:
        """Of the usual engine."""
        return self.named("").max_trainings

    @property
    def max_versions(self) -> int:
        """Of the usual engine."""
        return self.named("").max_versions

    def _of(self, version: Version) -> Engine:
        return self.serverless if engine_of(version.arn) == "serverless" else self.rekognition

    def _of_name(self, name: str) -> Engine:
        return self.serverless if name.endswith(SERVERLESS_SUFFIX) else self.rekognition
