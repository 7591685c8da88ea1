"""The routes to people: tasks of A2I and Ground Truth, asked, answered, failed and given back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas import review
from lambdas.domain.review import routing
from lambdas.domain.review.desk import desk, labels
from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.review.workforce import a2i, ground_truth
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.services import services
from tests.fixtures.deployment import context
from tests.fixtures.metrics import published
from tests.fixtures.reviews import ANN, CAT, Reviews
from tests.fixtures.sagemaker import REGION, ROLE, WORKTEAM
from tests.fixtures.workforce import DEPLOYMENT, Workers

OUTSIDE = {"label": "cat", "left": 90, "top": 70, "width": 30, "height": 30}


@pytest.fixture
def workers(reviews: Reviews, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(reviews, tmp_path)
    yield made
    made.bench.service.close()


def assert_given_back(workers: Workers, task: Task, why: str) -> None:
    """It is in the queue no more, its image waits and says why, and its execution has gone on."""
    reviews = workers.reviews
    now = reviews.read(task)
    assert (now.state, now.answers, now.token) == ("given_back", (), "")
    assert why in now.why
    assert reviews.image_of(task).status == "unlabelled"
    if task.token:
        assert reviews.executions.outcomes == [(task.token, f"GivenBack: {now.why}")]


# A2I


def test_a_loop_is_asked_answered_and_learnt_from(workers: Workers) -> None:
    task = workers.asked()
    workers.bench.answer({"boxes": [CAT]}, "sub-of-eve", 7.5)
    assert workers.tell() == ["answered"]
    done = workers.reviews.read(task)
    assert (done.state, done.outcome, done.token) == ("done", "labelled", "")
    assert [box.label for box in workers.reviews.image_of(task).boxes] == ["cat"]
    assert workers.reviews.executions.outcomes == [("a", "labelled")]
    # As SQS delivers it, once more.
    workers.bench.world.events.append(event(task, "Completed", uri(workers)))
    assert workers.tell() == ["answered"]
    assert workers.reviews.counted("reviewer#sub-of-eve")["answered"] == 1


def test_workers_and_their_agreement_are_known(workers: Workers, reviews: Reviews, tmp_path: Path) -> None:
    three = Workers(reviews, tmp_path / "three", tasks=3)
    reviewer_statistics.note_reviewer(reviews.table, ANN.sub, ANN.name)
    three.asked()
    for worker, box in ((ANN.sub, CAT), ("sub-of-eve", CAT), ("sub-of-kim", {**CAT, "left": 60})):
        three.bench.answer({"boxes": [box]}, worker)
    three.tell()
    statistics = reviewer_statistics.reviewers(
        reviews.table, reviewer_statistics.known_reviewers(reviews.table)
    )
    assert [(reviewer.answered, reviewer.compared) for reviewer in statistics] == [(1, 1)] * 3
    by_sub = {reviewer.reviewer: reviewer for reviewer in statistics}
    assert by_sub[ANN.sub].name == ANN.name
    assert by_sub["sub-of-eve"].name.startswith("A2I worker ")
    assert by_sub["sub-of-eve"].agreement == 1
    assert (by_sub["sub-of-kim"].agreement or 0) < 1
    three.bench.service.close()


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_loop_that_fails_gives_its_task_back(status: str, workers: Workers) -> None:
    task = workers.asked()
    workers.bench.world.events.append(event(task, status, None, "Expired", "nobody came"))
    assert workers.tell() == [status]
    assert_given_back(workers, task, f"human loop pets-{task.id} {status}: Expired: nobody came")


def test_a_loop_that_cannot_be_put_before_workers_gives_its_task_back(workers: Workers) -> None:
    workers.bench.world.no_access = "cors"
    task = workers.asked()
    assert workers.tell() == ["Failed"]
    assert_given_back(workers, task, "has no CORS rule")


@pytest.mark.parametrize(
    ("output", "why"),
    [
        (b"<Error>", "is not JSON"),
        (b"[]", "has to be a JSON object"),
        (b"\xff", "is not JSON"),
        (b'{"humanLoopName": "another"}', "is of human loop 'another'"),
        (None, "NoSuchKey"),
    ],
)
def test_an_output_that_cannot_be_read_gives_its_task_back(
    output: bytes | None, why: str, workers: Workers
) -> None:
    task = workers.asked()
    workers.bench.answer({"boxes": []})
    (where,) = workers.outputs()
    if output is None:
        del workers.bench.world.files[where]
    else:
        workers.bench.world.files[where] = output
    assert workers.tell() == ["unreadable"]
    assert_given_back(workers, task, why)


def test_an_answer_that_does_not_fit_the_image_gives_its_task_back(workers: Workers) -> None:
    task = workers.asked()
    workers.bench.answer({"boxes": [CAT]})
    (where,) = workers.outputs()
    document = json.loads(workers.bench.world.files[where])
    document["humanAnswers"][0]["answerContent"]["boundingBox"]["boundingBoxes"] = [OUTSIDE]
    workers.bench.world.files[where] = json.dumps(document).encode()
    assert workers.tell() == ["unreadable"]
    assert_given_back(workers, task, "no answer can be used")


@pytest.mark.parametrize(
    "name", ["somebody-elses-loop", "pets-two-a1b2c3d4e5f60718293a-1", f"pets-{'f' * 20}-1"]
)
def test_an_event_of_a_loop_that_is_not_ours_changes_nothing(name: str, workers: Workers) -> None:
    other = event(workers.asked("b"), "Completed", "s3://elsewhere/output.json")
    before = workers.reviews.items()
    other["detail"]["humanLoopName"] = name
    workers.bench.world.events.append(other)
    assert workers.tell() == ["not ours"]
    assert workers.reviews.items() == before


def test_a_loop_that_still_runs_changes_nothing(workers: Workers) -> None:
    task = workers.asked()
    before = workers.reviews.items()
    workers.bench.world.events.append(event(task, "InProgress", None))
    assert workers.tell() == ["InProgress"]
    assert workers.reviews.items() == before


def test_a_loop_s_answer_to_a_task_that_was_deleted_is_left(workers: Workers) -> None:
    task = workers.asked()
    desk.delete(workers.reviews.table, task.id, "Ann")
    workers.bench.answer({"boxes": [CAT]})
    assert workers.tell() == ["given back"]
    assert workers.reviews.read(task).state == "deleted"
    assert workers.reviews.image_of(task).status == "unlabelled"


def test_a_deployment_without_a_flow_definition_cannot_ask(workers: Workers) -> None:
    task = workers.task("a", "a2i")
    with pytest.raises(RouteError, match="has no a2i_flow_definition_arn"):
        routing.ask(workers.routes(flow_definition_arn="", a2i=None), task.id, "token")
    with pytest.raises(RouteError, match="there is no review task nobody-1"):
        routing.ask(workers.routes(), "nobody-1", "token")


def test_what_was_answered_before_anybody_waited_is_reported_at_once(workers: Workers) -> None:
    task = workers.reviews.task()
    desk.delete(workers.reviews.table, task.id, "Ann")
    workers.reviews.executions.waiting.add("late")
    routing.ask(workers.routes(), task.id, "late")
    assert workers.reviews.executions.outcomes == [("late", "GivenBack: deleted by Ann")]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("States.Timeout", "nobody answered in time"),
        ("States.HeartbeatTimeout", "lost sight of"),
        ("RouteError", "RouteError: no such flow"),
    ],
)
def test_a_task_that_nobody_answers_is_given_back_and_its_loop_stopped(
    error: str, why: str, workers: Workers
) -> None:
    task = workers.asked()
    assert routing.give_back(workers.routes(), task.id, error, "no such flow") == "given_back"
    assert_given_back(workers, task, why)
    change = a2i.describe_loop(workers.bench.a2i, DEPLOYMENT, task.id)
    assert change is not None
    assert change.status == "Stopped"
    assert workers.tell() == ["Stopped"]
    assert why in workers.reviews.read(task).why
    assert routing.give_back(workers.routes(), "nobody-1", error, "") == "unknown"


def test_an_answer_whose_event_was_lost_is_taken_when_the_task_is_given_back(workers: Workers) -> None:
    task = workers.asked()
    workers.bench.answer({"boxes": [CAT]})
    workers.bench.world.events.clear()
    assert routing.give_back(workers.routes(), task.id, "States.Timeout", "") == "done"
    assert workers.reviews.image_of(task).status == "labelled"


def test_a_task_is_given_back_even_if_a2i_cannot_be_asked(workers: Workers) -> None:
    task = workers.asked()

    class Deaf:
        def describe_human_loop(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalServerException"}}, "DescribeHumanLoop")

    assert routing.give_back(workers.routes(a2i=Deaf()), task.id, "States.Timeout", "") == "given_back"
    assert_given_back(workers, task, "nobody answered in time")


def event(
    task: Task, status: str, output: str | None, code: str | None = None, reason: str | None = None
) -> dict[str, Any]:
    return {
        "source": a2i.SOURCE,
        "detail-type": a2i.DETAIL_TYPE,
        "detail": {
            "humanLoopName": a2i.loop_name(DEPLOYMENT, task.id),
            "humanLoopStatus": status,
            "humanLoopOutput": {"outputS3Uri": output} if output else None,
            "failureCode": code,
            "failureReason": reason,
        },
    }


def uri(workers: Workers) -> str:
    ((bucket, key),) = workers.outputs()
    return f"s3://{bucket}/{key}"


# Ground Truth


@pytest.mark.long
def test_a_job_is_asked_followed_and_read(workers: Workers) -> None:
    batch, tasks = workers.batch("a", "b", timeout=3 * 24 * 3600)
    routes = workers.routes()
    assert not routing.job_finished(routes, batch)
    (job,) = [workers.bench.sagemaker.describe_labeling_job(LabelingJobName=f"pets-{batch}")]
    assert job["HumanTaskConfig"]["TaskAvailabilityLifetimeInSeconds"] == 3 * 24 * 3600
    for box in (CAT, {**CAT, "label": "dog"}):
        workers.bench.answer({"boxes": [box]})
    assert routing.job_finished(routes, batch)
    assert routing.read_job(routes, batch) == (2, 0)
    assert {box.label for task in tasks for box in workers.reviews.image_of(task).boxes} == {"cat", "dog"}
    assert reviewer_statistics.known_reviewers(workers.reviews.table) == [("groundtruth", "Ground Truth")]
    assert workers.reviews.counted("reviewer#groundtruth")["answered"] == 2
    assert routing.read_job(routes, batch) == (2, 0)
    assert workers.reviews.counted("reviewer#groundtruth")["answered"] == 2


def test_what_a_job_s_workers_did_not_answer_is_given_back(workers: Workers) -> None:
    batch, tasks = workers.batch("a", "b")
    workers.bench.answer({"boxes": [CAT]})
    ground_truth.stop_job(workers.bench.sagemaker, f"pets-{batch}")
    assert routing.read_job(workers.routes(), batch) == (1, 1)
    states = {workers.reviews.read(task).state: task for task in tasks}
    assert set(states) == {"done", "given_back"}
    assert_given_back(workers, states["given_back"], f"labeling job pets-{batch} Stopped")


@pytest.mark.parametrize(
    ("manifest", "why"),
    [(b"<Error>\n", "is not JSON"), (b'{"source-ref": "s3://x/y"}\n', "of this batch"), (None, "NoSuchKey")],
)
def test_an_output_manifest_that_cannot_be_read_gives_the_batch_back(
    manifest: bytes | None, why: str, workers: Workers
) -> None:
    batch, tasks = workers.batch("a")
    workers.bench.answer({"boxes": [CAT]})
    (where,) = [where for where in workers.bench.world.files if where[1].endswith("/output.manifest")]
    if manifest is None:
        del workers.bench.world.files[where]
    else:
        workers.bench.world.files[where] = manifest
    with pytest.raises(RouteError, match=why) as refused:
        routing.read_job(workers.routes(), batch)
    # So the state machine catches it.
    assert routing.give_back(workers.routes(), batch, "RouteError", str(refused.value)) == "given_back"
    assert_given_back(workers, tasks[0], why)


def test_a_batch_that_is_given_back_has_its_job_stopped(workers: Workers) -> None:
    batch, tasks = workers.batch("a", "b")
    workers.bench.answer({"boxes": [CAT]})
    assert routing.give_back(workers.routes(), batch, "RouteError", "cannot be watched") == "given_back"
    for task in tasks:
        assert_given_back(workers, task, "cannot be watched")
    status = ground_truth.job_status(workers.bench.sagemaker, f"pets-{batch}")
    assert status.state == "stopped"


def test_a_batch_whose_job_has_ended_is_read_when_it_is_given_back(workers: Workers) -> None:
    batch, tasks = workers.batch("a")
    workers.bench.answer({"boxes": [CAT]})
    assert routing.give_back(workers.routes(), batch, "States.TaskFailed", "throttled") == "done"
    assert workers.reviews.image_of(tasks[0]).status == "labelled"


@pytest.mark.parametrize("act", [lambda r, b: routing.start_job(r, b, 60), routing.read_job])
def test_a_deployment_without_a_work_team_cannot_ask(
    act: Callable[[Any, str], Any], workers: Workers
) -> None:
    batch, _ = workers.batch("a")
    with pytest.raises(RouteError, match="groundtruth_workteam_arn"):
        act(workers.routes(jobs=None, sagemaker=None), batch)


# As the functions are called


def queued(*bodies: str) -> dict[str, Any]:
    """As SQS hands messages to a function."""
    return {
        "Records": [
            {"messageId": f"{number}", "body": body, "eventSource": "aws:sqs", "messageAttributes": {}}
            for number, body in enumerate(bodies)
        ]
    }


def test_ends_of_loops_come_by_a_queue_and_what_cannot_be_handled_comes_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A2I_FLOW_DEFINITION_ARN", workers.flow)
    services().__dict__ |= {"a2i": workers.bench.a2i, "s3": workers.bench.world.s3}
    task = workers.asked()
    workers.bench.answer({"boxes": [CAT]})
    labels.put(workers.reviews.table, "cat", {})
    ended = json.dumps(workers.bench.world.events[0])
    other = json.dumps(event(task, "Completed", "s3://b/k")).replace(DEPLOYMENT, "other")
    response = review.loop_finished(queued("<xml>", ended, other), context())
    assert response == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert workers.reviews.read(task).state == "done"


def test_single_images_are_left_to_the_collector_where_jobs_ask(
    workers: Workers, capsys: pytest.CaptureFixture[str]
) -> None:
    image = workers.reviews.image("a")
    workers.reviews.world.tune(review_route="groundtruth", burst_quiet_seconds=0)
    assert review.propose(queued(json.dumps({"image": image.sha256})), context()) == {"batchItemFailures": []}
    assert workers.reviews.table.count("open") == 0
    assert published(capsys) == {}
    assert review.collect({}, context()) == {"opened": 1}
    assert published(capsys) == {"TasksOpened": [1]}
    assert len(workers.reviews.executions.inputs) == 1
    (batch,) = workers.reviews.executions.inputs
    (task,) = workers.reviews.table.batch(batch)
    assert task.image == image.sha256


def test_a_running_job_is_looked_at_as_often_as_its_time_allows(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDTRUTH_WORKTEAM_ARN", WORKTEAM)
    monkeypatch.setenv("GROUNDTRUTH_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_REGION", REGION)
    services().__dict__ |= {"sagemaker": workers.bench.sagemaker, "s3": workers.bench.world.s3}
    batch, _ = workers.batch("a")
    looked = review.watch_job({"batch": batch, "timeout_seconds": 7 * 24 * 3600}, context())
    assert looked == {"finished": False, "wait_seconds": 303}
