"""Pictures that the project makes itself, with their labels: for demos, tests and benchmarks.

Everything is drawn from a seed, so the same call gives the same pixels and boxes. Three kinds:

- `detection_scenes`: machine parts strewn over a workbench, each with its box;
- `large_scenes`: the same on a bench so large that its parts are small;
- `classification_scenes`: a parts tray seen from above, one label for the whole picture.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

DETECTION_LABELS = ("bolt", "gear", "nut", "washer")
CLASSIFICATION_LABELS = ("assembled", "damaged", "empty")

SIZES = ((320, 240), (360, 270), (400, 300), (426, 320), (480, 360))
_FINE = 4  # shapes are drawn this many times larger and reduced, for smooth edges
_BENCHES = ((196, 176, 148), (122, 138, 148), (92, 112, 104), (206, 204, 196), (86, 98, 122), (150, 124, 104))
_METALS = {
    "bolt": ((190, 194, 200), (176, 184, 190)),  # zinc
    "gear": ((198, 134, 96), (184, 118, 84)),  # bronze
    "nut": ((212, 180, 100), (200, 172, 88)),  # brass
    "washer": ((84, 88, 102), (72, 82, 108)),  # blued steel
}
_CLUTTER = ((200, 78, 62), (64, 118, 176), (88, 150, 96), (232, 190, 70), (70, 70, 78), (122, 84, 156))

Floats = NDArray[np.float32]
Point = tuple[float, float]


@dataclass(frozen=True)
class SceneBox:
    """Where a label is, in whole pixels of its scene."""

    label: str
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Scene:
    """A picture and what it shows: `boxes` for detection, none for classification.

    `labels` holds each label once, sorted.
    """

    name: str
    image: Image.Image
    labels: tuple[str, ...]
    boxes: tuple[SceneBox, ...] = ()

    def jpeg(self) -> bytes:
        """The picture as a JPEG file."""
        body = io.BytesIO()
        self.image.save(body, "JPEG", quality=90)
        return body.getvalue()


def detection_scenes(count: int, seed: int, sizes: Sequence[tuple[int, int]] = SIZES) -> Iterator[Scene]:
    """`count` workbench scenes of one to six parts labelled "bolt", "gear", "nut" or "washer".

    Each is of one of `sizes`, width and height in pixels; other things lie about that have no label.
    """
    for number in range(count):
        random = np.random.default_rng((seed, 1, number))
        image, boxes = _bench_with_parts(random, sizes)
        labels = tuple(sorted({box.label for box in boxes}))
        yield Scene(f"parts-{seed}-{number:04d}", image, labels, boxes)


def large_scenes(
    count: int,
    seed: int,
    *,
    size: tuple[int, int] = (8000, 6000),
    parts: int = 400,
    sides: tuple[int, int] = (30, 60),
) -> Iterator[Scene]:
    """`count` scenes of a bench so large that its parts are small: each part's longer side is between
    `sides`, in pixels."""
    for number in range(count):
        random = np.random.default_rng((seed, 3, number))
        image, boxes = _large_bench(random, size, parts, sides)
        labels = tuple(sorted({box.label for box in boxes}))
        yield Scene(f"bench-{seed}-{number:04d}", image, labels, boxes)


def classification_scenes(count: int, seed: int) -> Iterator[Scene]:
    """`count` scenes of a parts tray that is "assembled", "damaged" or "empty", in turn."""
    for number in range(count):
        random = np.random.default_rng((seed, 2, number))
        label = CLASSIFICATION_LABELS[number % len(CLASSIFICATION_LABELS)]
        yield Scene(f"tray-{seed}-{number:04d}", _tray(random, label), (label,))


def mislabelled(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """The same pictures and boxes with a wrong label on every one, a different wrong one each time.

    A consistent exchange of names could still be learned; this cannot.
    """
    turn = 0
    for scene in scenes:
        if scene.boxes:
            boxes = []
            for box in scene.boxes:
                boxes.append(replace(box, label=_another(box.label, turn)))
                turn += 1
            labels = tuple(sorted({box.label for box in boxes}))
            yield replace(scene, labels=labels, boxes=tuple(boxes))
        else:
            yield replace(scene, labels=tuple(_another(label, turn) for label in scene.labels))
            turn += 1


def _another(label: str, turn: int) -> str:
    names = DETECTION_LABELS if label in DETECTION_LABELS else CLASSIFICATION_LABELS
    return names[(names.index(label) + 1 + turn % (len(names) - 1)) % len(names)]


# Scenes


def _bench_with_parts(
    random: np.random.Generator, sizes: Sequence[tuple[int, int]]
) -> tuple[Image.Image, tuple[SceneBox, ...]]:
    width, height = sizes[int(random.integers(len(sizes)))]
    canvas = _bench(random, width, height)
    light = float(random.uniform(0, 2 * math.pi))
    for _ in range(random.integers(0, 5)):
        _clutter(random, canvas, light)
    boxes: list[SceneBox] = []
    wanted = int(random.integers(1, 7))
    for _ in range(wanted * 8):
        if len(boxes) == wanted:
            break
        label = DETECTION_LABELS[random.integers(len(DETECTION_LABELS))]
        size = float(random.uniform(0.15, 0.30)) * height
        mask = _reduced(_part(random, label, size))
        box = _placed(random, mask, width, height, label)
        if box and all(_overlap(box, other) < 0.12 for other in boxes):
            _paste(canvas, mask, box, _metal(random, label), light)
            boxes.append(box)
    return _photograph(random, canvas), tuple(boxes)


def _large_bench(
    random: np.random.Generator, size: tuple[int, int], parts: int, sides: tuple[int, int]
) -> tuple[Image.Image, tuple[SceneBox, ...]]:
    """The bench is a quarter of it each way, mirrored, so that it takes no more memory than the picture."""
    width, height = size
    piece = _photograph(random, _bench(random, -(-width // 4), -(-height // 4)))
    picture = Image.new("RGB", size)
    for row in range(4):
        for column in range(4):
            turned = ImageOps.mirror(piece) if column % 2 else piece
            turned = ImageOps.flip(turned) if row % 2 else turned
            picture.paste(turned, (column * piece.width, row * piece.height))
    light, boxes = float(random.uniform(0, 2 * math.pi)), list[SceneBox]()
    while len(boxes) < parts:
        label = DETECTION_LABELS[random.integers(len(DETECTION_LABELS))]
        mask = _reduced(_part(random, label, float(random.uniform(*sides))))
        box = _placed(random, mask, width, height, label) if sides[0] <= max(mask.shape) <= sides[1] else None
        if box and all(_overlap(box, other) < 0.12 for other in boxes):
            _paste_into(picture, mask, box, _metal(random, label), light)
            boxes.append(box)
    return picture, tuple(boxes)


def _paste_into(picture: Image.Image, mask: Floats, box: SceneBox, colour: Floats, light: float) -> None:
    """Lay a thing into a picture, of which only its surroundings become floats."""
    margin = 12
    left, top = max(0, box.left - margin), max(0, box.top - margin)
    corner = (
        min(picture.width, box.left + box.width + margin),
        min(picture.height, box.top + box.height + margin),
    )
    here = np.asarray(picture.crop((left, top, *corner)), np.float32).copy()
    _paste(here, mask, replace(box, left=box.left - left, top=box.top - top), colour, light)
    picture.paste(Image.fromarray(np.clip(here, 0, 255).astype(np.uint8)), (left, top))


def _tray(random: np.random.Generator, label: str) -> Image.Image:
    width, height = SIZES[random.integers(len(SIZES))]
    canvas = _bench(random, width, height)
    light = float(random.uniform(0, 2 * math.pi))
    for _ in range(random.integers(0, 3)):
        _clutter(random, canvas, light)
    columns, rows = ((3, 2), (4, 2), (4, 3), (3, 3))[random.integers(4)]
    cell = min(width * random.uniform(0.72, 0.9) / columns, height * random.uniform(0.72, 0.9) / rows)
    left = random.uniform(0.04, 0.96) * (width - columns * cell)
    top = random.uniform(0.04, 0.96) * (height - rows * cell)
    tint = np.array((52, 58, 70), np.float32) + random.uniform(-14, 30, 3).astype(np.float32)
    body = _rounded(width, height, (left, top, left + columns * cell, top + rows * cell), cell * 0.14)
    _blend(canvas, _shadow(body, 4), np.zeros(3, np.float32), 0.45)
    _blend(canvas, body, tint, 1.0)
    centres = [
        (left + (column + 0.5) * cell, top + (row + 0.5) * cell)
        for row in range(rows)
        for column in range(columns)
    ]
    for x, y in centres:
        half = cell * 0.40
        well = _rounded(width, height, (x - half, y - half, x + half, y + half), cell * 0.1)
        _blend(canvas, well, tint * 0.55, 1.0)
    if label != "empty":
        _fill_tray(random, canvas, centres, cell, light)
    if label == "damaged":
        _damage(random, canvas, centres, cell, body)
    return _photograph(random, canvas)


def _fill_tray(
    random: np.random.Generator, canvas: Floats, centres: list[Point], cell: float, light: float
) -> None:
    for x, y in centres:
        label = DETECTION_LABELS[random.integers(len(DETECTION_LABELS))]
        mask = _reduced(_part(random, label, cell * float(random.uniform(0.56, 0.66))))
        height, width = mask.shape
        box = SceneBox(label, round(x - width / 2), round(y - height / 2), width, height)
        if _inside(box, canvas):
            _paste(canvas, mask, box, _metal(random, label), light)


def _damage(
    random: np.random.Generator, canvas: Floats, centres: list[Point], cell: float, body: Floats
) -> None:
    """Rust over some of the wells, and a crack through the tray's body."""
    height, width = canvas.shape[:2]
    chosen = random.permutation(len(centres))[: random.integers(2, 5)]
    for index in chosen:
        x, y = centres[index]
        picture = Image.new("L", (width, height))
        draw = ImageDraw.Draw(picture)
        for _ in range(9):
            radius = cell * random.uniform(0.05, 0.17)
            cx, cy = x + random.normal(0, cell * 0.15), y + random.normal(0, cell * 0.15)
            draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=255)
        rust = np.array((158, 74, 30), np.float32) + random.uniform(-20, 20, 3).astype(np.float32)
        _blend(canvas, _array(picture.filter(ImageFilter.GaussianBlur(cell * 0.03))), rust, 0.82)
    (x, y), angle = centres[chosen[0]], random.uniform(0, math.pi)
    picture = Image.new("L", (width * 2, height * 2))
    draw = ImageDraw.Draw(picture)
    for way in (angle, angle + math.pi):
        line, px, py = [(x * 2, y * 2)], x, y
        for _ in range(7):
            turn = way + random.normal(0, 0.55)
            px, py = px + math.cos(turn) * cell * 0.24, py + math.sin(turn) * cell * 0.24
            line.append((px * 2, py * 2))
        draw.line(line, fill=255, width=max(4, round(cell * 0.07)), joint="curve")
    crack = _array(picture.resize((width, height), Image.Resampling.BOX)) * body
    _blend(canvas, np.roll(crack, (1, 1), (0, 1)), np.array((214, 208, 196), np.float32), 0.7)
    _blend(canvas, crack, np.array((14, 14, 16), np.float32), 0.95)


