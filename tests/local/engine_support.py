"""What the engine's tests share: images, manifests, and stand-ins for learning, predicting and S3."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from PIL import Image

from local.engine import shapes
from local.engine.access.kms import NoKeyError
from local.engine.access.s3 import NoObjectError, ObjectTooLargeError
from local.engine.api import CustomLabelsApi
from local.engine.faults import Faults
from local.engine.quotas import Quotas
from local.engine.serving.detections import Detection
from local.engine.serving.endpoint import LocalEndpoints, NotRunningError
from local.engine.storage.store import Store
from local.engine.throttle import Throttle
from local.engine.training.budget import Budget
from local.engine.training.trainer import LocalTrainer, TrainingFailedError

BUCKET = "data-bucket"
PATIENCE = 10.0


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (96, 96), form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


def classified(key: str, *labels: str, bucket: str = BUCKET) -> str:
    line: dict[str, Any] = {"source-ref": f"s3://{bucket}/{key}"}
    for number, label in enumerate(labels):
        line[f"label{number}"] = number
        line[f"label{number}-metadata"] = {
            "class-name": label,
            "confidence": 1,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2024-01-01T00:00:00",
        }
    return json.dumps(line)


def boxed(key: str, *boxes: tuple[str, int, int, int, int], size: tuple[int, int] = (96, 96)) -> str:
    """Boxes are label, left, top, width, height."""
    names = sorted({box[0] for box in boxes})
    annotations = [
        {"class_id": names.index(name), "left": left, "top": top, "width": width, "height": height}
        for name, left, top, width, height in boxes
    ]
    line = {
        "source-ref": f"s3://{BUCKET}/{key}",
        "box": {
            "image_size": [{"width": size[0], "height": size[1], "depth": 3}],
            "annotations": annotations,
        },
        "box-metadata": {
            "objects": [{"confidence": 1} for _ in boxes],
            "class-map": {str(number): name for number, name in enumerate(names)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2024-01-01T00:00:00",
        },
    }
    return json.dumps(line)


def eventually(fact: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)
    return found


class Everybody:
    """A caller who may do all that is not in `denied` (actions)."""

    account = "123456789012"
    region = "us-east-1"

    def __init__(self, *denied: str) -> None:
        self.denied = set(denied)
        self.asked = 0
        """Of how many resources it was asked during requests."""

    def may(self, action: str, *resources: str) -> bool:
        self.asked += len(resources)
        return action not in self.denied

    def permission(self, action: str) -> Callable[[Iterable[str]], bool]:
        allowed = action not in self.denied
        return lambda resources: allowed


class MemoryObjects:
    def __init__(self) -> None:
        self.held: dict[tuple[str, str], bytes] = {}
        self.keys: dict[tuple[str, str], str] = {}
        """The KMS key that each object was encrypted with; empty for none."""

    def get(self, bucket: str, key: str, version: str | None = None, *, limit: int | None = None) -> bytes:
        if (bucket, key) not in self.held:
            raise NoObjectError(f"s3://{bucket}/{key}")
        if limit is not None and len(self.held[bucket, key]) > limit:
            raise ObjectTooLargeError(f"s3://{bucket}/{key} has more than {limit} bytes")
        return self.held[bucket, key]

    def put(
        self, bucket: str, key: str, body: bytes | IO[bytes], content_type: str, *, kms_key_id: str = ""
    ) -> None:
        if bucket != BUCKET:
            raise NoObjectError(f"no bucket {bucket}")
        self.held[bucket, key] = body if isinstance(body, bytes) else body.read()
        self.keys[bucket, key] = kms_key_id


class MemoryKeys:
    """One key, that requests may name by its ID or its ARN."""

    arn = "arn:aws:kms:us-east-1:123456789012:key/mine"

    def usable(self, key_id: str) -> str:
        if key_id not in ("mine", self.arn):
            raise NoKeyError("there is no such key")
        return self.arn


class FakeModel:
    """Finds a sure cat, a doubtful dog with a box, and a fox below its threshold in every image."""

    def __init__(self, directory: Path, on_exit: Callable[[int], None]) -> None:
        self.on_exit = on_exit
        self.closed = False
        if not (directory / "model").exists():
            raise NotRunningError("there is no model")

    def predict(self, image: bytes) -> list[Detection]:
        return [
            Detection("dog", 60.0, (0.1, 0.2, 0.3, 0.4)),
            Detection("cat", 99.0),
            Detection("fox", 20.0),
        ]

    def close(self) -> None:
        self.closed = True


class Bench:
    """An API over real store, trainer and endpoints, with learning and predicting played."""

    def __init__(self, state: Path, quotas: Quotas | None = None, throttle: Throttle | None = None) -> None:
        self.state = state
        self.objects = MemoryObjects()
        self.faults = Faults()
        self.jobs: list[dict[str, Any]] = []
        self.models: list[FakeModel] = []
        self.hold = threading.Event()
        self.hold.set()
        self.learn_error = ""
        self.store = Store(state / "engine.sqlite")
        self.api = CustomLabelsApi(
            self.store,
            state,
            trainer=LocalTrainer(self.store, state, learner=self._learn),
            endpoints=LocalEndpoints(self.store, state, launch=self._launch),
            objects_of=lambda account, region: self.objects,
            keys_of=lambda account, region: MemoryKeys(),
            faults=self.faults,
            quotas=quotas,
            throttle=throttle,
        )
        self.caller = Everybody()

    def close(self) -> None:
        self.hold.set()
        self.api.close()
        self.store.close()

    def call(self, operation: str, caller: Everybody | None = None, **request: Any) -> dict[str, Any]:
        """As the server does: the request through its shape, the answer against its shape."""
        body = json.dumps(request, default=lambda value: value.decode()).encode()
        answer = self.api.call(operation, shapes.parse_request(operation, body), caller or self.caller)
        parsed: dict[str, Any] = json.loads(shapes.dump_answer(operation, answer))
        return parsed

    def put_images(self, *keys: str) -> None:
        for number, key in enumerate(keys):
            self.objects.held[BUCKET, key] = picture((20 * number % 255, 90, 120))

    def project(self, name: str = "pets") -> str:
        return str(self.call("CreateProject", ProjectName=name)["ProjectArn"])

    def dataset(self, project_arn: str, kind: str, lines: list[str]) -> str:
        key = f"{kind}.manifest"
        self.objects.held[BUCKET, key] = "\n".join(lines).encode()
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}
        arn = self.call("CreateDataset", ProjectArn=project_arn, DatasetType=kind, DatasetSource=source)[
            "DatasetArn"
        ]
        eventually(lambda: self.dataset_status(arn)["Status"] != "CREATE_IN_PROGRESS")
        return str(arn)

    def dataset_status(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("DescribeDataset", DatasetArn=arn)["DatasetDescription"]
        return found

    def until_dataset(self, arn: str, status: str) -> None:
        eventually(lambda: self.dataset_status(arn)["Status"] == status)

    def update(self, arn: str, *lines: str, ends: str = "UPDATE_COMPLETE") -> None:
        """UpdateDatasetEntries with these lines, waited for."""
        changes = base64.b64encode("\n".join(lines).encode())
        self.call("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": changes})
        eventually(lambda: self.dataset_status(arn)["Status"] == ends)

    def version(self, project_arn: str, name: str = "v1", **request: Any) -> str:
        output = {"S3Bucket": BUCKET, "S3KeyPrefix": f"training/{name}"}
        answer = self.call(
            "CreateProjectVersion",
            ProjectArn=project_arn,
            VersionName=name,
            OutputConfig=output,
            **request,
        )
        return str(answer["ProjectVersionArn"])

    def described(self, project_arn: str, name: str = "v1") -> dict[str, Any]:
        (found,) = self.call("DescribeProjectVersions", ProjectArn=project_arn, VersionNames=[name])[
            "ProjectVersionDescriptions"
        ]
        return dict(found)

    def until(self, project_arn: str, *statuses: str, name: str = "v1") -> dict[str, Any]:
        eventually(lambda: self.described(project_arn, name)["Status"] in statuses)
        return self.described(project_arn, name)

    def trained(self, project_arn: str) -> str:
        """A trained version v1 of two classes."""
        self.put_images("a.png", "b.png", "c.png", "d.png")
        self.dataset(project_arn, "TRAIN", [classified("a.png", "cat"), classified("b.png", "dog")])
        self.dataset(project_arn, "TEST", [classified("c.png", "cat"), classified("d.png", "dog")])
        arn = self.version(project_arn)
        assert (
            self.until(project_arn, "TRAINING_COMPLETED", "TRAINING_FAILED")["Status"] == "TRAINING_COMPLETED"
        )
        return arn

    def running(self, project_arn: str) -> str:
        arn = self.trained(project_arn)
        self.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
        self.until(project_arn, "RUNNING")
        return arn

    def _learn(self, directory: Path, budget: Budget, ended: threading.Event) -> None:
        job = json.loads((directory / "job.json").read_text())
        self.jobs.append(job)
        self.hold.wait(PATIENCE)
        if self.learn_error:
            raise TrainingFailedError(self.learn_error)
        (directory / "model").mkdir()
        labels = [("cat", 0.9, 0.8), ("dog", 0.7, 0.5), ("fox", 0.8, 0.4)]
        evaluation = {
            "f1": 0.8,
            "precision": 0.9,
            "recall": 0.72,
            "train_images": len(job["train"]),
            "test_images": len(job["test"]),
            "labels": [
                {
                    "label": label,
                    "f1": f1,
                    "precision": f1,
                    "recall": f1,
                    "assumed_threshold": threshold,
                    "test_images": 1,
                }
                for label, f1, threshold in labels
            ],
            "confusion_matrix": [{"GroundTruthLabel": "cat", "PredictedLabel": "cat", "Value": 1.0}],
        }
        (directory / "evaluation.json").write_text(json.dumps(evaluation))

    def _launch(self, directory: Path, on_exit: Callable[[int], None]) -> FakeModel:
        model = FakeModel(directory, on_exit)
        self.models.append(model)
        return model
