"""Amazon Rekognition Custom Labels as far as the loop uses it, in memory.

It changes state only when told to: a test lets trainings end, models start and stop, with `finish`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from botocore.exceptions import ClientError
from mypy_boto3_rekognition import RekognitionClient

REGION = "us-east-1"
ACCOUNT = "123456789012"
PREFIX = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project"

Detections = Callable[[str, str], list[dict[str, Any]]]
"""What a version (by name) finds in an image (by key): CustomLabels of DetectCustomLabels."""


def error(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@dataclass
class FakeRekognition:
    projects: dict[str, str] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By type. `errors`: entries that Rekognition finds errors in."""
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """ProjectVersionDescriptions by name."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failures: dict[str, deque[ClientError]] = field(default_factory=dict)
    finds: Detections = lambda version, key: []

    @property
    def client(self) -> RekognitionClient:
        return cast(RekognitionClient, self)

    # What tests say

    def add_version(self, name: str, status: str, **facts: Any) -> str:
        arn = f"{PREFIX}/pets/version/{name}/1700000000000"
        self.versions[name] = {"ProjectVersionArn": arn, "Status": status, **facts}
        return arn

    def statuses(self) -> dict[str, str]:
        return {name: str(found["Status"]) for name, found in self.versions.items()}

    def finish(self) -> None:
        """Whatever is under way ends well."""
        ends = {
            "TRAINING_IN_PROGRESS": "TRAINING_COMPLETED",
            "STARTING": "RUNNING",
            "STOPPING": "STOPPED",
            "CREATE_IN_PROGRESS": "CREATE_COMPLETE",
            "UPDATE_IN_PROGRESS": "UPDATE_COMPLETE",
        }
        for found in (*self.versions.values(), *self.datasets.values()):
            found["Status"] = ends.get(found["Status"], found["Status"])
        self.datasets = {
            kind: found for kind, found in self.datasets.items() if found["Status"] != "DELETE_IN_PROGRESS"
        }

    def fail_next(self, operation: str, *codes: str) -> None:
        self.failures[operation] = deque(error(code) for code in codes)

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == operation]

    # The API

    def create_project(self, **request: Any) -> dict[str, Any]:
        self._begin("create_project", request)
        arn = f"{PREFIX}/{request['ProjectName']}/1700000000000"
        self.projects[request["ProjectName"]] = arn
        return {"ProjectArn": arn}

    def describe_projects(self, **request: Any) -> dict[str, Any]:
        self._begin("describe_projects", request)
        datasets = [
            {
                "DatasetType": kind,
                "DatasetArn": found["DatasetArn"],
                "Status": found["Status"],
                "StatusMessage": found.get("StatusMessage", ""),
            }
            for kind, found in self.datasets.items()
        ]
        return {
            "ProjectDescriptions": [
                {"ProjectArn": self.projects[name], "Datasets": datasets}
                for name in request["ProjectNames"]
                if name in self.projects
            ]
        }

    def create_dataset(self, **request: Any) -> dict[str, Any]:
        self._begin("create_dataset", request)
        kind = request["DatasetType"]
        if kind in self.datasets:
            raise error("ResourceAlreadyExistsException")
        arn = f"{PREFIX}/pets/dataset/{kind.lower()}/1700000000000"
        manifest = request["DatasetSource"]["GroundTruthManifest"]["S3Object"]
        self.datasets[kind] = {"DatasetArn": arn, "Status": "CREATE_IN_PROGRESS", "manifest": manifest}
        return {"DatasetArn": arn}

    def describe_dataset(self, **request: Any) -> dict[str, Any]:
        self._begin("describe_dataset", request)
        found = self._dataset(request["DatasetArn"])
        stats = {"ErrorEntries": found.get("errors", 0)}
        return {"DatasetDescription": {"Status": found["Status"], "DatasetStats": stats}}

    def delete_dataset(self, **request: Any) -> dict[str, Any]:
        self._begin("delete_dataset", request)
        self._dataset(request["DatasetArn"])["Status"] = "DELETE_IN_PROGRESS"
        return {}

    def update_dataset_entries(self, **request: Any) -> dict[str, Any]:
        self._begin("update_dataset_entries", request)
        found = self._dataset(request["DatasetArn"])
        if found["Status"].endswith("_IN_PROGRESS"):
            raise error("ResourceInUseException")
        found["Status"] = "UPDATE_IN_PROGRESS"
        return {}

    def create_project_version(self, **request: Any) -> dict[str, Any]:
        self._begin("create_project_version", request)
        arn = self.add_version(request["VersionName"], "TRAINING_IN_PROGRESS")
        return {"ProjectVersionArn": arn}

    def describe_project_versions(self, **request: Any) -> dict[str, Any]:
        self._begin("describe_project_versions", request)
        names = request.get("VersionNames", list(self.versions))
        if missing := [name for name in names if name not in self.versions]:
            raise error("ResourceNotFoundException", f"no {missing}")
        return {"ProjectVersionDescriptions": [dict(self.versions[name]) for name in names]}

    def get_paginator(self, operation: str) -> _Paginator:
        assert operation == "describe_project_versions"
        return _Paginator(self)

    def start_project_version(self, **request: Any) -> dict[str, Any]:
        self._begin("start_project_version", request)
        self._version(request["ProjectVersionArn"])["Status"] = "STARTING"
        return {"Status": "STARTING"}

    def stop_project_version(self, **request: Any) -> dict[str, Any]:
        self._begin("stop_project_version", request)
        found = self._version(request["ProjectVersionArn"])
        if found["Status"] != "RUNNING":
            raise error("ResourceInUseException", f"it is {found['Status']}")
        found["Status"] = "STOPPING"
        return {"Status": "STOPPING"}

    def detect_custom_labels(self, **request: Any) -> dict[str, Any]:
        self._begin("detect_custom_labels", request)
        found = self._version(request["ProjectVersionArn"])
        if found["Status"] != "RUNNING":
            raise error("ResourceNotReadyException", "it does not run")
        name = request["ProjectVersionArn"].split("/")[3]
        return {"CustomLabels": self.finds(name, request["Image"]["S3Object"]["Name"])}

    def _begin(self, operation: str, request: dict[str, Any]) -> None:
        self.calls.append((operation, request))
        if self.failures.get(operation):
            raise self.failures[operation].popleft()

    def _version(self, arn: str) -> dict[str, Any]:
        for found in self.versions.values():
            if found["ProjectVersionArn"] == arn:
                return found
        raise error("ResourceNotFoundException")

    def _dataset(self, arn: str) -> dict[str, Any]:
        for found in self.datasets.values():
            if found["DatasetArn"] == arn:
                return found
        raise error("ResourceNotFoundException")


@dataclass(frozen=True)
class _Paginator:
    """One version a page, so that nobody forgets that there are more."""

    rekognition: FakeRekognition

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        for found in self.rekognition.describe_project_versions(**request)["ProjectVersionDescriptions"]:
            yield {"ProjectVersionDescriptions": [found]}


def label(name: str, confidence: float = 90.0, box: tuple[float, ...] | None = None) -> dict[str, Any]:
    """A CustomLabel; the box as left, top, width, height."""
    found: dict[str, Any] = {"Name": name, "Confidence": confidence}
    if box:
        sides = dict(zip(("Left", "Top", "Width", "Height"), box, strict=True))
        found["Geometry"] = {"BoundingBox": sides}
    return found