# Shapes, as masks drawn _FINE times larger


def _part(random: np.random.Generator, label: str, size: float) -> Image.Image:
    """The part's outline, `size` pixels across (a bolt is longer), turned at random."""
    angle = float(random.uniform(0, 2 * math.pi))
    if label == "bolt":
        return _bolt(random, size * 0.72, angle)
    side = round(size * _FINE) + 4 * _FINE
    picture, middle, radius = Image.new("L", (side, side)), side / 2, size * _FINE / 2
    draw = ImageDraw.Draw(picture)
    if label == "nut":
        draw.polygon(_ring(middle, radius, 6, angle), fill=255)
        _disc(draw, middle, radius * float(random.uniform(0.40, 0.48)), 0)
    elif label == "washer":
        _disc(draw, middle, radius, 255)
        _disc(draw, middle, radius * float(random.uniform(0.56, 0.68)), 0)
    else:
        draw.polygon(_teeth(middle, radius, int(random.integers(9, 15)), angle), fill=255)
        _disc(draw, middle, radius * float(random.uniform(0.20, 0.32)), 0)
    return picture


def _bolt(random: np.random.Generator, head: float, angle: float) -> Image.Image:
    """A bolt from the side: a head `head` pixels across and a threaded shank."""
    head *= _FINE
    length, shank = head * float(random.uniform(1.5, 2.1)), head * float(random.uniform(0.46, 0.56))
    cap = head * 0.5
    pitch = shank * 0.3
    outline: list[Point] = [(0, -head / 2), (cap * 0.8, -head / 2), (cap, -head * 0.4), (cap, -shank / 2)]
    teeth = int((length - cap) / pitch)
    lower: list[Point] = [(0, head / 2), (cap * 0.8, head / 2), (cap, head * 0.4), (cap, shank / 2)]
    for steps in range(1, teeth + 1):
        depth = shank * (0.5 if steps % 2 else 0.40)
        outline.append((cap + steps * pitch, -depth))
        lower.append((cap + steps * pitch, depth))
    points = outline + lower[::-1]
    middle_x = (cap + teeth * pitch) / 2
    side = round(max(cap + teeth * pitch, head) * 1.15) + 4 * _FINE
    cos, sin = math.cos(angle), math.sin(angle)
    turned = [
        (side / 2 + (x - middle_x) * cos - y * sin, side / 2 + (x - middle_x) * sin + y * cos)
        for x, y in points
    ]
    picture = Image.new("L", (side, side))
    ImageDraw.Draw(picture).polygon(turned, fill=255)
    return picture


