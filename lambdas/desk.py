"""The review desk's routes: claiming, answering and skipping tasks."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import http
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.retrain import requests
from lambdas.domain.review.desk import answers, desk, labels
from lambdas.domain.review.desk.labels import LabelDefinition
from lambdas.domain.review.desk.task import Route, Task
from lambdas.domain.review.results import resolution, reviewer_statistics
from lambdas.domain.review.results.resolution import Resolver
from lambdas.domain.review.workforce import worker_portal
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.http import ADMINISTRATORS, REVIEWERS, Caller, Fresh
from lambdas.services import services, variable

logger = Logger()
app = http.api()

tuning = Fresh(lambda: services().tuning(), 5)
offered = Fresh(lambda: labels.offered(services().reviews, services().loop_state, services().catalogue), 5)
"""The labels: an administrator's change shows within seconds."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event, context)


@app.get("/api/me")
def me() -> Response[str]:
    who = _caller()
    told = {"sub": who.sub, "name": who.name, "groups": sorted(who.groups)}
    return http.answer({**told, "deployment": variable("DEPLOYMENT")})


@app.get("/api/queue")
def queue() -> Response[str]:
    who, table = _caller(), services().reviews
    today = reviewer_statistics.reviewed_by(table, who.sub).get(f"on {clock.now()[:10]}", 0)
    return http.answer({"open": table.count("open"), "answered_today": int(today)})


@app.get("/api/labels")
def offer() -> Response[str]:
    _caller()
    return http.answer({"labels": [label_document(definition) for definition in offered()]})


@app.post("/api/claims")
def claim() -> Response[str]:
    who = _caller()
    said = http.body(app, "count", "held")
    count, held = said.get("count", 1), said.get("held", [])
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= desk.MAX_CLAIMS:
        raise ApiError(422, "bad_request", f"count has to be 1 to {desk.MAX_CLAIMS}", "count")
    if not isinstance(held, list) or not all(isinstance(id, str) for id in held):
        raise ApiError(422, "bad_request", "held has to be a list of tasks' ids", "held")
    _remember(who.sub, who.name)
    seconds = tuning().review_claim_seconds
    claimed = desk.claim(
        services().reviews, who.reviewer, count, seconds, routes=_answered_here(), held=frozenset(held)
    )
    return http.answer({"tasks": [_document(task, who) for task in claimed]})


@app.put("/api/claims/<task>")
def renew(task: str) -> Response[str]:
    who = _caller()
    seconds = tuning().review_claim_seconds
    seat = desk.renew(services().reviews, task, who.reviewer, seconds, routes=_answered_here())
    return http.answer({"until": seat.until})


@app.delete("/api/claims/<task>")
def release(task: str) -> Response[str]:
    until = app.current_event.get_query_string_value("until", "")
    desk.release(services().reviews, task, _caller().reviewer, until)
    return http.nothing()


@app.get("/api/tasks/<task>")
def read(task: str) -> Response[str]:
    who = _caller()
    found = services().reviews.get(task)
    if found is None:
        raise desk.TaskNotFoundError(f"there is no review task {task[:60]}")
    if ADMINISTRATORS not in who.groups and not found.seat_of(who.sub, clock.now()):
        raise ApiError(403, "not_yours", "claim the task to see it")
    return http.answer(_document(found, who))


@app.post("/api/tasks/<task>/answer")
def answer(task: str) -> Response[str]:
    who, s = _caller(), services()
    said = http.body(app, "verdict", "boxes", "labels", "reason", "seconds")
    usable = labels.usable(offered())
    if portal := worker_portal.here():
        kept = portal.answer(s.reviews, task, who.reviewer, said, usable)
    else:
        kept = desk.answer(s.reviews, task, who.reviewer, said, usable)
    settled = _settle(kept)
    return http.answer({"state": settled.state, "wanted": settled.wanted, "answers": len(settled.answers)})


@app.post("/api/tasks/<task>/skip")
def skip(task: str) -> Response[str]:
    who = _caller()
    reason = answers.reason(http.body(app, "reason"))
    skipped, now = desk.skip(services().reviews, task, who.reviewer, reason)
    if now:
        reviewer_statistics.note_reviewer(services().reviews, who.sub, who.name, skipped=1)
    if resolution.needs_settling(skipped):
        _settle(skipped)
    return http.nothing()


def label_document(definition: LabelDefinition) -> dict[str, Any]:
    """A label with links to its example pictures."""
    found = catalogue_images.get_images(services().catalogue, [f"image#{one}" for one in definition.examples])
    examples = [{"image": image.sha256, "url": http.link(image.key)} for image in found]
    return {**asdict(definition), "examples": examples}


def task_document(task: Task) -> dict[str, Any]:
    """A task as everybody may see it."""
    return {
        "id": task.id,
        "image": task.image,
        "width": task.width,
        "height": task.height,
        "kind": task.kind,
        "reason": task.reason,
        "why": task.why,
        "created_at": task.created_at,
        "suggestions": {
            "boxes": [asdict(box) for box in task.suggestions.boxes],
            "labels": [{"label": one.label, "confidence": one.confidence} for one in task.suggestions.labels],
        },
        "suggested_by": task.suggested_by or None,
        "wanted": task.wanted,
        "answers": len(task.answers),
    }


def _document(task: Task, who: Caller) -> dict[str, Any]:
    seat = task.seat_of(who.sub, clock.now())
    return {
        **task_document(task),
        "url": http.link(task.key),
        "url_expires_at": clock.in_seconds(http.URL_SECONDS),
        "until": seat.until if seat else "",
    }


def _answered_here() -> tuple[Route, ...]:
    return worker_portal.ROUTES if worker_portal.here() else desk.ON_THE_DESK


def _settle(task: Task) -> Task:
    """Do what follows from what was said; if that fails, it stands and the sweeper has it done."""
    try:
        settled = _settler().settle_task(task)
        if settled.state == "done":
            _request_run()
    except Exception:
        logger.exception("kept, but not settled")
        return task
    return settled


def _request_run() -> None:
    """What people said counts for the next training as an upload does. To know whether a run is due reads
    what is new, image by image: at once after the last answer, else now and then; the sweeper makes up for
    the rest."""
    if services().reviews.count("open", limit=1) == 0:
        run_requested.forget()
    run_requested()


def _is_run_requested() -> bool:
    s = services()
    machine = variable("RETRAIN_MACHINE_ARN")
    return requests.request_run_if_due(s.catalogue, s.loop_state, s.stepfunctions, machine, tuning())


run_requested = Fresh(_is_run_requested, 10)


def _settler() -> Resolver:
    s = services()
    return Resolver(s.reviews, s.catalogue, s.stepfunctions, tuning())


def _caller() -> Caller:
    return http.caller(app, REVIEWERS, ADMINISTRATORS)


@cache
def _remember(sub: str, name: str) -> None:
    """Once for each container: reviewers are listed even before they answer."""
    reviewer_statistics.note_reviewer(services().reviews, sub, name)
