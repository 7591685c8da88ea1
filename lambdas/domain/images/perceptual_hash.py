"""The perceptual hash of an image: 64 bits, few of which differ between images that look alike.

The difference hash, dHash: the image in 9 x 8 pixels of grey, and of each pixel whether it is brighter than
the one to its right. https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html

It is the project's own because ImageHash brings NumPy and SciPy into the function for these few lines, and
hashes images as they are stored: this one turns them upright first, and keeps 16-bit greys.
"""

from __future__ import annotations

from PIL import Image
from PIL.Image import Resampling

from lambdas.domain.images import exif

_SIDE = 8


def of_image(image: Image.Image) -> str:
    """16 hex digits; of a decoded image as it is seen, turned as its EXIF orientation says."""
    turn = exif.orientation(image)
    size = (_SIDE, _SIDE + 1) if turn in exif.QUARTER_TURNS else (_SIDE + 1, _SIDE)
    small = grey(image).resize(size, Resampling.BOX)
    pixels = exif.upright(small, turn).tobytes()
    value = 0
    for row in range(_SIDE):
        for column in range(_SIDE):
            here = row * (_SIDE + 1) + column
            value = value << 1 | (pixels[here] > pixels[here + 1])
    return f"{value:016x}"


def grey(image: Image.Image) -> Image.Image:
    """The image in 8 bits of grey."""
    if image.mode.startswith("I"):
        # Pillow cuts 16 bits off at 255 where it is not told to scale them.
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("L")
