"""review: from an image that nobody has labelled to its labels, by people.

The steps of statemachines/review.asl.json, and what opens tasks: messages about single images, and the
collector, which makes up for whatever was missed.
"""

# What opens tasks has no use for the routes to workers, nor the state machine for what opens tasks.
from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas import sqs_batch
from lambdas.domain.shared import clock
from lambdas.metrics import count, with_metrics
from lambdas.services import services, tiling, variable
from lambdas.sqs_batch import BatchResponse

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.domain.catalogue.images import CatalogueImage
    from lambdas.domain.drafts.fitting import Fitting
    from lambdas.domain.review.routing import Routes
    from lambdas.domain.review.task_opening import Opener, Seen
    from lambdas.domain.shared.annotation import Box
    from portable.embedding import Embedder

logger = Logger()


class Ask(TypedDict):
    task: str
    token: str


class GiveBack(TypedDict):
    task: str
    error: str
    cause: str


class OfBatch(TypedDict):
    batch: str


class OfWaitingBatch(OfBatch):
    timeout_seconds: int


# Opening tasks


@logger.inject_lambda_context
@with_metrics
def propose(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """SQS messages about images that may be worth a review; those that failed are tried again."""
    return sqs_batch.handle_each(event, _propose)


@logger.inject_lambda_context
@with_metrics
def collect(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Open tasks for unlabelled images that have none; by schedule."""
    opened = _opener().collect(_ask_champion, _labels_may_follow(), _choose)
    count("TasksOpened", opened)
    if opened:
        _refit(clock.now())
    _fitting().draw_curve()
    return {"opened": opened}


def _propose(body: str) -> None:
    from lambdas.domain.images.files import UnusableImageError
    from lambdas.domain.register.arrivals import Arrival, GoneError
    from lambdas.domain.review.task_opening import Seen

    message = json.loads(body)
    if "fit" in message:
        _refit(message["fit"], message.get("missing"))
        return
    if "embed" in message:
        _embed(message["embed"])
        return
    opener = _opener()
    if "image" in message and opener.in_batches:
        # The collector asks about many at once.
        return
    if "image" in message:
        _propose_image(opener, message["image"])
        return
    proposal = message["detection"]
    arrival = Arrival(services().bucket, proposal["key"], proposal.get("version_id"), 0, "")
    seen = Seen(proposal["labels"], proposal["model_version"], proposal.get("left_out", []))
    try:
        cut = tiling(services().tuning())
        if proposal["reason"] == "needed":
            needed = services().loop_state.needed_images()
            tasks = opener.open_needed(services().s3, arrival, seen, needed, tiling=cut)
        else:
            why = proposal.get("why", "")
            reason = proposal["reason"]
            tasks = opener.open_detected(services().s3, arrival, reason, seen, why=why, tiling=cut)
    except (GoneError, UnusableImageError) as error:
        logger.info("not reviewed", extra={"key": proposal["key"], "reason": str(error)})
    else:
        count("TasksOpened", len(tasks))


def _propose_image(opener: Opener, sha256: str) -> None:
    from lambdas.domain.catalogue import images as catalogue_images
    from lambdas.domain.review import proposals

    s = services()
    image = catalogue_images.get_image(s.catalogue, sha256)
    if image is None or image.status != "unlabelled":
        return
    if _labels_may_follow()(image):
        proposals.propose_images(s.sqs, variable("REVIEW_QUEUE_URL"), [sha256], s.tuning(), again=True)
        return
    opened = opener.open_unlabelled([image.id], _ask_champion, opener.room())
    count("TasksOpened", opened)
    if opened:
        _embed([sha256])
        proposals.request_fit(s.sqs, variable("REVIEW_QUEUE_URL"), delay_seconds=_FIT_AFTER_SECONDS)


# Drafts, and what to ask next

_TRUNK = Path(__file__).parent.parent / "trunk.onnx"
"""Of the pretrained trunk, beside the asset's packages; missing where there were no weights to make it of."""
_FIT_AFTER_SECONDS = 5
"""A burst of images is ordered together."""
_EMBEDDED_BEFORE_FIT = 100
"""Images that get their embeddings within the seconds before a head is fitted to them, too."""
_FIT_AGAIN_SECONDS = 20


@cache
def _embedder() -> Embedder | None:
    """The pretrained trunk; None where the asset has none: then there are no drafts."""
    from lambdas.domain.drafts import embedding

    return embedding.load(_TRUNK)


def _fitting() -> Fitting:
    from lambdas.domain.drafts.fitting import Fitting

    s, embedder = services(), _embedder()
    return Fitting(s.catalogue, s.reviews, s.tuning(), embedder.name if embedder else "")


def _embed(hashes: Sequence[str]) -> None:
    from lambdas.domain.drafts import embedding

    s, embedder = services(), _embedder()
    if embedder:
        embedded = embedding.embed_missing(
            s.s3, s.bucket, s.catalogue, embedder, hashes, boxes_of=_objects_of
        )
        count("ImagesEmbedded", embedded)


def _objects_of(image: CatalogueImage) -> Sequence[Box]:
    """Where an image's objects are: as it is labelled, or else as the champion suggests."""
    if image.boxes:
        return image.boxes
    task = services().reviews.current_of(image.sha256)
    return [suggestion.box for suggestion in task.suggestions.boxes] if task else []


def _refit(wanted_at: str, missing_before: int | None = None) -> None:
    """Fit a head, unless one was fitted since. Images that are asked about or labelled and have no embedding
    get theirs, some at a time, and it is fitted again, as long as they become fewer.

    Args:
        missing_before: how many there were when this was requested on their account.
    """
    from lambdas.domain.review import proposals

    s = services()
    if s.tuning().review_route == "none":
        return
    missing = _fitting().refit(wanted_at)
    if missing and _embedder() and (missing_before is None or len(missing) < missing_before):
        # Not always the first: what cannot be had keeps no other image from its own.
        some = random.sample(missing, min(len(missing), _EMBEDDED_BEFORE_FIT))
        _request_embeddings(some)
        proposals.request_fit(
            s.sqs, variable("REVIEW_QUEUE_URL"), delay_seconds=_FIT_AGAIN_SECONDS, missing=len(missing)
        )


def _choose(hashes: Sequence[str], room: int) -> list[str]:
    """Of unlabelled images, those to ask about; what has no embedding gets its own for the next time."""
    from lambdas.domain.drafts import embedding

    embedder = _embedder()
    if embedder:
        _request_embeddings(embedding.missing(services().catalogue, embedder, hashes))
    return _fitting().choose(hashes, room)


def _request_embeddings(hashes: Sequence[str]) -> None:
    from lambdas.domain.review import proposals

    proposals.request_embeddings(services().sqs, variable("REVIEW_QUEUE_URL"), hashes)


def _labels_may_follow() -> Callable[[CatalogueImage], bool]:
    """Says of images whether labels may follow them; what is not registered is counted once at most."""
    from lambdas.domain.retrain import waiting
    from lambdas.domain.review import proposals

    s, tuning = services(), services().tuning()
    queues = variable("REGISTER_QUEUE_URLS").split()
    count = cache(lambda: waiting.count_unregistered(s.sqs, queues))
    return lambda image: proposals.labels_may_follow(image, count, tuning)


def _opener() -> Opener:
    from lambdas.domain.review.task_opening import Opener

    s = services()
    return Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), s.tuning())


