"""One image under detect/, what the champion sees in it, and the JSON beside it under results/."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from lambdas.domain.detect import unusable_images
from lambdas.domain.images.files import MAX_BYTES
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.shared import clock
from lambdas.domain.shared.manifests import MAX_KEY_BYTES
from lambdas.domain.shared.records import Champion, WaitingImage
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import ImageTypeDef
    from mypy_boto3_s3 import S3Client


T = TypeVar("T")
Labels = list[dict[str, Any]]
"""As custom_labels.detect returns them."""


MAX_FAILURES = 5
"""After so many an image that finds no champion does not wait for one, which it would wake again and again.
It becomes a dead letter: those are sent again ever more seldom, and only while a champion runs anyhow."""


class NoChampionError(RuntimeError):
    """No model version serves at present; the image waits and is tried again."""


class NotAccessibleError(RuntimeError):
    """Rekognition may not read an image, or cannot; the image is not at fault, and is tried again."""


@dataclass(frozen=True)
class Detected:
    """What became of an image: `detected`, `unusable`, `waiting` for a champion, `gone`, `answered` before.

    The last is for an event that comes twice, the second time while the champion sleeps.
    """

    outcome: str
    result_key: str
    labels: tuple[dict[str, Any], ...] = ()
    model_version: str = ""
    left_out: tuple[dict[str, Any], ...] = ()
    """What the model's own thresholds keep from the answer, though it is as sure as was asked for."""


def result_key(key: str) -> str:
    """The key of an image's result: for detect/a/b.jpg it is results/a/b.jpg.json.

    It is longer than the image's by some bytes. Where S3 does not take so many, the end of the name is
    replaced by ~ and the first 16 digits of the SHA-256 of the image's key.
    """
    whole = f"results/{key.removeprefix('detect/')}.json"
    if len(whole.encode()) <= MAX_KEY_BYTES:
        return whole
    ending = f"~{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    beginning = whole.encode()[: MAX_KEY_BYTES - len(ending)]
    return beginning.decode(errors="ignore") + ending


def detect_object(
    rekognition: RekognitionClient,
    s3: S3Client,
    loop_state: LoopState,
    bucket: str,
    key: str,
    *,
    arrived_at: str,
    version_id: str | None = None,
    failures: int = 0,
    min_confidence: float | None = None,
) -> Detected:
    """Ask the champion about an image in the bucket and write its answer under results/.

    Without a champion that runs, or has time, the image waits in the loop's state:
    lambdas/domain/detect/backlog.py.

    Args:
        arrived_at: when it came.
        version_id: of the object, if it is known. Of several images that come under one key, the last
            one's result stays.
        failures: how often it could not be answered before, though a champion ran.
        min_confidence: confidence (percent) from which on to return what the answer leaves out; None:
            nothing of it.

    Raises:
        NoChampionError: no champion runs, and this image has failed too often to wake one.
        NotAccessibleError: Rekognition could not access the image.
        botocore.exceptions.ClientError: another service failed, or a permission is missing.
    """
    target = result_key(key)
    if key.endswith("/") and not _size(s3, bucket, key):
        # What consoles make of a new folder.
        return Detected("gone", target)
    image: Any = {"Bucket": bucket, "Name": key} | ({"Version": version_id} if version_id else {})

    def write(**result: Any) -> bool:
        """Write the result, unless another image has come since; whether there is any."""
        newest = _newest_version(s3, bucket, key)
        if newest is not None and (not version_id or newest in ("", version_id)):
            _write(s3, bucket, target, {"image": key, **result})
        return newest is not None

    def wait(reason: str) -> Detected:
        """Keep the image until a champion has time for it, unless it was answered before."""
        if _is_answered(s3, bucket, key, target):
            return Detected("answered", target)
        if not write(status="waiting", reason=reason):
            return Detected("gone", target)
        if failures >= MAX_FAILURES:
            raise NoChampionError(f"{reason}; {failures} times before it could not be answered")
        loop_state.keep_waiting(_waiting_image(key, version_id, arrived_at, failures))
        return Detected("waiting", target)

    try:
        champion, (labels, left_out) = _detect_with_thresholds(
            rekognition, loop_state, {"S3Object": image}, min_confidence
        )
    except NoChampionError as error:
        return wait(str(error))
    except ClientError as error:
        if error.response["Error"]["Code"] in custom_labels.THROTTLED:
            return wait("more images came than the champion's inference units answer; this one waits")
        if not unusable_images.is_unusable(error):
            raise
        answer = error.response["Error"]
        data = _read(s3, bucket, key, version_id)
        if not unusable_images.is_at_fault(error, data):
            raise NotAccessibleError(
                f"Rekognition could not access {key}, though nothing is wrong with it and this function can"
                f" read it: look at the policy of the bucket and of its key ({answer['Message']})"
            ) from error
        helps = unusable_images.help_with(data)
        there = write(error=answer["Code"], reason=answer["Message"], help=helps)
        return Detected("unusable" if there else "gone", target)
    if not write(model_version=champion.version_name, labels=labels):
        return Detected("gone", target)
    return Detected("detected", target, tuple(labels), champion.version_name, tuple(left_out))


