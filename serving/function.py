"""The serving function: what a model sees in an image.

Whoever asks brings links to both, which are good for some minutes and for what the caller itself may read. So
the function may read nothing by itself, and needs no SDK, whose import would double a cold start. A model is
kept, in memory and on disk, for as long as the function's environment lives.
"""

from __future__ import annotations

import base64
import binascii
import io
import logging
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from portable import ModelFileError, PortableModel
from portable.facts import MODEL_FILE, SECOND_STAGE_FILE

logger = logging.getLogger("serving")
logger.setLevel(logging.INFO)

MAX_MODELS = 2
"""In memory: champion and challenger."""
MAX_MODEL_BYTES = 200 * 1024**2
"""Of a file: two of them fit on the function's disk of 512 MB, which has them while they are loaded.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html"""
_ABSENT = (403, 404)
"""What S3 answers where there is no such object: 403 to who may not list the bucket.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""
MAX_IMAGE_BYTES = 15 * 1024**2
MIN_SIDE, MAX_SIDE, MAX_ASPECT_RATIO = 64, 4096, 20
"""As Custom Labels takes them, so that an image is one for both engines:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
DOWNLOAD_SECONDS = 20
_SCHEMES = (
    "https://",
    *(("http://127.0.0.1:", "http://localhost:") if "AWS_ENDPOINT_URL" in os.environ else ()),
)
"""Of links: to an emulator's endpoint on this machine, where there is one, without TLS."""

_models: OrderedDict[str, PortableModel] = OrderedDict()


class ServingError(Exception):
    """There is no answer.

    Args:
        code: as DetectCustomLabels calls the error.
        message: what is wrong, and what helps.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def handle(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer about one image.

    Args:
        event: `model`: its name, and `files`: links to them by their names; `image`: its `url`, or its
            `bytes` in Base64; `min_confidence`: percent, or None for the model's own thresholds.

    Returns:
        `labels`, the surest first: label, confidence (0 to 100), box (left, top, width and height as shares
        of the upright image, None of the whole image) and `seconds`, or `error`: code and message.
    """
    try:
        began = time.monotonic()
        name = event["model"]["name"]
        model = _model(name, event["model"]["files"])
        loaded = time.monotonic()
        labels = _labels(name, model, _image(event["image"]), event.get("min_confidence"))
        answered = time.monotonic()
    except ServingError as error:
        logger.warning("%s: %s", error.code, error)
        return {"error": {"code": error.code, "message": str(error)}}
    return {
        "labels": labels,
        "seconds": {"load": round(loaded - began, 3), "answer": round(answered - loaded, 3)},
    }


def _labels(
    name: str, model: PortableModel, image: bytes, min_confidence: float | None
) -> list[dict[str, Any]]:
    try:
        seen = model.predict(image)
    except ModelFileError as error:
        raise _unusable(name, error) from error
    except ValueError as error:
        raise ServingError("InvalidImageFormatException", f"the image cannot be decoded: {error}") from error
    return [
        {"label": one.label, "confidence": one.confidence, "box": one.box}
        for one in seen
        if one.confidence >= _threshold(model, one.label, min_confidence)
    ]


def _threshold(model: PortableModel, label: str, min_confidence: float | None) -> float:
    return 100 * model.thresholds.get(label, 0.5) if min_confidence is None else min_confidence


# Models


def _model(name: str, files: Mapping[str, str]) -> PortableModel:
    """The model of that name, fetched and loaded unless it is kept from before."""
    if name in _models:
        _models.move_to_end(name)
        return _models[name]
    with tempfile.TemporaryDirectory() as folder:
        for file in (MODEL_FILE, SECOND_STAGE_FILE):
            _fetch_file(name, files[file], Path(folder) / file)
        try:
            model = PortableModel.load(Path(folder))
        except ModelFileError as error:
            raise _unusable(name, error) from error
    _models[name] = model
    while len(_models) > MAX_MODELS:
        _models.popitem(last=False)
    return model


def _unusable(name: str, error: ModelFileError) -> ServingError:
    return ServingError("ResourceNotReadyException", f"model {name}: {error}")


def _fetch_file(name: str, url: str, path: Path) -> None:
    try:
        with _opened(url) as body, path.open("wb") as file:
            shutil.copyfileobj(_Bounded(body, MAX_MODEL_BYTES), file)
    except urllib.error.HTTPError as error:
        # Most models have no second stage. One whose facts name it fails when it is loaded.
        if path.name != SECOND_STAGE_FILE or error.code not in _ABSENT:
            code = "ResourceNotFoundException" if error.code in _ABSENT else "InternalServerError"
            reason = f"{path.name} of model {name} cannot be fetched: HTTP {error.code} {error.reason}"
            raise ServingError(code, reason) from error
    except _TooLargeError as error:
        raise ServingError("ResourceNotReadyException", f"{path.name} of model {name}: {error}") from error
    except OSError as error:
        raise ServingError("InternalServerError", f"model {name} cannot be fetched: {error}") from error


# Images


def _image(image: Mapping[str, str]) -> bytes:
    """The image's bytes, which are those of an image that Custom Labels would take."""
    data = _sent(image["bytes"]) if "bytes" in image else _fetched(image["url"])
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as opened:
            width, height = opened.size
    except Image.DecompressionBombError as error:
        raise ServingError("ImageTooLargeException", f"the image has too many pixels: {error}") from error
    except Exception as error:
        raise ServingError("InvalidImageFormatException", "the image has to be a PNG or JPEG file") from error
    if max(width, height) > MAX_SIDE:
        raise ServingError(
            "ImageTooLargeException", f"it is {width} x {height} pixels; the limit is {MAX_SIDE}"
        )
    if min(width, height) < MIN_SIDE or max(width, height) >= MAX_ASPECT_RATIO * min(width, height):
        raise ServingError(
            "InvalidParameterException",
            f"it is {width} x {height} pixels; each side needs at least {MIN_SIDE}, and neither may be"
            f" {MAX_ASPECT_RATIO} times the other",
        )
    return data


def _sent(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ServingError("ValidationException", f"the image is no Base64: {error}") from error


def _fetched(url: str) -> bytes:
    try:
        with _opened(url) as body:
            return _Bounded(body, MAX_IMAGE_BYTES).read()
    except urllib.error.HTTPError as error:
        raise ServingError(
            "InvalidS3ObjectException", f"the image cannot be fetched: HTTP {error.code} {error.reason}"
        ) from error
    except _TooLargeError as error:
        raise ServingError("ImageTooLargeException", str(error)) from error
    except OSError as error:
        raise ServingError("InternalServerError", f"the image cannot be fetched: {error}") from error


# Links


class _TooLargeError(OSError):
    """What a link leads to has too many bytes."""


class _Bounded:
    """A body of which no more than so many bytes are read, and that is read to its end or not at all.

    A connection that breaks off ends a body as if that were all of it: HTTPResponse.read(amt) raises nothing.
    """

    def __init__(self, body: Any, limit: int) -> None:
        self._body, self._limit, self._left = body, limit, limit

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._body.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise _TooLargeError(f"it has more than {self._limit // 1024**2} MB")
        if self._body.length and (size < 0 or not data):
            raise OSError(f"the connection broke off, {self._body.length} bytes before the end")
        return data


def _opened(url: str) -> Any:
    if not url.startswith(_SCHEMES):
        raise ServingError("ValidationException", "a link has to begin with https://")
    return urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS)  # noqa: S310 checked above
