"""Asks a model version about an image, or about the tiles of one that is too large for Rekognition.

Whoever asks about an image asks through here: applications, `detect/`, batches and the shadow gate, so that a
version is judged by what it will answer.
"""

from __future__ import annotations

import math
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import THROTTLED
from lambdas.domain.images import exif, tiles
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.images.tiles import LargeImage, TilePlan, Tiling
from lambdas.domain.shared import merging
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from PIL.Image import Image as Picture

    from lambdas.domain.engines.port import Detector, Image, Label

T = TypeVar("T")

THREADS = 4
"""Tiles of one image that are asked about at once. One inference unit does not answer more any sooner."""
MAX_THROTTLED = 5
"""Times that a tile is asked about again for which the inference units have no time: some 30 seconds. The
answers about the other tiles would be lost, and paid again."""


@frozen
class TiledImage:
    """An image that is asked about in tiles."""

    image: LargeImage
    plan: TilePlan
    patient_until: float = math.inf
    """`time.monotonic()` from which on nothing is waited for that the inference units have no time for."""
    until: float = math.inf
    """`time.monotonic()` from which on no tile is begun."""


class UnansweredTilesError(RuntimeError):
    """There was no time to ask about all tiles."""


@frozen
class Detections:
    """What a version sees on an image."""

    labels: list[Label]
    """As Detector.detect_labels returns them."""
    count: int
    """Images that it was asked about for that, tiles and overview: each takes of the inference units' time,
    which is what costs."""


def detect(
    detector: Detector,
    version_arn: str,
    image: Image | TiledImage,
    *,
    min_confidence: float | None = None,
) -> Detections:
    """What a version sees on an image.

    Labels of the whole image, which have no box, come of its overview alone: a tile shows something else. So
    a version that has answered with such a label is not asked about the tiles.

    Raises:
        UnansweredTilesError: there was no time for all tiles.
        botocore.exceptions.ClientError: Rekognition takes the image not, or has no time for it.
    """

    def ask(data: Image) -> list[Label]:
        return detector.detect_labels(version_arn, data, min_confidence=min_confidence)

    if not isinstance(image, TiledImage):
        return Detections(ask(image), 1)
    plan, overview = image.plan, None
    if plan.overview:
        overview = patiently(
            lambda: ask({"Bytes": tiles.overview(image.image, plan.overview or (0, 0))}), image.patient_until
        )
        if any("box" not in label for label in overview):
            return Detections(overview, 1)
    answers = _each(lambda tile: ask({"Bytes": tiles.cut(image.image, tile)}), image)
    if len(plan.tiles) == 1:
        return Detections(answers[0], 1)
    size = (plan.width, plan.height)
    merged = merging.merge(size, plan.tiles, answers, overview=overview, overlap=plan.overlap)
    return Detections(merged, plan.detections)


def _each(ask: Callable[[tiles.Tile], list[Label]], image: TiledImage) -> list[list[Label]]:
    """The answer about each tile, a few at once. After one that fails no further one is begun."""
    # Imported here, because most images are not cut.
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    errors: list[Exception] = []

    def ask_unless_failed(tile: tiles.Tile) -> list[Label]:
        if errors:
            return []
        try:
            if time.monotonic() > image.until:
                raise UnansweredTilesError(f"there was no time for all {len(image.plan.tiles)} tiles")
            return patiently(lambda: ask(tile), image.patient_until)
        except Exception as error:
            errors.append(error)
            raise

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(ask_unless_failed, image.plan.tiles))


def patiently(ask: Callable[[], T], until: float = math.inf) -> T:
    """The answer, asked for again while the inference units have no time and there is some left here."""
    for failures in range(MAX_THROTTLED):
        try:
            return ask()
        except ClientError as error:
            pause = 2**failures * random.uniform(0.5, 1)  # noqa: S311 no secret
            is_throttled = error.response["Error"]["Code"] in THROTTLED
            if not is_throttled or time.monotonic() + pause > until:
                raise
            time.sleep(pause)
    return ask()


def of_picture(picture: Picture, tiling: Tiling, patient_until: float = math.inf) -> Image | TiledImage:
    """A decoded picture as it is asked about: as a JPEG file, or cut into tiles if it is too large."""
    plan = tiles.plan(picture.width, picture.height, tiling=tiling)
    if plan is None:
        return {"Bytes": tiles.encode(picture.convert("RGB"))}
    large = LargeImage(picture, exif.UPRIGHT, picture.width, picture.height)
    return TiledImage(large, plan, patient_until)


def open_file(file: IO[bytes], size_bytes: int, tiling: Tiling) -> TiledImage | None:
    """An image file, decoded to be asked about in tiles; None if Rekognition is to get it as it is.

    So it does what is no image, and says what is wrong with it.

    Raises:
        UnusableImageError: it has to be cut, and cannot be; the detail says what to do.
    """
    try:
        plan = tiles.plan_of(file, size_bytes=size_bytes, tiling=tiling)
    except UnusableImageError as error:
        if error.reason == "too_large":
            raise
        return None
    return TiledImage(tiles.load(file, tiling.max_pixels), plan) if plan else None


def open_object(s3: S3Client, image: Any, tiling: Tiling) -> TiledImage | None:
    """An object of S3, decoded to be asked about in tiles; None if Rekognition is to get it as it is, or if
    it was deleted.

    Args:
        image: Bucket, Name and, if it is known, Version, as Rekognition takes them.

    Raises:
        UnusableImageError: it has to be cut, and cannot be; the detail says what to do.
        botocore.exceptions.ClientError: S3 failed, or the function may not read it.
    """
    with tempfile.TemporaryFile() as file:
        size_bytes = download(s3, image, file)
        return open_file(file, size_bytes, tiling) if size_bytes is not None else None


def download(s3: S3Client, image: Any, file: IO[bytes]) -> int | None:
    """Write an object of S3 to a file: its size in bytes; None if it was deleted.

    Raises:
        UnusableImageError: it has more bytes than a function has room for.
    """
    version: Any = {"VersionId": image["Version"]} if image.get("Version") else {}
    try:
        opened = s3.get_object(Bucket=image["Bucket"], Key=image["Name"], **version)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    with opened["Body"] as body:
        size = opened["ContentLength"]
        tiles.check_bytes(size)
        shutil.copyfileobj(body, file)
    return size
