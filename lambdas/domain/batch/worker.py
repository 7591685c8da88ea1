"""A worker's share of a batch: it asks the batch's version about the images of one part of the input.

Whatever is answered is kept, however the function ends but by being killed; what has a line in the results is
not asked again. So a part can be done twice, also at once, and nothing is lost or written over.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError

from lambdas.domain.batch import files, results
from lambdas.domain.batch.files import BadLine, InputLine, ResultLine
from lambdas.domain.detect import any_size, champion, unusable_images
from lambdas.domain.detect.champion import Answer, Question, VersionNotServingError
from lambdas.domain.engines.port import THROTTLED
from lambdas.domain.images import files as image_files
from lambdas.domain.images import tiles
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Detector

THREADS = 8
"""Requests at once of a worker: about what keeps two inference units busy (`estimate.workers`)."""
HEADER_BYTES = 64 * 1024
"""Read of each image to know its size; a JPEG's stands behind its Exif block, which has less than this."""
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 8.0
"""Seconds to wait after the endpoint had no time for an image."""
_MAX_FAILURES = 10
"""After which a worker gives up: a service fails, not one image's request."""
_ANY = "*"


class UnfinishedPartError(RuntimeError):
    """Images of a part have no answer yet, as the time was over; whoever does it again goes on with them."""


@frozen
class Part:
    """What was done for a part of the input."""

    images: int
    asked: int
    """Images that had no answer before."""


@frozen
class _Size:
    """Of an image upright, in pixels, and of its file."""

    width: int
    height: int
    bytes: int


