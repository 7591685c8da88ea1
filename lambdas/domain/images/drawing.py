"""Draws boxes and labels into images."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from lambdas.domain.images.opening import open_image

Colour = tuple[int, int, int]

MIN_TEXT = 12
"""Height of letters in pixels; smaller ones cannot be read."""


def colour_of(label: str) -> Colour:
    """The colour of a label: strong, and the same in every image and on every machine."""
    digest = hashlib.sha256(label.encode()).digest()
    hue, dark = int.from_bytes(digest[:2]) / 65536, digest[2] % 2
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, 0.62 if dark else 0.88)
    return round(red * 255), round(green * 255), round(blue * 255)


def annotate(image: bytes | Image.Image, detections: Sequence[dict[str, Any]]) -> Image.Image:
    """A copy of an image with its detections drawn in, upright and as RGB.

    Args:
        detections: as `Detector.detect_labels` returns them: label, confidence (0 to 100) and,
            from a detection model, a box in ratios of the upright image. Those without a box are
            listed at the top.
    """
    upright = _upright(image)
    draw = ImageDraw.Draw(upright)
    size = max(MIN_TEXT, round(max(upright.size) / 40))
    font = ImageFont.load_default(size)
    line = max(2, size // 6)
    boxed = [detection for detection in detections if "box" in detection]
    for detection in boxed:
        draw.rectangle(_pixels(detection["box"], upright), outline=colour_of(detection["label"]), width=line)
    # Captions come after all boxes: no line may run through a word.
    for detection in boxed:
        left, top, _, _ = _pixels(detection["box"], upright)
        _caption(draw, (left, top - size - 2 * line), detection, font, upright.size)
    whole = [detection for detection in detections if "box" not in detection]
    for row, detection in enumerate(whole):
        _caption(draw, (line, line + row * (size + 3 * line)), detection, font, upright.size)
    return upright


def save(image: Image.Image, path: Path) -> None:
    """Write an image to a file, in the format of its suffix and with little loss. The folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=92)


def _upright(image: bytes | Image.Image) -> Image.Image:
    if isinstance(image, Image.Image):
        return ImageOps.exif_transpose(image).convert("RGB")
    with open_image(image) as opened:
        return ImageOps.exif_transpose(opened).convert("RGB")


def _pixels(box: dict[str, float], image: Image.Image) -> tuple[float, float, float, float]:
    left, top = box["left"] * image.width, box["top"] * image.height
    right, bottom = left + box["width"] * image.width, top + box["height"] * image.height
    left, top = min(max(left, 0), image.width - 1), min(max(top, 0), image.height - 1)
    return left, top, max(left, min(right, image.width - 1)), max(top, min(bottom, image.height - 1))


def _caption(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    detection: dict[str, Any],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
) -> None:
    """The label and its confidence on a plate of the label's colour, moved so that it is all inside."""
    text = f"{detection['label']} {detection['confidence']:.0f}%"
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = 3
    wide, tall = right - left + 2 * pad, bottom - top + 2 * pad
    x, y = max(0, min(at[0], size[0] - wide)), max(0, min(at[1], size[1] - tall))
    colour = colour_of(detection["label"])
    draw.rectangle((x, y, x + wide, y + tall), fill=colour)
    draw.text((x + pad - left, y + pad - top), text, fill=_ink(colour), font=font)


def _ink(ground: Colour) -> Colour:
    """Black or white, whichever is easier to read on the ground."""
    light = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]
    return (0, 0, 0) if light > 140 else (255, 255, 255)
