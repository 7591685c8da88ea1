"""DetectCustomLabels."""

from __future__ import annotations

from collections.abc import Mapping

from local.engine import images, quotas
from local.engine.access.s3 import ObjectTooLargeError
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.errors import (
    ImageTooLargeException,
    InternalServerError,
    InvalidParameterException,
    ResourceNotReadyException,
)
from local.engine.serving.detections import Detection as ModelDetection
from local.engine.serving.endpoint import NotRunningError, PredictionFailedError
from local.engine.training.trainer import UNTESTED_THRESHOLD


class Detection:
    def __init__(self, context: Context) -> None:
        self._context = context

    def detect_custom_labels(self, request: Request, caller: Caller) -> Answer:
        version = self._context.version(request["ProjectVersionArn"], caller)
        if version.status != "RUNNING":
            raise ResourceNotReadyException(
                f"ProjectVersionArn: the model version is {version.status}, not RUNNING"
            )
        if self._context.throttle:
            min_units = version.details.get("MinInferenceUnits", 1)
            units = int(version.details.get("MaxInferenceUnits", min_units))
            self._context.throttle.take_detection(version.arn, units)
        image = self._image(request["Image"], caller)
        endpoints = self._context.endpoints
        try:
            detections = endpoints.predict(version.arn, image)
            thresholds = endpoints.thresholds(version.arn)
        except (NotRunningError, FileNotFoundError) as error:
            # It was stopped meanwhile, and deleted if its files are gone.
            raise ResourceNotReadyException(
                "ProjectVersionArn: the model version does not run any more"
            ) from error
        except PredictionFailedError as error:
            raise InternalServerError(f"The model failed on this image: {error}") from error
        min_confidence = request.get("MinConfidence")
        kept = [
            detection
            for detection in detections
            if detection.confidence >= _threshold(detection.label, thresholds, min_confidence)
        ]
        kept.sort(key=lambda detection: -detection.confidence)
        return {"CustomLabels": [_custom_label(detection) for detection in kept[: request.get("MaxResults")]]}

    def _image(self, image: Request, caller: Caller) -> bytes:
        if ("Bytes" in image) == ("S3Object" in image):
            raise InvalidParameterException("Image needs either Bytes or S3Object")
        if "Bytes" in image:
            body: bytes = image["Bytes"]
            images.check(body, limit=quotas.MAX_SENT_IMAGE_BYTES)
        else:
            limit = quotas.MAX_STORED_IMAGE_BYTES
            try:
                body = self._context.read(image["S3Object"], caller, "Image.S3Object", limit=limit)
            except ObjectTooLargeError as error:
                raise ImageTooLargeException(f"Image.S3Object: {error}") from error
            images.check(body, limit=limit)
        return body


def _threshold(label: str, thresholds: Mapping[str, float], asked: float | None) -> float:
    return asked if asked is not None else 100 * thresholds.get(label, UNTESTED_THRESHOLD)


def _custom_label(detection: ModelDetection) -> Answer:
    answer: Answer = {"Name": detection.label, "Confidence": detection.confidence}
    if detection.box:
        left, top, width, height = detection.box
        box = {"Width": width, "Height": height, "Left": left, "Top": top}
        answer["Geometry"] = {"BoundingBox": box}
    return answer
