"""A deployment's review tasks in moto, with the executions that wait for them played in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from lambdas.domain import catalogue, clock
from lambdas.domain.catalogue import CatalogueImage
from lambdas.domain.manifests import Kind
from lambdas.domain.reviews.desk import Reviewer
from lambdas.domain.reviews.opening import Opener, Seen
from lambdas.domain.reviews.settling import Settler
from lambdas.domain.reviews.tasks import ReviewTable, Task
from lambdas.domain.services import services
from lambdas.domain.tuning import Tuning
from tests.calls import one_call_at_a_time
from tests.retrain.fake_rekognition import ACCOUNT, REGION
from tests.retrain.world import World, aws, world

__all__ = ["aws", "one_call_at_a_time", "reviews", "world"]

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:review"
SIZE = (100, 80)
"""Width and height in pixels of every image."""
CLAIM_SECONDS = 600
LABELS = frozenset({"cat", "dog"})
CAT = {"label": "cat", "left": 5, "top": 6, "width": 30, "height": 20}
ANN, BEN, CAS, DOT = (Reviewer(f"sub-{name}", name) for name in ("Ann", "Ben", "Cas", "Dot"))
WRITES = {"PutItem", "UpdateItem", "TransactWriteItems"}


class Crash(BaseException):
    """The function's process ends: nothing catches it."""


