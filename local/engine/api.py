"""The operations of Amazon Rekognition Custom Labels, one method each, named as the operation.

A method takes the request as botocore's model describes it, already validated, and who asks; it returns the
answer as the model describes it, or raises one of `local.engine.errors`. What is documented for an operation:
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import base64
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from botocore import xform_name

from local.engine import arns, images, manifests
from local.engine.endpoint import Endpoints, Found, NotRunningError, PredictionFailedError
from local.engine.errors import (
    InternalServerError,
    InvalidPaginationTokenException,
    InvalidParameterException,
    InvalidS3ObjectException,
    ResourceAlreadyExistsException,
    ResourceInUseException,
    ResourceNotFoundException,
    ResourceNotReadyException,
    UnknownOperationException,
)
from local.engine.faults import Faults
from local.engine.objects import NoObjectError, Objects
from local.engine.store import AlreadyThereError, Dataset, Entry, Project, Store, Version
from local.engine.training import Trainer, TrainingRequest, version_directory

logger = logging.getLogger("labelloop.engine.api")

Request = Mapping[str, Any]
Answer = dict[str, Any]
T = TypeVar("T")

PAGE = 100
UNTESTED_THRESHOLD = 0.5
"""Assumed threshold of a label of which neither evaluation nor training say anything."""
STARTABLE = {"TRAINING_COMPLETED", "STOPPED", "FAILED"}
DELETABLE = {"TRAINING_COMPLETED", "TRAINING_FAILED", "STOPPED", "FAILED"}
DATASET_BUSY = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}

_NO_S3_OBJECT = "Unable to get object metadata from S3. Check object key, region and/or access permissions."


class Caller(Protocol):
    """Who asks, and what they may do."""

    account: str
    region: str

    def may(self, action: str, *resources: str) -> bool:
        """Whether the caller's policies allow the action on each of these ARNs."""


