"""Every route as people use it, and who may use it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from botocore.exceptions import ClientError

from lambdas import console
from lambdas.domain.review.desk import desk
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.records import Run, RunStep
from lambdas.domain.shared.scores import LabelScore
from lambdas.domain.shared.tuning import Tuning
from lambdas.services import services
from tests.fixtures.api_gateway import ANN, NOBODY, RITA, Gateway, routes
from tests.fixtures.console_deployment import (
    ANSWERED_ISSUE,
    BOX,
    CHANGED_AT,
    TRIED,
    ConsoleDeployment,
    entered,
)
from tests.fixtures.deployment import BUCKET
from tests.fixtures.images import GIF, picture
from tests.fixtures.metrics import published

TASK = {
    "id",
    "image",
    "width",
    "height",
    "kind",
    "reason",
    "why",
    "created_at",
    "suggestions",
    "suggested_by",
    "drafted_from",
    "wanted",
    "answers",
}
MINE = TASK | {"url", "url_expires_at", "until"}
ANSWERED = MINE | {"state", "answer", "corrected"}
GIVEN = {"reviewer", "name", "verdict", "boxes", "labels", "reason", "at"}
LISTED = TASK | {"state", "age_seconds", "claims", "outcome"}
LABEL = {"label", "colour", "key", "instruction", "examples", "retired", "renamed_to"}
RUN = {
    "id",
    "trigger",
    "started_by",
    "outcome",
    "reason",
    "started_at",
    "ended_at",
    "version",
    "f1",
    "estimated_usd",
}
BATCH = {
    *("name", "state", "source", "total", "answered", "failed", "version"),
    *("created_by", "created_at", "started_at", "ended_at", "waits_for", "reason"),
}
VERSION = {
    "name",
    "status",
    "reason",
    "f1",
    "created_at",
    "champion",
    "snapshot",
    "run",
    "verdicts",
    "approval",
    "labels",
    "production_precision",
}
IMAGE_LINE = {
    *("image", "name", "thumbnail", "width", "height", "status", "kind"),
    *("labels", "boxes", "set_by", "changed_at"),
}
DATASET_IMAGE = IMAGE_LINE | {
    *("url", "bytes", "format", "registered_at", "changed_by", "sources", "dataset", "requested_dataset"),
    *("conflict_reason", "original", "tiles", "asked_kind", "task", "history"),
}
NO_IMAGE = "0" * 64


@dataclass(frozen=True)
class Case:
    """A valid request. `address` may name a task of the deployment in braces."""

    address: str
    body: Any = None
    status: int = 200
    members: frozenset[str] | set[str] = frozenset()
    who: str = RITA
    each: str = ""
    """The member that lists documents with the members `of_each`."""
    of_each: frozenset[str] | set[str] = frozenset()


CASES = {
    "GET /api/me": Case("/api/me", members={"sub", "name", "groups", "deployment"}),
    "GET /api/queue": Case("/api/queue", members={"open", "left", "skipped", "answered_today"}),
    "GET /api/answers": Case("/api/answers", members={"tasks"}, who="ben", each="tasks", of_each=ANSWERED),
    "DELETE /api/skips": Case("/api/skips", status=204),
    "GET /api/labels": Case("/api/labels", members={"labels"}, each="labels", of_each=LABEL),
    "POST /api/claims": Case("/api/claims", {"count": 2}, members={"tasks"}, each="tasks", of_each=MINE),
    "PUT /api/claims/{task}": Case("/api/claims/{mine}", members={"until"}),
    "DELETE /api/claims/{task}": Case("/api/claims/{mine}", status=204),
    "GET /api/tasks/{task}": Case("/api/tasks/{mine}", members=MINE),
    "POST /api/tasks/{task}/answer": Case(
        "/api/tasks/{mine}/answer",
        {"verdict": "labelled", "boxes": [BOX], "seconds": 3.5},
        members={"state", "wanted", "answers"},
    ),
    "POST /api/tasks/{task}/skip": Case("/api/tasks/{mine}/skip", {"reason": "too dark"}, 204),
    "GET /api/admin/tasks": Case(
        "/api/admin/tasks", members={"tasks", "counts", "cursor"}, who=ANN, each="tasks", of_each=LISTED
    ),
    "GET /api/admin/tasks/{task}": Case(
        "/api/admin/tasks/{done}",
        members=LISTED | {"url", "finished_at", "given", "superseded"},
        who=ANN,
        each="given",
        of_each=GIVEN,
    ),
    "POST /api/admin/tasks/{task}/reopening": Case(
        "/api/admin/tasks/{done}/reopening", members=LISTED, who=ANN
    ),
    "PUT /api/admin/tasks/{task}/assignment": Case(
        "/api/admin/tasks/{mine}/assignment", {"reviewer": "sub-ben"}, members=LISTED, who=ANN
    ),
    "DELETE /api/admin/tasks/{task}": Case("/api/admin/tasks/{mine}", status=204, who=ANN),
    "GET /api/admin/drafts": Case(
        "/api/admin/drafts",
        members={"trunk", "images", "order_by", "random_share", "labels", "curve"},
        who=ANN,
    ),
    "GET /api/admin/reviewers": Case(
        "/api/admin/reviewers",
        members={"reviewers"},
        who=ANN,
        each="reviewers",
        of_each={
            "reviewer",
            "name",
            "answered",
            "corrected",
            "skipped",
            "compared",
            "agreement",
            "seconds_per_answer",
        },
    ),
    "GET /api/admin/applications": Case(
        "/api/admin/applications",
        members={"applications"},
        who=ANN,
        each="applications",
        of_each={
            "name",
            "kind",
            "rate",
            "created_at",
            "asked_at",
            "requests_last_hour",
            "requests_last_day",
            "full_minutes",
        },
    ),
    "POST /api/admin/runs/{run}/cancellation": Case(
        "/api/admin/runs/run-2/cancellation", status=204, who=ANN
    ),
    "POST /api/admin/batches/{batch}/cancellation": Case(
        "/api/admin/batches/night/cancellation", status=204, who=ANN
    ),
    "POST /api/admin/rollbacks": Case("/api/admin/rollbacks", {"version": "v0"}, members={"id"}, who=ANN),
    "POST /api/admin/versions/{version}/approval": Case(
        "/api/admin/versions/v2/approval", {"decision": "approved"}, status=204, who=ANN
    ),
    "POST /api/admin/serving": Case(
        "/api/admin/serving", {"request": "stop", "why": "holidays"}, status=204, who=ANN
    ),
    "PUT /api/admin/thresholds": Case(
        "/api/admin/thresholds?label=cat", {"percent": 62.5}, members={"label_thresholds"}, who=ANN
    ),
    "PUT /api/admin/labels": Case(
        "/api/admin/labels?label=cat", {"colour": "#aa2233", "key": "c"}, members=LABEL, who=ANN
    ),
    "POST /api/admin/labels/renaming": Case(
        "/api/admin/labels/renaming?label=cat",
        {"name": "tom cat"},
        members={"label", "searched", "relabelled", "cursor"},
        who=ANN,
    ),
    "GET /api/admin/labels/images": Case(
        "/api/admin/labels/images?label=cat",
        members={"images"},
        who=ANN,
        each="images",
        of_each={"image", "url"},
    ),
    "GET /api/runs": Case("/api/runs", members={"runs"}, each="runs", of_each=RUN),
    "GET /api/runs/{run}": Case(
        "/api/runs/run-1",
        members=RUN
        | {"steps", "verdicts", "approval", "snapshot", "images", "training", "report_url"}
        | {"forecast_usd", "usd_per_hour", "unread"},
    ),
    "GET /api/batches": Case("/api/batches", members={"batches"}, each="batches", of_each=BATCH),
    "GET /api/batches/{batch}": Case(
        "/api/batches/night", members=BATCH | {"units", "review_limit", "proposed", "summary"}
    ),
    "GET /api/costs": Case(
        "/api/costs?by=version",
        members={
            "by",
            "accounts",
            "usd",
            "month",
            "running",
            "usd_per_hour",
            "prices",
            "serverless",
            "as_of",
        },
        each="accounts",
        of_each={"name", "training_hours", "training_usd", "unit_hours", "units_usd", "answers"}
        | {"answers_usd", "usd"},
    ),
    "GET /api/versions": Case(
        "/api/versions", members={"versions", "label_thresholds", "unread"}, each="versions", of_each=VERSION
    ),
    "GET /api/home": Case(
        "/api/home",
        members={"unread", "serving", "costs", "waiting", "runs", "labels", "snapshot_images"},
        each="waiting",
        of_each={"kind", "text", "subject"},
    ),
    "GET /api/home/quality": Case("/api/home/quality", members={"unread", "versions", "production", "drift"}),
    "GET /api/versions/{version}/lineage": Case(
        "/api/versions/v1/lineage",
        members={"version", "snapshot", "train_images", "test_images", "backgrounds", "labels", "origins"}
        | {"people", "labelled_by", "run", "started_by", "settings", "usd", "unread"},
    ),
    "GET /api/versions/{version}/production": Case(
        "/api/versions/v1/production",
        members={"version", "images", "detections", "unsure_detections", "answers", "others", "periods"}
        | {"labels", "drift"},
    ),
    "GET /api/versions/{version}/production/pictures": Case(
        "/api/versions/v1/production/pictures",
        members={"arrived", "tested"},
        each="tested",
        of_each={"url", "labels", "detections", "confidence"},
    ),
    "GET /api/versions/{version}/evaluation": Case(
        "/api/versions/v1/evaluation",
        members={"version", "source", "kind", "images", "has_more", "unread_lines", "f1", "own_f1"}
        | {"labels", "matrix", "sizes"},
        each="labels",
        of_each={"label", "renamed_to", "threshold", "floor", "own_threshold", "deployment_threshold"}
        | {"objects", "right", "wrong", "missed", "f1", "curve"},
    ),
    "GET /api/versions/{version}/mistakes": Case(
        "/api/versions/v1/mistakes",
        members={"mistakes", "total", "next"},
        each="mistakes",
        of_each={"kind", "size", "image", "judged"},
    ),
    "GET /api/versions/{version}/images/{image}": Case(
        "/api/versions/v1/images/{done_image}",
        members={"image", "judged"},
        each="judged",
        of_each={"judgement", "truth", "detection", "overlap"},
    ),
    "GET /api/versions/{version}/comparison": Case(
        "/api/versions/v1/comparison?other=v0",
        members={"version", "other", "images", "relabelled", "f1", "other_f1", "better", "worse"}
        | {"changes", "next"},
    ),
    "GET /api/label-issues": Case(
        "/api/label-issues?version=v1",
        members={"version", "issues", "total", "answered", "kept", "training_images", "test_images", "next"},
        each="issues",
        of_each={"id", "issue_type", "mistakenness", "image", "before", "after", "others"}
        | {"dataset", "seen_by", "twin", "kept"},
    ),
    "PUT /api/label-issues/{issue}": Case(
        "/api/label-issues/{issue}",
        {"verdict": "rejected", "version": "v1"},
        members={"issue", "image", "verdict", "by", "at"},
    ),
    "DELETE /api/label-issues/{issue}": Case(f"/api/label-issues/{ANSWERED_ISSUE}", status=204),
    "GET /api/serving": Case(
        "/api/serving",
        members={"champion", "status", "state", "since", "reason", "trouble", "asked", "policy"}
        | {"usd_per_hour", "waiting_images", "changes"},
    ),
    "GET /api/images": Case(
        "/api/images?label=cat",
        members={"images", "cursor", "read", "searched", "by_content"},
        each="images",
        of_each=IMAGE_LINE,
    ),
    "GET /api/images/count": Case("/api/images/count?label=cat", members={"count", "more"}),
    "GET /api/images/{image}": Case("/api/images/{done_image}", members=DATASET_IMAGE),
    "PUT /api/images/{image}/labels": Case(
        "/api/images/{done_image}/labels",
        {"kind": "detection", "changed_at": CHANGED_AT, "boxes": [BOX]},
        members=DATASET_IMAGE,
    ),
    "POST /api/images/{image}/undo": Case(
        "/api/images/{done_image}/undo",
        {"changed_at": CHANGED_AT, "revision": None},
        members=DATASET_IMAGE,
    ),
    "POST /api/images/review": Case(
        "/api/images/review", {"images": [NO_IMAGE]}, members={"images", "problems"}
    ),
    "GET /api/dataset-report": Case(
        "/api/dataset-report",
        members={
            *("snapshot", "run", "made_at", "verdict", "findings", "train_images", "test_images"),
            *("labels", "label_count", "histograms", "page_url"),
        },
    ),
    "POST /api/admin/images/exclusion": Case(
        "/api/admin/images/exclusion",
        {"images": [{"image": NO_IMAGE, "changed_at": CHANGED_AT}], "excluded": True},
        members={"images", "problems"},
        who=ANN,
    ),
    "POST /api/admin/images/labels": Case(
        "/api/admin/images/labels",
        {"images": [{"image": NO_IMAGE, "changed_at": CHANGED_AT}], "before": "cat", "after": "dog"},
        members={"images", "problems"},
        who=ANN,
    ),
    "POST /api/admin/uploads": Case(
        "/api/admin/uploads",
        {"files": [{"name": "a.jpg", "size": 10, "content_type": "image/jpeg", "sha256": NO_IMAGE}]},
        members={"files"},
        who=ANN,
        each="files",
        of_each={"name", "state", "problem", "key", "upload"},
    ),
    "POST /api/admin/uploads/parts": Case(
        "/api/admin/uploads/parts",
        {"key": "incoming/unlabeled/a.jpg", "size": 20_000_000},
        members={"upload_id", "part_bytes", "left", "missing"},
        who=ANN,
        each="missing",
        of_each={"number", "url"},
    ),
    "POST /api/admin/uploads/completion": Case(
        "/api/admin/uploads/completion",
        {"key": "incoming/unlabeled/a.jpg", "size": 20_000_000, "upload_id": "ended long ago"},
        status=410,
        members={"error"},
        who=ANN,
    ),
    "POST /api/try": Case("/api/try", {"content_type": "image/png", "size": 1000}, members={"id", "upload"}),
    "POST /api/try/{id}/detection": Case(
        f"/api/try/{TRIED}/detection",
        members={"model_version", "model_version_arn", "labels", "thresholds", "width", "height", "url"},
    ),
    "POST /api/try/{id}/review": Case(f"/api/try/{TRIED}/review", members={"task"}),
}


def request_of(route: str, deployment: ConsoleDeployment) -> str:
    """The valid request of the route, with its method."""
    tasks = {name: getattr(deployment, name).id for name in ("open", "mine", "others", "done")}
    others = {"done_image": deployment.done.image, "issue": deployment.label_issue()}
    return f"{route.partition(' ')[0]} {CASES[route].address.format(**tasks, **others)}"


def test_every_route_has_its_case() -> None:
    assert set(CASES) == {route for route, _ in routes()}


@pytest.mark.parametrize("route", CASES)
def test_a_valid_request_gives_the_documented_document(
    route: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    case = CASES[route]
    answer = gateway.ask(request_of(route, deployment), case.body, who=case.who)
    assert answer.status == case.status, answer.document
    assert set(answer.document or ()) == case.members
    assert answer.headers["Cache-Control"] == "no-store"
    if case.each:
        assert answer.document[case.each]
        assert all(set(document) == case.of_each for document in answer.document[case.each])


@pytest.mark.parametrize(("route", "function"), routes())
def test_nobody_gets_in_without_a_group(
    route: str, function: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    for who in (NOBODY, *([RITA] if function == "admin" else [])):
        refused = gateway.ask(request_of(route, deployment), CASES[route].body, who=who)
        assert (refused.status, refused.code) == (403, "forbidden")
        assert "administrators" in refused.message
    assert deployment.dump() == before


@pytest.mark.parametrize("route", CASES)
def test_an_administrator_may_do_everything(
    route: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    request = request_of(route, deployment)
    if "/claims/" in request or request.endswith(("/answer", "/skip")):
        desk.reassign(deployment.reviews.table, deployment.mine.id, desk.Reviewer("sub-ann", "ann"), 60)
    assert gateway.ask(request, CASES[route].body, who=ANN).status == CASES[route].status


def test_a_request_without_claims_is_refused(gateway: Gateway, deployment: ConsoleDeployment) -> None:
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": "/api/me",
        "headers": {},
        "requestContext": {"stage": "$default", "http": {"method": "GET", "path": "/api/me"}},
    }
    assert gateway.give("desk", event).status == 401


def test_groups_are_read_however_the_gateway_hands_them_on(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    for groups in ("[reviewers administrators]", ["reviewers", "administrators"], "reviewers,administrators"):
        event = me_event({"sub": "s", "username": "ann", "cognito:groups": groups})
        assert gateway.give("desk", event).document["groups"] == ["administrators", "reviewers"]
    assert gateway.give("desk", me_event({"sub": "s", "cognito:groups": "[reviewers2]"})).status == 403


def me_event(claims: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/api/me",
        "headers": {},
        "requestContext": {
            "stage": "$default",
            "http": {"method": "GET", "path": "/api/me"},
            "authorizer": {"jwt": {"claims": claims}},
        },
    }


# Links


def links(document: Any) -> list[str]:
    """Every address in a document."""
    if isinstance(document, dict):
        return [address for value in document.values() for address in links(value)]
    if isinstance(document, list):
        return [address for value in document for address in links(value)]
    return [document] if isinstance(document, str) and document.startswith("http") else []


def test_links_are_short_lived_and_of_one_object(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    gateway.ask("PUT /api/admin/labels?label=cat", {"examples": [deployment.open.image]}, who=ANN)
    given: dict[str, Callable[[str], bool]] = {
        "GET /api/tasks/{task}": lambda path: path.endswith(f"/{deployment.mine.key}"),
        "POST /api/claims": lambda path: path.endswith(
            (f"/{deployment.mine.key}", f"/{deployment.open.key}")
        ),
        "GET /api/labels": lambda path: path.endswith(f"/{deployment.open.key}"),
        "GET /api/runs/{run}": lambda path: path.endswith("/datasets/s1/report.html"),
        "POST /api/try/{id}/detection": lambda path: path.endswith(f"/try/{TRIED}"),
        "GET /api/versions/{version}/mistakes": lambda path: path.endswith(f"/{deployment.done.key}"),
    }
    for route, is_its_own in given.items():
        addresses = links(gateway.ask(request_of(route, deployment), CASES[route].body).document)
        assert addresses, route
        for address in addresses:
            assert is_its_own(urlsplit(address).path), address
            signed = parse_qs(urlsplit(address).query)
            assert int(signed["X-Amz-Expires"][0]) <= 15 * 60
            assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_a_link_says_when_it_ends(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    document = gateway.ask(f"GET /api/tasks/{deployment.mine.id}").document
    assert 0 < clock.seconds_between(clock.now(), document["url_expires_at"]) <= 15 * 60


# The desk


def test_a_task_is_seen_by_who_has_claimed_it(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    refused = gateway.ask(f"GET /api/tasks/{deployment.others.id}")
    assert (refused.status, refused.code) == (403, "not_yours")
    assert gateway.ask(f"GET /api/tasks/{deployment.others.id}", who=ANN).document["until"] == ""
    assert gateway.ask("GET /api/tasks/unknown").status == 404


STATES = {"others": 409, "done": 409, "deleted": 410, "given_back": 410}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize(
    "what", ["POST /api/tasks/{}/answer", "POST /api/tasks/{}/skip", "PUT /api/claims/{}"]
)
def test_a_task_that_is_not_to_be_had(
    name: str, what: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    bodies = {"answer": {"verdict": "nothing", "seconds": 1}, "skip": {"reason": "no"}}
    before = deployment.dump()
    refused = gateway.ask(what.format(deployment.task(name).id), bodies.get(what.rpartition("/")[2]))
    assert refused.status == STATES[name]
    assert refused.code in ("not_yours", "already_done", "gone")
    assert deployment.dump() == before


@pytest.mark.parametrize("what", [route for route, _ in routes() if "{task}" in route])
def test_a_task_that_never_was(what: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before, case = deployment.dump(), CASES[what]
    for id in ("0" * 20 + "-1", "x", "%20", "..", "a%25b", "9" * 200, "%E2%82%AC"):
        answer = gateway.ask(what.replace("{task}", id), case.body, who=ANN)
        assert answer.status == 404 or (answer.status, what) == (204, "DELETE /api/claims/{task}")
    assert deployment.dump() == before


def test_a_name_too_long_for_a_key_is_no_name(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    for route in (f"GET /api/tasks/{'a' * 3000}", f"GET /api/runs/{'%E2%82%AC' * 900}"):
        refused = gateway.ask(route)
        assert (refused.status, refused.message) == (404, "there is no such route")


def test_an_answer_is_a_metric(
    deployment: ConsoleDeployment, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.ask(f"POST /api/tasks/{deployment.mine.id}/answer", {"verdict": "nothing", "seconds": 1})
    assert published(capsys) == {"AnswersGiven": [1]}
    gateway.ask(f"POST /api/tasks/{deployment.mine.id}/answer", {"verdict": "labelled"})
    assert published(capsys) == {}


def test_an_answer_sent_twice_is_acknowledged_twice(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    request, body = (
        request_of("POST /api/tasks/{task}/answer", deployment),
        CASES["POST /api/tasks/{task}/answer"].body,
    )
    first, again = gateway.ask(request, body), gateway.ask(request, body)
    assert first.document == again.document == {"state": "done", "wanted": 1, "answers": 1}
    image = deployment.reviews.image_of(deployment.mine)
    assert [box.label for box in image.boxes] == ["cat"]
    other = gateway.ask(request, {"verdict": "nothing", "seconds": 1})
    assert (other.status, other.code) == (409, "already_done")


def test_a_skip_sent_again_is_counted_once(
    deployment: ConsoleDeployment, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    request = f"POST /api/tasks/{deployment.mine.id}/skip"
    before = reviewer_statistics.reviewed_by(deployment.reviews.table, "sub-rita").get("skipped", 0)
    for _ in range(3):
        assert gateway.ask(request, {"reason": "too dark"}).status == 204
    assert reviewer_statistics.reviewed_by(deployment.reviews.table, "sub-rita")["skipped"] == before + 1
    assert published(capsys) == {"TasksSkipped": [1]}


def test_a_skip_has_the_answers_that_are_there_resolved(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    """So many others have skipped the task that nobody else is asked."""
    deployment.tune(review_workers_per_task=2)
    task = deployment.reviews.task("skipped", wanted=2, skipped=("a", "b", "c"))
    box = {"verdict": "labelled", "boxes": [BOX], "seconds": 1}
    assert gateway.ask(f"POST /api/tasks/{task.id}/answer", box, who="ben").document["state"] == "open"
    assert gateway.ask(f"PUT /api/claims/{task.id}").status == 200
    assert gateway.ask(f"POST /api/tasks/{task.id}/skip", {"reason": "no idea"}).status == 204
    assert deployment.reviews.read(task).state == "done"
    assert [box.label for box in deployment.reviews.image_of(task).boxes] == ["cat"]


def test_the_queue_counts(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    document = gateway.ask("GET /api/queue").document
    assert document == {"open": 3, "left": 2, "skipped": 0, "answered_today": 0}
    assert gateway.ask("GET /api/queue", who="ben").document["answered_today"] == 1


def test_what_a_reviewer_skips_is_not_left_for_them_until_they_take_it_back(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    gateway.ask(f"POST /api/tasks/{deployment.mine.id}/skip", {"reason": "no idea"})
    counts = {"open": 3, "left": 1, "skipped": 1, "answered_today": 0}
    assert gateway.ask("GET /api/queue").document == counts
    assert gateway.ask("GET /api/queue", who="ben").document["left"] == 3
    assert gateway.ask("DELETE /api/skips", who="ben").status == 204
    assert gateway.ask("GET /api/queue").document == counts
    assert gateway.ask("DELETE /api/skips").status == 204
    assert gateway.ask("GET /api/queue").document == counts | {"left": 2, "skipped": 0}
    claimed = gateway.ask("POST /api/claims", {"count": 5}).document["tasks"]
    assert deployment.mine.id in [task["id"] for task in claimed]


def test_reviewers_see_their_own_answers_and_correct_them(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    assert gateway.ask("GET /api/answers").document == {"tasks": []}
    (task,) = gateway.ask("GET /api/answers", who="ben").document["tasks"]
    assert (task["id"], task["answer"]["boxes"], task["corrected"]) == (deployment.done.id, [BOX], False)
    request = f"POST /api/tasks/{task['id']}/answer"
    correction = {"verdict": "labelled", "boxes": [BOX | {"label": "dog"}], "seconds": 1, "correction": True}
    answer = gateway.ask(request, correction, who="ben")
    assert answer.document == {"state": "done", "wanted": 1, "answers": 1}
    assert [box.label for box in deployment.reviews.image_of(deployment.done).boxes] == ["dog"]
    (task,) = gateway.ask("GET /api/answers", who="ben").document["tasks"]
    assert (task["answer"]["boxes"][0]["label"], task["corrected"]) == ("dog", True)
    detail = gateway.ask(f"GET /api/admin/tasks/{task['id']}", who=ANN).document
    assert [given["boxes"][0]["label"] for given in detail["given"]] == ["dog"]
    assert [given["boxes"][0]["label"] for given in detail["superseded"]] == ["cat"]
    listed = gateway.ask("GET /api/admin/reviewers", who=ANN).document["reviewers"]
    assert {each["name"]: each["corrected"] for each in listed} == {"ben": 1, "rita": 0}


def test_nobody_corrects_another_s_answer(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    body = {"verdict": "nothing", "seconds": 1, "correction": True}
    refused = gateway.ask(f"POST /api/tasks/{deployment.done.id}/answer", body)
    assert (refused.status, refused.code) == (409, "already_done")
    assert deployment.dump() == before


# Administration


def test_tasks_are_listed_by_state_page_by_page(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: Any
) -> None:
    monkeypatch.setattr("lambdas.admin.PAGE", 2)
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        document = gateway.ask(f"GET /api/admin/tasks?state=open&cursor={cursor}", who=ANN).document
        seen += [task["id"] for task in document["tasks"]]
        cursor = document["cursor"]
    assert seen[0] == deployment.open.id
    assert set(seen) == {deployment.open.id, deployment.mine.id, deployment.others.id}
    counts = {"open": 3, "claimed": 2, "done": 1, "given_back": 1, "deleted": 1}
    assert document["counts"] == counts
    for state, count in counts.items():
        listed = gateway.ask(f"GET /api/admin/tasks?state={state}", who=ANN).document["tasks"]
        assert len(listed) == min(count, 2)
    monkeypatch.setattr("lambdas.admin._COUNTED", 1)
    assert gateway.ask("GET /api/admin/tasks", who=ANN).document["counts"] == dict.fromkeys(counts, 1)
    for lost in ("lost", "(a|aa)*b", "%5B", "OPEN"):
        assert gateway.ask(f"GET /api/admin/tasks?state={lost}&cursor=e30=", who=ANN).field == "state"


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!",
        "eA==",
        "%F0%9F%98%80",
        {"id": "a"},
        {"id": "0" * 20 + "-1", "part": "task", "state": "done", "available_at": "2026-01-01T00:00:00Z"},
        {"id": "0" * 20 + "-1", "part": "labels", "state": "open", "available_at": "2026-01-01T00:00:00Z"},
        {"id": "", "part": "task", "state": "open", "available_at": ""},
        {"id": "9" * 3000, "part": "task", "state": "open", "available_at": "2026-01-01T00:00:00Z"},
        {"id": 1, "part": 2, "state": 3, "available_at": 4},
        ["id", "part", "state", "available_at"],
    ],
)
def test_a_cursor_is_what_the_page_before_gave(
    cursor: Any, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    text = (
        cursor if isinstance(cursor, str) else base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode()
    )
    refused = gateway.ask(f"GET /api/admin/tasks?state=open&cursor={text}", who=ANN)
    assert (refused.status, refused.field) == (422, "cursor")


def test_a_task_is_assigned_and_freed(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    request = f"PUT /api/admin/tasks/{deployment.mine.id}/assignment"
    (claim,) = gateway.ask(request, {"reviewer": "sub-ben"}, who=ANN).document["claims"]
    assert (claim["reviewer"], claim["name"]) == ("sub-ben", "ben")
    assert gateway.ask(request, {"reviewer": ""}, who=ANN).document["claims"] == []
    before = deployment.dump()
    wrong: list[dict[str, Any]] = [{}, *({"reviewer": value} for value in ("zoe", "ben", None, ["sub-ben"]))]
    for body in wrong:
        refused = gateway.ask(request, body, who=ANN)
        assert (refused.status, refused.field) == (422, "reviewer")
    assert deployment.dump() == before


def test_a_task_goes_to_the_reviewer_who_is_meant_whoever_else_had_the_name(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    for sub in ("sub-0old", "sub-9new"):
        reviewer_statistics.note_reviewer(deployment.reviews.table, sub, "zoe")
    listed = gateway.ask("GET /api/admin/reviewers", who=ANN).document["reviewers"]
    (new,) = (reviewer["reviewer"] for reviewer in listed if reviewer["reviewer"] == "sub-9new")
    request = f"PUT /api/admin/tasks/{deployment.mine.id}/assignment"
    (claim,) = gateway.ask(request, {"reviewer": new}, who=ANN).document["claims"]
    assert (claim["reviewer"], claim["name"]) == ("sub-9new", "zoe")


def test_a_finished_task_is_reopened_with_the_labels_that_its_image_has(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    request = f"POST /api/admin/tasks/{deployment.done.id}/reopening"
    reopened = gateway.ask(request, who=ANN).document
    assert (reopened["state"], reopened["reason"], reopened["why"]) == (
        "open",
        "requested",
        "reopened by ann",
    )
    assert reopened["suggestions"]["boxes"] == [BOX | {"confidence": 100.0}]
    assert reopened["suggested_by"] is None
    assert reopened["id"] in deployment.executions.inputs
    assert [box.label for box in deployment.reviews.image_of(deployment.done).boxes] == ["cat"]
    again = gateway.ask(request, who=ANN)
    assert (again.status, again.code) == (409, "conflict")
    deployment.tune(review_route="none")
    assert gateway.ask(request, who=ANN).status == 409


@pytest.mark.parametrize("state", ["done", "deleted", "given_back"])
def test_a_finished_task_is_not_assigned(state: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    request = f"PUT /api/admin/tasks/{deployment.task(state).id}/assignment"
    assert gateway.ask(request, {"reviewer": "sub-ben"}, who=ANN).status in (409, 410)
    assert deployment.dump() == before


def test_a_deleted_task_stays_deleted_and_a_done_one_done(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    assert gateway.ask(f"DELETE /api/admin/tasks/{deployment.deleted.id}", who=ANN).status == 204
    assert gateway.ask(f"DELETE /api/admin/tasks/{deployment.done.id}", who=ANN).status == 409
    assert deployment.dump() == before


# Labels

NAMES = [
    "nut/bolt",
    "a b",
    "50% off",
    "%41",
    "what?",
    "#1",
    "a+b",
    "ä, ö & ü",
    '"x"',
    "<script>",
    "a,b",
    "/",
    "e\u0301",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_label_of_any_name_is_managed(name: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    request = f"/api/admin/labels?label={quote(name, safe='')}"
    put = gateway.ask(f"PUT {request}", {"instruction": "look twice"}, who=ANN)
    assert put.status == 200, put.document
    kept = put.document["label"]
    assert kept in (name, "\u00e9")
    again = gateway.ask(f"PUT {request}", {"retired": False}, who=ANN)
    assert again.document["instruction"] == "look twice"
    assert gateway.ask(f"PUT {request}", {"retired": True}, who=ANN).document["retired"] is True
    retired = {
        label["label"]: label["retired"] for label in gateway.ask("GET /api/labels").document["labels"]
    }
    assert retired == {"cat": False, "dog": False, kept: True}


@pytest.mark.parametrize("name", ["", "%20", "%00", "a%0Ab", "x" * 5000])
def test_what_cannot_be_a_label(name: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    before = deployment.dump()
    refused = gateway.ask(f"PUT /api/admin/labels?label={name}", {}, who=ANN)
    assert (refused.status, refused.field) == (422, "label")
    assert gateway.ask("PUT /api/admin/labels", {}, who=ANN).field == "label"
    assert deployment.dump() == before


def test_what_models_know_can_be_retired_and_shown_again(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.world.version("v2", labels=(LabelScore("cow", 1, 1, 1, 2),))
    for retired in (True, False):
        shown = gateway.ask("PUT /api/admin/labels?label=cow", {"retired": retired}, who=ANN).document
        assert shown["retired"] is retired
        offered = gateway.ask("GET /api/labels").document["labels"]
        assert {label["label"]: label["retired"] for label in offered}["cow"] is retired


def test_more_labels_than_are_offered(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    deployment.world.version("v2", labels=tuple(LabelScore(f"l{n:03}", 1, 1, 1, 2) for n in range(250)))
    shown = gateway.ask("PUT /api/admin/labels?label=old", {"retired": True}, who=ANN)
    assert (shown.status, shown.document["label"], shown.document["retired"]) == (200, "old", True)


BAD_DEFINITIONS: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour"),
    ({"colour": "#ffffff;}"}, "colour"),
    ({"key": "n"}, "key"),
    ({"key": "ab"}, "key"),
    ({"key": 1}, "key"),
    ({"instruction": "x" * 301}, "instruction"),
    ({"instruction": "a\u0000b"}, "instruction"),
    ({"instruction": "a\nb"}, "instruction"),
    ({"examples": "abc"}, "examples"),
    ({"examples": ["../x"]}, "examples"),
    ({"examples": ["0" * 64] * 2}, "examples"),
    ({"examples": [f"{n:064x}" for n in range(7)]}, "examples"),
    ({"retired": "yes"}, "retired"),
    ({"position": 1}, "position"),
]


@pytest.mark.parametrize(("body", "field"), BAD_DEFINITIONS)
def test_a_label_that_is_defined_badly(
    body: dict[str, Any], field: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    refused = gateway.ask("PUT /api/admin/labels?label=cat", body, who=ANN)
    assert (refused.status, refused.field) == (422, field)
    assert deployment.dump() == before


def test_a_key_is_one_labels_alone(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    assert gateway.ask("PUT /api/admin/labels?label=cat", {"key": "c"}, who=ANN).document["key"] == "c"
    refused = gateway.ask("PUT /api/admin/labels?label=dog", {"key": "c"}, who=ANN)
    assert (refused.status, refused.field) == (422, "key")


def test_a_label_is_renamed_on_every_image(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    request = "POST /api/admin/labels/renaming?label=cat"
    answer = gateway.ask(request, {"name": "tom cat"}, who=ANN).document
    assert (answer["label"]["label"], answer["label"]["instruction"]) == ("tom cat", "every cat")
    assert (answer["relabelled"], answer["cursor"]) == (1, "excluded")
    answer = gateway.ask(request, {"name": "tom cat", "cursor": answer["cursor"]}, who=ANN).document
    assert (answer["relabelled"], answer["cursor"]) == (0, None)
    image = deployment.reviews.image_of(deployment.done)
    assert [box.label for box in image.boxes] == ["tom cat"]
    assert image.changed_by == "ann, who renamed cat to tom cat"
    listed = gateway.ask("GET /api/labels").document["labels"]
    assert [(each["label"], each["retired"], each["renamed_to"]) for each in listed] == [
        ("dog", False, ""),
        ("tom cat", False, ""),
        ("cat", True, "tom cat"),
    ]
    (shown,) = gateway.ask("GET /api/admin/labels/images?label=tom%20cat", who=ANN).document["images"]
    assert shown["image"] == image.sha256
    assert gateway.ask("GET /api/admin/labels/images?label=cat", who=ANN).document["images"] == []


@pytest.mark.parametrize(
    ("label", "body", "field"),
    [
        ("fox", {"name": "wolf"}, "label"),
        ("cat", {"name": "cat"}, "name"),
        ("cat", {"name": " "}, "name"),
        ("cat", {"name": "dog", "cursor": "labelled:x"}, "cursor"),
    ],
)
def test_a_label_that_cannot_be_renamed(
    label: str, body: dict[str, str], field: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    refused = gateway.ask(f"POST /api/admin/labels/renaming?label={label}", body, who=ANN)
    assert (refused.status, refused.field) == (422, field)
    assert deployment.dump() == before


# Runs, versions, trying


def test_what_never_existed(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    for route in ("/api/runs/run-9", "/api/runs/..", "/api/runs/%25"):
        refused = gateway.ask(f"GET {route}")
        assert (refused.status, refused.code) == (404, "not_found"), route


def test_versions_come_with_the_thresholds_that_the_deployment_sets(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gateway.ask("GET /api/versions").document["label_thresholds"] == {}
    monkeypatch.setitem(vars(services()), "tuning", lambda: Tuning(label_thresholds={"cat": 80}))
    assert gateway.ask("GET /api/versions").document["label_thresholds"] == {"cat": 80}
    monkeypatch.setitem(vars(services()), "tuning", lambda: Tuning.from_json("{"))
    answer = gateway.ask("GET /api/versions").document
    assert answer["versions"] and answer["label_thresholds"] == {}


def test_the_home_page_has_the_state_of_everything(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    document = gateway.ask("GET /api/home").document
    assert document["serving"]["champion"] == "v1"
    assert [(one["kind"], one["subject"]) for one in document["waiting"]] == [
        ("approval", "v2"),
        ("reviews", ""),
    ]
    assert document["unread"] == []
    quality = gateway.ask("GET /api/home/quality").document
    assert [(one["name"], one["f1"], one["champion"]) for one in quality["versions"]] == [("v1", 0.9, True)]
    assert quality["production"]["version"] == "v1"
    assert quality["drift"]["false_alarm_rate"] == 0.05
    assert quality["unread"] == []


def test_past_its_deadline_the_home_page_does_not_say_that_a_version_waits(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def texts() -> list[str]:
        waiting = gateway.ask("GET /api/home").document["waiting"]
        return [one["text"] for one in waiting if one["kind"] == "approval"]

    (before,) = texts()
    assert before.startswith("v2 waits for approval until ")
    monkeypatch.setattr(clock, "now", lambda: clock.in_seconds(3601))
    (after,) = texts()
    assert after.startswith("the time to decide about v2 ended at ")


_BROKEN_PARTS = {
    "champion": ("lambdas.domain.console.serving.document", ("serving",)),
    "costs": ("lambdas.domain.costs.accounts.running", ("costs",)),
    "runs": ("lambdas.domain.console.control.listed_runs", ("runs", "snapshot_images")),
    "drift": ("lambdas.domain.drift.watch.read_state", ()),
    "incidents": ("lambdas.domain.shared.state.LoopState.incidents", ()),
    "approvals": ("lambdas.domain.shared.state.LoopState.approvals", ("waiting",)),
    "reviews": ("lambdas.domain.review.desk.tasks.ReviewTable.count", ("waiting",)),
}
_BROKEN_QUALITY = {
    "versions": ("lambdas.domain.shared.state.LoopState.version_outlines", ("versions",)),
    "precision": ("lambdas.domain.console.production.read", ("production",)),
    "drift": ("lambdas.domain.drift.watch.read_state", ("drift",)),
}
"""Of the home page's two documents: what is read for each part, and members that have nothing then."""


