"""Detection for applications: one address, an image in, what the champion sees out."""

# Every import that a detection does not need is a route's own: the others would wait for it at a cold start.
from __future__ import annotations

import base64
import binascii
import json
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from msgspec import UNSET

from lambdas import http
from lambdas.contract import detections as responses
from lambdas.domain.applications import callers, detections, storage
from lambdas.domain.applications.callers import Callers
from lambdas.domain.applications.detections import Desk, Options, Services
from lambdas.domain.applications.directory import Application, application_of
from lambdas.domain.applications.records import Records
from lambdas.domain.applications.tokens import Verifier
from lambdas.domain.serve import requests
from lambdas.domain.shared import boxes, clock
from lambdas.domain.shared.errors import ApiError
from lambdas.http import Event, HttpResponse, Operation
from lambdas.services import services, tiling, variable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.contract.detections import DetectionOptions, FeedbackRequest, UploadRequest
    from lambdas.domain.applications.records import Detection

logger = Logger()
AWS_PREFIX = "/iam"
"""Begins the paths of callers that sign with AWS credentials: a route has one way to authorize."""
OPENAPI = Path(__file__).parent / "contract" / "detections.openapi.json"
_JWKS_SECONDS = 5
_WORKERS = 8


class DetectionApi(http.Api):
    """The routes, for applications and for callers of AWS alike.

    API Gateway has checked the signatures of the latter; tokens are checked here
    (docs/decisions/0011-tokens-of-applications.md).
    """

    contract = ("lambdas.contract.detections", "lambdas.contract.detections")

    def path(self, event: Event) -> str:
        path = http.read_path(event)
        return path.removeprefix(AWS_PREFIX) if _is_signed(event) else path

    def caller(self, event: Event) -> Application:
        if _is_signed(event):
            return callers.of_aws(
                event["requestContext"]["authorizer"]["iam"], desk().tuning().aws_caller_rate
            )
        return known_callers().of_token(_header(event, "authorization"))

    def arguments(self, operation: Operation, event: Event) -> dict[str, Any]:
        arguments = super().arguments(operation, event)
        if "sent" in operation.function.__annotations__:
            arguments["sent"] = _sent(event)
            arguments["idempotency_key"] = _header(event, "idempotency-key")
        return arguments


app = DetectionApi()


@logger.inject_lambda_context
def handle(event: Event, context: LambdaContext) -> HttpResponse:
    """A request that API Gateway has let through."""
    return app.resolve(event)


@app.post("/v1/detections")
def detect(
    caller: Application, sent: bytes | str, options: DetectionOptions, idempotency_key: str = ""
) -> responses.Detection:
    """Ask the champion about an image: the body, or an upload. A request that is sent again with the same
    `Idempotency-Key` is answered the same."""
    wanted = Options(
        min_confidence=None if options.min_confidence is UNSET else options.min_confidence,
        labels=tuple(options.labels),
        max_results=None if options.max_results is UNSET else options.max_results,
        tile={"on": True, "off": False}.get(options.tile),
    )
    detection = desk().ask(caller, sent, wanted, idempotency_key)
    logger.info("detected", extra={"application": caller.id, "detection": detection.id})
    return _document(detection)


@app.get("/v1/detections/{id}")
def read_detection(caller: Application, id: str) -> responses.Detection:
    """What the application was answered before."""
    return _document(desk().read(caller, id))


@app.post("/v1/detections/{id}/feedback")
def give_feedback(caller: Application, id: str, body: FeedbackRequest) -> responses.Detection:
    """Say that a detection is wrong: people review its image, and the next model version learns from it."""
    return _document(desk().report(caller, id, body.verdict, body.note))


