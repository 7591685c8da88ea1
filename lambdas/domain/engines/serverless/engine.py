"""The engine `serverless`: training jobs of SageMaker, and a Lambda function that answers with their models.

Nothing is started and nothing stopped, and nothing is paid for a model that nobody asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.engines.port import EngineError, NotYetError, Step
from lambdas.domain.engines.serverless import released, training_jobs
from lambdas.domain.engines.serverless.detector import ServerlessDetector
from lambdas.domain.engines.serverless.training_jobs import TrainingSettings
from lambdas.domain.shared import pricing
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import SERVERLESS_SUFFIX, is_released
from lambdas.domain.snapshot import files as snapshot_files

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine, EngineName, Version
    from lambdas.domain.shared.state import FencedState
    from lambdas.domain.shared.tuning import Tuning

IMAGES_FILE = "images.manifest"
"""Of a snapshot: the list of its images, as a training job reads it."""


@frozen
class ServerlessDatasets:
    """A snapshot as training jobs read it: its own manifests, and a list of its images."""

    s3: S3Client
    loop_state: FencedState
    bucket: str

    def sync(self, snapshot_id: str) -> Step:
        """Write the list of the snapshot's images."""
        names = [
            _image_name(json.loads(line)["source-ref"], self.bucket)
            for kind in ("TRAIN", "TEST")
            for line in snapshot_files.entries(self.s3, self.bucket, snapshot_id, kind)
        ]
        self.loop_state.check()
        document = [{"prefix": f"s3://{self.bucket}/"}, *names]
        key = _images_key(snapshot_id)
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(document).encode())
        return Step(True)

    def flagged(self) -> dict[str, int]:
        """None: a training job fails where an entry cannot be used."""
        return {}


@frozen
class ServerlessEngine:
    """The models that the deployment's training jobs leave."""

    sagemaker: Any
    detector: ServerlessDetector
    settings: TrainingSettings
    region: str

    def detect_labels(
        self, version_arn: str, image: Mapping[str, Any], *, min_confidence: float | None = None
    ) -> list[dict[str, Any]]:
        """What a version sees on an image."""
        return self.detector.detect_labels(version_arn, image, min_confidence=min_confidence)

    @property
    def name(self) -> EngineName:
        """Its own."""
        return "serverless"

    def datasets(
        self, s3: S3Client, loop_state: FencedState, bucket: str, waited_seconds: float = 0
    ) -> ServerlessDatasets:
        """A snapshot as training jobs read it."""
        return ServerlessDatasets(s3, loop_state, bucket)

    def named(self, name: str) -> Engine:
        """This engine, if it is the one that is meant.

        Raises:
            EngineError: another is meant.
        """
        if name not in ("", "serverless"):
            raise EngineError(f"this is the engine serverless, and not {name}")
        return self

    def version_name(self, number: int, snapshot_id: str) -> str:
        """What the version of a snapshot is called."""
        return f"v{number}-{snapshot_id}{SERVERLESS_SUFFIX}"

    def describe_version(self, name: str) -> Version | None:
        """The version of that name; None if there is none."""
        if is_released(name):
            return released.describe(self.settings.bucket, name, self.settings.role_arn.split(":")[1])
        return training_jobs.describe(self.sagemaker, self.settings.deployment, self.settings.bucket, name)

    def list_versions(self) -> list[Version]:
        """The versions that the deployment has trained; of those released to it SageMaker has no jobs."""
        return list(training_jobs.versions(self.sagemaker, self.settings.deployment, self.settings.bucket))

    def list_unowned(self) -> list[Version]:
        """None: no model of this engine costs anything while nobody asks it."""
        return []

    def train_version(self, name: str, *, bucket: str, tags: Mapping[str, str]) -> Version:
        """Begin the training of a version; the one begun before, if there is one."""
        if existing := self.describe_version(name):
            return existing
        snapshot_id = tags["labelloop:snapshot"]
        images = f"s3://{bucket}/{_images_key(snapshot_id)}"
        return training_jobs.begin(self.sagemaker, self.settings, name, snapshot_id, images, tags=tags)

    @property
    def announces_ends(self) -> bool:
        """Yes: SageMaker tells EventBridge of every training job's changes.

        https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
        """
        return True

    def cancel_training(self, version: Version) -> bool:
        """Begin to stop a training job; nothing if it has ended meanwhile, or stops already."""
        training_jobs.stop_job(self.sagemaker, training_jobs.job_name(self.settings.deployment, version.name))
        return True

    def start_version(self, version: Version, inference_units: int, max_inference_units: int = 0) -> None:
        """Nothing: a version answers from the end of its training on.

        Raises:
            NotYetError: it is trained still.
        """
        if version.status != "RUNNING":
            raise NotYetError(f"{version.name} cannot be asked yet: {version.training_in_words}")

    def stop_version(self, version: Version) -> None:
        """Nothing: there is nothing that runs."""

    def delete_version(self, version: Version) -> None:
        """Nothing: there is room for any number of versions."""

    def price_in_words(self, version: Version, tuning: Tuning) -> str:
        """What a thousand answers cost."""
        usd = pricing.serving_usd(1000, 1000 * pricing.ANSWER_SECONDS)
        return f"about {usd:.2f} USD for 1,000 images, nothing at rest"

    @property
    def max_trainings(self) -> int:
        """None are counted: what limits them are machines, which the account's quotas say."""
        return 0

    @property
    def max_versions(self) -> int:
        """Any number."""
        return 1_000_000


def _images_key(snapshot_id: str) -> str:
    return f"datasets/{snapshot_id}/{IMAGES_FILE}"


def _image_name(source_ref: str, bucket: str) -> str:
    prefix = f"s3://{bucket}/"
    if not source_ref.startswith(prefix):
        raise EngineError(f"{source_ref} lies in another bucket than the deployment's")
    return source_ref.removeprefix(prefix)
