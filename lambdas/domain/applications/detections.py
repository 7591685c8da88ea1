"""An application's question about one image: asked, answered, kept, and proposed for review.

What does not need the champion's answer is done while it looks: the request is counted, its idempotency key
taken, its image stored. So an application that repeats a request, or has made as many as it may by another
process, may cost a detection that it does not get; of one that goes on asking, only the first.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, wait
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from lambdas.domain.applications import records, storage
from lambdas.domain.applications.directory import Application
from lambdas.domain.applications.rates import Rates
from lambdas.domain.applications.recent_state import RecentState
from lambdas.domain.applications.records import Claim, Detection, Records
from lambdas.domain.detect import champion, unusable_images
from lambdas.domain.detect.champion import Answer, NoChampionError, Question
from lambdas.domain.detect.detection import Detected
from lambdas.domain.drift import observations
from lambdas.domain.drift.observations import Observations
from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.port import PASSING, THROTTLED
from lambdas.domain.engines.tiled_detection import TiledImage, UnansweredTilesError
from lambdas.domain.images import files as image_files
from lambdas.domain.images import tiles
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.review import proposals
from lambdas.domain.serve import requests
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from lambdas.domain.engines.port import Detector, Image

MAX_IMAGE_BYTES = 4 * 1024 * 1024
"""Of an image in the body of a request: what DetectCustomLabels takes as bytes, by botocore's model of it.

Less than Lambda lets through, which calls a function with up to 6 MB (6,291,456 bytes), of which an image of
4,718,592 bytes takes all in Base64; API Gateway takes 10 MB:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""
MAX_UPLOAD_BYTES = image_files.MAX_BYTES
MAX_TILES = 80
"""That a request has time for, in API Gateway's 30 seconds: four at once, of a second or so each. An image of
8,000 x 6,000 pixels has 49 of the usual size."""
MAX_KEY = 200
"""Characters of an idempotency key."""
BUSY_SECONDS = 1
"""After which to try again where the champion has no time."""
ASLEEP_SECONDS = 900
"""After which to try again where nobody knows when the champion wakes."""
USE_SECONDS = 60
"""Between two times that it is noted who asks, and that the step serve is told that the champion is used."""
_WAIT_SECONDS = 20
"""How long a request waits for one with the same idempotency key that is under way."""
_LOOK_SECONDS = 0.1
_PATIENT_SECONDS = 10
"""After which a tile that the inference units have no time for is not asked about again: API Gateway waits 30
for all of them, and then says nothing of when to come again."""
_TILES_SECONDS = 22
"""After which no further tile is begun, for the same reason: one under way has some seconds left."""
_HEADER_BYTES = 256 * 1024
"""Of an uploaded image, that its size is read from; of one with more before its size all is read."""

logger = Logger(child=True)


@frozen
class Options:
    """How an application wants its answer."""

    min_confidence: float | None = None
    """Confidence (percent) from which on to answer, in place of the labels' thresholds."""
    labels: tuple[str, ...] = ()
    """Only these; none: all."""
    max_results: int | None = None
    """The surest ones alone."""
    tile: bool | None = None
    """True: in tiles, so that small objects are seen; False: whole; None: in tiles if Rekognition does not
    take the image whole."""


@frozen
class Services:
    """What a detection needs."""

    detector: Detector
    s3: S3Client
    sqs: SQSClient
    state: LoopState
    recent: RecentState
    records: Records
    observations: Observations
    executor: Executor
    bucket: str
    review_queue_url: str
    tuning: Callable[[], Tuning]
    tiling: Callable[[Tuning, bool | None], Tiling]
    """How images are cut, by the settings and what the application wants."""
    tell: Callable[[str, requests.Request], None]
    """Tells the step serve that an application uses the champion, or waits for it."""
    forget_after_days: int


@frozen
class _Image:
    width: int
    height: int
    key: str
    data: bytes | None = None
    """None of one that was uploaded."""
    version_id: str = ""
    tiling: Tiling | None = None
    """How it is cut; None of one that is asked about whole."""
    detections: int = 1
    """That it takes, each of which is paid for."""


@frozen
class _Request:
    application: Application
    id: str
    """Of the detection."""
    now: float
    """When it came, in seconds since 1970."""
    image: _Image
    options: Options
    digest: str
    """Tells it from others with the same idempotency key; empty without one."""


