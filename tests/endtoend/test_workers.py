"""Human loops of A2I and labeling jobs of Ground Truth on the embedded stack: asked as on AWS, answered at
its review desk, which is the portal of workers there."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.review.desk.task import STATES, Task
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.review.workforce import a2i
from local import embedded
from local.console_client import ConsoleClient
from local.scenes import detection_scenes
from tests.endtoend.conftest import TUNING
from tests.fixtures.console_pages import add_people, client, execution_status, image_of, tasks
from tests.fixtures.deployed_loop import Loop, until

NAME = "crowd"
WORKTEAM = f"arn:aws:sagemaker:{embedded.REGION}:{embedded.ACCOUNT}:workteam/private-crowd/team"
BOX = {"label": "nut", "left": 20, "top": 30, "width": 40, "height": 50}
SCENES = list(detection_scenes(4, seed=90))


@pytest.fixture(scope="module")
def loop(stack: embedded.Running) -> Loop:
    workers = {"review_route": "a2i", "a2i_workteam_arn": WORKTEAM, "groundtruth_workteam_arn": WORKTEAM}
    times = {"burst_quiet_seconds": "1", "poll_seconds": "1", "review_timeout_seconds": "3600"}
    # What is asked about when is up to the tests.
    seldom = {"sweep_schedule": "rate(30 minutes)", "review_heartbeat_seconds": "2400"}
    context = {**TUNING, **workers, **times, **seldom, "review_kind": "detection"}
    embedded.deploy(stack, name=NAME, context=context)
    return Loop(stack, NAME)


@pytest.fixture(scope="module")
def rita(loop: Loop) -> ConsoleClient:
    people = add_people(loop, {"ann": "administrators", "rita": "reviewers"})
    for label in ("nut", "gear"):
        client(loop, people["ann"]).ask("PUT", f"/api/admin/labels?label={label}", {})
    return client(loop, people["rita"])


def drop(loop: Loop, number: int) -> None:
    scene = SCENES[number]
    loop.put(f"incoming/unlabeled/{scene.name}.jpg", scene.jpeg())


def every(loop: Loop) -> dict[str, Task]:
    table = tasks(loop)
    return {task.id: task for state in STATES for task in table.in_state(state)}


def opened(loop: Loop, number: int) -> Task:
    """The task of an image that is dropped, once workers are to be asked."""
    known = set(every(loop))
    drop(loop, number)

    def found() -> Task | None:
        return next((task for id, task in every(loop).items() if id not in known and task.token), None)

    return until(found, 90, "workers are asked")


def answered(rita: ConsoleClient, task: Task) -> dict[str, Any]:
    """Claim the task and say what is on its image, once it has come to the workers."""

    def claimed() -> bool:
        return task.id in [found["id"] for found in rita.ask("POST", "/api/claims", {"count": 5})["tasks"]]

    def said() -> dict[str, Any] | None:
        told = {"verdict": "labelled", "boxes": [BOX], "seconds": 2}
        reply = rita.try_to("POST", f"/api/tasks/{task.id}/answer", told)
        assert reply.status in (200, 503), reply.content
        return reply.content if reply.status == 200 else None

    until(claimed, 30, "the task can be claimed")
    return until(said, 30, "the workers' queue has the task")


def test_a_human_loop_is_answered_at_the_desk(loop: Loop, rita: ConsoleClient) -> None:
    task = opened(loop, 0)
    assert answered(rita, task)["answers"] <= 1
    until(lambda: execution_status(loop, task.id) == "SUCCEEDED", 60, "its execution has gone on")
    image = image_of(loop, task.id)
    assert [(box.label, box.left) for box in image.boxes] == [("nut", 20)]
    assert image.changed_by.startswith("review by A2I worker ")
    (output,) = loop.keys("reviews/a2i/")
    document = loop.json(output)
    assert document["humanLoopName"] == f"{NAME}-{task.id}"
    # Workers of the stack's portal are people of the desk.
    sub = rita.get("/api/me")["sub"]
    assert [given.reviewer for given in every(loop)[task.id].answers] == [sub]
    assert reviewer_statistics.reviewed_by(tasks(loop), sub)["answered"] == 1


def test_a_human_loop_that_is_stopped_gives_its_task_back(loop: Loop) -> None:
    task = opened(loop, 1)
    runtime = loop.client("sagemaker-a2i-runtime")
    until(lambda: a2i.describe_loop(runtime, NAME, task.id), 30, "the loop is started")
    a2i.stop_loop(runtime, NAME, task.id)
    until(lambda: execution_status(loop, task.id) == "SUCCEEDED", 60, "its execution has gone on")
    found = every(loop)[task.id]
    assert (found.state, found.why) == ("given_back", f"human loop {NAME}-{task.id} Stopped")
    assert image_of(loop, task.id).status == "unlabelled"


def test_an_event_of_somebody_else_s_loop_changes_nothing(loop: Loop) -> None:
    before = every(loop)
    queue = loop.resource("AWS::SQS::Queue", "ReviewLoopsQueue")
    event = (
        '{"source": "aws.sagemaker", "detail-type": "SageMaker A2I HumanLoop Status Change",'
        ' "detail": {"humanLoopName": "another", "humanLoopStatus": "Completed",'
        ' "humanLoopOutput": {"outputS3Uri": "s3://b/k"}}}'
    )
    sqs = loop.client("sqs")
    sqs.send_message(QueueUrl=queue, MessageBody=event)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def taken() -> bool:
        left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return [left[name] for name in names] == ["0", "0"]

    until(taken, 30, "the event is taken")
    assert every(loop) == before


def test_a_labeling_job_is_answered_at_the_desk(loop: Loop, rita: ConsoleClient) -> None:
    loop.tune(review_route="groundtruth")
    known = set(every(loop))
    for number in (2, 3):
        drop(loop, number)
    until(
        lambda: sum(image.status == "unlabelled" for image in loop.images()) == 3, 60, "both are registered"
    )
    loop.client("lambda").invoke(
        FunctionName=loop.resource("AWS::Lambda::Function", "ReviewCollect"), Payload=b"{}"
    )
    both = [task for task in every(loop).values() if task.id not in known]
    assert len(both) == 2
    (batch,) = {task.execution for task in both}
    for task in both:
        answered(rita, task)
    until(lambda: execution_status(loop, batch) == "SUCCEEDED", 60, "the job's execution has ended")
    for task in both:
        assert every(loop)[task.id].state == "done"
        assert image_of(loop, task.id).changed_by == "review by Ground Truth"