def _ring(middle: float, radius: float, corners: int, angle: float) -> list[Point]:
    turns = [angle + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(middle + radius * math.cos(turn), middle + radius * math.sin(turn)) for turn in turns]


def _teeth(middle: float, radius: float, teeth: int, angle: float) -> list[Point]:
    points: list[Point] = []
    for tooth in range(teeth):
        for offset, reach in ((-0.30, 0.78), (-0.18, 1.0), (0.18, 1.0), (0.30, 0.78)):
            turn = angle + 2 * math.pi * (tooth + offset) / teeth
            points.append(
                (middle + radius * reach * math.cos(turn), middle + radius * reach * math.sin(turn))
            )
    return points


def _disc(draw: ImageDraw.ImageDraw, middle: float, radius: float, fill: int) -> None:
    draw.ellipse((middle - radius, middle - radius, middle + radius, middle + radius), fill=fill)


def _clutter(random: np.random.Generator, canvas: Floats, light: float) -> None:
    """Something that has no label: a card, a rod or a pebble."""
    height, width = canvas.shape[:2]
    long, kind = float(random.uniform(0.14, 0.4)) * height * _FINE, random.integers(3)
    thick = long * float(random.uniform(0.5, 0.8) if kind == 0 else random.uniform(0.08, 0.16))
    picture = Image.new("L", (round(long) + 8, round(long) + 8))
    draw, middle = ImageDraw.Draw(picture), long / 2 + 4
    if kind == 2:
        thick = long * float(random.uniform(0.5, 0.75))
        draw.ellipse((4, middle - thick / 2, 4 + long, middle + thick / 2), fill=255)
    else:
        bar = (4, middle - thick / 2, 4 + long, middle + thick / 2)
        draw.rounded_rectangle(bar, radius=thick * (0.1 if kind == 0 else 0.5), fill=255)
    turned = picture.rotate(float(random.uniform(0, 360)), Image.Resampling.BICUBIC, expand=True)
    mask = _reduced(turned)
    box = _placed(random, mask, width, height, "")
    if box:
        _paste(canvas, mask, box, np.array(_CLUTTER[random.integers(len(_CLUTTER))], np.float32), light)