class Desk:
    """Where applications ask. One for each process: it remembers how much they have asked."""

    def __init__(self, services: Services) -> None:
        self._s = services
        self._rates = Rates(services.records)
        self._told_at = 0.0
        self._noted: dict[str, float] = {}
        """When it was last noted that an application asks."""

    def ask(
        self, application: Application, sent: bytes | str, options: Options, idempotency_key: str = ""
    ) -> Detection:
        """What the champion sees, kept under the application's name.

        Args:
            sent: the image, or the key of an upload.
            idempotency_key: a request that is repeated with it gets the same answer.

        Raises:
            ApiError: there is no answer; it says what to do.
        """
        now = clock.seconds()
        if self._rates.is_full(application, now):
            raise _too_many(application, now)
        _check_key(idempotency_key)
        id = records.new_id(now)
        try:
            self._check_labels(options.labels)
            image = self._image(application, sent, id, self._s.tiling(self.tuning(), options.tile))
        except ApiError:
            # What is refused costs as well, and is counted like others.
            if not self._rates.count(application, now):
                raise _too_many(application, now) from None
            raise
        digest = _digest(sent, options) if idempotency_key else ""
        request = _Request(application, id, now, image, options, digest)
        # First, as it takes the longest; but an image in tiles is counted before it is paid for as so many.
        answered = self._start(self._answer, request) if image.detections == 1 else None
        counted = self._start(self._rates.count, application, now)
        claimed = self._claim(request, idempotency_key) if idempotency_key else None
        try:
            return self._answered(request, answered, counted, claimed)
        except BaseException:
            if claimed:
                # Not before it is taken.
                wait([claimed])
                self._s.records.release(application.id, idempotency_key, id)
            raise

    def _answered(
        self,
        request: _Request,
        answered: Future[Answer] | None,
        counted: Future[bool],
        claimed: Future[Claim | None] | None,
    ) -> Detection:
        if answered is None and not (counted.result() and self._count_tiles(request)):
            raise _too_many(request.application, request.now)
        stored = self._store(request.image)
        answered = answered or self._start(self._answer, request)
        if not counted.result():
            raise _too_many(request.application, request.now)
        if claimed and (earlier := claimed.result()):
            return self._repeat(request, earlier)
        answer = answered.result()
        detection = self._detection(request, stored(), answer)
        self._finish(request, detection, answer)
        return detection

    def read(self, application: Application, id: str) -> Detection:
        """A detection of the application.

        Raises:
            ApiError: it has none of this id, or makes too many requests.
        """
        self._count(application)
        return self._get(application, id)

    def report(self, application: Application, id: str, feedback: Literal["wrong"], note: str) -> Detection:
        """Note that an application says a detection is wrong, and have its image reviewed; once.

        Raises:
            ApiError: it has no such detection, or makes too many requests.
        """
        self._count(application)
        detection = self._get(application, id)
        if detection.feedback:
            return detection
        if self._s.tuning().review_route == "none":
            raise ApiError(409, "no_reviews", "images are not reviewed here: review_route is none")
        labels = tuple(_plain(label) for label in detection.labels)
        detected = Detected("detected", detection.key, labels, detection.model_version)
        why = f"the application {application.id} says that it is wrong" + (f": {note}" if note else "")
        proposals.propose_wrong(
            self._s.sqs,
            self._s.review_queue_url,
            detected,
            key=detection.key,
            version_id=detection.version_id or None,
            why=why,
        )
        self._s.records.note_feedback(detection, feedback, note)
        return replace(detection, feedback=feedback, note=note)

    def begin_upload(self, application: Application) -> str:
        """The key under which the application may upload an image.

        Raises:
            ApiError: it makes too many requests.
        """
        self._count(application)
        return storage.new_upload_key(application.id)

    def _get(self, application: Application, id: str) -> Detection:
        detection = self._s.records.get(application.id, id)
        # An application of this name that was removed before may have been another one.
        if detection is None or detection.at < application.created_at:
            raise ApiError(404, "not_found", f"this application has no detection {id[:ID_SHOWN]}")
        return detection

    # How often

    def _count(self, application: Application) -> None:
        now = clock.seconds()
        if not self._rates.count(application, now):
            raise _too_many(application, now)

    def _count_tiles(self, request: _Request) -> bool:
        """Count an image in tiles as so many requests, before it is paid for as so many."""
        return self._rates.count(request.application, request.now, request.image.detections - 1)

    def _check_labels(self, labels: tuple[str, ...]) -> None:
        """Raise ApiError for a label that no version ever had: nothing could be answered about it.

        One that only earlier versions had, or that only the next one has, is a label like others.
        """
        if not labels:
            return
        known = self._s.recent.numbers(labels)
        if not set(labels) <= set(known):
            known = self._s.state.class_ids().numbers
        if unknown := sorted(set(labels) - set(known)):
            raise ApiError(
                422,
                "unknown_label",
                f"there is no label {unknown[0][:60]!r}; repeat `labels` for each of several ones",
                "labels",
            )

    # Idempotency

    def _claim(self, request: _Request, key: str) -> Future[Claim | None]:
        claim = Claim(request.id, request.digest, int(request.now))
        return self._start(
            self._s.records.claim,
            request.application.id,
            key,
            claim,
            self._expires_at(request.now),
            since=_seconds(request.application.created_at),
        )

    def _repeat(self, request: _Request, earlier: Claim) -> Detection:
        """The answer to the request that had the idempotency key first, once there is one."""
        if earlier.digest != request.digest:
            raise ApiError(
                422,
                "idempotency_key_reused",
                "this Idempotency-Key was sent with another request before; use a new one for each request",
                "Idempotency-Key",
            )
        until = time.monotonic() + _WAIT_SECONDS
        while (detection := self._s.records.get(request.application.id, earlier.detection)) is None:
            if time.monotonic() > until:
                raise ApiError(
                    409,
                    "under_way",
                    "a request with this Idempotency-Key is under way; try again in a moment",
                    retry_after=BUSY_SECONDS,
                )
            time.sleep(_LOOK_SECONDS)
        return detection

    # The image

    def _image(self, application: Application, sent: bytes | str, id: str, tiling: Tiling) -> _Image:
        if isinstance(sent, str):
            return self._uploaded(application, sent, tiling)
        if len(sent) > MAX_IMAGE_BYTES:
            raise too_large()
        return _measured(sent, storage.image_key(application.id, id), len(sent), tiling)

    def _uploaded(self, application: Application, key: str, tiling: Tiling) -> _Image:
        if not storage.is_upload(application.id, key):
            raise _no_upload()
        try:
            opened = self._s.s3.get_object(
                Bucket=self._s.bucket, Key=key, Range=f"bytes=0-{_HEADER_BYTES - 1}"
            )
            size = int(opened["ContentRange"].rpartition("/")[2])
            beginning = opened["Body"].read()
            version_id = opened.get("VersionId", "")
            try:
                image = _measured(beginning, key, size, tiling)
            except ApiError:
                if size <= len(beginning) or size > MAX_UPLOAD_BYTES:
                    raise
                whole = self._s.s3.get_object(Bucket=self._s.bucket, Key=key)
                image = _measured(whole["Body"].read(), key, size, tiling)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise _no_upload() from error
            if error.response["Error"]["Code"] == "InvalidRange":
                raise _bad_image("the file has no content; upload it again") from error
            raise
        return replace(image, data=None, version_id=version_id)

    def _store(self, image: _Image) -> Callable[[], _Image]:
        """Begin to store an image: what waits for it."""
        if image.data is None:
            return lambda: image
        put = self._start(self._s.s3.put_object, Bucket=self._s.bucket, Key=image.key, Body=image.data)
        return lambda: replace(image, version_id=put.result().get("VersionId", ""))

    # The answer

    def _answer(self, request: _Request) -> Answer:
        tuning = self.tuning()
        try:
            return self._ask_champion(request.image, _question(tuning, request.options))
        except NoChampionError as error:
            raise self._asleep(request.application, tuning, str(error)) from error
        except UnansweredTilesError as error:
            raise ApiError(
                503,
                "busy",
                f"{error} in the time that a request has; try again in a second, or put the image under"
                " detect/",
                retry_after=BUSY_SECONDS,
            ) from error
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in THROTTLED:
                raise ApiError(
                    503,
                    "busy",
                    "more images come than the champion's inference units answer; try again in a second",
                    retry_after=BUSY_SECONDS,
                ) from error
            if code in PASSING:
                raise _failed() from error
            if not unusable_images.is_unusable(error):
                raise
            data = request.image.data or self._read(request.image)
            if not unusable_images.is_at_fault(error, data):
                raise
            raise _bad_image(unusable_images.help_with(data)) from error
        except (HTTPClientError, BotoConnectionError) as error:
            raise _failed() from error

    def _read(self, image: _Image) -> bytes:
        return self._s.s3.get_object(Bucket=self._s.bucket, Key=image.key)["Body"].read()

    def _ask_champion(self, image: _Image, question: Question) -> Answer:
        return self._of_the_present(self._whole_or_tiled(image), question)

    def _whole_or_tiled(self, image: _Image) -> Image | TiledImage:
        """The image as it is asked about.

        Raises:
            ApiError: it has to be cut, and cannot be.
        """
        version = {"Version": image.version_id} if image.version_id else {}
        lies: Any = {"Bucket": self._s.bucket, "Name": image.key, **version}
        if image.tiling is None:
            return {"S3Object": lies} if image.data is None else {"Bytes": image.data}
        try:
            tiled = (
                tiled_detection.open_object(self._s.s3, lies, image.tiling)
                if image.data is None
                else tiled_detection.open_file(BytesIO(image.data), len(image.data), image.tiling)
            )
        except UnusableImageError as error:
            raise _bad_image(error.detail) from error
        if tiled is None:
            # What can be cut by its header, and is none once it is read.
            raise _bad_image("it cannot be decoded; save and upload it again")
        now = time.monotonic()
        return replace(tiled, patient_until=now + _PATIENT_SECONDS, until=now + _TILES_SECONDS)

    def _of_the_present(self, image: Image | TiledImage, question: Question) -> Answer:
        """The champion's answer, also if it was replaced or woken since the state was read."""
        try:
            return champion.ask(self._s.detector, self._s.recent, image, question)
        except NoChampionError:
            self._s.recent.forget()
            return champion.ask(self._s.detector, self._s.state, image, question)

    def _asleep(self, application: Application, tuning: Tuning, message: str) -> ApiError:
        error = requests.asleep(
            self._s.state, tuning, message, lambda request: self._s.tell(application.id, request)
        )
        return ApiError(503, error.code, str(error), retry_after=error.retry_after or ASLEEP_SECONDS)

    def tuning(self) -> Tuning:
        """The settings; images are answered whether they can be read or not."""
        try:
            return self._s.tuning()
        except Exception:
            logger.exception("no settings: detections are not proposed for review")
            return Tuning(review_route="none")

    def _detection(self, request: _Request, image: _Image, answer: Answer) -> Detection:
        return Detection(
            application=request.application.id,
            id=request.id,
            at=clock.now(),
            model_version=answer.version_name,
            key=image.key,
            version_id=image.version_id,
            width=image.width,
            height=image.height,
            labels=self._numbered(_chosen(answer, request.options)),
            expires_at=self._expires_at(request.now),
        )

    def _numbered(self, labels: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        numbers = self._s.recent.numbers(label["label"] for label in labels)
        return tuple({**label, "class_id": numbers.get(label["label"])} for label in labels)

    def _expires_at(self, now: float) -> int:
        return int(now) + self._s.forget_after_days * 24 * 3600

    # What follows

    def _finish(self, request: _Request, detection: Detection, answer: Answer) -> None:
        """Keep the detection; the rest is done as well as can be: the answer stands without it."""
        kept = self._start(self._s.records.keep, detection)
        observed = self._start(self._observe, detection, answer)
        self._propose(detection, answer)
        self._note_use(request)
        kept.result()
        observed.result()

    def _detected(self, detection: Detection, answer: Answer, tuning: Tuning) -> Detected:
        """The answer as images under detect/ have it, whatever the application has asked for."""
        floor = tuning.review_min_confidence
        unsure = tuple(label for label in answer.left_out if label["confidence"] >= floor)
        if proposals.question(tuning).min_confidence is None:
            unsure = ()
        return Detected("detected", detection.key, answer.labels, answer.version_name, unsure)

    def _observe(self, detection: Detection, answer: Answer) -> None:
        try:
            tuning = self.tuning()
            self._s.observations.note(
                observations.observation(
                    answer.labels,
                    name=detection.id,
                    version=answer.version_name,
                    source="applications",
                    key=detection.key,
                    version_id=detection.version_id,
                    is_unsure=proposals.is_unsure(self._detected(detection, answer, tuning), tuning),
                    thresholds=tuning.label_thresholds,
                )
            )
        except Exception:
            logger.exception("could not note how an answer looks")

    def _propose(self, detection: Detection, answer: Answer) -> None:
        try:
            tuning = self.tuning()
            detected = self._detected(detection, answer, tuning)
            proposals.propose_detection(
                self._s.sqs,
                self._s.review_queue_url,
                detected,
                tuning,
                key=detection.key,
                version_id=detection.version_id or None,
            )
        except Exception:
            logger.exception("could not propose a detection for review")

    def _note_use(self, request: _Request) -> None:
        by, now = request.application.id, request.now
        if now - self._noted.get(by, 0.0) >= USE_SECONDS:
            self._noted[by] = now
            # Longer than what it is answered.
            until = self._expires_at(now) + records.DAY_SECONDS
            self._if_possible(self._s.records.note_caller, by, now, until)
        if now - self._told_at >= USE_SECONDS:
            self._told_at = now
            self._if_possible(self._s.tell, by, "use")

    def _if_possible(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            logger.exception("could not note that the champion is used")

    def _start(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Future[Any]:
        return self._s.executor.submit(function, *arguments, **named)


ID_SHOWN = 40
"""Characters of an id that is not known, in a message."""


def too_large() -> ApiError:
    """The error of an image that does not fit into a request."""
    return ApiError(
        413,
        "too_large",
        f"a request holds an image of up to {MAX_IMAGE_BYTES} bytes; send a larger one by POST /v1/uploads,"
        f" which takes {MAX_UPLOAD_BYTES}, and ask with its key",
    )


def _too_many(application: Application, now: float) -> ApiError:
    left = max(1, round(records.WINDOW_SECONDS - now % records.WINDOW_SECONDS))
    return ApiError(
        429,
        "too_many_requests",
        f"this application may make {application.rate} requests a minute; try again in {left} seconds",
        retry_after=left,
    )


def _question(tuning: Tuning, options: Options) -> Question:
    """What people may want to review, and what the application wants to know."""
    question = proposals.question(tuning)
    if options.min_confidence is None:
        return question
    lowest = [options.min_confidence]
    lowest += [] if question.min_confidence is None else [question.min_confidence]
    return replace(question, min_confidence=min(lowest), asks_twice=True)


def _chosen(answer: Answer, options: Options) -> list[dict[str, Any]]:
    """What the application wants of the answer, the surest first."""
    labels = answer.from_confidence(0) if options.min_confidence is not None else list(answer.labels)
    if options.min_confidence is not None:
        labels = [label for label in labels if label["confidence"] >= options.min_confidence]
    if options.labels:
        labels = [label for label in labels if label["label"] in options.labels]
    labels.sort(key=lambda label: -label["confidence"])
    return labels[: options.max_results]


def _measured(data: bytes, key: str, size: int, tiling: Tiling) -> _Image:
    """The image with its size, by its header alone: its pixels are Rekognition's to decode, or the tiles'."""
    try:
        image_files.check_bytes(size)
        width, height = tiles.size_of(BytesIO(data))
        plan = tiles.plan(width, height, size_bytes=size, tiling=tiling)
        if plan is None:
            image_files.check_size(width, height)
        else:
            tiles.check_size(width, height, tiling.max_pixels)
    except UnusableImageError as error:
        raise _bad_image(error.detail) from error
    if plan and plan.detections > MAX_TILES:
        raise _bad_image(
            f"{width} x {height} pixels are {plan.detections} tiles, and a request has time for {MAX_TILES}:"
            " put it under detect/, or cut it into parts"
        )
    if plan is None:
        return _Image(width, height, key, data)
    return _Image(width, height, key, data, tiling=tiling, detections=plan.detections)


def _bad_image(why: str) -> ApiError:
    return ApiError(422, "bad_image", f"this image cannot be used: {why}")


def _failed() -> ApiError:
    return ApiError(
        503, "failed", "Rekognition could not answer; try again in a second", retry_after=BUSY_SECONDS
    )


def _no_upload() -> ApiError:
    return ApiError(
        404, "not_found", "this application has no upload of this key; begin one by POST /v1/uploads", "key"
    )


def _check_key(key: str) -> None:
    if len(key) > MAX_KEY or any(not 32 < ord(character) < 127 for character in key):
        raise ApiError(
            422,
            "bad_request",
            f"Idempotency-Key: use up to {MAX_KEY} characters of ASCII without spaces, such as a UUID",
            "Idempotency-Key",
        )


def _digest(sent: bytes | str, options: Options) -> str:
    """What tells one request from another."""
    hashed = hashlib.sha256(sent.encode() if isinstance(sent, str) else sent)
    hashed.update(repr(options).encode())
    return hashed.hexdigest()


def _seconds(time: str) -> int:
    """A time in seconds since 1970; 0 if there is none."""
    return int(clock.parse(time).timestamp()) if time else 0


def _plain(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as Detector.detect_labels returned it."""
    return {name: value for name, value in label.items() if name != "class_id"}
