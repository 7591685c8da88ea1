"""The routes to people: the review desk, human loops of Amazon A2I, labeling jobs of Ground Truth.

Whichever it is, a task ends in the same way: with answers in its item and in the catalogue, or given back
with a reason that people can read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.task import Answer, Task
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.review.results.resolution import Resolver
from lambdas.domain.review.workforce import a2i, ground_truth
from lambdas.domain.review.workforce.a2i import LoopChange
from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.review.workforce.ground_truth import JobSettings, JobStatus, Unanswered
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = Logger(child=True)

_WORDS: Mapping[str, str] = {
    "States.Timeout": "nobody answered in time",
    "States.HeartbeatTimeout": "the task was lost sight of on the desk",
}


@frozen
class Routes:
    """Whom to ask, and where to keep their answers."""

    resolver: Resolver
    s3: S3Client
    deployment: str
    bucket: str
    labels: Callable[[], Sequence[str]]
    """That workers can choose from, sorted."""
    a2i: Any = None
    """Client of sagemaker-a2i-runtime; None unless the deployment has a flow definition."""
    sagemaker: Any = None
    """Client of sagemaker; None unless the deployment has a work team."""
    flow_definition_arn: str = ""
    jobs: JobSettings | None = None

    @property
    def table(self) -> ReviewTable:
        return self.resolver.table


def ask(routes: Routes, id: str, token: str) -> None:
    """Note the token that the execution waits with; on the route a2i, start a human loop.

    Raises:
        RouteError: A2I cannot be asked; the task has to be given back.
    """
    task = routes.table.update(id, lambda task: replace(task, token=token))
    if task is None:
        raise RouteError(f"there is no review task {id}")
    if task.route == "a2i" and task.state == "open":
        if not routes.flow_definition_arn:
            raise RouteError("review_route is a2i, but the deployment has no a2i_flow_definition_arn")
        a2i.start_loop(
            routes.a2i,
            routes.s3,
            task,
            routes.labels(),
            deployment=routes.deployment,
            bucket=routes.bucket,
            flow_definition_arn=routes.flow_definition_arn,
        )
    # Answered or deleted before anybody waited for it: the execution learns it now.
    routes.resolver.resolve(id)


def give_back(routes: Routes, id: str, error: str, cause: str) -> str:
    """Give back a task, or every task of a batch, with the answers that are there by then: the state that it
    is in."""
    why = _WORDS.get(error) or f"{error}: {cause}"[:1000]
    if tasks := routes.table.batch(id):
        _end_job(routes, id)
    else:
        tasks = [task for task in [routes.table.get(id)] if task]
        for task in tasks:
            _end_loop(routes, task)
    states = set()
    for task in tasks:
        after = routes.resolver.give_back(task.id, why)
        states.add(after.state if after else "unknown")
    return ", ".join(sorted(states)) or "unknown"


# A2I


def loop_finished(routes: Routes, event: Mapping[str, Any]) -> str:
    """Take the answers of a human loop's workers, or the reason why there are none: what became of it.

    An event of a loop that is not this deployment's changes nothing.
    """
    change = a2i.status_change(dict(event), routes.deployment)
    task = routes.table.get(change.task_id) if change else None
    if change is None or task is None:
        return "not ours"
    return take_loop(routes, task, change)


def loop_of(routes: Routes, task: Task) -> LoopChange | None:
    """How the human loop of a task stands; None if there is none.

    Raises:
        RouteError: what A2I says of it makes no sense.
        ClientError: A2I cannot answer now.
    """
    if task.route != "a2i" or routes.a2i is None:
        return None
    return a2i.describe_loop(routes.a2i, routes.deployment, task.id)


def take_loop(routes: Routes, task: Task, change: LoopChange) -> str:
    """Take the answers of a loop as it stands; nothing of a loop that still runs."""
    if not change.ended:
        return change.status
    if change.status != "Completed":
        routes.resolver.give_back(task.id, change.reason)
        return change.status
    try:
        output = a2i.read_output(routes.s3, change)
        loop_answers = a2i.answers_of(output, task, routes.labels(), deployment=routes.deployment)
    except RouteError as error:
        routes.resolver.give_back(task.id, str(error))
        return "unreadable"
    return _take(routes, task, loop_answers.answers)


def _end_loop(routes: Routes, task: Task) -> None:
    """Take a loop's answers if it has them, else stop it."""
    try:
        change = loop_of(routes, task)
        if change and change.status == "Completed":
            take_loop(routes, task, change)
        elif change:
            a2i.stop_loop(routes.a2i, routes.deployment, task.id)
    except (ClientError, RouteError):
        # Whatever workers still answer finds the task given back.
        logger.exception("the human loop was not ended", extra={"task": task.id})


