"""Questions about model versions: one that runs, shared by all of them, and one that does not."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from cli.selftest.datasets import turned_left
from cli.selftest.probe import NO_ERROR, Probe, UnansweredError, error_of
from lambdas.domain.engines import evaluation_files, evaluation_images
from lambdas.domain.shared.boxes import iou

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Version
    from local.scenes import Scene

SAME_BOX = 0.5
"""Intersection over union from which on two boxes are of the same object."""
UNITS_THAT_NOBODY_HAS = 1000
"""So many are refused whatever the quota is, so that asking for them costs nothing."""


@dataclass(frozen=True)
class Region:
    """A rectangle; its sides are shares of the image's."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class ModelBench:
    """A version, and a picture of what it was trained for."""

    rekognition: RekognitionClient
    s3: S3Client
    bucket: str
    version: Version
    scene: Scene

    def detect(self, **image: Any) -> list[Any]:
        shown: Any = image
        answer = self.rekognition.detect_custom_labels(
            ProjectVersionArn=self.version.arn, Image=shown, MinConfidence=0
        )
        return list(answer["CustomLabels"])


# Of one that runs


def _turned_by_exif(bench: ModelBench) -> str:
    """The same picture stored upright and turned: whether the same object is found in the same place."""
    upright = _best_box(bench, _jpeg(bench.scene.image))
    turned = _best_box(bench, turned_left(bench.scene.image))
    if iou(upright, turned) >= SAME_BOX:
        return "boxes of the upright image"
    return "boxes of the image as stored" if iou(_as_stored(upright), turned) >= SAME_BOX else "other boxes"


def _best_box(bench: ModelBench, body: bytes) -> Region:
    """The box of the surest detection."""
    boxes = [label for label in bench.detect(Bytes=body) if "Geometry" in label]
    if not boxes:
        raise UnansweredError("the model sees no box in the picture")
    box = max(boxes, key=lambda label: label["Confidence"])["Geometry"]["BoundingBox"]
    return Region(box["Left"], box["Top"], box["Width"], box["Height"])


def _as_stored(box: Region) -> Region:
    """Where a box of the upright image lies in the one that is stored turned to the right."""
    return Region(1 - box.top - box.height, box.left, box.height, box.width)


def _jpeg(image: Image.Image) -> bytes:
    body = io.BytesIO()
    image.save(body, "JPEG", quality=95)
    return body.getvalue()


def evaluation_members(s3: S3Client, version: Version) -> str:
    """Whether both files of the evaluation can be read as the guide has them."""
    scores = evaluation_files.scores(s3, version)
    images = evaluation_images.read(s3, version)
    judged = [image for image in images.values() if image.truth]
    if not scores.labels:
        return "no label in the summary"
    return "those of the guide" if judged else "no image with its labels in the manifest"


RUNNING: tuple[Probe[ModelBench], ...] = (
    Probe(
        "What answers DeleteProjectVersion while the version runs?",
        "ResourceInUseException",
        lambda bench: error_of(
            lambda: bench.rekognition.delete_project_version(ProjectVersionArn=bench.version.arn)
        ),
    ),
    Probe(
        "What answers StartProjectVersion while it runs?",
        "ResourceInUseException",
        lambda bench: error_of(
            lambda: bench.rekognition.start_project_version(
                ProjectVersionArn=bench.version.arn, MinInferenceUnits=1
            )
        ),
    ),
    Probe(
        "What answers DetectCustomLabels of an object that is not there?",
        "InvalidS3ObjectException",
        lambda bench: error_of(
            lambda: bench.detect(S3Object={"Bucket": bench.bucket, "Name": "selftest/not-there.jpg"})
        ),
    ),
    Probe(
        "What answers it of a file that is no image?",
        "InvalidImageFormatException",
        lambda bench: error_of(lambda: bench.detect(Bytes=b"not an image")),
    ),
    Probe(
        "Whose boxes does it answer of an image that EXIF turns?",
        "boxes of the upright image",
        _turned_by_exif,
    ),
    Probe(
        "Which members have the files of an evaluation?",
        "those of the guide",
        lambda bench: evaluation_members(bench.s3, bench.version),
    ),
)


# Of one that does not


def _start_with_too_many(bench: ModelBench) -> str:
    answered = error_of(
        lambda: bench.rekognition.start_project_version(
            ProjectVersionArn=bench.version.arn, MinInferenceUnits=UNITS_THAT_NOBODY_HAS
        )
    )
    if answered == NO_ERROR:
        raise UnansweredError("it was accepted; the version is stopped as soon as it can be")
    return answered


IDLE: tuple[Probe[ModelBench], ...] = (
    Probe(
        "What answers DetectCustomLabels of a version that does not run?",
        "ResourceNotReadyException",
        lambda bench: error_of(lambda: bench.detect(Bytes=_jpeg(bench.scene.image))),
    ),
    Probe(
        "What answers StopProjectVersion of one that does not run?",
        "ResourceInUseException",
        lambda bench: error_of(
            lambda: bench.rekognition.stop_project_version(ProjectVersionArn=bench.version.arn)
        ),
    ),
    Probe(
        "What answers StartProjectVersion with more units than any quota?",
        "LimitExceededException",
        _start_with_too_many,
    ),
)