@app.post("/v1/uploads")
def begin_upload(caller: Application, body: UploadRequest) -> responses.Upload:
    """Where to send an image that is too large for a request; its size and type have to be these."""
    key = desk().begin_upload(caller)
    url = services().signer.generate_presigned_url(
        "put_object",
        Params={
            "Bucket": services().bucket,
            "Key": key,
            "ContentType": body.content_type,
            "ContentLength": body.size,
        },
        ExpiresIn=storage.UPLOAD_SECONDS,
    )
    headers = {"Content-Type": body.content_type, "Content-Length": str(body.size)}
    return responses.Upload(key, url, "PUT", headers, clock.in_seconds(storage.UPLOAD_SECONDS))


@app.get("/v1/openapi.json")
def read_openapi(caller: Application) -> dict[str, Any]:
    """This API as an OpenAPI document."""
    document: dict[str, Any] = json.loads(OPENAPI.read_text())
    return {**document, "servers": [{"url": variable("API_ADDRESS")}]}


def _document(detection: Detection) -> responses.Detection:
    return responses.Detection(
        id=detection.id,
        created_at=detection.at,
        model_version=detection.model_version,
        image=responses.ImageSize(detection.width, detection.height),
        labels=[_label(label, detection) for label in detection.labels],
        feedback=detection.feedback,
    )


def _label(label: Mapping[str, Any], detection: Detection) -> responses.DetectedLabel:
    box = label.get("box")
    return responses.DetectedLabel(
        label=label["label"],
        class_id=label["class_id"],
        confidence=label["confidence"],
        box=responses.ShareBox(**box) if box else UNSET,
        box_pixels=responses.PixelBox(**boxes.in_pixels(box, detection.width, detection.height))
        if box
        else UNSET,
    )


# The request


def _is_signed(event: Event) -> bool:
    return "iam" in (event["requestContext"].get("authorizer") or {})


def _header(event: Event, name: str) -> str:
    """A header; API Gateway gives their names in small letters."""
    return str((event.get("headers") or {}).get(name, ""))


def _sent(event: Event) -> bytes | str:
    """The image in the body, or the key of an upload.

    Raises:
        ApiError: it is neither.
    """
    content_type = _header(event, "content-type").partition(";")[0].strip().lower()
    if content_type == "application/json":
        return http.read_body(event, responses.DetectionRequest).key
    text = event.get("body") or ""
    if text and not event.get("isBase64Encoded"):
        raise ApiError(
            415,
            "unsupported_type",
            "send the image as the body with Content-Type image/jpeg or image/png, or"
            ' {"key": ...} of an upload with application/json',
        )
    if len(text) > detections.MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise detections.too_large()
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise ApiError(400, "bad_request", "the body cannot be read") from error


# What is kept between requests


@cache
def desk() -> Desk:
    """Where applications ask."""
    s = services()
    return Desk(
        Services(
            detector=s.prompt_detector,
            s3=s.s3,
            sqs=s.sqs,
            state=s.loop_state,
            recent=s.recent_state,
            records=Records(s.detection_table),
            observations=s.observations,
            executor=ThreadPoolExecutor(_WORKERS),
            bucket=s.bucket,
            review_queue_url=variable("REVIEW_QUEUE_URL"),
            tuning=s.tuning,
            tiling=lambda tuning, tile: tiling(tuning, tile=tile),
            tell=_tell_serve,
            forget_after_days=int(variable("FORGET_AFTER_DAYS")),
        )
    )


def _tell_serve(by: str, request: requests.Request) -> None:
    requests.send(services().functions, variable("SERVE_FUNCTION"), request, by)


@cache
def known_callers() -> Callers:
    """Who has asked before."""
    table = services().application_table
    return Callers(Verifier(variable("ISSUER"), _fetch_keys), lambda client: application_of(table, client))


def _fetch_keys() -> Mapping[str, Any]:
    """The public keys of the user pool, by which it signs tokens."""
    # The address is the deployment's own.
    with urllib.request.urlopen(variable("JWKS_URL"), timeout=_JWKS_SECONDS) as response:  # noqa: S310
        keys: Mapping[str, Any] = json.load(response)
    return keys
