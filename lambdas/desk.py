"""The review desk's routes: claiming, answering and skipping tasks."""

# What some routes need they import themselves: the others would wait for it at a cold start.
from __future__ import annotations

import os
from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from aws_lambda_powertools import Logger
from msgspec import Meta

from lambdas import http
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.http import ADMINISTRATORS, REVIEWERS, Caller
from lambdas.metrics import count, with_metrics
from lambdas.review_documents import given_answer, label_document, offered_labels, task_summary
from lambdas.services import services, variable
from lambdas.ttl_cache import TtlCache

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.contract import responses
    from lambdas.contract.requests import AnswerRequest, ClaimRequest, SkipRequest
    from lambdas.domain.review.desk.drafts import DraftHead, Order
    from lambdas.domain.review.desk.task import Route, Task
    from lambdas.domain.review.results.resolution import Resolver
    from lambdas.domain.review.workforce.worker_portal import Portal

logger = Logger()
app = http.Api(REVIEWERS, ADMINISTRATORS)
_LISTED_ANSWERS = 50
Until = Annotated[str, Meta(description="The claim that ends then, and no newer one.")]


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event)


@app.get("/api/me")
def read_me(caller: Caller) -> responses.Me:
    """Who is signed in."""
    from lambdas.contract import responses

    return responses.Me(
        sub=caller.sub, name=caller.name, groups=sorted(caller.groups), deployment=variable("DEPLOYMENT")
    )


@app.get("/api/queue")
def read_queue(caller: Caller) -> responses.Queue:
    """How many tasks there are to do, for this reviewer, and how many they have answered today."""
    from lambdas.contract import responses
    from lambdas.domain.review.results import reviewer_statistics

    table, now = services().reviews, clock.now()
    today = reviewer_statistics.reviewed_by(table, caller.sub).get(f"on {now[:10]}", 0)
    counts = table.open_counts(caller.sub, _answered_here(), now)
    return responses.Queue(
        open=counts.open, left=counts.left, skipped=counts.skipped, answered_today=int(today)
    )


@app.get("/api/labels")
def list_labels(caller: Caller) -> responses.Labels:
    """The labels that reviewers may use, with their colours, keys and examples."""
    from lambdas.contract import responses

    return responses.Labels(labels=[label_document(definition) for definition in offered_labels()])


@app.post("/api/claims")
def claim_tasks(caller: Caller, body: ClaimRequest) -> responses.Tasks:
    """Claim tasks other than those held: those that the reviewer has claimed before come first."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import desk, labels
    from lambdas.domain.review.desk.drafts import drafting

    _remember(caller.sub, caller.name)
    head, order = _drafts()
    claimed = desk.claim(
        services().reviews,
        caller.reviewer,
        body.count,
        services().tuning().review_claim_seconds,
        routes=_answered_here(),
        held=frozenset(body.held),
        order=order.tasks,
        draft=drafting(head, _features_of, labels.usable(offered_labels())),
    )
    return responses.Tasks(tasks=[_document(task, caller) for task in claimed])


@app.put("/api/claims/{task}")
def renew_claim(caller: Caller, task: str) -> responses.Renewal:
    """Begin a claim's time anew."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import desk

    seconds = services().tuning().review_claim_seconds
    renewed = desk.renew(services().reviews, task, caller.reviewer, seconds, routes=_answered_here())
    return responses.Renewal(until=renewed.until)


@app.delete("/api/claims/{task}")
def release_claim(caller: Caller, task: str, until: Until = "") -> None:
    """Give a claim back; nothing if there is none."""
    from lambdas.domain.review.desk import desk

    desk.release(services().reviews, task, caller.reviewer, until)


@app.get("/api/tasks/{task}")
def read_task(caller: Caller, task: str) -> responses.Task:
    """A task that the reviewer has claimed; administrators may read every task."""
    from lambdas.domain.review.desk.desk import TaskNotFoundError

    known = services().reviews.get(task)
    if known is None:
        raise TaskNotFoundError(f"there is no review task {task[:60]}")
    if ADMINISTRATORS not in caller.groups and not known.claim_of(caller.sub, clock.now()):
        raise ApiError(403, "not_yours", "claim the task to see it")
    return _document(known, caller)


@app.get("/api/answers")
def list_answers(caller: Caller) -> responses.AnsweredTasks:
    """The reviewer's own last answers, the newest first. They are corrected by answering again."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import desk

    tasks = desk.own_answers(services().reviews, caller.reviewer, desk.ON_THE_DESK, _LISTED_ANSWERS)
    return responses.AnsweredTasks(tasks=[_answered(task, caller) for task in tasks])


@app.post("/api/tasks/{task}/answer")
def answer_task(caller: Caller, task: str, body: AnswerRequest) -> responses.AnswerReceipt:
    """Answer a task, or correct an answer. Sent again, the same answer is acknowledged again."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import labels

    usable = labels.usable(offered_labels())
    if body.correction:
        answered = _correct(caller, task, body, usable)
    else:
        answered = _answer(caller, task, body, usable)
    count("AnswersGiven")
    resolved = _resolve(answered)
    return responses.AnswerReceipt(
        state=resolved.state, wanted=resolved.wanted, answers=len(resolved.answers)
    )