# Painting


def _bench(random: np.random.Generator, width: int, height: int) -> Floats:
    """A bench top: one colour with grain along it."""
    colour = np.array(_BENCHES[random.integers(len(_BENCHES))], np.float32)
    grain = random.normal(0, 1, (height, max(4, width // 24))).astype(np.float32)
    along = _array(Image.fromarray(grain).resize((width, height), Image.Resampling.BICUBIC)) * 255
    return (colour + along[..., None] * float(random.uniform(2, 7))).astype(np.float32)


def _photograph(random: np.random.Generator, canvas: Floats) -> Image.Image:
    """Light that falls off to one side, a little blur, and the sensor's noise."""
    height, width = canvas.shape[:2]
    angle, fall = random.uniform(0, 2 * math.pi), random.uniform(0.05, 0.28)
    ys, xs = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = 1 + fall * (xs * math.cos(angle) + ys * math.sin(angle)) - 0.10 * (xs**2 + ys**2)
    lit = canvas * (light * random.uniform(0.85, 1.12))[..., None]
    lit += random.normal(0, random.uniform(1.5, 5), canvas.shape)
    picture = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    return picture.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 0.6))))


def _metal(random: np.random.Generator, label: str) -> Floats:
    """A metal that such parts are made of, each piece a little different."""
    metals = _METALS[label]
    tint = random.uniform(-14, 14) + random.uniform(-7, 7, 3)
    return (np.array(metals[random.integers(len(metals))]) + tint).astype(np.float32)


