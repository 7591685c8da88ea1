"""Images that a model version cannot look at: whether the image is at fault, and what to do about it."""

from __future__ import annotations

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import UNREADABLE_IMAGE, UNUSABLE_IMAGE
from lambdas.domain.images import files as image_files
from lambdas.domain.images import tiles
from lambdas.domain.images.files import UnusableImageError

HELP = (
    f"save it as a JPEG or PNG file of {image_files.MIN_SIDE} to {image_files.MAX_SIDE} pixels each way,"
    f" no side {image_files.MAX_ASPECT_RATIO} times the other, of up to"
    f" {image_files.MAX_BYTES // 1024**2} MB; a larger one is cut into tiles, if it has up to"
    f" {tiles.MAX_PIXELS // 1_000_000} million pixels and {tiles.MAX_FILE_BYTES // 1024**2} MB"
)
"""What Custom Labels takes, and what is made of larger images."""


def is_unusable(error: ClientError) -> bool:
    """Whether the image is at fault for an error of DetectCustomLabels."""
    return error.response["Error"]["Code"] in UNUSABLE_IMAGE


def is_at_fault(error: ClientError, data: bytes | None) -> bool:
    """Whether it is the image's own fault, by looking at it where the service could not access it.

    Args:
        data: the image; None if it was deleted, or is too large to be read.
    """
    return error.response["Error"]["Code"] != UNREADABLE_IMAGE or data is None or problem_of(data) != HELP


def help_with(data: bytes | None) -> str:
    """What is wrong with the image and what to do, as far as looking at it tells; None: it was not read."""
    return HELP if data is None else problem_of(data)


def problem_of(data: bytes) -> str:
    """What is wrong with the image and what to do; HELP if nothing is, for all that can be seen."""
    try:
        image_files.inspect(data)
    except UnusableImageError as error:
        return error.detail
    return HELP