@dataclass
class Executions:
    """Step Functions as far as reviews use it:
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""

    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of every execution by its name."""
    ended: set[str] = field(default_factory=set)
    """Names of executions that run no more."""
    statuses: dict[str, str] = field(default_factory=dict)
    """Of executions that do not run, by their names."""
    waiting: set[str] = field(default_factory=set)
    """Tokens."""
    told: list[tuple[str, str]] = field(default_factory=list)
    """Token, and the output or the error that the execution went on with."""
    heartbeats: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Error codes of the next calls, whichever these are."""

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:
        self._begin()
        assert stateMachineArn == MACHINE
        wanted = json.loads(input)
        if name in self.inputs and (name in self.ended or self.inputs[name] != wanted):
            raise refusal("ExecutionAlreadyExists")
        self.inputs[name] = wanted
        return {}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        self._begin()
        machine, _, name = executionArn.rpartition(":")
        assert machine == MACHINE.replace(":stateMachine:", ":execution:")
        if name not in self.inputs:
            raise refusal("ExecutionDoesNotExist")
        return {"status": self.statuses.get(name, "RUNNING")}

    def send_task_success(self, *, taskToken: str, output: str) -> dict[str, Any]:
        self._go_on(taskToken, json.loads(output)["outcome"])
        return {}

    def send_task_failure(self, *, taskToken: str, error: str, cause: str) -> dict[str, Any]:
        self._go_on(taskToken, f"{error}: {cause}")
        return {}

    def send_task_heartbeat(self, *, taskToken: str) -> dict[str, Any]:
        self._begin()
        self._check(taskToken)
        self.heartbeats.append(taskToken)
        return {}

    def _go_on(self, token: str, said: str) -> None:
        self._begin()
        self._check(token)
        self.waiting.remove(token)
        self.told.append((token, said))

    def _check(self, token: str) -> None:
        if token not in self.waiting:
            raise refusal("TaskTimedOut")

    def _begin(self) -> None:
        if self.failures:
            raise refusal(self.failures.pop(0))


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Operation")


@dataclass
class Reviews:
    """The review step of a deployment."""

    world: World
    table: ReviewTable
    executions: Executions = field(default_factory=Executions)

    # Of the code

    def settler(self, **tuning: Any) -> Settler:
        return Settler(self.table, self.world.catalogue, cast(Any, self.executions), Tuning(**tuning))

    def opener(self, **tuning: Any) -> Opener:
        table, images = self.table, self.world.catalogue
        return Opener(table, images, cast(Any, self.executions), MACHINE, Tuning(**tuning))

    # What tests say

    def image(self, name: str) -> CatalogueImage:
        """Catalogue an image that nobody has labelled."""
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        new = CatalogueImage(
            sha256=sha256,
            key=f"images/{sha256}.jpg",
            width=SIZE[0],
            height=SIZE[1],
            format="JPEG",
            bytes=1000,
            registered_at=clock.now(),
        )
        return catalogue.update_image(self.world.catalogue, sha256, lambda known: known or new).after

    def task(self, name: str = "a", *, kind: Kind = "detection", token: str = "", **changed: Any) -> Task:
        """Open a task for an image of this name, for whom an execution waits if there is a token."""
        image = self.image(name)
        values: dict[str, Any] = {
            "id": "",
            "image": image.sha256,
            "key": image.key,
            "width": image.width,
            "height": image.height,
            "kind": kind,
            "token": token,
            **changed,
        }
        opened = self.table.open_task(Task(**values))
        assert opened is not None
        if token:
            self.executions.waiting.add(token)
        return opened

    def read(self, task: Task) -> Task:
        found = self.table.get(task.id)
        assert found is not None
        return found

    def image_of(self, task: Task) -> CatalogueImage:
        found = catalogue.get_image(self.world.catalogue, task.image)
        assert found is not None
        return found

    def items(self) -> list[dict[str, Any]]:
        """Everything that the table holds."""
        found = self.table.table.scan(ConsistentRead=True)["Items"]
        return sorted(found, key=lambda item: (str(item["id"]), str(item["part"])))

    def counted(self, id: str, part: str = "stats") -> dict[str, Any]:
        return self.table.table.get_item(Key={"id": id, "part": part}).get("Item", {})

    def own_settler(self, **tuning: Any) -> Settler:
        """The same tables, for a thread of its own: resources of boto3 are not to be shared."""
        dynamodb = boto3.Session().resource("dynamodb")
        table, images = ReviewTable(dynamodb.Table("reviews")), dynamodb.Table("catalogue")
        return replace(self.settler(**tuning), table=table, catalogue=images)


def labelled(*boxes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"verdict": "labelled", "boxes": list(boxes or (CAT,)), **more}


def seen(*labels: tuple[str, float, tuple[float, float, float, float]], version: str = "v1") -> Seen:
    """What a champion sees: label, confidence, and left, top, width and height from 0 to 1."""
    return Seen(
        [
            {
                "label": label,
                "confidence": confidence,
                "box": dict(zip(("left", "top", "width", "height"), box, strict=True)),
            }
            for label, confidence, box in labels
        ],
        version,
    )


@pytest.fixture
def reviews(world: World, monkeypatch: pytest.MonkeyPatch) -> Reviews:
    return begun(world, monkeypatch)


def begun(world: World, monkeypatch: pytest.MonkeyPatch) -> Reviews:
    """The review step of a deployment; handlers find it by their environment."""
    made = Reviews(world, world.reviews)
    monkeypatch.setenv("REVIEW_TABLE", "reviews")
    monkeypatch.setenv("REVIEW_MACHINE_ARN", MACHINE)
    for name in ("A2I_FLOW_DEFINITION_ARN", "GROUNDTRUTH_WORKTEAM_ARN"):
        monkeypatch.delenv(name, raising=False)
    services().__dict__ |= {"reviews": made.table, "stepfunctions": made.executions}
    return made


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, reviews: Reviews, writes: int) -> Iterator[None]:
    """The function dies before the write that follows on `writes` others, those to Step Functions too."""
    left = writes
    call, go_on = BaseClient._make_api_call, Executions._go_on  # pyrefly: ignore[missing-attribute]

    def count() -> None:
        nonlocal left
        if left == 0:
            raise Crash
        left -= 1

    def write(self: Any, operation: str, request: Any) -> Any:
        if operation in WRITES:
            count()
        return call(self, operation, request)

    def tell(self: Executions, token: str, said: str) -> None:
        count()
        go_on(self, token, said)

    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", write)
        patched.setattr(Executions, "_go_on", tell)
        yield
