"""register: each object created under incoming/ goes into the catalogue, or to rejected/ with a reason.

SQS delivers S3's events, which EventBridge sent on; records that fail alone are delivered again. Annotation
files and images that are to be cut into tiles, which may take minutes, go on to a queue and a function of
their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas import sqs_batch
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.register import annotation_files, arrivals, originals, registration
from lambdas.domain.register.arrivals import Arrival, Outcome
from lambdas.domain.register.originals import Cutting
from lambdas.metrics import count, with_metrics
from lambdas.services import services, tiling, variable
from lambdas.sqs_batch import BatchResponse

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
_COUNTED = {
    "registered": "ObjectsRegistered",
    "annotated": "AnnotationFilesTaken",
    "converted": "AnnotationFilesTaken",
    "rejected": "ObjectsRejected",
}
"""Metrics, by what has become of an object."""
_MAX_CUT = 10_000
"""Originals that one annotation file has cut anew."""


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Register a batch of images, and send on what takes longer: the messages to deliver again."""
    return _handle(event, _register_or_send_on)


@logger.inject_lambda_context
@with_metrics
def handle_annotations(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """Take an annotation file, or a large image: the messages to deliver again."""
    return _handle(event, _register_any_size)


def _handle(event: dict[str, Any], register: Callable[[str], Outcome]) -> BatchResponse:
    outcomes: list[Outcome] = []
    response = sqs_batch.handle_each(event, lambda body: outcomes.append(register(body)))
    _delete_registered(outcomes)
    _propose(outcomes)
    if any(outcome.labels_changed for outcome in outcomes):
        _request_run()
    return response


def _register_or_send_on(body: str) -> Outcome:
    key = _arrival(body).key
    if not annotation_files.is_annotation_file(key):
        outcome = _register(body)
        if outcome.kind != "oversized":
            return outcome
    services().sqs.send_message(QueueUrl=variable("ANNOTATIONS_QUEUE_URL"), MessageBody=body)
    return Outcome("sent_on", key)


def _register_any_size(body: str) -> Outcome:
    tuning = services().tuning()
    cutting = Cutting(tiling(tuning), tuning.tile_min_visible)
    message = json.loads(body)
    if sha256 := message.get("cut"):
        return _cut(sha256, cutting)
    outcome = _register(body, cutting)
    # While the message is not done with, so that nothing that is to be cut is forgotten.
    if outcome.kind == "annotated":
        _have_originals_cut()
    return outcome


def _cut(sha256: str, cutting: Cutting) -> Outcome:
    """Cut an original again, whose labels have changed."""
    aws = services()
    cut = originals.recut(aws.s3, aws.catalogue, aws.bucket, sha256, cutting)
    logger.info("original cut", extra={"original": sha256, "labels_changed": cut.labels_changed})
    return Outcome("cut", "", sha256=sha256, unlabelled=cut.unlabelled, labels_changed=cut.labels_changed)


def _have_originals_cut() -> None:
    """Have the originals cut whose labels have changed; twice is no more than once."""
    uncut = islice(catalogue_images.ids(services().catalogue, "uncut"), _MAX_CUT)
    for id in uncut:
        body = json.dumps({"cut": id.removeprefix(catalogue_images.image_id(""))})
        services().sqs.send_message(QueueUrl=variable("QUEUE_URL"), MessageBody=body)


def _register(body: str, cutting: Cutting | None = None) -> Outcome:
    try:
        outcome = registration.register_object(services().s3, services().catalogue, _arrival(body), cutting)
    except Exception:
        count("ObjectsFailed")
        raise
    logger.info("object handled", extra={"outcome": asdict(replace(outcome, to_delete=None))})
    _record_metrics(outcome)
    return outcome


def _record_metrics(outcome: Outcome) -> None:
    if name := _COUNTED.get(outcome.kind):
        count(name)
    count("AnnotationsPending", outcome.pending)
    count("BrokenManifestLines", outcome.broken_lines)


def _arrival(body: str) -> Arrival:
    """The object that an "Object Created" event tells of.

    Unlike in S3's own notifications the key is not URL-encoded here: a plus is a plus
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
    """
    detail = json.loads(body)["detail"]
    created = detail["object"]
    return Arrival(
        bucket=detail["bucket"]["name"],
        key=created["key"],
        version_id=created.get("version-id"),
        size=int(created.get("size", 0)),
        sequencer=created.get("sequencer", ""),
    )


def _delete_registered(outcomes: list[Outcome]) -> None:
    """What is registered leaves incoming/; if that fails the records stand, and the sweeper has it done."""
    try:
        arrivals.delete_registered(services().s3, outcomes)
    except Exception:
        logger.exception("could not delete what was registered")


def _propose(outcomes: list[Outcome]) -> None:
    """Have images without labels reviewed; if that fails, the collector finds them."""
    hashes = [sha256 for outcome in outcomes for sha256 in outcome.unlabelled]
    if not hashes:
        return
    # Here, as not every batch has images to review, nor changes labels.
    from lambdas.domain.review import proposals

    aws = services()
    try:
        proposals.propose_images(aws.sqs, variable("REVIEW_QUEUE_URL"), hashes, aws.tuning())
    except Exception:
        logger.exception("could not propose images for review")


def _request_run() -> None:
    """Ask for a run if enough is new; if that fails the records stand, and the sweeper asks again."""
    from lambdas.domain.retrain import requests

    aws = services()
    try:
        requests.request_run_if_due(
            aws.catalogue, aws.loop_state, aws.stepfunctions, variable("RETRAIN_MACHINE_ARN"), aws.tuning()
        )
    except Exception:
        logger.exception("could not ask for a run")
