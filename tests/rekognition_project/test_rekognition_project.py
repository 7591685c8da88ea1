"""The Rekognition project is made with the stack, and no model outlives the stack."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import rekognition_project
from lambdas.domain.engines.port import DEPLOYMENT_TAG
from lambdas.domain.engines.rekognition import project
from lambdas.domain.engines.rekognition.project import ProjectRefusedError
from lambdas.domain.promote import shutdown
from lambdas.domain.promote.shutdown import StillRunningError
from tests.fixtures.deployment import PROJECT, World, context


def close(world: World, *, seconds: float = 5, name: str = "pets") -> list[str]:
    return shutdown.close(
        lambda: world.fake.engine if name in world.fake.projects else None,
        world.stepfunctions,
        world.loop_state,
        list(world.machines.values()),
        deadline=time.monotonic() + seconds,
        poll_seconds=0.01,
    )


@pytest.fixture
def time_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is under way ends while closing sleeps; another thread that sleeps ends nothing."""
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: world.fake.finish())
    monkeypatch.setattr(shutdown, "time", clock)


def ensure(world: World, name: str = "pets", *, may_adopt: bool = False) -> str:
    return project.ensure_project(world.fake.client, name, may_adopt=may_adopt)


def test_a_project_is_made_once(world: World) -> None:
    """Also after its stack was destroyed: the project stays, and has the tag."""
    assert ensure(world) == PROJECT
    made = ensure(world, "cars")
    assert ensure(world, "cars") == made
    assert [request["ProjectName"] for request in world.fake.called("create_project")] == ["pets", "cars"]
    assert world.fake.tags[made] == {DEPLOYMENT_TAG: "cars"}
    assert world.fake.called("tag_resource") == []


@pytest.mark.parametrize("tags", [{}, {DEPLOYMENT_TAG: "cars"}, {"team": "vision"}])
def test_a_project_of_somebody_else_is_refused_unless_it_may_be_adopted(
    tags: dict[str, str], world: World
) -> None:
    world.fake.tags[PROJECT] = dict(tags)
    with pytest.raises(
        ProjectRefusedError, match="under another name, or with the setting adopt_project=true"
    ):
        ensure(world)
    assert world.fake.tags[PROJECT] == tags
    assert ensure(world, may_adopt=True) == PROJECT
    assert world.fake.tags[PROJECT] == {**tags, DEPLOYMENT_TAG: "pets"}
    assert ensure(world) == PROJECT, "it is this deployment's from then on"


def test_a_project_that_was_made_in_between_is_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = world.fake.projects.pop("pets")
    world.fake.fail_next("create_project", "ResourceInUseException")
    with pytest.raises(ProjectRefusedError, match="no project of Custom Labels"):
        ensure(world)
    world.fake.fail_next("create_project", "ResourceInUseException")
    answers: Iterator[list[dict[str, str]]] = iter([[], [{"ProjectArn": arn, "Status": "CREATED"}]])
    monkeypatch.setattr(world.fake, "describe_projects", lambda **_: {"ProjectDescriptions": next(answers)})
    assert ensure(world) == arn


def test_a_project_that_is_being_deleted_is_not_used(world: World) -> None:
    world.fake.project_status = "DELETING"
    with pytest.raises(ProjectRefusedError, match="deploy again in some minutes"):
        ensure(world)


@pytest.mark.usefixtures("time_passes")
def test_closing_stops_everything(world: World) -> None:
    world.champion("v1")
    world.version("v2", "STARTING")
    world.version("v3", "STOPPING")
    world.version("v4", "TRAINING_COMPLETED")
    for machine in ("retrain", "promote"):
        for name in "ab":
            world.execution(machine, name)
    assert close(world) == ["v1", "v2", "v3"]
    assert world.fake.statuses() == {
        "v1": "STOPPED",
        "v2": "STOPPED",
        "v3": "STOPPED",
        "v4": "TRAINING_COMPLETED",
    }
    assert world.running("retrain") == world.running("promote") == []


