"""One image under detect/, what the champion sees in it, and the JSON beside it under results/."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.detect import any_size, champion, unusable_images
from lambdas.domain.detect.champion import Answer, NoChampionError, Question
from lambdas.domain.engines.port import THROTTLED
from lambdas.domain.engines.tiled_detection import TiledImage, UnansweredTilesError
from lambdas.domain.images import clips, tiles
from lambdas.domain.images.files import MAX_BYTES, UnusableImageError, format_of
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.manifests import MAX_KEY_BYTES
from lambdas.domain.shared.records import WaitingImage
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Detector, Image


MAX_FAILURES = 5
"""After so many an image that finds no champion does not wait for one, which it would wake again and again.
It becomes a dead letter: those are sent again ever more seldom, and only while a champion runs anyhow."""


_FEWER_TILES = (
    "set a larger tile_side or a smaller tile_overlap (`labelloop settings set`), give the champion more"
    " inference units, or cut the image into parts; a batch (`labelloop batch create`) has more time"
)


class NotAccessibleError(RuntimeError):
    """Rekognition may not read an image, or cannot; the image is not at fault, and is tried again."""


@frozen
class Detected:
    """What became of an image: `detected`, `unusable`, `waiting` for a champion, `gone`, `answered` before.

    The last is for an event that comes twice, the second time while the champion sleeps. And `clip` is what
    the step video has to answer.
    """

    outcome: str
    result_key: str
    labels: tuple[dict[str, Any], ...] = ()
    model_version: str = ""
    left_out: tuple[dict[str, Any], ...] = ()
    """What the thresholds keep from the answer, though it is as sure as was asked for."""


def result_key(key: str, ending: str = ".json") -> str:
    """The key of an image's result: for detect/a/b.jpg it is results/a/b.jpg.json.

    A clip has several, with endings of their own.

    It is longer than the image's by some bytes. Where S3 does not take so many, the end of the name is
    replaced by ~ and the first 16 digits of the SHA-256 of the image's key.
    """
    whole = f"results/{key.removeprefix('detect/')}{ending}"
    if len(whole.encode()) <= MAX_KEY_BYTES:
        return whole
    cut = f"~{hashlib.sha256(key.encode()).hexdigest()[:16]}{ending}"
    beginning = whole.encode()[: MAX_KEY_BYTES - len(cut)]
    return beginning.decode(errors="ignore") + cut


def detect_object(
    detector: Detector,
    s3: S3Client,
    loop_state: LoopState,
    bucket: str,
    key: str,
    *,
    arrived_at: str,
    version_id: str | None = None,
    failures: int = 0,
    question: Question = champion.PLAIN,
    tiling: Tiling = tiles.DEFAULT,
    deadline: float = math.inf,
) -> Detected:
    """Ask the champion about an image in the bucket and write its answer under results/.

    What the object is its first bytes say, whatever it is called; they are looked at if it is called like a
    clip, or if Rekognition does not take it.

    Without a champion that runs, or has time, the image waits in the loop's state:
    lambdas/domain/detect/backlog.py.

    Args:
        arrived_at: when it came.
        version_id: of the object, if it is known. Of several images that come under one key, the last
            one's result stays.
        failures: how often it could not be answered before, though a champion ran.
        question: what to tell of the image.
        tiling: how an image is cut that is too large for Rekognition.
        deadline: `time.monotonic()` from which on no tile of it is begun.

    Raises:
        NoChampionError: no champion runs, and this image has failed too often to wake one.
        NotAccessibleError: Rekognition could not access the image.
        botocore.exceptions.ClientError: another service failed, or a permission is missing.
    """
    target = result_key(key)
    if outcome := _without_asking(s3, bucket, key, version_id):
        return Detected(outcome, target)
    image: Any = {"Bucket": bucket, "Name": key} | ({"Version": version_id} if version_id else {})

    def ask(image: Image | TiledImage) -> Answer:
        if isinstance(image, TiledImage):
            image = replace(image, until=deadline, patient_until=deadline)
        try:
            return champion.ask(detector, loop_state, image, question)
        except ClientError as error:
            is_refused = unusable_images.is_unusable(error) and not isinstance(image, TiledImage)
            if is_refused and clips.is_clip(_beginning(s3, bucket, key, version_id)):
                raise _ClipError from error
            raise

    def write(**result: Any) -> bool:
        """Write the result, unless another image has come since; whether there is any."""
        newest = _newest_version(s3, bucket, key)
        if newest is not None and (not version_id or newest in ("", version_id)):
            _write(s3, bucket, target, {"image": key, **result})
        return newest is not None

    def wait(reason: str, failed: int = failures) -> Detected:
        """Keep the image until a champion has time for it, unless it was answered before."""
        if _is_answered(s3, bucket, key, target):
            return Detected("answered", target)
        if not write(status="waiting", reason=reason):
            return Detected("gone", target)
        if failures >= MAX_FAILURES:
            raise NoChampionError(f"{reason}; {failures} times before it could not be answered")
        loop_state.keep_waiting(waiting_image(key, version_id, arrived_at, failed))
        return Detected("waiting", target)

    try:
        answer = any_size.ask_about(ask, s3, image, tiling)
    except _ClipError:
        return Detected("clip", target)
    except NoChampionError as error:
        return wait(str(error))
    except (UnusableImageError, UnansweredTilesError, ClientError) as error:
        if reason := _waits_for_time(error, failures):
            return wait(reason, failures + isinstance(error, UnansweredTilesError))
        there = write(**_problem(s3, bucket, key, version_id, error))
        return Detected("unusable" if there else "gone", target)
    tiled = {} if answer.detections == 1 else {"detections": answer.detections}
    there = write(model_version=answer.version_name, labels=answer.labels, **tiled)
    detected = Detected("detected", target, answer.labels, answer.version_name, answer.left_out)
    return detected if there else Detected("gone", target)


def _waits_for_time(error: Exception, failures: int) -> str:
    """Why an image is tried again that there was no time for; empty of any other."""
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in THROTTLED:
        return "more images came than the champion's inference units answer; this one waits"
    # Other images may have taken the time that the inference units had.
    is_late = isinstance(error, UnansweredTilesError) and failures < MAX_FAILURES
    return f"{error}; it is tried again" if is_late else ""


def _without_asking(s3: S3Client, bucket: str, key: str, version_id: str | None) -> str:
    """What becomes of an object that is known to be no image by its name; empty of any other."""
    if key.endswith("/") and not _size(s3, bucket, key):
        # What consoles make of a new folder.
        return "gone"
    if clips.is_called_clip(key) and not _is_image(_beginning(s3, bucket, key, version_id)):
        # Also one that is broken: the step video says what is wrong with clips.
        return "clip"
    return ""


class _ClipError(Exception):
    """The object is a clip."""


def _beginning(s3: S3Client, bucket: str, key: str, version_id: str | None) -> bytes:
    """The object's first bytes; nothing if it is empty, or was deleted."""
    version: Any = {"VersionId": version_id} if version_id else {}
    try:
        opened = s3.get_object(
            Bucket=bucket, Key=key, Range=f"bytes=0-{clips.BEGINNING_BYTES - 1}", **version
        )
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 416):
            return b""
        raise
    return opened["Body"].read()


