"""Labeling jobs: how a batch is asked, and how the output manifest is read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from lambdas.domain.review.desk.task import Answer
from lambdas.domain.review.workforce import ground_truth, ground_truth_lambdas, worker_answers
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.review.workforce.ground_truth import JobSettings, Unanswered
from lambdas.domain.shared.annotation import Box, Kind
from tests.fixtures.sagemaker import BUCKET, REGION, ROLE, WORKTEAM, Bench, picture
from tests.fixtures.workforce_tasks import CAT, DEPLOYMENT, LABELS, task

SETTINGS = JobSettings(REGION, DEPLOYMENT, BUCKET, ROLE, WORKTEAM)
BATCH = "batch-7"
JOB = f"{DEPLOYMENT}-{BATCH}"
FOLDER = f"reviews/groundtruth/{BATCH}/"
HOSTILE = ["cat", '<b>"it\'s" {{ 1 }} {% raw %}']


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.world.files[BUCKET, "images/b.png"] = picture()
    yield bench
    bench.service.close()


def batch(kind: Kind = "detection") -> list[Any]:
    return [task(kind=kind), task(id="b" * 20 + "-3", key="images/b.png", kind=kind)]


def start(bench: Bench, tasks: list[Any], labels: list[str] = LABELS, **changed: Any) -> str:
    settings = JobSettings(**{**vars(SETTINGS), **changed})
    return ground_truth.start_job(bench.sagemaker, bench.world.s3, BATCH, tasks, labels, settings)


def read(bench: Bench, tasks: list[Any], labels: list[str] = LABELS) -> dict[str, Answer | Unanswered]:
    status = ground_truth.job_status(bench.sagemaker, JOB)
    assert ground_truth.labels_of(bench.world.s3, BUCKET, BATCH) == labels
    return ground_truth.answers_of(ground_truth.read_output(bench.world.s3, status), tasks, labels)


# A job from one end to the other


def test_a_batch_of_boxes_goes_to_workers_and_comes_back(bench: Bench) -> None:
    tasks = batch()
    assert start(bench, tasks) == JOB
    status = ground_truth.job_status(bench.sagemaker, JOB)
    assert (status.state, status.output) == ("running", None)
    bench.answer({"boxes": [CAT]})
    bench.answer({"boxes": []})
    status = ground_truth.job_status(bench.sagemaker, JOB)
    assert (status.state, status.reason) == ("finished", "")
    first, second = (read(bench, tasks)[task.id] for task in tasks)
    assert isinstance(first, Answer)
    assert (first.verdict, first.boxes) == ("labelled", (Box("cat", 5, 6, 30, 20),))
    assert first.name == "Ground Truth"
    assert isinstance(second, Answer)
    assert (second.verdict, second.boxes) == ("nothing", ())


def test_a_batch_of_labels_goes_to_workers_and_comes_back(bench: Bench) -> None:
    tasks = batch("classification")
    start(bench, tasks, HOSTILE)
    assert bench.waiting()[0]["choices"] == [*HOSTILE, worker_answers.NOTHING]
    bench.answer({"labels": HOSTILE})
    bench.answer({"labels": [worker_answers.NOTHING]})
    first, second = (read(bench, tasks, HOSTILE)[task.id] for task in tasks)
    assert isinstance(first, Answer)
    assert first.labels == tuple(sorted(HOSTILE))
    assert isinstance(second, Answer)
    assert second.verdict == "nothing"


def test_images_that_nobody_labels_in_time_come_back_as_expired(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = batch()
    start(bench, tasks, available_seconds=60)
    bench.answer({"boxes": [CAT]})
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    bench.service.resolve()
    assert ground_truth.job_status(bench.sagemaker, JOB).state == "finished"
    answers = read(bench, tasks)
    assert isinstance(answers[tasks[0].id], Answer)
    assert answers[tasks[1].id] == Unanswered("expired", "nobody labelled it while the job ran")


def test_a_stopped_job_s_answers_are_kept(bench: Bench) -> None:
    tasks = batch()
    start(bench, tasks)
    bench.answer({"boxes": [CAT]})
    ground_truth.stop_job(bench.sagemaker, JOB)
    ground_truth.stop_job(bench.sagemaker, JOB)
    status = ground_truth.job_status(bench.sagemaker, JOB)
    assert (status.state, status.reason) == ("stopped", f"labeling job {JOB} Stopped")
    assert [isinstance(answer, Answer) for answer in read(bench, tasks).values()] == [True, False]


def test_a_failed_job_says_why(bench: Bench) -> None:
    start(bench, batch())
    bench.world.no_access = "write"
    for _ in range(2):
        bench.answer({"boxes": []})
    status = ground_truth.job_status(bench.sagemaker, JOB)
    assert (status.state, status.output) == ("failed", None)
    assert "AccessDenied" in status.reason
    assert list(ground_truth.read_output(bench.world.s3, status)) == []


def test_a_job_that_wrote_nothing_where_it_should_is_reported(bench: Bench) -> None:
    start(bench, batch())
    ground_truth.stop_job(bench.sagemaker, JOB)
    status = ground_truth.job_status(bench.sagemaker, JOB)
    assert status.output is not None
    del bench.world.files[status.output]
    with pytest.raises(RouteError, match=r"output\.manifest cannot be read: .*NoSuchKey"):
        list(ground_truth.read_output(bench.world.s3, status))


def test_stopping_what_is_not_there_is_nothing_and_its_status_an_error(bench: Bench) -> None:
    ground_truth.stop_job(bench.sagemaker, JOB)
    with pytest.raises(RouteError, match=f"there is no labeling job {JOB}"):
        ground_truth.job_status(bench.sagemaker, JOB)
    with pytest.raises(RouteError, match="NoSuchKey"):
        ground_truth.labels_of(bench.world.s3, BUCKET, BATCH)


@pytest.mark.parametrize(
    ("timeout", "available", "wait"),
    [(1, 60, 60), (7 * 24 * 3600, 7 * 24 * 3600, 303), (10**9, 30 * 24 * 3600, 1296)],
)
def test_a_job_is_looked_at_no_more_often_than_an_execution_can_tell(
    timeout: int, available: int, wait: int
) -> None:
    assert ground_truth.available_seconds(timeout) == available
    assert ground_truth.seconds_between_polls(60, timeout) == wait
    assert available / wait <= ground_truth.MAX_POLLS
    assert ground_truth.MAX_POLLS * 9 < 25_000


# What a job is asked with


def test_a_batch_is_put_where_the_job_finds_it(bench: Bench) -> None:
    tasks = batch("classification")
    start(bench, tasks)
    files = {key: body.decode() for (_, key), body in bench.world.files.items() if key.startswith(FOLDER)}
    lines = [json.loads(line) for line in files[f"{FOLDER}input.manifest"].splitlines()]
    assert lines == [{"source-ref": f"s3://{BUCKET}/{task.key}", "labelloop-task": task.id} for task in tasks]
    assert json.loads(files[f"{FOLDER}labels.json"]) == {
        "document-version": "2018-11-28",
        "labels": [{"label": "cat"}, {"label": "dog"}, {"label": worker_answers.NOTHING}],
    }
    assert "crowd-image-classifier-multi-select" in files[f"{FOLDER}template.liquid.html"]


def test_the_same_batch_starts_one_job(bench: Bench) -> None:
    assert start(bench, batch()) == start(bench, batch()) == JOB
    assert len(bench.waiting()) == 2


@pytest.mark.parametrize(
    ("tasks", "problem"),
    [([], "0 kinds"), ([*batch(), *batch("classification")], "2 kinds")],
)
def test_a_batch_of_other_than_one_kind_is_refused(bench: Bench, tasks: list[Any], problem: str) -> None:
    with pytest.raises(RouteError, match=problem):
        start(bench, tasks)


def test_a_region_without_ground_truth_s_functions_is_reported_before_anything_is_written(
    bench: Bench,
) -> None:
    with pytest.raises(RouteError, match="eu-north-1, but in ap-northeast-1, "):
        start(bench, batch(), region="eu-north-1")
    assert not any(key.startswith(FOLDER) for _, key in bench.world.files)


def test_a_job_that_is_refused_is_reported(bench: Bench) -> None:
    with pytest.raises(RouteError, match="ValidationException"):
        start(bench, batch(), workers=10)


def test_a_name_beyond_the_limit_is_reported() -> None:
    assert len(ground_truth.job_name("d" * 31, "b" * 31)) == 63
    with pytest.raises(RouteError, match="64 characters"):
        ground_truth.job_name("d" * 31, "b" * 32)


def test_the_functions_are_those_of_the_service_s_model() -> None:
    """botocore's text of the two members lists them all."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    human: Any = model.shape_for("HumanTaskConfig")
    consolidation: Any = model.shape_for("AnnotationConsolidationConfig")
    before = human.members["PreHumanTaskLambdaArn"].documentation
    after = consolidation.members["AnnotationConsolidationLambdaArn"].documentation
    for kind in ground_truth_lambdas.NAMES:
        for region in ground_truth_lambdas.ACCOUNTS:
            functions = ground_truth_lambdas.of(region, kind)
            assert f"{functions.before}<" in before
            assert f"{functions.after}<" in after
        assert before.count(f":PRE-{ground_truth_lambdas.NAMES[kind]}<") == len(ground_truth_lambdas.ACCOUNTS)