def _ask_champion(image: CatalogueImage) -> Seen | None:
    """What the champion sees, to be drawn in advance; None if none runs, or cannot be asked just now."""
    from lambdas.domain.detect import champion
    from lambdas.domain.detect.champion import NoChampionError, Question
    from lambdas.domain.review.task_opening import Seen

    s = services()
    try:
        answer = champion.ask(
            s.patient_detector,
            s.loop_state,
            {"S3Object": {"Bucket": s.bucket, "Name": image.key}},
            Question(label_thresholds=s.tuning().label_thresholds),
        )
    except NoChampionError:
        return None
    except ClientError:
        logger.exception("the champion could not be asked; the task is opened without suggestions")
        return None
    return Seen(answer.labels, answer.version_name)


# The state machine


def _routes() -> Routes:
    from lambdas import review_routes

    return review_routes.routes()


@logger.inject_lambda_context
def ask(event: Ask, context: LambdaContext) -> None:
    """Note the token that the execution waits with, and ask whoever the route says."""
    from lambdas.domain.review import routing

    routing.ask(_routes(), event["task"], event["token"])


@logger.inject_lambda_context
def give_back(event: GiveBack, context: LambdaContext) -> dict[str, str]:
    """Nobody answered, or could be asked."""
    from lambdas.domain.review import routing

    state = routing.give_back(_routes(), event["task"], event["error"], event["cause"])
    logger.info("given back", extra={"task": event["task"], "state": state, "error": event["error"]})
    return {"state": state}


@logger.inject_lambda_context
def start_job(event: OfWaitingBatch, context: LambdaContext) -> dict[str, str]:
    """One labeling job of Ground Truth for the batch."""
    from lambdas.domain.review import routing

    return {"job": routing.start_job(_routes(), event["batch"], event["timeout_seconds"])}


@logger.inject_lambda_context
def watch_job(event: OfWaitingBatch, context: LambdaContext) -> dict[str, Any]:
    """How far the labeling job is."""
    from lambdas.domain.review import routing
    from lambdas.domain.review.workforce import ground_truth

    finished = routing.job_finished(_routes(), event["batch"])
    wait = ground_truth.seconds_between_polls(services().tuning().poll_seconds, event["timeout_seconds"])
    return {"finished": finished, "wait_seconds": wait}


@logger.inject_lambda_context
def read_job(event: OfBatch, context: LambdaContext) -> dict[str, int]:
    """Take the answers of the labeling job's workers."""
    from lambdas.domain.review import routing

    answered, given_back = routing.read_job(_routes(), event["batch"])
    return {"answered": answered, "given_back": given_back}


@logger.inject_lambda_context
def loop_finished(event: dict[str, Any], context: LambdaContext) -> BatchResponse:
    """SQS messages that human loops of A2I have ended; those that failed are tried again."""
    return sqs_batch.handle_each(event, _loop_finished)


def _loop_finished(body: str) -> None:
    from lambdas.domain.review import routing

    status_change = json.loads(body)
    outcome = routing.loop_finished(_routes(), status_change)
    logger.info(
        "human loop", extra={"outcome": outcome, "loop": status_change["detail"].get("humanLoopName")}
    )
