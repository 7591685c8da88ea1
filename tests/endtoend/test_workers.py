"""Human loops of A2I and labeling jobs of Ground Truth on the embedded stack: asked as on AWS, answered at
its review desk, which is the portal of workers there."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from lambdas.domain.review.desk.limits import STATES
from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.review.workforce import a2i
from local.console_client import ConsoleClient
from local.scenes import Scene, detection_scenes
from tests.fixtures.console_pages import (
    add_people,
    client,
    delete_open_tasks,
    execution_status,
    image_of,
    tasks,
)
from tests.fixtures.deployed_loop import Loop, until

BOX = {"label": "nut", "left": 20, "top": 30, "width": 40, "height": 50}


@pytest.fixture(scope="module")
def loop(parts: Loop) -> Loop:
    """Workers of A2I are asked, and no task is open."""
    parts.tune(review_route="a2i", review_kind="detection")
    return parts


@pytest.fixture(scope="module")
def wanda(loop: Loop) -> ConsoleClient:
    people = add_people(loop, {"ann": "administrators", "wanda": "reviewers"})
    delete_open_tasks(loop, people["ann"])
    for label in ("nut", "gear"):
        client(loop, people["ann"]).ask("PUT", f"/api/admin/labels?label={label}", {})
    return client(loop, people["wanda"])


@cache
def scenes() -> list[Scene]:
    return list(detection_scenes(4, seed=95))


def drop(loop: Loop, number: int) -> None:
    scene = scenes()[number]
    loop.put(f"incoming/unlabeled/{scene.name}.jpg", scene.jpeg())


def every(loop: Loop) -> dict[str, Task]:
    table = tasks(loop)
    return {task.id: task for state in STATES for task in table.in_state(state)}


def opened(loop: Loop, number: int) -> Task:
    """The task of an image that is dropped, once workers are to be asked."""
    known = set(every(loop))
    drop(loop, number)

    def asked_task() -> Task | None:
        return next((task for id, task in every(loop).items() if id not in known and task.token), None)

    return until(asked_task, 90, "workers are asked")


def answered(wanda: ConsoleClient, task: Task) -> dict[str, Any]:
    """Claim the task and say what is on its image, once it has come to the workers."""

    def claimable() -> bool:
        return task.id in [
            claimed["id"] for claimed in wanda.ask("POST", "/api/claims", {"count": 5})["tasks"]
        ]

    def accepted() -> dict[str, Any] | None:
        answer = {"verdict": "labelled", "boxes": [BOX], "seconds": 2}
        reply = wanda.try_to("POST", f"/api/tasks/{task.id}/answer", answer)
        assert reply.status in (200, 503), reply.content
        return reply.content if reply.status == 200 else None

    until(claimable, 60, "the task can be claimed")
    return until(accepted, 60, "the workers' queue has the task")


def test_a_human_loop_is_answered_at_the_desk(loop: Loop, wanda: ConsoleClient) -> None:
    task = opened(loop, 0)
    assert answered(wanda, task)["answers"] <= 1
    until(lambda: execution_status(loop, task.id) == "SUCCEEDED", 60, "its execution has gone on")
    image = image_of(loop, task.id)
    assert [(box.label, box.left) for box in image.boxes] == [("nut", 20)]
    assert image.changed_by.startswith("review by A2I worker ")
    (output,) = loop.keys("reviews/a2i/")
    document = loop.json(output)
    assert document["humanLoopName"] == f"{loop.name}-{task.id}"
    # Workers of the stack's portal are people of the desk.
    sub = wanda.get("/api/me")["sub"]
    assert [given.reviewer for given in every(loop)[task.id].answers] == [sub]
    assert reviewer_statistics.reviewed_by(tasks(loop), sub)["answered"] == 1


def test_a_human_loop_that_is_stopped_gives_its_task_back(loop: Loop) -> None:
    task = opened(loop, 1)
    runtime = loop.client("sagemaker-a2i-runtime")
    until(lambda: a2i.describe_loop(runtime, loop.name, task.id), 30, "the loop is started")
    a2i.stop_loop(runtime, loop.name, task.id)
    until(lambda: execution_status(loop, task.id) == "SUCCEEDED", 60, "its execution has gone on")
    given_back = every(loop)[task.id]
    assert (given_back.state, given_back.why) == ("given_back", f"human loop {loop.name}-{task.id} Stopped")
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

    until(taken, 60, "the event is taken")
    assert every(loop) == before


def test_a_labeling_job_is_answered_at_the_desk(loop: Loop, wanda: ConsoleClient) -> None:
    loop.tune(review_route="groundtruth")
    known, images = set(every(loop)), len(loop.images())
    for number in (2, 3):
        drop(loop, number)
    until(lambda: len(loop.images()) == images + 2, 60, "both are registered")
    loop.client("lambda").invoke(
        FunctionName=loop.resource("AWS::Lambda::Function", "ReviewCollect"), Payload=b"{}"
    )
    both = [task for task in every(loop).values() if task.id not in known]
    assert len(both) == 2
    (batch,) = {task.execution for task in both}
    for task in both:
        answered(wanda, task)
    until(lambda: execution_status(loop, batch) == "SUCCEEDED", 60, "the job's execution has ended")
    for task in both:
        assert every(loop)[task.id].state == "done"
        assert image_of(loop, task.id).changed_by == "review by Ground Truth"
