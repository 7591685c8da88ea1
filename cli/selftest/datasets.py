"""Questions about Rekognition's projects and datasets, asked in a project of their own. They cost nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PIL import Image

from cli.selftest.probe import Probe, UnansweredError, error_of, until
from lambdas.domain.engines.port import DEPLOYMENT_TAG
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import classification_entry, detection_entry, entry_line

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

    from local.scenes import Scene

PREFIX = "selftest/"
"""Where the questions' own objects lie in the bucket."""
ORIENTATION, TURNED_LEFT = 0x0112, 8
"""EXIF's tag, and its value for an image that is stored turned to the right."""
_EMPTY, _TURNED, _MISSING, _PLAIN = "empty", "turned", "missing", "plain"


@dataclass
class DatasetBench:
    """A project, and the objects in a bucket that its datasets are made of.

    Attributes:
        pause: seconds between two looks at what takes its time.
    """

    rekognition: RekognitionClient
    s3: S3Client
    bucket: str
    project_name: str
    pause: float
    project: str = ""
    dataset: str = ""
    seen_at_once: str = ""
    _answered: dict[str, str] = field(default_factory=dict)

    def prepare(self, scenes: Sequence[Scene]) -> None:
        """Make the project, and a dataset of four images: plain, without boxes, stored turned, not there."""
        made = self.rekognition.create_project(
            ProjectName=self.project_name, Tags={DEPLOYMENT_TAG: self.project_name}
        )
        self.project = made["ProjectArn"]
        plain, empty, turned, missing = scenes[:4]
        entries = [
            self._entry(_PLAIN, plain, plain.jpeg(), _boxes(plain)),
            self._entry(_EMPTY, empty, empty.jpeg(), []),
            self._entry(_TURNED, turned, turned_left(turned.image), _boxes(turned)),
            self._entry(_MISSING, missing, None, _boxes(missing)),
        ]
        self._put("train.manifest", "\n".join(entry_line(entry) for entry in entries).encode())
        self.dataset = self.create("train.manifest")["DatasetArn"]
        self.seen_at_once = error_of(self._describe)
        until(lambda: self._status() == "CREATE_COMPLETE", "the dataset is there", pause=self.pause)

    def create(self, manifest: str) -> Any:
        source: Any = {
            "GroundTruthManifest": {"S3Object": {"Bucket": self.bucket, "Name": PREFIX + manifest}}
        }
        return self.rekognition.create_dataset(
            ProjectArn=self.project, DatasetType="TRAIN", DatasetSource=source
        )

    def entry(self, image: str) -> Mapping[str, Any]:
        """The entry of an image as Rekognition has it."""
        (line,) = self.entries(image)
        entry: Mapping[str, Any] = json.loads(line)
        return entry

    def entries(self, image: str, **filters: Any) -> list[str]:
        return self.rekognition.list_dataset_entries(
            DatasetArn=self.dataset, SourceRefContains=f"/{image}.jpg", **filters
        )["DatasetEntries"]

    def update(self, entry: Mapping[str, Any]) -> None:
        changes = {"GroundTruth": entry_line(entry).encode()}
        self.rekognition.update_dataset_entries(DatasetArn=self.dataset, Changes=changes)
        until(lambda: self._status() == "UPDATE_COMPLETE", "the dataset is updated", pause=self.pause)

    def relabelled(self, image: str) -> dict[str, Any]:
        """The entry of an image with one box of a new label in place of all it has."""
        size = self.entry(image)["bounding-box"]["image_size"][0]
        return detection_entry(
            self.bucket,
            f"{PREFIX}{image}.jpg",
            width=size["width"],
            height=size["height"],
            boxes=[Box("another", 1, 1, 50, 50)],
            changed_at=clock.now(),
        )

    def _entry(self, name: str, scene: Scene, body: bytes | None, boxes: Sequence[Box]) -> dict[str, Any]:
        if body is not None:
            self._put(f"{name}.jpg", body)
        return detection_entry(
            self.bucket,
            f"{PREFIX}{name}.jpg",
            width=scene.image.width,
            height=scene.image.height,
            boxes=boxes,
            changed_at=clock.now(),
        )

    def _put(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=PREFIX + name, Body=body)

    def _describe(self) -> Any:
        return self.rekognition.describe_dataset(DatasetArn=self.dataset)["DatasetDescription"]

    def _status(self) -> str:
        description = self._describe()
        status: str = description["Status"]
        if status.endswith("FAILED"):
            raise UnansweredError(f"the dataset is {status}: {description['StatusMessage']}")
        return status