# What an output manifest says

TASKS = batch()
CLASSIFIED = batch("classification")
METADATA = {
    "human-annotated": "yes",
    "creation-date": "2026-03-02T22:18:13.527256",
    "job-name": f"labeling-job/{JOB}",
}


def boxed(task_id: str = TASKS[0].id, value: Any = None, metadata: Any = None) -> dict[str, Any]:
    """A line as the developer guide shows it of a bounding-box job."""
    drawn = {
        "image_size": [{"width": 120, "height": 80, "depth": 3}],
        "annotations": [
            {"class_id": 0, "left": 11, "top": 13, "width": 61, "height": 28},
            {"class_id": 5, "left": 16, "top": 25, "width": 30, "height": 30},
        ],
    }
    return {
        "source-ref": "s3://data-bucket/images/a.png",
        "labelloop-task": task_id,
        "labelloop": drawn if value is None else value,
        "labelloop-metadata": {
            "objects": [{"confidence": 0.8}, {"confidence": 0.9}],
            "class-map": {"0": "dog", "5": "cat"},
            "type": "groundtruth/object-detection",
            **METADATA,
            **(metadata or {}),
        },
    }


def classified(value: Any, **metadata: Any) -> dict[str, Any]:
    return {
        "source-ref": "s3://data-bucket/images/a.png",
        "labelloop-task": TASKS[0].id,
        "labelloop": value,
        "labelloop-metadata": {
            "class-map": {"1": "cat", "0": "dog", "8": worker_answers.NOTHING},
            "confidence-map": {"1": 0.95},
            "type": "groundtruth/image-classification-multilabel",
            **METADATA,
            **metadata,
        },
    }


