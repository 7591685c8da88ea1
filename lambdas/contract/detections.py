"""What the applications' API is sent and answers; the rules are those of the console's API (requests.py)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from lambdas.contract.base import Request, Response, Timestamp
from lambdas.domain.images.files import MAX_BYTES

MAX_LABELS = 250
"""Of a model: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
MAX_NOTE = 500


class UploadRequest(Request):
    """The image that is about to be uploaded."""

    error_code = "bad_image"

    content_type: Literal["image/jpeg", "image/png"]
    size: Annotated[int, Meta(ge=1, le=MAX_BYTES, description="In bytes; the upload has just as many.")]


class DetectionRequest(Request):
    """The uploaded image to look at."""

    key: Annotated[str, Meta(max_length=1024, description="That `POST /v1/uploads` gave.")]


class DetectionOptions(Request):
    """How the answer is wanted, in the query string."""

    min_confidence: (
        Annotated[
            float,
            Meta(
                ge=0,
                le=100,
                description="Confidence (percent) from which on to answer, in place of the labels' own"
                " thresholds, those of the model or of the deployment's `label_thresholds`.",
            ),
        ]
        | UnsetType
    ) = UNSET
    labels: Annotated[
        list[str],
        Meta(max_length=MAX_LABELS, description="Only these; repeat the parameter for each. Else all."),
    ] = field(default_factory=list)
    max_results: (
        Annotated[int, Meta(ge=1, le=10_000, description="The surest ones alone. Else all.")] | UnsetType
    ) = UNSET
    tile: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="`on` cuts the image into tiles, so that small objects in it are seen; each is a paid"
            " detection. `auto` does so if the image is larger than Rekognition takes."
        ),
    ] = "auto"


class FeedbackRequest(Request):
    """What the application says of a detection."""

    verdict: Literal["wrong"]
    note: Annotated[
        str, Meta(max_length=MAX_NOTE, description="What is wrong with it, for the people who review it.")
    ] = ""


class ShareBox(Response):
    """Where an object is, in shares of the upright image's width and height."""

    left: float
    top: float
    width: float
    height: float


class PixelBox(Response):
    """Where an object is, in whole pixels of the upright image."""

    left: int
    top: int
    width: int
    height: int


class DetectedLabel(Response):
    """An object, or a label of the whole image."""

    label: str
    class_id: Annotated[
        int | None,
        Meta(
            description="The label's number: the same in every model version, and never another label's. Null"
            " for a label that no version was evaluated on."
        ),
    ]
    confidence: Annotated[float, Meta(description="From 0 to 100.")]
    box: Annotated[ShareBox, Meta(description="Missing of a label of the whole image.")] | UnsetType = UNSET
    box_pixels: Annotated[PixelBox, Meta(description="The same in pixels.")] | UnsetType = UNSET


class ImageSize(Response):
    """Of the image upright, as its EXIF orientation says, in pixels."""

    width: int
    height: int


class Detection(Response):
    """What the champion sees on an image."""

    id: Annotated[str, Meta(description="For `GET /v1/detections/{id}` and for feedback.")]
    created_at: Timestamp
    model_version: str
    image: ImageSize
    labels: Annotated[list[DetectedLabel], Meta(description="The surest first.")]
    feedback: Annotated[str, Meta(description="`wrong` if the application has said so, else empty.")]


class Upload(Response):
    """Where to send an image, once, and the key to ask about it with."""

    key: str
    url: str
    method: Annotated[str, Meta(description="`PUT`.")]
    headers: Annotated[dict[str, str], Meta(description="That the upload has to have.")]
    expires_at: Annotated[Timestamp, Meta(description="Until when it can be sent.")]