# Ground Truth


def start_job(routes: Routes, batch: str, timeout_seconds: int) -> str:
    """Ask for a batch by one labeling job: its name.

    Args:
        timeout_seconds: after which what nobody has labelled is given back.

    Raises:
        RouteError: it cannot be asked; its tasks have to be given back.
    """
    if routes.jobs is None:
        raise RouteError("review_route is groundtruth, but the deployment has no groundtruth_workteam_arn")
    tasks = [task for task in routes.table.batch(batch) if task.state == "open"]
    jobs = replace(routes.jobs, available_seconds=ground_truth.available_seconds(timeout_seconds))
    return ground_truth.start_job(routes.sagemaker, routes.s3, batch, tasks, routes.labels(), jobs)


def job_finished(routes: Routes, batch: str) -> bool:
    """Whether the labeling job of a batch has ended."""
    return _job(routes, batch).state != "running"


def read_job(routes: Routes, batch: str) -> tuple[int, int]:
    """Take the answers of a labeling job's workers: how many tasks were answered, and how many given back.

    Raises:
        RouteError: its output cannot be read; its tasks have to be given back.
    """
    return _read_job(routes, batch, _job(routes, batch))


def recover_job(routes: Routes, batch: str) -> bool:
    """Do what the ended execution of a batch has left undone: whether there was anything to do.
    A labeling job that still runs goes on, to its own end."""
    try:
        status = _job(routes, batch)
        if status.state == "running":
            return False
        _read_job(routes, batch, status)
    except RouteError as error:
        for task in routes.table.batch(batch):
            routes.resolver.give_back(task.id, str(error))
    return True


def _job(routes: Routes, batch: str) -> JobStatus:
    if routes.sagemaker is None:
        raise RouteError("the deployment has no groundtruth_workteam_arn any more")
    return ground_truth.job_status(routes.sagemaker, ground_truth.job_name(routes.deployment, batch))


def _read_job(routes: Routes, batch: str, status: JobStatus) -> tuple[int, int]:
    tasks = routes.table.batch(batch)
    labels = ground_truth.labels_of(routes.s3, routes.bucket, batch)
    answers = ground_truth.answers_of(ground_truth.read_output(routes.s3, status), tasks, labels)
    answered = 0
    for task in tasks:
        answer = answers[task.id]
        if isinstance(answer, Unanswered):
            why = status.reason or f"no answer from Ground Truth: {answer.reason} {answer.detail}".strip()
            routes.resolver.give_back(task.id, why)
        else:
            answered += _take(routes, task, (answer,)) == "answered"
    return answered, len(tasks) - answered


def _end_job(routes: Routes, batch: str) -> None:
    """Take a job's answers if it has ended, else stop it."""
    try:
        status = _job(routes, batch)
        if status.state == "running":
            ground_truth.stop_job(routes.sagemaker, ground_truth.job_name(routes.deployment, batch))
        else:
            _read_job(routes, batch, status)
    except (ClientError, RouteError):
        logger.exception("the labeling job was not ended", extra={"batch": batch})


def _take(routes: Routes, task: Task, answers: tuple[Answer, ...]) -> str:
    """Record the workers' answers, as many as there are, and do what follows."""

    def answered(now: Task) -> Task:
        return desk.with_answers(now, answers) if now.state == "open" else now

    routes.table.update(task.id, answered)
    for answer in answers:
        # Workers of a private workforce may be people of the desk, whose names are known.
        if "name" not in reviewer_statistics.reviewed_by(routes.table, answer.reviewer):
            reviewer_statistics.note_reviewer(routes.table, answer.reviewer, answer.name)
    after = routes.resolver.resolve(task.id, final=True)
    return "answered" if after and after.state == "done" else "given back"