def one(line: Any, tasks: list[Any] = TASKS) -> Answer | Unanswered:
    return ground_truth.answers_of([json.dumps(line).encode() + b"\n"], tasks, LABELS)[TASKS[0].id]


def test_the_documented_line_of_boxes_is_read() -> None:
    answer = one(boxed())
    assert isinstance(answer, Answer)
    assert answer.boxes == (Box("dog", 11, 13, 61, 28), Box("cat", 16, 25, 30, 30))
    assert answer.at == "2026-03-02T22:18:13.527256Z"
    assert (answer.reviewer, answer.name) == ("groundtruth", "Ground Truth")


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        (classified([1, 0]), ("cat", "dog")),
        (classified([8]), ()),
        (classified([]), ()),
        (classified(0, **{"type": "groundtruth/image-classification", "class-name": "dog"}), ("dog",)),
    ],
)
def test_the_documented_lines_of_labels_are_read(line: Any, labels: tuple[str, ...]) -> None:
    answer = one(line, CLASSIFIED)
    assert isinstance(answer, Answer)
    assert answer.labels == labels
    assert answer.verdict == ("labelled" if labels else "nothing")


@pytest.mark.parametrize(
    ("line", "tasks", "problem"),
    [
        (boxed(metadata={"type": "groundtruth/semantic-segmentation"}), TASKS, "no answer to a detection"),
        (boxed(), CLASSIFIED, "no answer to a classification"),
        (boxed(value=[]), TASKS, "no list annotations"),
        (boxed(metadata={"class-map": {}}), TASKS, "box 1: label None is none of those"),
        (boxed(metadata={"class-map": 3}), TASKS, "no class-map"),
        (boxed(metadata={"creation-date": "yesterday"}), TASKS, "creation-date is 'yesterday'"),
        (boxed(value={"annotations": []}), TASKS, "drawn on None x None"),
        (
            boxed(value={"annotations": [], "image_size": [{"width": 12, "height": 8}]}),
            TASKS,
            "drawn on 12 x 8 pixels, but the image is 120 x 80",
        ),
        (
            boxed(
                value={
                    "annotations": [{"class_id": 0, "left": 99, "top": 0, "width": 61, "height": 28}],
                    "image_size": [{"width": 120, "height": 80}],
                }
            ),
            TASKS,
            "reaches out of 120 x 80",
        ),
        ({**boxed(), "labelloop-metadata": None}, TASKS, "has to be an object"),
        (classified([2]), CLASSIFIED, "None is none of those"),
        (classified("cat"), CLASSIFIED, "list of class ids"),
    ],
)
def test_a_line_that_cannot_be_used_leaves_its_task_unanswered(
    line: Any, tasks: list[Any], problem: str
) -> None:
    unanswered = one(line, tasks)
    assert isinstance(unanswered, Unanswered)
    assert unanswered.reason == "bad_answer"
    assert problem in unanswered.detail


def test_an_image_that_failed_says_why() -> None:
    failed = {
        "source-ref": "s3://data-bucket/images/a.png",
        "labelloop-task": TASKS[0].id,
        "labelloop-metadata": {"failure-reason": "ClientError: the image cannot be shown"},
    }
    assert one(failed) == Unanswered("failed", "ClientError: the image cannot be shown")


def test_a_task_without_a_line_is_missing() -> None:
    answers = ground_truth.answers_of([json.dumps(boxed()).encode()], TASKS, LABELS)
    assert answers[TASKS[1].id] == Unanswered("missing", "the output manifest has no line of it")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"<html>\n", "line 1 of the output manifest is not JSON"),
        (b"\xff\n", "not JSON"),
        (b"[]\n", "has to be a JSON object"),
        (json.dumps(boxed("f" * 20 + "-1")).encode(), "no line of the output manifest is of a task"),
    ],
)
def test_what_is_no_manifest_of_the_batch_says_so(text: bytes, problem: str) -> None:
    with pytest.raises(RouteError, match=problem):
        ground_truth.answers_of([text], TASKS, LABELS)


def test_an_empty_manifest_leaves_every_task_missing() -> None:
    answers = ground_truth.answers_of([b"\n"], TASKS, LABELS)
    assert {answer.reason for answer in answers.values() if isinstance(answer, Unanswered)} == {"missing"}
    assert len(answers) == 2