def _paste(canvas: Floats, mask: Floats, box: SceneBox, colour: Floats, light: float) -> None:
    """Lay a thing on the bench: its shadow, then its body with lit and dark edges."""
    margin = 8
    height, width = canvas.shape[:2]
    left, top = max(0, box.left - margin), max(0, box.top - margin)
    right, bottom = min(width, box.left + box.width + margin), min(height, box.top + box.height + margin)
    here = canvas[top:bottom, left:right]
    alpha = np.zeros(here.shape[:2], np.float32)
    y, x = box.top - top, box.left - left
    alpha[y : y + box.height, x : x + box.width] = mask
    _blend(here, _shadow(alpha, 3), np.zeros(3, np.float32), 0.5)
    soft = _array(Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.6)))
    dy, dx = np.gradient(soft)
    relief = np.clip(-(dx * math.cos(light) + dy * math.sin(light)) * 1.9, -0.55, 0.55)
    ys, xs = np.mgrid[-1 : 1 : here.shape[0] * 1j, -1 : 1 : here.shape[1] * 1j]
    sheen = 0.14 * np.sin(3.1 * (xs * math.cos(light) + ys * math.sin(light)))
    shaded = colour * (1 + sheen - relief)[..., None]
    here[:] = here * (1 - alpha[..., None]) + shaded * alpha[..., None]


def _blend(canvas: Floats, alpha: Floats, colour: Floats, strength: float) -> None:
    weight = alpha[..., None] * strength
    canvas[:] = canvas * (1 - weight) + colour * weight


def _shadow(alpha: Floats, away: int) -> Floats:
    picture = Image.fromarray((alpha * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(away * 0.8))
    return np.roll(_array(picture), (away, away - 1), (0, 1))


def _rounded(width: int, height: int, box: tuple[float, float, float, float], radius: float) -> Floats:
    picture = Image.new("L", (width * 2, height * 2))
    doubled = (box[0] * 2, box[1] * 2, box[2] * 2, box[3] * 2)
    ImageDraw.Draw(picture).rounded_rectangle(doubled, radius=radius * 2, fill=255)
    return _array(picture.resize((width, height), Image.Resampling.BOX))


# Geometry


def _reduced(picture: Image.Image) -> Floats:
    """The mask at its real size, 0 to 1, cropped to where more than a third of a pixel is covered."""
    size = (max(1, picture.width // _FINE), max(1, picture.height // _FINE))
    mask = _array(picture.resize(size, Image.Resampling.BOX))
    ys, xs = np.nonzero(mask > 0.34)
    return mask[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def _placed(
    random: np.random.Generator, mask: Floats, width: int, height: int, label: str
) -> SceneBox | None:
    """Somewhere at random in the scene with the whole mask inside; None if it is too large for it."""
    tall, wide = mask.shape
    if wide >= width - 4 or tall >= height - 4:
        return None
    left, top = random.integers(2, width - wide - 1), random.integers(2, height - tall - 1)
    return SceneBox(label, int(left), int(top), wide, tall)


def _inside(box: SceneBox, canvas: Floats) -> bool:
    height, width = canvas.shape[:2]
    return box.left >= 0 and box.top >= 0 and box.left + box.width <= width and box.top + box.height <= height


def _overlap(box: SceneBox, other: SceneBox) -> float:
    """How much of the smaller box the two have in common, 0 to 1."""
    wide = min(box.left + box.width, other.left + other.width) - max(box.left, other.left)
    tall = min(box.top + box.height, other.top + other.height) - max(box.top, other.top)
    shared = max(0, wide) * max(0, tall)
    return shared / min(box.width * box.height, other.width * other.height)


def _array(picture: Image.Image) -> Floats:
    return np.asarray(picture, np.float32) / np.float32(255)
