"""The administrator's routes: tasks by state, reviewers, labels."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict
from itertools import islice
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import http
from lambdas.desk import label_document, offered, task_document, tuning
from lambdas.domain.review.desk import desk, labels
from lambdas.domain.review.desk.labels import InvalidLabelError
from lambdas.domain.review.desk.task import STATES, State, Task
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.review.results.resolution import Resolver
from lambdas.domain.shared import annotation, clock
from lambdas.domain.shared.errors import ApiError
from lambdas.http import ADMINISTRATORS, Caller
from lambdas.services import services

logger = Logger()
app = http.api()
PAGE = 50
_COUNTED = 10_000
"""Tasks are counted no further than to this."""
_CURSOR = {"id": r"[0-9a-f]{20}-[0-9]{1,9}", "part": "task", "available_at": r"[0-9TZ:.-]{20,30}"}
"""Keys of the index, and what they look like."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event, context)


@app.get("/api/admin/tasks")
def tasks() -> Response[str]:
    _caller()
    state = app.current_event.get_query_string_value("state", "") or "open"
    cursor = app.current_event.get_query_string_value("cursor", "")
    table, now = services().reviews, clock.now()
    if state == "claimed":
        found, more = list(islice(table.taken(now), PAGE)), None
    elif state in STATES:
        found, more = table.page(state, limit=PAGE, cursor=_cursor(cursor, state))
    else:
        raise ApiError(422, "bad_request", f"state is one of {', '.join((*STATES, 'claimed'))}", "state")
    counts: dict[str, int] = {one: table.count(one, limit=_COUNTED) for one in STATES}
    counts["claimed"] = table.count("open", available_after=now, limit=_COUNTED)
    documents = [_document(task, now) for task in found]
    return http.answer({"tasks": documents, "counts": counts, "cursor": _text(more)})


@app.put("/api/admin/tasks/<task>/assignment")
def assign(task: str) -> Response[str]:
    _caller()
    sub = http.body(app, "reviewer").get("reviewer")
    if not isinstance(sub, str):
        raise ApiError(422, "bad_request", "reviewer is a reviewer's subject, or empty", "reviewer")
    wanted = _reviewer(sub) if sub else None
    kept = desk.reassign(services().reviews, task, wanted, tuning().review_claim_seconds)
    return http.answer(_document(kept, clock.now()))


@app.delete("/api/admin/tasks/<task>")
def delete(task: str) -> Response[str]:
    who, s = _caller(), services()
    desk.delete(s.reviews, task, who.name)
    Resolver(s.reviews, s.catalogue, s.stepfunctions, tuning()).settle(task)
    return http.nothing()


@app.get("/api/admin/reviewers")
def reviewers() -> Response[str]:
    _caller()
    table = services().reviews
    found = reviewer_statistics.reviewers(table, reviewer_statistics.known_reviewers(table))
    return http.answer({"reviewers": [asdict(one) for one in found]})


@app.put("/api/admin/labels")
def put_label() -> Response[str]:
    _caller()
    kept = labels.put(services().reviews, _label(), http.body(app))
    offered.forget()
    shown = next((one for one in offered() if one.label == kept.label), kept)
    return http.answer(label_document(shown))


def _label() -> str:
    """Which label is meant."""
    try:
        return annotation.clean_label(app.current_event.get_query_string_value("label", ""))
    except ValueError as error:
        raise InvalidLabelError("label", str(error)) from error


def _reviewer(sub: str) -> desk.Reviewer:
    """By the subject of their tokens: names are given anew to others."""
    for known, name in reviewer_statistics.known_reviewers(services().reviews):
        if known == sub:
            return desk.Reviewer(sub, name)
    raise ApiError(422, "unknown_reviewer", "no such reviewer has been at the desk yet", "reviewer")


def _document(task: Task, now: str) -> dict[str, Any]:
    return {
        **task_document(task),
        "state": task.state,
        "age_seconds": round(clock.seconds_between(task.created_at, now)),
        "seats": [asdict(seat) for seat in task.taken(now)],
        "outcome": task.outcome,
    }


def _caller() -> Caller:
    return http.caller(app, ADMINISTRATORS)


def _text(cursor: dict[str, Any] | None) -> str | None:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode() if cursor else None


def _cursor(text: str, state: State) -> dict[str, Any] | None:
    """Where a page of the state begins: a key of the index, as the page before it said. DynamoDB refuses
    others."""
    if not text:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, RecursionError):
        found = None
    forms = {**_CURSOR, "state": state}
    if (
        not isinstance(found, dict)
        or set(found) != set(forms)
        or not all(isinstance(v, str) and re.fullmatch(forms[name], v) for name, v in found.items())
    ):
        raise ApiError(422, "bad_request", "cursor is what the page before said", "cursor")
    return found
