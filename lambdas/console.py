"""What goes on, for everybody who is signed in: runs, model versions, and trying the champion."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import http
from lambdas.domain.console import tryit, versions
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.register import registration
from lambdas.domain.register.arrivals import Arrival, GoneError
from lambdas.domain.report import of_snapshot
from lambdas.domain.retrain import steps
from lambdas.domain.review.results import reviewer_statistics
from lambdas.domain.review.task_opening import Opener, Seen
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import Champion, ModelVersion, Run
from lambdas.http import ADMINISTRATORS, REVIEWERS, Caller
from lambdas.services import services, variable

logger = Logger()
app = http.api()
MOST = 100
"""Runs and versions that are listed."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event, context)


@app.get("/api/runs")
def list_runs() -> Response[str]:
    _caller()
    return http.answer({"runs": [steps.summary(run) for run in services().loop_state.runs()[:MOST]]})


@app.get("/api/runs/<run>")
def read_run(run: str) -> Response[str]:
    _caller()
    s = services()
    found = s.loop_state.run(run)
    if found is None:
        raise ApiError(404, "not_found", f"there is no run {run[:80]}")
    told = steps.document(found, steps.steps(s.stepfunctions, found))
    return http.answer({**told, "report_url": _report(found)})


@app.get("/api/versions")
def list_versions() -> Response[str]:
    _caller()
    champion, found = services().loop_state.champion(), services().loop_state.versions()[:MOST]
    return http.answer({"versions": [_version(version, champion) for version in found]})


@app.post("/api/try")
def begin_try() -> Response[str]:
    _caller()
    sent = http.body(app, "content_type", "size")
    id = tryit.new_id(sent.get("content_type"), sent.get("size"))
    url = services().signer.generate_presigned_url(
        "put_object",
        Params={
            "Bucket": services().bucket,
            "Key": tryit.key(id),
            "ContentType": sent["content_type"],
            "ContentLength": sent["size"],
        },
        ExpiresIn=http.URL_SECONDS,
    )
    upload = {"url": url, "method": "PUT", "headers": {"Content-Type": sent["content_type"]}}
    return http.answer({"id": id, "upload": upload})


@app.post("/api/try/<id>/detection")
def detect(id: str) -> Response[str]:
    _caller()
    s = services()
    tried = tryit.ask(s.rekognition, s.s3, s.loop_state, s.bucket, id)
    return http.answer(tryit.document(tried, http.link(tryit.key(id))))


@app.post("/api/try/<id>/review")
def review(id: str) -> Response[str]:
    """Put the image before reviewers, with what the champion sees drawn in advance if it runs."""
    _caller()
    s = services()
    tuning = s.tuning()
    if tuning.review_route == "none":
        raise ApiError(409, "no_reviews", "images are not reviewed here: review_route is none")
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), tuning)
    try:
        image = registration.register_in_place(
            s.s3, s.catalogue, Arrival(s.bucket, tryit.key(id), None, 0, "")
        )
    except GoneError as error:
        raise ApiError(404, "not_found", "the image has not arrived; send it again") from error
    except UnusableImageError as error:
        raise ApiError(422, "bad_image", f"this image cannot be used: {error.detail}") from error
    task = opener.open(image, "requested", opener.kind(), _seen(id)) or s.reviews.current_of(image.sha256)
    return http.answer({"task": task.id if task else ""})


def _seen(id: str) -> Seen | None:
    s = services()
    try:
        tried = tryit.ask(s.rekognition, s.s3, s.loop_state, s.bucket, id)
    except ApiError:
        return None
    return Seen(tried.labels, tried.model_version)


def _version(version: ModelVersion, champion: Champion | None) -> dict[str, Any]:
    precision = reviewer_statistics.precision_of(services().reviews, version.id)
    return versions.document(version, champion, precision)


def _report(run: Run) -> str | None:
    """The data-set report of the run's snapshot, as a page."""
    if run.data_report is None:
        return None
    return http.link(of_snapshot.report_key(str(run.snapshot), "report.html"))


def _caller() -> Caller:
    return http.caller(app, REVIEWERS, ADMINISTRATORS)