class CustomLabelsApi:
    """The operations on the projects, datasets and versions of a store.

    Args:
        state: directory that holds the trained models.
        objects_of: S3's objects of an account in a Region, read and written by the engine.
    """

    def __init__(
        self,
        store: Store,
        state: Path,
        *,
        trainer: Trainer,
        endpoints: Endpoints,
        objects_of: Callable[[str, str], Objects],
        faults: Faults | None = None,
    ) -> None:
        self._store = store
        self._state = state
        self._trainer = trainer
        self._endpoints = endpoints
        self._objects_of = objects_of
        self._faults = faults or Faults()
        self._work = ThreadPoolExecutor(2, thread_name_prefix="dataset")
        self._clock = _Milliseconds()

    def call(self, operation: str, request: Request, caller: Caller) -> Answer:
        """Answer a validated request; raises a RekognitionError."""
        method = getattr(self, xform_name(operation), None)
        if method is None:
            raise UnknownOperationException(f"This engine does not implement the operation {operation}")
        outcome = self._faults.strike(operation)
        if outcome:
            request = {**request, _OUTCOME: outcome}
        answer: Answer = method(request, caller)
        return answer

    def recover(self) -> None:
        """After the store is opened: settle what was under way, start again what ran."""
        for images_of_a_lost_training in (self._state / "versions").glob("*/images"):
            shutil.rmtree(images_of_a_lost_training, ignore_errors=True)
        for version in self._store.recover():
            self._endpoints.start(version.arn)

    def close(self) -> None:
        self._trainer.close()
        self._endpoints.close()
        self._work.shutdown(wait=True, cancel_futures=True)

    def tags_of(self, resource_arn: str) -> dict[str, str]:
        """For conditions on aws:ResourceTag."""
        return self._store.tags(resource_arn)

    # Projects

    def create_project(self, request: Request, caller: Caller) -> Answer:
        feature = request.get("Feature", "CUSTOM_LABELS")
        if feature != "CUSTOM_LABELS":
            raise InvalidParameterException("This engine has projects of the feature CUSTOM_LABELS only")
        if "AutoUpdate" in request:
            raise InvalidParameterException("AutoUpdate is for projects of the feature CONTENT_MODERATION")
        name, now = request["ProjectName"], self._clock.now()
        arn = arns.project(caller.region, caller.account, name, now)
        project = Project(arn, caller.account, caller.region, name, feature, "CREATED", now / 1000)
        try:
            self._store.add_project(project)
        except AlreadyThereError as error:
            raise ResourceInUseException(f"A project named {name} already exists") from error
        self._store.put_tags(arn, request.get("Tags", {}))
        return {"ProjectArn": arn}

    def describe_projects(self, request: Request, caller: Caller) -> Answer:
        names = request.get("ProjectNames")
        features = request.get("Features", ["CUSTOM_LABELS"])
        found = [
            project
            for project in self._store.projects(caller.account, caller.region)
            if (names is None or project.name in names) and project.feature in features
        ]
        page, more = _page(found, request)
        return {"ProjectDescriptions": [self._describe_project(project) for project in page], **more}

    def delete_project(self, request: Request, caller: Caller) -> Answer:
        project = self._project(request["ProjectArn"], caller)
        if self._store.versions(project.arn) or self._store.datasets(project.arn):
            raise ResourceInUseException(
                "Delete the project's model versions and datasets before the project"
            )
        self._store.delete_project(project.arn)
        return {"Status": "DELETING"}

    # Datasets

    def create_dataset(self, request: Request, caller: Caller) -> Answer:
        project = self._project(request["ProjectArn"], caller)
        read = self._dataset_source(request.get("DatasetSource", {}), caller)
        now, kind = self._clock.now(), request["DatasetType"]
        arn = arns.dataset(caller.region, caller.account, project.name, kind, now)
        message, seconds = "The dataset is being created.", now / 1000
        dataset = Dataset(arn, project.arn, kind, "CREATE_IN_PROGRESS", message, "SUCCESS", seconds, seconds)
        try:
            self._store.add_dataset(dataset)
        except AlreadyThereError as error:
            raise ResourceAlreadyExistsException(f"The project already has a {kind} dataset") from error
        self._store.put_tags(arn, request.get("Tags", {}))
        self._work.submit(self._fill, arn, "CREATE", read, request.get(_OUTCOME, ""))
        return {"DatasetArn": arn}

    def describe_dataset(self, request: Request, caller: Caller) -> Answer:
        dataset = self._dataset(request["DatasetArn"], caller)
        entries = self._store.entries(dataset.arn)
        return {
            "DatasetDescription": {
                "CreationTimestamp": dataset.created,
                "LastUpdatedTimestamp": dataset.updated,
                **_status(dataset),
                "DatasetStats": {
                    "LabeledEntries": sum(1 for entry in entries if entry.labels),
                    "TotalEntries": len(entries),
                    "TotalLabels": len({label for entry in entries for label in entry.labels}),
                    "ErrorEntries": sum(1 for entry in entries if entry.errors),
                },
            }
        }

    def delete_dataset(self, request: Request, caller: Caller) -> Answer:
        dataset = self._dataset(request["DatasetArn"], caller)
        if not self._store.claim_dataset(dataset.arn, to="DELETE_IN_PROGRESS", unless=DATASET_BUSY):
            raise ResourceInUseException(f"The dataset is {dataset.status}; delete it when that is done")
        self._store.delete_dataset(dataset.arn)
        return {}

    def update_dataset_entries(self, request: Request, caller: Caller) -> Answer:
        dataset = self._dataset(request["DatasetArn"], caller)
        try:
            text = request["Changes"]["GroundTruth"].decode()
        except UnicodeDecodeError as error:
            raise InvalidParameterException("Changes.GroundTruth must be JSON Lines in UTF-8") from error
        if not self._store.claim_dataset(dataset.arn, to="UPDATE_IN_PROGRESS", unless=DATASET_BUSY):
            raise ResourceInUseException(f"The dataset is {dataset.status}; update it when that is done")
        self._work.submit(self._fill, dataset.arn, "UPDATE", lambda: text, request.get(_OUTCOME, ""))
        return {}

    def list_dataset_entries(self, request: Request, caller: Caller) -> Answer:
        dataset = self._ready_dataset(request["DatasetArn"], caller)
        found = [entry for entry in self._store.entries(dataset.arn) if _selected(entry, request)]
        page, more = _page(found, request)
        return {"DatasetEntries": [entry.line for entry in page], **more}

    def list_dataset_labels(self, request: Request, caller: Caller) -> Answer:
        dataset = self._ready_dataset(request["DatasetArn"], caller)
        entries = self._store.entries(dataset.arn)
        page, more = _page(sorted({label for entry in entries for label in entry.labels}), request)
        descriptions = [
            {
                "LabelName": label,
                "LabelStats": {
                    "EntryCount": sum(1 for entry in entries if label in entry.labels),
                    "BoundingBoxCount": sum(1 for entry in entries if label in entry.boxed),
                },
            }
            for label in page
        ]
        return {"DatasetLabelDescriptions": descriptions, **more}

    # Model versions

    def create_project_version(self, request: Request, caller: Caller) -> Answer:
        project = self._project(request["ProjectArn"], caller)
        if "FeatureConfig" in request:
            raise InvalidParameterException("FeatureConfig is for projects of the feature CONTENT_MODERATION")
        training, testing, inputs = self._training_data(project, request, caller)
        name, now = request["VersionName"], self._clock.now()
        arn = arns.version(caller.region, caller.account, project.name, name, now)
        output = request["OutputConfig"]
        details = {
            "OutputConfig": output,
            "Feature": project.feature,
            **inputs,
            **{key: request[key] for key in ("KmsKeyId", "VersionDescription") if key in request},
        }
        version = Version(
            arn, project.arn, name, "TRAINING_IN_PROGRESS", "The model is being trained.", now / 1000, details
        )
        try:
            self._store.add_version(version)
        except AlreadyThereError as error:
            raise ResourceInUseException(f"The project already has a version named {name}") from error
        self._store.put_tags(arn, request.get("Tags", {}))
        bucket, prefix = output.get("S3Bucket", ""), output.get("S3KeyPrefix", "")
        key = f"{prefix.strip('/')}/manifest_summary.json".lstrip("/")
        self._trainer.submit(
            TrainingRequest(
                version_arn=arn,
                training=training,
                testing=testing,
                bucket=bucket,
                prefix=prefix,
                objects=self._objects(caller),
                may_read_images=_may_read_images((*training, *testing), caller),
                may_write_output=caller.may("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}"),
                fail_with="A fault of /_labelloop/faults" if request.get(_OUTCOME) else "",
            )
        )
        return {"ProjectVersionArn": arn}

    def describe_project_versions(self, request: Request, caller: Caller) -> Answer:
        project = self._project(request["ProjectArn"], caller)
        names = request.get("VersionNames")
        versions = self._store.versions(project.arn)
        found = [version for version in versions if names is None or version.name in names]
        page, more = _page(found, request)
        return {"ProjectVersionDescriptions": [_describe_version(version) for version in page], **more}

    def delete_project_version(self, request: Request, caller: Caller) -> Answer:
        version = self._version(request["ProjectVersionArn"], caller)
        if not self._store.move_version(version.arn, "DELETING", when=DELETABLE):
            raise ResourceInUseException(f"A version that is {version.status} cannot be deleted")
        shutil.rmtree(version_directory(self._state, version.arn), ignore_errors=True)
        self._store.delete_version(version.arn)
        return {"Status": "DELETING"}

    def start_project_version(self, request: Request, caller: Caller) -> Answer:
        version = self._version(request["ProjectVersionArn"], caller)
        least = request["MinInferenceUnits"]
        most = request.get("MaxInferenceUnits")
        if most is not None and most < least:
            raise InvalidParameterException("MaxInferenceUnits must not be less than MinInferenceUnits")
        units = {"MinInferenceUnits": least, **({"MaxInferenceUnits": most} if most else {})}
        if not self._store.move_version(
            version.arn, "STARTING", when=STARTABLE, message="The model is starting.", details=units
        ):
            raise ResourceInUseException(f"A version that is {version.status} cannot be started")
        fail_with = "A fault of /_labelloop/faults" if request.get(_OUTCOME) else ""
        self._endpoints.start(version.arn, fail_with=fail_with)
        return {"Status": "STARTING"}

    def stop_project_version(self, request: Request, caller: Caller) -> Answer:
        version = self._version(request["ProjectVersionArn"], caller)
        if not self._store.move_version(
            version.arn, "STOPPING", when={"RUNNING"}, message="The model is stopping."
        ):
            raise ResourceInUseException(f"A version that is {version.status} cannot be stopped")
        self._endpoints.stop(version.arn)
        return {"Status": "STOPPING"}

    def detect_custom_labels(self, request: Request, caller: Caller) -> Answer:
        version = self._version(request["ProjectVersionArn"], caller)
        if version.status != "RUNNING":
            raise ResourceNotReadyException(f"The model version is {version.status}, not RUNNING")
        image = self._image(request["Image"], caller)
        try:
            found = self._endpoints.predict(version.arn, image)
        except NotRunningError as error:
            raise ResourceNotReadyException("The model version does not run any more") from error
        except PredictionFailedError as error:
            raise InternalServerError(f"The model failed on this image: {error}") from error
        thresholds = self._endpoints.thresholds(version.arn)
        least = request.get("MinConfidence")
        kept = [f for f in found if f.confidence >= _least(f.label, thresholds, least)]
        kept.sort(key=lambda f: -f.confidence)
        return {"CustomLabels": [_custom_label(f) for f in kept[: request.get("MaxResults")]]}

    # Tags

    def tag_resource(self, request: Request, caller: Caller) -> Answer:
        self._taggable(request["ResourceArn"], caller)
        self._store.put_tags(request["ResourceArn"], request["Tags"])
        return {}

    def untag_resource(self, request: Request, caller: Caller) -> Answer:
        self._taggable(request["ResourceArn"], caller)
        self._store.delete_tags(request["ResourceArn"], request["TagKeys"])
        return {}

    def list_tags_for_resource(self, request: Request, caller: Caller) -> Answer:
        self._taggable(request["ResourceArn"], caller)
        return {"Tags": self._store.tags(request["ResourceArn"])}

    # Resources by their ARNs

    def _project(self, arn: str, caller: Caller) -> Project:
        return _found_for(caller, arn, self._store.project(arn))

    def _dataset(self, arn: str, caller: Caller) -> Dataset:
        return _found_for(caller, arn, self._store.dataset(arn))

    def _ready_dataset(self, arn: str, caller: Caller) -> Dataset:
        dataset = self._dataset(arn, caller)
        if dataset.status == "CREATE_IN_PROGRESS":
            raise ResourceNotReadyException("The dataset is still being created")
        return dataset

    def _version(self, arn: str, caller: Caller) -> Version:
        return _found_for(caller, arn, self._store.version(arn))

    def _taggable(self, arn: str, caller: Caller) -> None:
        _found_for(
            caller, arn, self._store.project(arn) or self._store.dataset(arn) or self._store.version(arn)
        )

    def _describe_project(self, project: Project) -> Answer:
        datasets = [
            {
                "CreationTimestamp": dataset.created,
                "DatasetType": dataset.type,
                "DatasetArn": dataset.arn,
                **_status(dataset),
            }
            for dataset in self._store.datasets(project.arn)
        ]
        return {
            "ProjectArn": project.arn,
            "CreationTimestamp": project.created,
            "Status": project.status,
            "Datasets": datasets,
            "Feature": project.feature,
        }

    # What is read from S3

    def _objects(self, caller: Caller) -> Objects:
        return self._objects_of(caller.account, caller.region)

    def _read(self, s3_object: Request, caller: Caller) -> bytes:
        """The object's bytes, if the caller may read it."""
        bucket, key, version = s3_object.get("Bucket"), s3_object.get("Name"), s3_object.get("Version")
        if not bucket or not key:
            raise InvalidS3ObjectException("S3Object needs a Bucket and a Name")
        action = "s3:GetObjectVersion" if version else "s3:GetObject"
        if not caller.may(action, f"arn:aws:s3:::{bucket}/{key}"):
            raise InvalidS3ObjectException(_NO_S3_OBJECT)
        try:
            return self._objects(caller).get(bucket, key, version)
        except NoObjectError as error:
            logger.info("%s", error)
            raise InvalidS3ObjectException(_NO_S3_OBJECT) from error

    def _read_manifest(self, manifest: Request, caller: Caller) -> str:
        try:
            return self._read(manifest.get("S3Object", {}), caller).decode()
        except UnicodeDecodeError as error:
            raise InvalidS3ObjectException("The manifest must be JSON Lines in UTF-8") from error

    def _image(self, image: Request, caller: Caller) -> bytes:
        if ("Bytes" in image) == ("S3Object" in image):
            raise InvalidParameterException("Image needs either Bytes or S3Object")
        if "Bytes" in image:
            body: bytes = image["Bytes"]
            images.check(body, limit=images.MAX_SENT_BYTES)
        else:
            body = self._read(image["S3Object"], caller)
            images.check(body, limit=images.MAX_STORED_BYTES)
        return body

    def _dataset_source(self, source: Request, caller: Caller) -> Callable[[], str]:
        """A function that returns the manifest; what can be refused at once, is."""
        if len(source) > 1:
            raise InvalidParameterException(
                "DatasetSource needs either a GroundTruthManifest or a DatasetArn"
            )
        if "DatasetArn" in source:
            copied = self._ready_dataset(source["DatasetArn"], caller)
            return lambda: "\n".join(entry.line for entry in self._store.entries(copied.arn))
        if "GroundTruthManifest" in source:
            text = self._read_manifest(source["GroundTruthManifest"], caller)
            return lambda: text
        return str

    def _fill(self, arn: str, doing: str, read: Callable[[], str], outcome: str) -> None:
        """Bring the lines into the dataset.

        Lines with terminal content errors are left out; too many of them fail the whole:
        https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/debugging-datasets-terminal-errors.html
        """
        code, failed, message = "SUCCESS", outcome, "A fault of /_labelloop/faults" if outcome else ""
        try:
            lines = manifests.parse_all(read())
            usable = {line.source_ref: line for line in lines if line.source_ref}
            if len(lines) - len(usable) > manifests.MAX_INVALID_SHARE * len(lines):
                failed, message = f"{doing}_FAILED", "The manifest file has too many terminal errors."
            if not failed:
                self._store.put_entries(arn, map(_entry, usable.values()))
        except Exception as error:
            logger.exception("%s of %s", doing, arn)
            self._store.move_dataset(arn, f"{doing}_FAILED", message=repr(error), code="SERVICE_ERROR")
            return
        if failed:
            code = "CLIENT_ERROR"
        done = failed or f"{doing}_COMPLETE"
        message = message or "The dataset was successfully saved."
        self._store.move_dataset(arn, done, message=message, code=code)

    def _training_data(
        self, project: Project, request: Request, caller: Caller
    ) -> tuple[list[str], list[str], Answer]:
        """Manifest lines to train and to test with, and the Input members that describe them."""
        datasets = {dataset.type: dataset for dataset in self._store.datasets(project.arn)}
        if "TrainingData" in request or "TestingData" in request:
            return self._external_data(datasets, request, caller)
        if missing := {"TRAIN", "TEST"} - set(datasets):
            raise InvalidParameterException(f"The project has no {' and no '.join(sorted(missing))} dataset")
        for dataset in datasets.values():
            if dataset.status in DATASET_BUSY or dataset.status == "CREATE_FAILED":
                raise ResourceInUseException(f"The {dataset.type} dataset is {dataset.status}")
        lines = {kind: [entry.line for entry in self._store.entries(d.arn)] for kind, d in datasets.items()}
        return lines["TRAIN"], lines["TEST"], {}

    def _external_data(
        self, datasets: Mapping[str, Dataset], request: Request, caller: Caller
    ) -> tuple[list[str], list[str], Answer]:
        if datasets or "TrainingData" not in request or "TestingData" not in request:
            raise InvalidParameterException(
                "TrainingData and TestingData go together, and only in a project without datasets"
            )
        if request["TestingData"].get("AutoCreate"):
            raise InvalidParameterException(
                "This engine does not split TrainingData itself (TestingData.AutoCreate); give both manifests"
            )
        found = []
        for member in ("TrainingData", "TestingData"):
            assets = request[member].get("Assets", [])
            if len(assets) != 1:
                raise InvalidParameterException(f"{member} needs exactly one asset")
            text = self._read_manifest(assets[0].get("GroundTruthManifest", {}), caller)
            found.append([line for line in text.splitlines() if line.strip()])
        inputs = {
            "TrainingDataResult": {"Input": request["TrainingData"]},
            "TestingDataResult": {"Input": request["TestingData"]},
        }
        return found[0], found[1], inputs


