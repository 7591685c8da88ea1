"""What the loop needs of an engine, which trains model versions and asks them about images.

An engine is one object with the methods of `Engine`; where images are asked about and nothing else, those of
`Detector` are enough. No method waits: what takes long is begun and looked at again. Times are ISO 8601.

Services fail with botocore's ClientError. The codes that the loop knows are Amazon Rekognition's, which
`NOT_SERVING`, `UNUSABLE_IMAGE`, `THROTTLED` and `PASSING` name; an engine that asks another service fails
with these as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.shared.state import FencedState
    from lambdas.domain.shared.tuning import Tuning

NOT_SERVING = {"ResourceNotReadyException", "ResourceNotFoundException"}
"""Errors of a version that was stopped, or deleted since."""
THROTTLED = {"ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException"}
"""Errors of a detection that more inference units, or time, would have spared.
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html"""
PASSING = {"InternalServerError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"}
"""Errors of the service itself, which the next request need not meet.
https://docs.aws.amazon.com/rekognition/latest/APIReference/CommonErrors.html"""
UNREADABLE_IMAGE = "InvalidS3ObjectException"
"""The service could not access the object. The image may be at fault, or permissions, which Rekognition takes
over from its caller: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html"""
UNUSABLE_IMAGE = {
    "InvalidImageFormatException",
    "ImageTooLargeException",
    UNREADABLE_IMAGE,
    "InvalidParameterException",
    "ValidationException",
}
"""Errors of a detection that the image itself causes: trying again cannot help.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html . An image of a wrong
size or shape leads to InvalidParameterException; the loop's requests have no other parameter that varies.
"""
BUSY = {"STARTING", "RUNNING", "STOPPING"}
"""States in which a version costs money, or may still do so in a moment."""
STARTABLE = {"TRAINING_COMPLETED", "STOPPED", "FAILED", "COPYING_COMPLETED"}
"""States from which a version is started."""
DELETABLE = {*STARTABLE, "TRAINING_FAILED", "COPYING_FAILED"}
"""States in which a version neither runs nor trains, so that it can be deleted."""
MAX_UNDESCRIBED_SECONDS = 900
"""A version that is not described so long after its training began was deleted."""

EngineName = Literal["rekognition", "serverless"]
DEPLOYMENT_TAG = "labelloop:deployment"
"""The tag of what an engine makes in the account: the name of the deployment whose it is."""

Image = Mapping[str, Any]
"""An image that is asked about: its `Bytes`, or an `S3Object` of Bucket, Name and, where known, Version."""
Label = dict[str, Any]
"""What is seen on an image: label, confidence (0 to 100) and, from a detection model, a box whose left, top,
width and height are ratios of the image's size."""


class EngineError(RuntimeError):
    """The engine could not do what the loop needs; the message holds its reason."""


class NotYetError(EngineError):
    """The engine cannot do it now, and will be able to once something else has ended: try again later."""


class InferenceUnitsError(EngineError):
    """A model was to be started with more inference units than the account's quota has."""


class LimitReachedError(NotYetError):
    """A quota of the account is used up.

    Args:
        waits_for: what has to become free, and why it is not, to be read after "waits for".
        holders: names of the versions that use the quota, of anything in the account.
    """

    def __init__(self, waits_for: str, holders: Sequence[str] = ()) -> None:
        super().__init__(f"waits for {waits_for}")
        self.waits_for = waits_for
        self.holders = tuple(holders)


@frozen
class Version:
    """A model version as its engine describes it."""

    arn: str
    name: str
    status: str
    message: str
    f1: float | None
    summary: tuple[str, str] | None
    """Bucket and key of the evaluation summary."""
    billable_seconds: int
    inference_units: int = 1
    """That it was last started with."""
    max_inference_units: int = 0
    """To which the engine may add units by itself; 0: it adds none."""
    tested: tuple[str, str] | None = None
    """Bucket and key of the evaluation of each test image."""
    held_out: tuple[str, str] | None = None
    """Bucket and key of what is seen in images, training images too, by who has not learned from them. Where
    the engine leaves no such file, there is no such object."""
    training_began_at: str = ""
    training_ended_at: str = ""
    is_always_on: bool = False
    """Whether it answers from the end of its training on, and costs nothing while nobody asks it: there is
    nothing to start, to stop, or to pay by the hour."""

    @property
    def is_busy(self) -> bool:
        """Whether it costs money by the hour, or may still do so in a moment."""
        return self.status in BUSY and not self.is_always_on

    @property
    def is_trained(self) -> bool:
        """Whether its training is complete, and it was not started yet as far as it has to be."""
        return self.status == "TRAINING_COMPLETED" or (self.is_always_on and self.status == "RUNNING")

    @property
    def training_in_words(self) -> str:
        """How its training stands, in the engine's words where it has some."""
        if self.is_trained:
            return "it is trained"
        default = "it is being trained" if self.status == "TRAINING_IN_PROGRESS" else f"it is {self.status}"
        return self.message or default


