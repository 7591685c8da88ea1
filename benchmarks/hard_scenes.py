"""Generated images that are hard for a detector, each in a way of its own."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator
from itertools import count as counted

import numpy as np
from PIL import Image, ImageDraw

from local import scenes
from local.scenes import Scene, SceneBox

RARE, RARE_IMAGES = "nut", 4
"""A label, and the images that show it where it is rare."""
SHAPES, COLOURS = 10, 10
"""What tells a hundred labels apart."""
_SIZE = (400, 300)


def small(count: int, seed: int) -> Iterator[Scene]:
    """Images of 640 x 480 with twelve parts of 12 to 22 pixels."""
    return scenes.large_scenes(count, seed, size=(640, 480), parts=12, sides=(12, 22))


def crowded(count: int, seed: int) -> Iterator[Scene]:
    """Images of 480 x 360 with eighty parts of 16 to 34 pixels, many of which touch."""
    return scenes.large_scenes(count, seed, size=(480, 360), parts=80, sides=(16, 34))


def rare(count: int, seed: int) -> Iterator[Scene]:
    """Images of parts of which RARE_IMAGES, no more, show one label."""
    with_it = without = 0
    for number in counted():
        if with_it + without == count:
            return
        (scene,) = scenes.detection_scenes(1, 10_000 * seed + number)
        if RARE in scene.labels:
            with_it += 1
            if with_it > RARE_IMAGES:
                with_it -= 1
                continue
        elif without == count - RARE_IMAGES:
            continue
        else:
            without += 1
        yield scene


def hundred_labels(count: int, seed: int) -> Iterator[Scene]:
    """Images with three to eight shapes of 30 to 60 pixels, each shape and colour a label."""
    for number in range(count):
        random = np.random.default_rng((seed, 5, number))
        ground = random.uniform(60, 200, 3) + random.normal(0, 6, (_SIZE[1], _SIZE[0], 3))
        image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
        boxes: list[SceneBox] = []
        wanted = int(random.integers(3, 9))
        while len(boxes) < wanted:
            shape, colour = int(random.integers(SHAPES)), int(random.integers(COLOURS))
            side = int(random.integers(30, 61))
            left, top = (int(random.integers(2, length - side - 2)) for length in _SIZE)
            box = SceneBox(f"shape {shape} colour {colour}", left, top, side, side)
            if all(_apart(box, other) for other in boxes):
                _draw(ImageDraw.Draw(image), box, shape, colour, random)
                boxes.append(box)
        labels = tuple(sorted({box.label for box in boxes}))
        yield Scene(f"shapes-{seed}-{number:04d}", image, labels, tuple(boxes))


def _apart(box: SceneBox, other: SceneBox) -> bool:
    return (
        box.left + box.width <= other.left
        or other.left + other.width <= box.left
        or box.top + box.height <= other.top
        or other.top + other.height <= box.top
    )


def _draw(
    draw: ImageDraw.ImageDraw, box: SceneBox, shape: int, colour: int, random: np.random.Generator
) -> None:
    """A star of three to seven points in its box, or a polygon of as many corners."""
    corners, is_star = 3 + shape // 2, shape % 2 == 0
    points = []
    for number in range(0, 2 * corners, 1 if is_star else 2):
        reach = box.width / 2 * (0.35 if number % 2 else 1.0)
        turn = math.pi * number / corners
        points.append(
            (
                box.left + box.width / 2 + reach * math.sin(turn),
                box.top + box.height / 2 - reach * math.cos(turn),
            )
        )
    light = float(random.uniform(0.75, 1.0))
    red, green, blue = colorsys.hsv_to_rgb(colour / COLOURS, 0.85, light)
    draw.polygon(points, fill=(round(255 * red), round(255 * green), round(255 * blue)))
