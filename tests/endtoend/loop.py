"""A deployment in the embedded stack as its users see it: files go into a bucket, records come out."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import boto3

from lambdas.domain import catalogue
from lambdas.domain.catalogue import CatalogueImage
from lambdas.domain.manifests import Box, detection_entry, entry_line
from lambdas.domain.records import Records
from local.embedded import REGION, Running
from local.scenes import Scene

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds in which a run ends, on a busy machine."""


class Loop:
    def __init__(self, stack: Running, name: str) -> None:
        self.stack, self.name = stack, name
        keys = stack.environment
        self.session = boto3.Session(
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.stack.endpoint)  # pyrefly: ignore[no-matching-overload]

    @cached_property
    def outputs(self) -> dict[str, str]:
        (found,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def resource(self, type: str, name: str) -> str:
        """The physical id of the deployment's one resource of this type whose logical id has `name` in it."""
        pages = (
            self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        )
        found = [
            one for page in pages for one in page["StackResourceSummaries"] if one["ResourceType"] == type
        ]
        (id,) = [one["PhysicalResourceId"] for one in found if name in one["LogicalResourceId"]]
        return str(id)

    @cached_property
    def s3(self) -> Any:
        return self.client("s3")

    @cached_property
    def rekognition(self) -> Any:
        return self.client("rekognition")

    @cached_property
    def stepfunctions(self) -> Any:
        return self.client("stepfunctions")

    @property
    def bucket(self) -> str:
        return self.outputs["DataBucket"]

    @cached_property
    def catalogue(self) -> Any:
        return self._table("CatalogueTable")

    @cached_property
    def records(self) -> Records:
        return Records(self._table("LoopTable"))

    def _table(self, output: str) -> Any:
        resource = self.session.resource("dynamodb", endpoint_url=self.stack.endpoint)
        return resource.Table(self.outputs[output])

    # What users do

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def drop_by_folder(self, scenes: Iterable[Scene], label: Callable[[Scene], str]) -> None:
        for scene in scenes:
            self.put(f"incoming/labeled/{label(scene)}/{scene.name}.jpg", scene.jpeg())

    def drop_by_manifest(self, scenes: Iterable[Scene], name: str) -> None:
        """The labels first: none of the pictures is put before people."""
        lines: list[str] = []
        pictures: dict[str, bytes] = {}
        for scene in scenes:
            key = f"incoming/annotations/{scene.name}.jpg"
            pictures[key] = scene.jpeg()
            boxes = [Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes]
            entry = detection_entry(
                self.bucket,
                key,
                width=scene.image.width,
                height=scene.image.height,
                boxes=boxes,
                changed_at="2026-01-01T00:00:00.000000Z",
            )
            lines.append(entry_line(entry))
        self.put(f"incoming/annotations/{name}.manifest", "\n".join(lines).encode())
        for key, body in pictures.items():
            self.put(key, body)

    def tune(self, **values: float | str) -> None:
        """Change settings as Ops does, without a deployment."""
        ssm, name = self.client("ssm"), self.outputs["TuningParameter"]
        now = json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])
        ssm.put_parameter(Name=name, Value=json.dumps(now | values), Overwrite=True)

    def retrain(self, name: str, **options: Any) -> dict[str, Any]:
        """Start a run by hand and wait for its record to be complete."""
        self.start("RetrainMachineArn", name, {"trigger": "manual", **options})
        return self.run(name)

    def start(self, machine: str, name: str, input: Mapping[str, Any]) -> str:
        arn: str = self.stepfunctions.start_execution(
            stateMachineArn=self.outputs[machine], name=name, input=json.dumps(input)
        )["executionArn"]
        return arn

    def sweep(self) -> None:
        """What otherwise happens by schedule."""
        self.client("lambda").invoke(
            FunctionName=self.resource("AWS::Lambda::Function", "Sweep"), Payload=b"{}"
        )

    # What users see

    def run(self, name: str, patience: float = PATIENCE) -> dict[str, Any]:
        """The complete record of a run."""
        return until(lambda: self._ended(self.records.run(name)), patience, f"run {name} ends")

    def automatic_run(self, known: Iterable[str], patience: float = PATIENCE) -> dict[str, Any]:
        """The complete record of the next run that starts by itself."""
        before = set(known)

        def found() -> dict[str, Any] | None:
            fresh = [run for run in self.records.runs() if run["id"] not in before]
            return self._ended(fresh[-1] if fresh else None)

        return until(found, patience, "a run starts by itself and ends")

    def run_names(self) -> list[str]:
        return [run["id"] for run in self.records.runs()]

    @staticmethod
    def _ended(run: dict[str, Any] | None) -> dict[str, Any] | None:
        return run if run and "ended_at" in run else None

    def statuses(self) -> dict[str, str]:
        """Status of each of the project's model versions by name."""
        pages = self.rekognition.get_paginator("describe_project_versions").paginate(
            ProjectArn=self.outputs["ProjectArn"]
        )
        found = [version for page in pages for version in page["ProjectVersionDescriptions"]]
        return {version["ProjectVersionArn"].split("/")[3]: version["Status"] for version in found}

    def running(self) -> set[str]:
        """Names of the versions that cost money."""
        return {name for name, s in self.statuses().items() if s in ("STARTING", "RUNNING", "STOPPING")}

    def images(self) -> list[CatalogueImage]:
        items = self.catalogue.scan()["Items"]
        hashes = [item["sha256"] for item in items if item["id"].startswith("image#")]
        return [image for sha in hashes if (image := catalogue.get_image(self.catalogue, sha))]

    def json(self, key: str) -> Any:
        """A JSON object of the bucket; None while it is not there."""
        try:
            return json.load(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"])
        except self.s3.exceptions.NoSuchKey:
            return None

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def fault(self, **fault: Any) -> None:
        """Let an operation of the engine fail, be slow, or end badly."""
        url = f"{self.stack.endpoint}/_labelloop/faults"
        request = urllib.request.Request(url, json.dumps(fault).encode(), method="POST")  # noqa: S310
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310


def until(look: Callable[[], T | None], patience: float, what: str) -> T:
    """What `look` returns once that is true."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience:.0f} s in vain until {what}")
        time.sleep(0.25)
    return found