@frozen
class Worker:
    """Asks one model version about images.

    Args:
        propose: proposes an image for review if its answer is worth one; called for each that is answered.
        tiling: how images are cut that are too large for Rekognition.
        deadline: `time.monotonic()` at which to begin no more requests.
    """

    detector: Detector
    s3: S3Client
    loop_state: LoopState
    bucket: str
    version: ModelVersion
    question: Question
    propose: Callable[[InputLine, Answer], None]
    tiling: Tiling
    deadline: float
    _stopped: threading.Event = field(default_factory=threading.Event)
    _large: threading.Lock = field(default_factory=threading.Lock)

    def answer_part(self, name: str, input_key: str) -> Part:
        """Answer for all images of a part of the input, and write its results.

        Raises:
            VersionNotServingError: the version does not run.
            UnfinishedPartError: there was no time for all.
            botocore.exceptions.ClientError: a service failed. What was answered until then is written.
        """
        lines = self._input(input_key)
        known, _ = self._results(name, input_key)
        missing = [line for line in lines if line.id not in known]
        failures: list[Exception] = []
        answers = self._answers(missing, failures)
        if answers:
            self._write(name, input_key, lines, answers)
        if failures:
            raise failures[0]
        if len(answers) < len(missing):
            left = len(missing) - len(answers)
            raise UnfinishedPartError(f"there was no time for {left} of {len(lines)} images of {input_key}")
        return Part(len(lines), len(answers))

    def _input(self, input_key: str) -> list[InputLine | BadLine]:
        body = self.s3.get_object(Bucket=self.bucket, Key=input_key)["Body"].read()
        return list(files.input_lines(input_key, body.decode(errors="replace")))

    def _results(self, name: str, input_key: str) -> tuple[dict[str, ResultLine], dict[str, str]]:
        """The results that are there by their ids, and what holds of the object until somebody changes it."""
        try:
            opened = self.s3.get_object(Bucket=self.bucket, Key=files.result_key(name, input_key))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return {}, {"IfNoneMatch": _ANY}
        lines = files.result_lines(opened["Body"].read().decode())
        return {line.id: line for line in lines}, {"IfMatch": opened["ETag"]}

    def _write(
        self, name: str, input_key: str, lines: Sequence[InputLine | BadLine], answers: Sequence[ResultLine]
    ) -> None:
        """Add answers to a part's results; another worker's answers to the same images stay as they are."""
        while True:
            known, unchanged = self._results(name, input_key)
            new = [answer for answer in answers if answer.id not in known]
            if not new:
                return
            merged = known | {answer.id: answer for answer in new}
            ordered = [merged[line.id] for line in lines if line.id in merged]
            try:
                results.write_shard(self.s3, self.bucket, name, input_key, ordered, condition=unchanged)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _CHANGED:
                    raise
                continue
            failed = sum(answer.status == "failed" for answer in new)
            self.loop_state.count_answers(name, answered=len(new), failed=failed)
            return

    def _answers(self, lines: Sequence[InputLine | BadLine], failures: list[Exception]) -> list[ResultLine]:
        """Answers to the images; of those that fail for no fault of theirs there is none."""

        def answer(line: InputLine | BadLine) -> ResultLine | None:
            if isinstance(line, BadLine):
                return _bad_line(line)
            if self._stopped.is_set():
                return None
            try:
                return self._answer(line)
            except Exception as error:  # noqa: BLE001 raised again once what was answered is written
                failures.append(error)
                if isinstance(error, VersionNotServingError) or len(failures) >= _MAX_FAILURES:
                    self._stopped.set()
                return None

        with ThreadPoolExecutor(THREADS) as pool:
            return [result for result in pool.map(answer, lines) if result is not None]

    def _answer(self, line: InputLine) -> ResultLine | None:
        """The line of an image's result; None if the time is over."""
        try:
            size = self._size(line)
            answer = self._ask(line, size)
        except UnusableImageError as error:
            return _failed(line, error.reason, error.detail)
        except ParamValidationError as error:
            return _failed(line, "not_a_key", f"no object of S3 is called like this: {error}")
        except ClientError as error:
            reason = self._why(line, error)
            if reason is None:
                raise
            return _failed(line, *reason)
        if answer is None:
            return None
        self.propose(line, answer)
        return ResultLine(
            line.id,
            line.bucket,
            line.key,
            "detected",
            labels=answer.labels,
            width=size.width,
            height=size.height,
            version_id=line.version_id,
        )

    def _size(self, line: InputLine) -> _Size:
        """How large the image is, by its beginning, or by all of it if that says nothing.

        Raises:
            UnusableImageError: it is no image that a model can be asked about.
            botocore.exceptions.ClientError: it is not there, or may not be read.
        """
        version: Any = {"VersionId": line.version_id} if line.version_id else {}
        beginning = f"bytes=0-{HEADER_BYTES - 1}"
        opened = self.s3.get_object(Bucket=line.bucket, Key=line.key, Range=beginning, **version)
        size_bytes = int(opened["ContentRange"].rpartition("/")[2])
        body = opened["Body"].read()
        try:
            return _Size(*tiles.size_of(BytesIO(body)), size_bytes)
        except UnusableImageError:
            if size_bytes == len(body):
                raise
        return _Size(*tiles.size_of(BytesIO(self._bytes(line))), size_bytes)

    def _bytes(self, line: InputLine) -> bytes:
        version: Any = {"VersionId": line.version_id} if line.version_id else {}
        opened = self.s3.get_object(Bucket=line.bucket, Key=line.key, **version)
        image_files.check_bytes(opened["ContentLength"])
        return opened["Body"].read()

    def _ask(self, line: InputLine, size: _Size) -> Answer | None:
        """The version's answer; None if it had no time before the deadline."""
        image: Any = {"Bucket": line.bucket, "Name": line.key}
        image |= {"Version": line.version_id} if line.version_id else {}
        plan = tiles.plan(size.width, size.height, size_bytes=size.bytes, tiling=self.tiling)
        pause = _FIRST_PAUSE
        while time.monotonic() < self.deadline and not self._stopped.is_set():
            try:
                # Of images that are cut into tiles one at a time is in memory.
                with self._large if plan else nullcontext():
                    return any_size.ask_about(self._ask_version, self.s3, image, self.tiling)
            except ClientError as error:
                if error.response["Error"]["Code"] not in THROTTLED:
                    raise
            # Rekognition gives each inference unit what it can answer; nobody waits as long as another.
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 no secret
            pause = min(2 * pause, _LAST_PAUSE)
        return None

    def _ask_version(self, image: Any) -> Answer:
        return champion.ask_version(self.detector, self.version, image, self.question)

    def _why(self, line: InputLine, error: ClientError) -> tuple[str, str] | None:
        """Why an image has no answer and what helps, if it is not for a service that failed."""
        code = error.response["Error"]["Code"]
        where = f"s3://{line.bucket}/{line.key}"
        if code in _GONE:
            return "NoSuchKey", f"{where} is not there any more; put it back, and make a batch of it"
        if code == "InvalidRange":
            return "empty", "the file has no content; upload it again"
        if code in _DENIED:
            return "AccessDenied", (
                f"LabelLoop may not read {where}: name its bucket in the setting batch_buckets, deploy, and"
                " look at the bucket's policy and key"
            )
        if not unusable_images.is_unusable(error):
            message = error.response["Error"].get("Message", code)
            return (code, f"S3 does not give {where}: {message}") if _is_of_object(error) else None
        data = self._bytes_or_none(line)
        if not unusable_images.is_at_fault(error, data):
            return "NotAccessible", (
                f"Rekognition may not read {where}, though LabelLoop may: look at the policies of its bucket"
                " and key"
            )
        return code, f"{error.response['Error']['Message']}: {unusable_images.help_with(data)}"

    def _bytes_or_none(self, line: InputLine) -> bytes | None:
        try:
            return self._bytes(line)
        except UnusableImageError:
            return None
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise


_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404"})
_DENIED = frozenset({"AccessDenied", "403", "AllAccessDisabled", "InvalidObjectState"})
"""Objects of archives are in none of the states that can be read:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""

_PASSING = frozenset(
    {"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"}
    | {"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
"""Errors of a status that says that the request is wrong, which the next one need not meet:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html"""
_OF_OBJECT = frozenset({301, 400, 404, 405, 410, 412, 416})
"""Status of what S3 does not give, however often it is asked: for the id of a version that is none, for a
deleted version, of a bucket elsewhere, encrypted with its owner's key or with one that is gone.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList"""


def _is_of_object(error: ClientError) -> bool:
    """Whether S3 refuses an object for what it is, and not for a moment."""
    if error.operation_name != "GetObject":
        return False
    code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in _OF_OBJECT and code not in _PASSING and "Throttl" not in code


def _bad_line(line: BadLine) -> ResultLine:
    reason = (
        f"this line of the input names no image: {line.text!r}; it has to be a JSON object with `bucket`,"
        " `key` and an `id` that no other line has"
    )
    return ResultLine(line.id, "", "", "failed", error="not_a_line", reason=reason)


def _failed(line: InputLine, error: str, reason: str) -> ResultLine:
    return ResultLine(
        line.id, line.bucket, line.key, "failed", error=error, reason=reason, version_id=line.version_id
    )
