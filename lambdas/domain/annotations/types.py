"""What readers yield: annotations of images, problems and notes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lambdas.domain.shared.annotation import Kind, RequestedDatasetType


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """Where a labelled object is, from the upper left corner: in pixels, or as shares of the sides."""

    label: str
    left: float
    top: float
    width: float
    height: float
    line: int = field(default=0, compare=False)
    """Where that stands, for messages; line 0 is the whole file."""


@dataclass(frozen=True, slots=True)
class ImageAnnotation:
    """What a dataset says about one image."""

    image: str
    """Its path as seen from the dataset's root with forward slashes, or s3://bucket/key."""
    kind: Kind | None
    """None where it says nothing: the image needs a person."""
    labels: tuple[str, ...] = ()
    boxes: tuple[LabelledBox, ...] = ()
    size: tuple[int, int] | None = None
    """Width and height in pixels that the annotation claims."""
    normalised: bool = False
    """Whether the boxes are shares of the image's sides, from 0 to 1."""
    dataset_type: RequestedDatasetType = ""
    file: str = ""
    line: int = 0
    """Where that stands, for messages; line 0 is the whole file."""


@dataclass(frozen=True)
class Problem:
    """Something that cannot be used: a reason to count by, a detail that says what to do."""

    file: str
    line: int
    reason: str
    detail: str
    image: str = ""


@dataclass(frozen=True)
class Note:
    """Something that was understood in one of several ways; nothing is guessed without a note."""

    file: str
    detail: str


Event = ImageAnnotation | Problem | Note


def in_pixels(annotation: ImageAnnotation, width: int, height: int) -> ImageAnnotation:
    """The same annotation with boxes in pixels, of an image of this size."""
    if not annotation.normalised:
        return annotation
    boxes = tuple(
        replace(
            box,
            left=box.left * width,
            top=box.top * height,
            width=box.width * width,
            height=box.height * height,
        )
        for box in annotation.boxes
    )
    return replace(annotation, boxes=boxes, normalised=False, size=(width, height))
