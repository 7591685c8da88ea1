"""The EXIF orientation: which way up an image is.

Rekognition turns a JPEG as its EXIF orientation says, and gives boxes of the image so turned:
https://docs.aws.amazon.com/rekognition/latest/dg/images-orientation.html . Custom Labels' guide says nothing
else about boxes in manifests, so sizes and boxes are of the image upright wherever LabelLoop speaks of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

UPRIGHT = 1
"""The orientation of an image that is stored as it is seen."""
QUARTER_TURNS = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""

_TAG = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""How to put upright what has this EXIF orientation: names of Pillow's transpositions."""


def orientation(image: Image) -> int:
    """The EXIF orientation, 1 to 8; 1, which changes nothing, if there is none that can be read."""
    try:
        value = image.getexif().get(_TAG, 1)
    # A decoder may raise anything when bytes are hostile, and then other programs show the image as stored.
    except Exception:  # noqa: BLE001
        return 1
    return value if value in range(1, 9) else 1


def upright(image: Image, turn: int) -> Image:
    """The image put upright, which its orientation says how to."""
    # Imported here, because most of a cold start's events need no decoder.
    from PIL.Image import Transpose  # noqa: PLC0415

    return image.transpose(Transpose[_TURNS[turn]]) if turn in _TURNS else image