def test_what_was_being_started_while_it_was_closed_is_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step serve had the lease when it last looked, and then asked for the start."""
    world.champion("v1", "STOPPED")
    world.loop_state.take_for_serving("a")
    starts = ["STARTING"]

    def sleep(seconds: float) -> None:
        if starts:
            world.fake.versions["v1"]["Status"] = starts.pop()
        else:
            world.fake.finish()

    monkeypatch.setattr(shutdown, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    assert close(world) == ["v1"]
    assert world.fake.statuses() == {"v1": "STOPPED"}


@pytest.mark.usefixtures("time_passes")
def test_nothing_begins_after_closing(world: World) -> None:
    close(world)
    assert world.loop_state.take_lease("retrain", "a").holder == "closed"
    assert world.loop_state.take_lease("promote", "a").holder == "closed"


@pytest.mark.usefixtures("time_passes")
def test_closing_again_finds_nothing_to_do(world: World) -> None:
    world.champion("v1")
    assert close(world) == ["v1"]
    assert close(world) == []


def test_what_still_runs_at_the_deadline_is_named(world: World) -> None:
    world.version("v1", "STARTING")
    world.version("v2", "RUNNING")
    with pytest.raises(StillRunningError, match=r"again .*: v1 \(STARTING\), v2 \((RUNNING|STOPPING)\)"):
        close(world, seconds=0.05)
    assert world.fake.statuses()["v2"] == "STOPPING"


def test_a_project_that_was_never_made_is_closed(world: World) -> None:
    """Its creation may have failed, and CloudFormation rolls back."""
    execution = world.execution("retrain", "a")
    assert close(world, name="never made") == []
    assert world.running("retrain") == []
    assert execution


@pytest.mark.usefixtures("time_passes")
def test_closing_goes_on_without_the_state_machines(world: World) -> None:
    """CloudFormation deletes them first: their functions need the project's ARN, so the project goes last."""
    world.version("v1", "RUNNING")
    for machine in world.machines.values():
        world.stepfunctions.delete_state_machine(stateMachineArn=machine)
    assert close(world) == ["v1"]


# The custom resource


class CloudFormation:
    """Where a custom resource's answers go."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        answers = self.answers

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                assert self.headers["Content-Type"] == ""
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def request(
        self,
        world: World,
        type: str,
        kind: str,
        *,
        name: str = "pets",
        seconds: float = 60,
        adopt: str = "false",
    ) -> dict[str, Any]:
        """Call a custom resource: its answer."""
        rekognition_project.handle(
            {
                "RequestType": kind,
                "ResourceType": f"Custom::{type}",
                "ResponseURL": f"http://127.0.0.1:{self.server.server_port}/",
                "StackId": "stack",
                "RequestId": "request",
                "LogicalResourceId": "Project",
                "ResourceProperties": {
                    "ProjectName": name,
                    "AdoptProject": adopt,
                    "MachineArns": list(world.machines.values()),
                },
                "OldResourceProperties": {"ProjectName": name} if kind == "Update" else {},
            },
            context(seconds),
        )
        (answer,) = self.answers
        self.answers.clear()
        return answer


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    made = CloudFormation()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_the_custom_resource_answers_with_the_project(
    kind: str, world: World, cloudformation: CloudFormation
) -> None:
    assert cloudformation.request(world, "RekognitionProject", kind) == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": "pets",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Project",
        "NoEcho": False,
        "Data": {"ProjectArn": PROJECT},
    }


def test_the_custom_resource_refuses_what_it_must_not_take(
    world: World, cloudformation: CloudFormation
) -> None:
    world.fake.tags[PROJECT].clear()
    answer = cloudformation.request(world, "RekognitionProject", "Create")
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].endswith("or with the setting adopt_project=true if it may"), "not cut off"
    assert cloudformation.request(world, "RekognitionProject", "Create", adopt="true")["Status"] == "SUCCESS"


def test_the_project_of_an_older_deployment_gets_its_tag(
    world: World, cloudformation: CloudFormation
) -> None:
    world.fake.tags[PROJECT].clear()
    assert cloudformation.request(world, "RekognitionProject", "Update")["Status"] == "SUCCESS"
    assert world.fake.tags[PROJECT] == {DEPLOYMENT_TAG: "pets"}


def test_the_custom_resource_says_what_failed(world: World, cloudformation: CloudFormation) -> None:
    world.fake.fail_next("create_project", "LimitExceededException")
    answer = cloudformation.request(world, "RekognitionProject", "Create", name="one too many")
    assert answer["Status"] == "FAILED"
    assert "LimitExceededException" in answer["Reason"]


@pytest.mark.usefixtures("time_passes")
def test_the_custom_resource_closes_the_project(world: World, cloudformation: CloudFormation) -> None:
    world.champion("v1")
    assert cloudformation.request(world, "ModelsStopped", "Delete")["Status"] == "SUCCESS"
    assert world.fake.statuses() == {"v1": "STOPPED"}


@pytest.mark.parametrize(
    ("type", "kind"),
    [("ModelsStopped", "Create"), ("ModelsStopped", "Update"), ("RekognitionProject", "Delete")],
)
def test_nothing_is_stopped_before_the_stack_goes(
    type: str, kind: str, world: World, cloudformation: CloudFormation
) -> None:
    """The project's own resource goes last, when the state machines are gone: too late to stop anything."""
    world.champion("v1")
    assert cloudformation.request(world, type, kind)["Status"] == "SUCCESS"
    assert world.fake.statuses() == {"v1": "RUNNING"}
    assert world.loop_state.take_lease("retrain", "a run").holder == "a run"


def test_the_custom_resource_answers_before_its_time_is_up(
    world: World, cloudformation: CloudFormation
) -> None:
    world.champion("v1")
    answer = cloudformation.request(
        world, "ModelsStopped", "Delete", seconds=rekognition_project.RESERVE_SECONDS
    )
    assert answer["Status"] == "FAILED"
    assert "v1" in answer["Reason"]