def _is_image(beginning: bytes) -> bool:
    try:
        format_of(beginning)
    except UnusableImageError:
        return False
    return True


def _problem(
    s3: S3Client,
    bucket: str,
    key: str,
    version_id: str | None,
    error: UnusableImageError | UnansweredTilesError | ClientError,
) -> dict[str, str]:
    """Why nobody can be asked about an image, and what helps; raises the error if that is not its fault."""
    if isinstance(error, UnusableImageError):
        return {"error": error.reason, "reason": error.detail, "help": unusable_images.HELP}
    if isinstance(error, UnansweredTilesError):
        return {"error": "too_many_tiles", "reason": str(error), "help": _FEWER_TILES}
    if not unusable_images.is_unusable(error):
        raise error
    problem = error.response["Error"]
    data = _read(s3, bucket, key, version_id)
    if not unusable_images.is_at_fault(error, data):
        raise NotAccessibleError(
            f"Rekognition could not access {key}, though nothing is wrong with it and this function can"
            f" read it: look at the policy of the bucket and of its key ({problem['Message']})"
        ) from error
    helps = unusable_images.help_with(data)
    return {"error": problem["Code"], "reason": problem["Message"], "help": helps}


def waiting_image(key: str, version_id: str | None, arrived_at: str, failures: int) -> WaitingImage:
    """What is kept of an image, or a clip, that waits for a champion."""
    name = hashlib.sha256(f"{key}\0{version_id or ''}".encode()).hexdigest()[:16]
    return WaitingImage(f"{arrived_at}#{name}", arrived_at, key, version_id or "", failures=failures)


def _read(s3: S3Client, bucket: str, key: str, version_id: str | None) -> bytes | None:
    """The image's bytes; None if it was deleted, or has more than are worth reading.

    Raises:
        botocore.exceptions.ClientError: S3 failed, or the function may not read it.
    """
    version: Any = {"VersionId": version_id} if version_id else {}
    try:
        opened = s3.get_object(Bucket=bucket, Key=key, **version)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return opened["Body"].read() if opened["ContentLength"] <= MAX_BYTES else None


def _size(s3: S3Client, bucket: str, key: str) -> int:
    """Of the object in bytes; 0 if it was deleted."""
    try:
        return s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return 0
        raise


def _is_answered(s3: S3Client, bucket: str, key: str, result: str) -> bool:
    """Whether there is an answer that was written after the image's newest version came."""
    try:
        written = s3.get_object(Bucket=bucket, Key=result)
        came = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    # Of the same second they may be in any order.
    return written["LastModified"] > came and "labels" in json.loads(written["Body"].read())


def _newest_version(s3: S3Client, bucket: str, key: str) -> str | None:
    """The id of the object's newest version; empty in a bucket without versions, None if it was deleted."""
    try:
        return s3.head_object(Bucket=bucket, Key=key).get("VersionId", "")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def _write(s3: S3Client, bucket: str, key: str, result: dict[str, Any]) -> None:
    body = json.dumps({**result, "at": clock.now()}, indent=2, ensure_ascii=False)
    s3.put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType="application/json")