@pytest.mark.parametrize(
    "asked",
    [
        *(f"GET /api/home {part}" for part in _BROKEN_PARTS),
        *(f"GET /api/home/quality {part}" for part in _BROKEN_QUALITY),
    ],
)
def test_a_part_of_the_home_page_that_cannot_be_read_leaves_the_others(
    asked: str,
    deployment: ConsoleDeployment,
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    route, _, part = asked.rpartition(" ")
    whole = gateway.ask(route).document
    reader, members = (_BROKEN_QUALITY if "quality" in route else _BROKEN_PARTS)[part]
    monkeypatch.setattr(reader, failing)
    capsys.readouterr()
    document = gateway.ask(route).document
    assert document["unread"] == [part]
    assert sum(published(capsys)["PartsUnread"]) >= 1
    different = {member for member in document if document[member] != whole[member]}
    assert different == {"unread", *members}
    assert all(not document[member] or member == "waiting" for member in members)


def failing(*_: Any, **__: Any) -> Any:
    denied = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    raise ClientError(denied, "GetItem")


def test_a_home_page_of_which_nothing_can_be_read_says_so(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reader, _ in (*_BROKEN_PARTS.values(), *_BROKEN_QUALITY.values()):
        monkeypatch.setattr(reader, failing)
    monkeypatch.setattr("lambdas.domain.shared.state.LoopState.champion", failing)
    document = gateway.ask("GET /api/home").document
    # Without a champion nothing is read of it in production.
    assert set(document["unread"]) == set(_BROKEN_PARTS) - {"drift"}
    assert (document["serving"], document["costs"], document["waiting"]) == (None, None, [])
    quality = gateway.ask("GET /api/home/quality").document
    assert quality == {"unread": ["champion", "versions"], "versions": [], "production": None, "drift": None}


@pytest.mark.parametrize(
    ("asked", "reader"),
    [
        ("GET /api/runs/run-1 steps", "lambdas.console.follower"),
        ("GET /api/runs/run-1 training", "lambdas.console._training"),
        (
            "GET /api/versions precision",
            "lambdas.domain.review.results.reviewer_statistics.precisions_of",
        ),
        ("GET /api/versions/v1/lineage snapshot", "lambdas.domain.console.lineage.snapshot"),
        ("GET /api/versions/v1/lineage costs", "lambdas.domain.console.lineage.usd"),
    ],
)
def test_a_part_of_a_document_that_cannot_be_read_leaves_the_others(
    asked: str,
    reader: str,
    deployment: ConsoleDeployment,
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    route, _, part = asked.rpartition(" ")
    assert gateway.ask(route).document["unread"] == []
    monkeypatch.setattr(reader, failing)
    assert gateway.ask(route).document["unread"] == [part]


def test_only_administrators_learn_who_has_labelled_what(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    snapshot = {
        "id": "s",
        "kind": "detection",
        "train_images": 4,
        "test_images": 2,
        "train_labels": {"cat": 4},
        "test_labels": {"cat": 2},
        "origins": {"annotation": 3, "person": 3},
        "labelled_by": {"Ben": 2, "Rita": 1},
    }
    deployment.world.s3.put_object(
        Bucket=BUCKET, Key="datasets/s/snapshot.json", Body=json.dumps(snapshot).encode()
    )
    deployment.world.loop_state.update_run(Run("run-1", started_by="Ann"))
    deployment.world.version("v1", "RUNNING", settings=Tuning(min_f1=0.7).as_dict())
    route = "GET /api/versions/v1/lineage"
    for who, names, starter in ((RITA, None, None), (ANN, [("Ben", 2), ("Rita", 1)], "Ann")):
        document = gateway.ask(route, who=who).document
        named = document["labelled_by"]
        assert (named and [(one["name"], one["images"]) for one in named]) == names
        assert (document["people"], document["started_by"]) == (2, starter)
        assert "Ben" not in json.dumps(document) or who == ANN
    assert (document["train_images"], document["test_images"], document["labels"]) == (4, 2, 1)
    assert [(one["name"], one["images"]) for one in document["origins"]] == [("annotation", 3), ("person", 3)]
    assert document["settings"] == {"min_f1": "0.7"}
    assert document["usd"] > 0


def test_what_is_not_on_record_of_a_version_is_not_made_up(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    document = gateway.ask("GET /api/versions/v1/lineage", who=ANN).document
    assert (document["train_images"], document["origins"], document["people"]) == (None, [], 0)
    for path in ("lineage", "production", "production/pictures"):
        assert gateway.ask(f"GET /api/versions/v99/{path}").status == 404


def test_costs_are_summed_up_in_three_ways_and_no_other(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    for by, name in (("day", "2026-01-01"), ("month", "2026-01"), ("version", "v1")):
        document = gateway.ask(f"GET /api/costs?by={by}").document
        assert [(one["name"], one["usd"]) for one in document["accounts"]] == [(name, 4)]
    refused = gateway.ask("GET /api/costs?by=year")
    assert (refused.status, refused.code) == (422, "bad_request")


def test_a_run_that_has_no_report_links_to_none(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    document = gateway.ask("GET /api/runs/run-2").document
    assert document["report_url"] is None
    states = [step["state"] for step in document["steps"]]
    assert states == ["done", "running", *["waiting"] * 9]


def test_a_run_says_how_long_its_training_may_still_take(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    assert gateway.ask("GET /api/runs/run-2").document["training"] is None
    loop_state, now = deployment.world.loop_state, datetime.now(UTC)
    loop_state.update_run(Run("run-1", steps=(RunStep("Train", 4), RunStep("WaitForTraining", 396))))
    loop_state.update_run(Run("run-2", version="v1"))
    deployment.world.fake.versions["v1"]["StatusMessage"] = "The model is being trained."
    events = [
        entered("TakeLease", now - timedelta(seconds=190)),
        entered("Train", now - timedelta(seconds=100)),
    ]
    histories = deployment.executions.histories
    execution = next(arn for arn in histories if arn.endswith(":run-2"))
    before, histories[execution] = histories[execution], events
    console.follower.cache_clear()
    try:
        training = gateway.ask("GET /api/runs/run-2").document["training"]
    finally:
        histories[execution] = before
        console.follower.cache_clear()
    assert (training["basis"], training["estimated_seconds"], training["earlier_runs"]) == (
        "earlier_runs",
        400,
        1,
    )
    assert training["message"] == "The model is being trained."
    assert training["fraction"] == pytest.approx(0.25, abs=0.05)
    assert training["seconds_left"] == pytest.approx(300, abs=20)


def test_a_run_is_cancelled_by_name(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    assert gateway.ask("POST /api/admin/runs/run-2/cancellation", who=ANN).status == 204
    (stopped,) = deployment.executions.stopped
    assert stopped["executionArn"].endswith(":execution:retrain:run-2")
    assert stopped["cause"] == "cancelled by ann"
    ended = gateway.ask("POST /api/admin/runs/run-1/cancellation", who=ANN)
    assert (ended.status, ended.message) == (409, "the run has ended already")
    assert gateway.ask("POST /api/admin/runs/run-9/cancellation", who=ANN).status == 404
    assert len(deployment.executions.stopped) == 1


def test_a_batch_is_cancelled_once(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    route = "POST /api/admin/batches/night/cancellation"
    assert gateway.ask(route, who=ANN).status == 204
    (stopped,) = deployment.executions.stopped
    assert (stopped["executionArn"], stopped["cause"]) == ("one", "by ann")
    deployment.batch(state="cancelled", ended_at="2026-11-28T10:00:00.000000Z")
    again = gateway.ask(route, who=ANN)
    assert again.status == 409
    assert again.message.startswith("night has ended at 2026-11-28 10:00 UTC: cancelled")
    assert gateway.ask(route.replace("night", "day"), who=ANN).status == 404
    assert len(deployment.executions.stopped) == 1


def test_applications_say_how_much_they_ask(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    shop, line = gateway.ask("GET /api/admin/applications", who=ANN).document["applications"]
    assert (shop["name"], shop["kind"], shop["rate"]) == ("shop", "application", 2)
    assert (shop["requests_last_hour"], shop["requests_last_day"], shop["full_minutes"]) == (2, 2, 1)
    assert clock.parse(shop["asked_at"]) > clock.parse(line["asked_at"])
    assert (line["name"], line["kind"], line["rate"]) == ("aws:123456789012:role/Line", "aws", 600)
    assert (line["requests_last_hour"], line["full_minutes"]) == (2, 0)
    services().application_table.delete_item(Key={"id": "shop"})
    removed, _ = gateway.ask("GET /api/admin/applications", who=ANN).document["applications"]
    assert (removed["name"], removed["kind"], removed["rate"]) == ("shop", "removed", 0)


def test_a_batch_says_what_it_has_come_to(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    assert gateway.ask("GET /api/batches/night").document["summary"] is None
    failure = {"error": "NoSuchKey", "images": 1, "reason": "it was deleted", "examples": ["s3://a/b.jpg"]}
    summary = {
        "detected": 2,
        "failed": 1,
        "without_objects": 1,
        "missing": 0,
        "labels": [{"label": "cat", "objects": 3, "images": 1, "histogram": [0] * 20}],
        "histogram": [0] * 19 + [3],
        "failures": [failure],
    }
    s3 = deployment.world.s3
    s3.put_object(Bucket=BUCKET, Key="batches/night/summary.json", Body=json.dumps(summary).encode())
    document = gateway.ask("GET /api/batches/night").document["summary"]
    assert document == {**summary, "labels": [{"label": "cat", "objects": 3, "images": 1}]}
    assert gateway.ask("GET /api/batches/day").status == 404


def test_a_rollback_is_begun_and_listed_with_who_asked_for_it(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    refused = {"v9": 422, "v1": 409}
    for version, status in refused.items():
        assert gateway.ask("POST /api/admin/rollbacks", {"version": version}, who=ANN).status == status
    assert deployment.executions.described == {}
    id = gateway.ask("POST /api/admin/rollbacks", {"version": "v0"}, who=ANN).document["id"]
    ((arn, execution),) = deployment.executions.described.items()
    assert json.loads(execution["input"]) == {"version": "v0", "rollback": True, "started_by": "ann"}
    listed = gateway.ask("GET /api/runs").document["runs"]
    assert [run["id"] for run in listed] == [id, "run-2", "run-1"]
    assert (listed[0]["trigger"], listed[0]["started_by"], listed[0]["version"]) == ("rollback", "ann", "v0")
    assert (listed[0]["outcome"], listed[0]["ended_at"]) == ("running", None)
    output = {"outcome": "promoted", "reason": "v0 serves instead of v1"}
    ended = {"status": "SUCCEEDED", "stopDate": datetime.now(UTC), "output": json.dumps(output)}
    deployment.executions.described[arn] = execution | ended
    (rollback, *_) = gateway.ask("GET /api/runs").document["runs"]
    assert (rollback["outcome"], rollback["reason"]) == ("promoted", "v0 serves instead of v1")


def test_an_administrator_decides_about_a_version_that_waits(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    asked = {version["name"]: version for version in gateway.ask("GET /api/versions").document["versions"]}
    assert asked["v2"]["status"] == "pending"
    assert asked["v2"]["approval"]["decision"] is None
    assert "waits" not in json.dumps(asked), "the token of the execution is shown to nobody"
    route = "POST /api/admin/versions/v2/approval"
    refused = gateway.ask(route, {"decision": "declined"}, who=ANN)
    assert (refused.status, refused.document["error"]["field"]) == (422, "why")
    assert gateway.ask(route, {"decision": "declined", "why": "misses nuts"}, who=ANN).status == 204
    ((token, output),) = deployment.executions.outcomes
    assert (token, json.loads(output)) == (
        "waits",
        {"decision": "declined", "by": "ann", "why": "misses nuts"},
    )
    again = gateway.ask(route, {"decision": "approved"}, who=ANN)
    assert (again.status, "just now" in str(again.message)) == (409, True)
    assert (
        gateway.ask("POST /api/admin/versions/v9/approval", {"decision": "approved"}, who=ANN).status == 404
    )


def test_a_version_that_was_not_trained_to_its_end_is_not_gone_back_to(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.world.fake.versions["v0"]["Status"] = "TRAINING_FAILED"
    refused = gateway.ask("POST /api/admin/rollbacks", {"version": "v0"}, who=ANN)
    assert (refused.status, refused.message) == (409, "v0 cannot be started: it is TRAINING_FAILED")


def test_a_version_whose_endpoint_has_died_is_gone_back_to(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.world.fake.versions["v0"]["Status"] = "FAILED"
    assert gateway.ask("POST /api/admin/rollbacks", {"version": "v0"}, who=ANN).status < 300


def test_promotions_of_runs_are_no_rollbacks(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    executions, machines = deployment.executions, deployment.world.machines
    executions.start_execution(stateMachineArn=machines["promote"], name="run-1", input='{"version": "v1"}')
    executions.start_execution(stateMachineArn=machines["promote"], name="other", input='{"version": "v1"}')
    deployment.world.loop_state.update_run(Run("run-2", trigger="manual", started_by="rosa (command line)"))
    listed = gateway.ask("GET /api/runs").document["runs"]
    assert [(run["id"], run["started_by"]) for run in listed] == [
        ("run-2", "rosa (command line)"),
        ("run-1", None),
    ]


def test_no_champion(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    deployment.world.loop.delete_item(Key={"kind": "CHAMPION", "id": "champion"})
    refused = gateway.ask(f"POST /api/try/{TRIED}/detection")
    assert (refused.status, refused.code) == (409, "no_champion")
    task = gateway.ask(f"POST /api/try/{TRIED}/review").document["task"]
    opened = deployment.reviews.table.get(task)
    assert opened is not None
    assert (opened.reason, opened.suggestions.boxes) == ("requested", ())


def test_a_champion_that_does_not_run(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    deployment.world.fake.versions["v1"]["Status"] = "STOPPED"
    refused = gateway.ask(f"POST /api/try/{TRIED}/detection")
    assert (refused.status, refused.code) == (503, "asleep"), "it is to run, and is started again"
    assert deployment.invoked == []


def sleep(deployment: ConsoleDeployment, asked: Any = "") -> None:
    deployment.world.fake.versions["v1"]["Status"] = "STOPPED"
    deployment.world.loop_state.change_serving(
        lambda before: replace(before, state="asleep", reason="put to sleep by ann", asked=asked)
    )


def test_who_finds_it_asleep_wakes_it_on_demand_and_hears_when_to_come_again(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.tune(serving_policy="demand")
    sleep(deployment)
    refused = gateway.ask(f"POST /api/try/{TRIED}/detection")
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "asleep", "1260")
    assert "try again in 21 minutes" in refused.message
    ((function, kind, payload),) = deployment.invoked
    asked_at = payload.pop("at")
    assert (function, kind, payload) == ("pets-serve", "Event", {"request": "wake", "by": "rita", "why": ""})
    assert 0 <= clock.seconds_between(asked_at, clock.now()) < 60


@pytest.mark.parametrize(("policy", "asked"), [("idle", ""), ("never", ""), ("demand", "stop")])
def test_nobody_wakes_it_otherwise(
    policy: str, asked: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.tune(serving_policy=policy)
    sleep(deployment, asked)
    refused = gateway.ask(f"POST /api/try/{TRIED}/detection")
    assert (refused.status, refused.code) == (409, "champion_sleeps")
    assert refused.message == "the champion v1 sleeps: put to sleep by ann"
    assert deployment.invoked == []


def test_who_tries_it_uses_it(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    gateway.ask(f"POST /api/try/{TRIED}/detection")
    assert [payload["request"] for _, _, payload in deployment.invoked] == ["use"]


def test_administrators_start_and_stop_it_by_the_step_that_looks_after_it(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    for request in ("stop", "start"):
        gateway.ask("POST /api/admin/serving", {"request": request, "why": "holidays"}, who=ANN)
    assert deployment.invoked == [
        ("pets-serve", "Event", {"request": request, "by": "ann", "why": "holidays", "at": mock.ANY})
        for request in ("stop", "start")
    ]
    assert deployment.dump() == before, "what faces the internet writes nothing"
    assert gateway.ask("POST /api/admin/serving", {"request": "wake"}, who=ANN).status == 422


def test_the_console_says_that_it_sleeps_and_why(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    sleep(deployment)
    document = gateway.ask("GET /api/serving").document
    assert (document["champion"], document["status"], document["state"]) == ("v1", "STOPPED", "asleep")
    assert (document["reason"], document["policy"]) == ("put to sleep by ann", "idle")
    assert document["usd_per_hour"] == 4.0


def test_an_image_is_tried_and_sent_to_review_once(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    detection = gateway.ask(f"POST /api/try/{TRIED}/detection").document
    box = {"left": 8, "top": 14, "width": 40, "height": 18}
    assert detection["labels"] == [{"name": "cat", "confidence": 88.5, "box": box}]
    assert (detection["model_version"], detection["width"], detection["height"]) == ("v1", 80, 70)
    first = gateway.ask(f"POST /api/try/{TRIED}/review").document["task"]
    assert gateway.ask(f"POST /api/try/{TRIED}/review").document["task"] == first
    opened = deployment.reviews.table.get(first)
    assert opened is not None
    assert opened.suggestions.boxes[0].box == Box("cat", 8, 14, 40, 18)
    assert first in deployment.executions.inputs


def test_nothing_is_sent_to_review_where_nothing_is_reviewed(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.tune(review_route="none")
    before = deployment.dump()
    refused = gateway.ask(f"POST /api/try/{TRIED}/review")
    assert (refused.status, refused.code) == (409, "no_reviews")
    assert deployment.dump() == before


@pytest.mark.parametrize("what", ["detection", "review"])
@pytest.mark.parametrize(
    "id", ["f" * 32, "..%2F..%2Fimages", "A" * 32, "a" * 31, "%2e%2e", "0" * 33, "\uff10" * 32]
)
def test_only_what_was_sent_to_be_tried(
    what: str, id: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    before = deployment.dump()
    try:
        assert gateway.ask(f"POST /api/try/{quote(id, safe='%')}/{what}").status == 404
    except LookupError:
        assert "%2F" in id, "API Gateway itself answers 404"
    assert deployment.dump() == before


@pytest.mark.parametrize("what", ["detection", "review"])
@pytest.mark.parametrize(
    "data", [b"", b"no image", GIF, picture()[:200], picture(size=(20, 20)), b"\0" * 16_000_000]
)
def test_what_is_no_image_to_be_tried(
    what: str, data: bytes, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.put_image("a" * 32, data)
    before = deployment.dump()
    refused = gateway.ask(f"POST /api/try/{'a' * 32}/{what}")
    assert (refused.status, refused.code) == (422, "bad_image")
    assert deployment.dump() == before


def test_an_image_goes_to_its_own_key_with_its_own_size(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    document = gateway.ask("POST /api/try", {"content_type": "image/jpeg", "size": 1234}).document
    address = urlsplit(document["upload"]["url"])
    signed = parse_qs(address.query)
    assert address.path.endswith(f"/try/{document['id']}")
    assert int(signed["X-Amz-Expires"][0]) <= 15 * 60
    assert set(signed["X-Amz-SignedHeaders"][0].split(";")) == {"content-length", "content-type", "host"}
    assert document["upload"]["method"] == "PUT"
    assert document["upload"]["headers"] == {"Content-Type": "image/jpeg"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content_type": "image/gif", "size": 1}, "content_type"),
        ({"content_type": "text/html", "size": 1}, "content_type"),
        ({"content_type": ["image/png"], "size": 1}, "content_type"),
        ({"size": 1}, "content_type"),
        ({"content_type": "image/png"}, "size"),
        ({"content_type": "image/png", "size": 0}, "size"),
        ({"content_type": "image/png", "size": -1}, "size"),
        ({"content_type": "image/png", "size": True}, "size"),
        ({"content_type": "image/png", "size": 1.5}, "size"),
        ({"content_type": "image/png", "size": "1"}, "size"),
        ({"content_type": "image/png", "size": 15 * 1024 * 1024 + 1}, "size"),
        ({"content_type": "image/png", "size": 10**400}, "size"),
        ({"content_type": "image/png", "size": 1, "key": "images/x"}, "key"),
    ],
)
def test_an_image_that_cannot_be_tried(
    body: Any, field: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    refused = gateway.ask("POST /api/try", body)
    assert (refused.status, refused.field) == (422, field)