def _boxes(scene: Scene) -> list[Box]:
    return [Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes]


def turned_left(image: Image.Image) -> bytes:
    """The image as a file that is stored turned, with the EXIF orientation that puts it upright."""
    stored, body = image.transpose(Image.Transpose.ROTATE_270), io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_LEFT
    stored.save(body, "JPEG", quality=95, exif=exif)
    return body.getvalue()


# The questions


def _labels_after_update(bench: DatasetBench) -> str:
    before = set(bench.entry(_PLAIN)["bounding-box-metadata"]["class-map"].values())
    bench.update(bench.relabelled(_PLAIN))
    entry = bench.entry(_PLAIN)
    classes, boxes = entry["bounding-box-metadata"]["class-map"], entry["bounding-box"]["annotations"]
    after = {classes[str(box["class_id"])] for box in boxes}
    if after == {"another"}:
        return "its labels are replaced"
    return "it keeps labels that are gone" if "another" in after else f"it keeps {sorted(before)} alone"


def _attributes_after_update(bench: DatasetBench) -> str:
    """An image's label under one name, then another label under another name."""
    key = f"{PREFIX}{_TURNED}.jpg"
    bench.update(classification_entry(bench.bucket, key, ["another"], clock.now()))
    return "it keeps them" if "bounding-box" in bench.entry(_TURNED) else "they are gone"


def _error_entry(bench: DatasetBench, image: str) -> str:
    flagged = bench.entries(image, HasErrors=True)
    return "an entry with an error" if flagged else "an entry without an error"


def _labelled_without_boxes(bench: DatasetBench) -> str:
    return "labelled" if bench.entries(_EMPTY, Labeled=True) else "not labelled"


def _delete_and_create(bench: DatasetBench) -> str:
    bench.rekognition.delete_dataset(DatasetArn=bench.dataset)
    return error_of(lambda: bench.create("train.manifest"))


def _describe_deleted(bench: DatasetBench) -> str:
    return error_of(lambda: bench.rekognition.describe_dataset(DatasetArn=bench.dataset))


QUESTIONS: tuple[Probe[DatasetBench], ...] = (
    Probe("Is a dataset described as soon as it was created?", "no error", lambda bench: bench.seen_at_once),
    Probe(
        "What answers CreateDataset where there is one?",
        "ResourceAlreadyExistsException",
        lambda bench: error_of(lambda: bench.create("train.manifest")),
    ),
    Probe(
        "What answers CreateProject where there is one?",
        "ResourceInUseException",
        lambda bench: error_of(lambda: bench.rekognition.create_project(ProjectName=bench.project_name)),
    ),
    Probe(
        "What answers DeleteProject while it has a dataset?",
        "ResourceInUseException",
        lambda bench: error_of(lambda: bench.rekognition.delete_project(ProjectArn=bench.project)),
    ),
    Probe(
        "What does a dataset make of an entry whose image is not there?",
        "an entry without an error",
        lambda bench: _error_entry(bench, _MISSING),
    ),
    Probe(
        "What does it make of boxes around an image as EXIF turns it upright?",
        "an entry without an error",
        lambda bench: _error_entry(bench, _TURNED),
    ),
    Probe("Is an image without boxes labelled, to a dataset?", "not labelled", _labelled_without_boxes),
    Probe(
        "What becomes of an entry that UpdateDatasetEntries sends again?",
        "its labels are replaced",
        _labels_after_update,
    ),
    Probe(
        "What becomes of label attributes that it does not send again?",
        "they are gone",
        _attributes_after_update,
    ),
    Probe("What answers CreateDataset right after DeleteDataset?", "no error", _delete_and_create),
    Probe(
        "What answers DescribeDataset of one that was deleted?",
        "ResourceNotFoundException",
        _describe_deleted,
    ),
)
"""In this order: the last two delete the dataset."""