def _answer(caller: Caller, id: str, body: AnswerRequest, usable: Collection[str]) -> Task:
    from lambdas.domain.review.desk import desk

    if portal := worker_portal():
        return portal.answer(services().reviews, id, caller.reviewer, body.submission, usable)
    return desk.answer(services().reviews, id, caller.reviewer, body.submission, usable)


def _correct(caller: Caller, id: str, body: AnswerRequest, usable: Collection[str]) -> Task:
    from lambdas.domain.review.results import correction

    corrected = correction.correct(_resolver(), id, caller.reviewer, body.submission, usable)
    if corrected.state == "done":
        _request_fit()
        _request_run()
    return corrected


@app.post("/api/tasks/{task}/skip")
def skip_task(caller: Caller, task: str, body: SkipRequest) -> None:
    """Leave a task to others for good, and say why."""
    from lambdas.domain.review.desk import answers, desk
    from lambdas.domain.review.results import resolution, reviewer_statistics

    reason = answers.check_reason(body.reason)
    skipped, now = desk.skip(services().reviews, task, caller.reviewer, reason)
    if now:
        count("TasksSkipped")
        reviewer_statistics.note_reviewer(services().reviews, caller.sub, caller.name, skipped=1)
    if resolution.needs_resolving(skipped):
        _resolve(skipped)


@app.delete("/api/skips")
def take_back_skips(caller: Caller) -> None:
    """Make the open tasks that the reviewer has skipped theirs to claim again."""
    from lambdas.domain.review.desk import desk

    desk.take_back_skips(services().reviews, caller.reviewer)


def _document(task: Task, caller: Caller) -> responses.Task:
    from lambdas.contract import responses

    return responses.Task(**_members(task, caller))


def _members(task: Task, caller: Caller) -> dict[str, Any]:
    own_claim = task.claim_of(caller.sub, clock.now())
    return {
        **task_summary(task),
        "url": http.presigned_url(task.key),
        "url_expires_at": clock.in_seconds(http.URL_SECONDS),
        "until": own_claim.until if own_claim else "",
    }


def _answered(task: Task, caller: Caller) -> responses.AnsweredTask:
    from lambdas.contract import responses

    own = next(answer for answer in task.answers if answer.reviewer == caller.sub)
    return responses.AnsweredTask(
        **_members(task, caller),
        state=task.state,
        answer=given_answer(own),
        corrected=any(answer.reviewer == caller.sub for answer in task.superseded),
    )


def _answered_here() -> tuple[Route, ...]:
    """Routes whose tasks are answered at this desk."""
    from lambdas.domain.review.desk import desk

    portal = worker_portal()
    return portal.routes if portal else desk.ON_THE_DESK


def worker_portal() -> Portal | None:
    """The worker portal of the embedded stack; None on AWS, where no function imports it."""
    url = os.environ.get("WORKER_PORTAL_URL", "")
    if not url:
        return None
    from lambdas.domain.review.workforce.worker_portal import Portal

    return Portal(url, variable("DEPLOYMENT"))


def _read_drafts() -> tuple[DraftHead | None, Order]:
    from lambdas.domain.review.desk import drafts

    table = services().reviews.table
    return drafts.head_of(table), drafts.order_of(table)


_drafts = TtlCache(_read_drafts, 1)
"""The head that drafts labels, and the order of unlabelled images: new ones follow each answer."""


def _features_of(sha256: str) -> bytes | None:
    from lambdas.domain.catalogue import embeddings

    head, _ = _drafts()
    trunk = head.trunk if head else ""
    known = embeddings.get_embeddings(services().catalogue, [sha256], trunk).get(sha256)
    return known.image if known else None


def _resolver() -> Resolver:
    from lambdas.domain.review.results.resolution import Resolver

    s = services()
    return Resolver(s.reviews, s.catalogue, s.stepfunctions, s.tuning())


def _resolve(task: Task) -> Task:
    """Do what follows from an answer; if that fails, the answer stands and the sweeper has it done."""
    try:
        resolved = _resolver().resolve_task(task)
        if resolved.state == "done":
            _request_fit()
            _request_run()
    except Exception:
        logger.exception("answer kept, but its task not resolved")
        return task
    return resolved


def _request_fit() -> None:
    """Have drafts follow an answer; if that fails, they follow the next one."""
    from lambdas.domain.review import proposals

    try:
        proposals.request_fit(services().sqs, variable("REVIEW_QUEUE_URL"))
    except Exception:
        logger.exception("drafts do not follow this answer yet")


def _request_run() -> None:
    """Request a training run if one is due: answers count for it as uploads do. To know whether one is due
    reads what is new, image by image: at once after the last answer, else now and then; the sweeper makes up
    for the rest."""
    if services().reviews.count("open", limit=1) == 0:
        run_requested.clear()
    run_requested()


def _is_run_requested() -> bool:
    from lambdas.domain.retrain import requests

    s = services()
    machine = variable("RETRAIN_MACHINE_ARN")
    return requests.request_next_run_if_due(s.catalogue, s.loop_state, s.stepfunctions, machine, s.tuning())


run_requested = TtlCache(_is_run_requested, 10)


@cache
def _remember(sub: str, name: str) -> None:
    """Once for each container: reviewers are listed even before they answer."""
    from lambdas.domain.review.results import reviewer_statistics

    reviewer_statistics.note_reviewer(services().reviews, sub, name)