_OUTCOME = " outcome"
"""Where `call` puts a fault's outcome; no member of any request has a space in its name."""


class _Milliseconds:
    """The time, never the same twice: it is what tells two ARNs of one name apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def now(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, int(time.time() * 1000))
            return self._last


def _found_for(caller: Caller, arn: str, resource: T | None) -> T:
    parts = arns.parse(arn)
    if resource is None or parts is None or (parts.account, parts.region) != (caller.account, caller.region):
        raise ResourceNotFoundException(f"There is no {arn}")
    return resource


def _may_read_images(lines: Iterable[str], caller: Caller) -> bool:
    sources = {manifests.parse(line).source_ref for line in lines}
    locations = (manifests.location(source) for source in sources if source)
    return caller.may("s3:GetObject", *(f"arn:aws:s3:::{bucket}/{key}" for bucket, key in locations))


def _entry(line: manifests.Line) -> Entry:
    boxed = tuple(dict.fromkeys(box.label for box in line.boxes))
    return Entry(line.source_ref, line.text, line.all_labels, boxed, len(line.errors))


def _selected(entry: Entry, request: Request) -> bool:
    wanted = request.get("ContainsLabels")
    return (
        (wanted is None or bool(set(wanted) & set(entry.labels)))
        and request.get("Labeled", bool(entry.labels)) == bool(entry.labels)
        and request.get("HasErrors", bool(entry.errors)) == bool(entry.errors)
        and request.get("SourceRefContains", "") in entry.source_ref
    )


def _status(dataset: Dataset) -> Answer:
    return {"Status": dataset.status, "StatusMessage": dataset.message, "StatusMessageCode": dataset.code}


def _describe_version(version: Version) -> Answer:
    return {
        "ProjectVersionArn": version.arn,
        "CreationTimestamp": version.created,
        "Status": version.status,
        "StatusMessage": version.message,
        **version.details,
    }


def _least(label: str, thresholds: Mapping[str, float], asked: float | None) -> float:
    return asked if asked is not None else 100 * thresholds.get(label, UNTESTED_THRESHOLD)


def _custom_label(found: Found) -> Answer:
    answer: Answer = {"Name": found.label, "Confidence": found.confidence}
    if found.box:
        left, top, width, height = found.box
        box = {"Width": width, "Height": height, "Left": left, "Top": top}
        answer["Geometry"] = {"BoundingBox": box}
    return answer


def _page(items: Sequence[T], request: Request) -> tuple[Sequence[T], Answer]:
    """The page that the request asks for, and NextToken if there are more."""
    start = _offset(request.get("NextToken"))
    if start > len(items):
        raise InvalidPaginationTokenException("NextToken is not one that this listing gave")
    end = start + request.get("MaxResults", PAGE)
    more = (
        {"NextToken": base64.urlsafe_b64encode(f"from:{end}".encode()).decode()} if end < len(items) else {}
    )
    return items[start:end], more


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        prefix, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if prefix != "from" or int(number) < 1:
            raise ValueError(token)
        return int(number)
    except ValueError as error:
        raise InvalidPaginationTokenException("NextToken is not one that this listing gave") from error