@frozen
class Step:
    """How far the datasets are: whether they hold the snapshot, why the engine cannot make one of them of it,
    and for what it has to wait; empty if it can, and need not."""

    ready: bool
    error: str = ""
    waits_for: str = ""


class Datasets(Protocol):
    """The datasets that an engine trains on."""

    def sync(self, snapshot_id: str) -> Step:
        """Bring them one step closer to the snapshot; to be called until they are ready."""
        ...

    def flagged(self) -> dict[str, int]:
        """Entries that the engine found errors in, and trains without, by dataset; once they are ready."""
        ...


class Detector(Protocol):
    """Asks model versions about images."""

    def detect_labels(
        self, version_arn: str, image: Image, *, min_confidence: float | None = None
    ) -> list[Label]:
        """What a version sees on an image.

        Args:
            min_confidence: percent, from which on labels are told; None: from the model's own thresholds on.

        Raises:
            botocore.exceptions.ClientError: the engine takes the image not, or has no time for it.
        """
        ...


class Engine(Detector, Protocol):
    """Trains model versions, starts them and stops them."""

    @property
    def name(self) -> EngineName:
        """Its own; of two engines that of the usual one."""
        ...

    @property
    def region(self) -> str:
        """Where it trains and runs."""
        ...

    def datasets(
        self, s3: S3Client, loop_state: FencedState, bucket: str, waited_seconds: float = 0
    ) -> Datasets:
        """What it trains on; `waited_seconds`: how long the run has waited for that."""
        ...

    def named(self, name: str) -> Engine:
        """The engine of this EngineName; the deployment's usual one if it is empty.

        Raises:
            EngineError: the deployment has none of that name.
        """
        ...

    def version_name(self, number: int, snapshot_id: str) -> str:
        """What a version of its own is called."""
        ...

    def describe_version(self, name: str) -> Version | None:
        """The version of that name; None if there is none."""
        ...

    def list_versions(self) -> list[Version]:
        """The versions that the deployment has trained."""
        ...

    def list_unowned(self) -> list[Version]:
        """What runs in the account that no deployment has made, or taken over."""
        ...

    def train_version(self, name: str, *, bucket: str, tags: Mapping[str, str]) -> Version:
        """Begin the training of a version on the datasets; the one begun before, if there is one.

        A version may not be described yet right after its training has begun.

        Raises:
            LimitReachedError: the account trains as many as it may, or there is no room for another version.
            NotYetError: a dataset changes still, or the version was begun and is not described yet.
        """
        ...

    @property
    def announces_ends(self) -> bool:
        """Whether an event tells of a training's end, so that nobody has to look for it."""
        ...

    def cancel_training(self, version: Version) -> bool:
        """Begin to end a training that is under way: False if this engine cannot."""
        ...

    def start_version(self, version: Version, inference_units: int, max_inference_units: int = 0) -> None:
        """Begin to start a version that does not run; nothing if it already does.

        Args:
            max_inference_units: up to which the engine adds units by itself while there are more detections,
                and takes them away again; if that is not more than `inference_units`, it does not.

        Raises:
            LimitReachedError: the account runs as many models as it may.
            NotYetError: it cannot be started in the state that it is in, such as STOPPING.
            InferenceUnitsError: no model of the account may have so many inference units.
        """
        ...

    def stop_version(self, version: Version) -> None:
        """Begin to stop a running version; nothing if it does not run.

        A version that is starting cannot be stopped yet: ResourceInUseException, to be tried again.
        """
        ...

    def delete_version(self, version: Version) -> None:
        """Begin to delete a version; nothing if that is under way already and was described otherwise."""
        ...

    def price_in_words(self, version: Version, tuning: Tuning) -> str:
        """What a version's answers cost."""
        ...

    @property
    def max_trainings(self) -> int:
        """Trainings that the account may have at once, unless AWS has raised the quota."""
        ...

    @property
    def max_versions(self) -> int:
        """Versions that a deployment may have, unless AWS has raised the quota."""
        ...


def engine_of(version_arn: str) -> EngineName:
    """Which engine a version is of."""
    # Of a version that was released to the deployment it names the files in S3.
    return "rekognition" if ":rekognition:" in version_arn else "serverless"