def _waiting_image(key: str, version_id: str | None, arrived_at: str, failures: int) -> WaitingImage:
    name = hashlib.sha256(f"{key}\0{version_id or ''}".encode()).hexdigest()[:16]
    return WaitingImage(f"{arrived_at}#{name}", arrived_at, key, version_id or "", failures=failures)


def ask(
    rekognition: RekognitionClient,
    loop_state: LoopState,
    image: ImageTypeDef,
    *,
    min_confidence: float | None = None,
) -> tuple[Champion, Labels]:
    """The champion and what it sees; if it was replaced between being named and being asked, the new one.

    Raises:
        NoChampionError: none serves, or the one that should does not run.
    """
    return _with_champion(
        loop_state,
        lambda champion: custom_labels.detect(
            rekognition, champion.version_arn, image, min_confidence=min_confidence
        ),
    )


def _detect_with_thresholds(
    rekognition: RekognitionClient, loop_state: LoopState, image: ImageTypeDef, min_confidence: float | None
) -> tuple[Champion, tuple[Labels, Labels]]:
    """The champion, what it answers by its own thresholds, and what these leave out from `min_confidence` on.

    One request gives both: a second one would take half of the endpoint's throughput, which is what costs.
    It needs the assumed threshold of every label, from the version's evaluation; where one is not known
    there is the answer alone.
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-metrics-use.html
    """

    def detect(champion: Champion) -> tuple[Labels, Labels]:
        known: dict[str, float] = {} if min_confidence is None else thresholds(loop_state, champion)
        if min_confidence is not None and known:
            lowest = math.floor(min(min_confidence, *known.values()))
            labels = custom_labels.detect(rekognition, champion.version_arn, image, min_confidence=lowest)
            if all(label["label"] in known for label in labels):
                return _by_thresholds(labels, known, min_confidence)
        return custom_labels.detect(rekognition, champion.version_arn, image), []

    return _with_champion(loop_state, detect)


def _by_thresholds(
    labels: Labels, thresholds: Mapping[str, float], min_confidence: float
) -> tuple[Labels, Labels]:
    """The labels from their thresholds on, and those between `min_confidence` and their thresholds."""
    sure = [label for label in labels if label["confidence"] >= thresholds[label["label"]]]
    unsure = [label for label in labels if min_confidence <= label["confidence"] < thresholds[label["label"]]]
    return sure, unsure


def thresholds(loop_state: LoopState, champion: Champion) -> dict[str, float]:
    """Confidence (percent) from which on the champion's detections count, by label; empty if it is not known
    of every label."""
    version = loop_state.version(champion.version_name)
    evaluated = version.labels if version else ()
    # Confidences are rounded in the same way.
    known = {
        score.label: round(100 * score.threshold, 3) for score in evaluated if score.threshold is not None
    }
    return known if len(known) == len(evaluated) else {}


def _with_champion(loop_state: LoopState, ask: Callable[[Champion], T]) -> tuple[Champion, T]:
    champion = _serving(loop_state)
    try:
        return champion, ask(champion)
    except ClientError as error:
        if error.response["Error"]["Code"] not in custom_labels.NOT_SERVING:
            raise
        successor = _serving(loop_state)
        if successor == champion:
            raise NoChampionError(f"the champion {champion.version_name} is not running") from error
    try:
        return successor, ask(successor)
    except ClientError as error:
        if error.response["Error"]["Code"] not in custom_labels.NOT_SERVING:
            raise
        raise NoChampionError(f"the champion {successor.version_name} is not running") from error


def _serving(loop_state: LoopState) -> Champion:
    champion = loop_state.champion()
    if champion is None:
        raise NoChampionError("no model version has been promoted yet")
    serving = loop_state.serving()
    if serving.state == "asleep":
        # It may run for another minute, so that what was asked before this is answered.
        raise NoChampionError(
            f"the champion {champion.version_name} sleeps: {serving.trouble or serving.reason}"
        )
    return champion


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
