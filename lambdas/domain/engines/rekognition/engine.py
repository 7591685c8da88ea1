"""Amazon Rekognition Custom Labels behind the port that the loop knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import BUSY, EngineError, engine_of
from lambdas.domain.engines.rekognition import custom_labels, project
from lambdas.domain.shared import pricing

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine, EngineName, Image, Label, Version
    from lambdas.domain.engines.rekognition.dataset_sync import RekognitionDatasets
    from lambdas.domain.shared.state import FencedState
    from lambdas.domain.shared.tuning import Tuning


@dataclass(frozen=True)
class RekognitionDetector:
    """Asks models of Custom Labels."""

    rekognition: RekognitionClient

    def detect_labels(
        self, version_arn: str, image: Image, *, min_confidence: float | None = None
    ) -> list[Label]:
        """What a version sees on an image."""
        if engine_of(version_arn) != "rekognition":
            # A champion of the engine that the deployment had before. Rekognition would call its ARN a wrong
            # parameter, which is what it calls wrong images.
            raise _gone(version_arn)
        asked = cast(Any, image)
        return custom_labels.detect(self.rekognition, version_arn, asked, min_confidence=min_confidence)


@dataclass(frozen=True)
class RekognitionEngine(RekognitionDetector):
    """The models of a deployment's project."""

    project_arn: str

    @property
    def region(self) -> str:
        """Where it trains and runs."""
        return self.project_arn.split(":")[3]

    @property
    def name(self) -> EngineName:
        """Its own."""
        return "rekognition"

    def datasets(
        self, s3: S3Client, loop_state: FencedState, bucket: str, waited_seconds: float = 0
    ) -> RekognitionDatasets:
        """The project's two datasets."""
        # Here, as one function alone has use for it.
        from lambdas.domain.engines.rekognition.dataset_sync import RekognitionDatasets  # noqa: PLC0415

        return RekognitionDatasets(self.rekognition, s3, loop_state, self.project_arn, bucket, waited_seconds)

    def named(self, name: str) -> Engine:
        """This engine, if it is the one that is meant.

        Raises:
            EngineError: another is meant, which the deployment does not have.
        """
        if name not in ("", "rekognition"):
            raise EngineError(
                f"this deployment has no engine {name}: deploy it with the setting engine=both or"
                f" engine={name}"
            )
        return self

    def version_name(self, number: int, snapshot_id: str) -> str:
        """What a version is called."""
        return f"v{number}-{snapshot_id}"

    def describe_version(self, name: str) -> Version | None:
        """The version of that name; None if the project has none."""
        return custom_labels.describe_version(self.rekognition, self.project_arn, name)

    def list_versions(self) -> list[Version]:
        """The project's versions."""
        return custom_labels.versions(self.rekognition, self.project_arn)

    def list_unowned(self) -> list[Version]:
        """What runs in projects of the account that no deployment has made, or taken over."""
        return list(self._unowned())

    def _unowned(self) -> Iterator[Version]:
        for arn in custom_labels.projects(self.rekognition):
            # A project may be deleted while it is looked at.
            with suppress(self.rekognition.exceptions.ResourceNotFoundException):
                busy = [one for one in custom_labels.versions(self.rekognition, arn) if one.status in BUSY]
                if busy and arn != self.project_arn and not project.is_tagged(self.rekognition, arn):
                    yield from busy

    def train_version(self, name: str, *, bucket: str, tags: Mapping[str, str]) -> Version:
        """Begin the training of a version from the project's datasets; the one begun before, if there is."""
        return custom_labels.train(self.rekognition, self.project_arn, name, bucket=bucket, tags=tags)

    @property
    def announces_ends(self) -> bool:
        """No: of Custom Labels no event tells."""
        return False

    def cancel_training(self, version: Version) -> bool:
        """Nothing: a training of Custom Labels cannot be ended."""
        return False

    def start_version(self, version: Version, inference_units: int, max_inference_units: int = 0) -> None:
        """Begin to start a version that does not run; nothing if it already does."""
        custom_labels.start(self.rekognition, version, inference_units, max_inference_units)

    def stop_version(self, version: Version) -> None:
        """Begin to stop a running version; nothing if it does not run."""
        custom_labels.stop(self.rekognition, version)

    def delete_version(self, version: Version) -> None:
        """Begin to delete a version."""
        custom_labels.delete(self.rekognition, version)

    def price_in_words(self, version: Version, tuning: Tuning) -> str:
        """What an hour costs in which a version runs."""
        usd = pricing.prices(self.region, tuning).inference_usd(3600, tuning.min_inference_units)
        return f"{usd:.2f} USD for each hour in which it runs"

    @property
    def max_trainings(self) -> int:
        """Trainings that the account may have at once, unless AWS has raised the quota."""
        return custom_labels.max_trainings(self.region)

    @property
    def max_versions(self) -> int:
        """Models that the project may have, unless AWS has raised the quota."""
        return custom_labels.MAX_VERSIONS


def _gone(version_arn: str) -> ClientError:
    message = f"{version_arn} is of an engine that this deployment does not have: see the setting engine"
    failure: Any = {
        "Error": {"Code": "ResourceNotFoundException", "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(failure, "DetectCustomLabels")
