"""Pictures of what a model gets wrong in its test images: one small JPEG for each dataset."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from learning import Evaluation, Example, Task
from learning.metrics import Judged, judge

COLUMNS, MAX_IMAGES = 4, 12
SIDE = 220
"""Pixels of an image's longer side."""
LINE, LINES = 14, 4
"""Pixels of a line of text, and lines of text under an image."""
MAX_BYTES = 150_000
WRONG, MISSED = "#e0302a", "#f2a900"


def write(path: Path, task: Task, examples: Sequence[Example], evaluation: Evaluation) -> int:
    """Write the test images with the most errors as a contact sheet: what was predicted wrongly in red, what
    was missed in amber. Predictions count from their label's assumed threshold, as in the F1.

    Returns:
        How many test images have errors; nothing is written if none has.
    """
    thresholds = {label.label: 100 * label.assumed_threshold for label in evaluation.labels}
    judged = [
        (example, _errors(judge(task, example, seen), thresholds))
        for example, seen in zip(examples, evaluation.predictions, strict=True)
    ]
    wrong = sorted((image for image in judged if image[1]), key=lambda image: -len(image[1]))
    if wrong:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_small(_sheet(wrong[:MAX_IMAGES])))
    return len(wrong)


def _errors(judged: Sequence[Judged], thresholds: Mapping[str, float]) -> list[Judged]:
    """Predictions that count and are wrong, and truths that no prediction which counts has found."""
    return [
        verdict
        for verdict in judged
        if verdict.label in thresholds
        and verdict.right != (verdict.predicted and verdict.confidence >= thresholds[verdict.label])
    ]


def _sheet(wrong: Sequence[tuple[Example, Sequence[Judged]]]) -> Image.Image:
    rows = -(-len(wrong) // COLUMNS)
    columns = min(COLUMNS, len(wrong))
    wide, tall = SIDE + 8, SIDE + 8 + LINES * LINE
    sheet = Image.new("RGB", (columns * wide, rows * tall), "white")
    for number, (example, errors) in enumerate(wrong):
        row, column = divmod(number, COLUMNS)
        sheet.paste(_tile(example, errors), (column * wide + 4, row * tall + 4))
    return sheet


def _tile(example: Example, errors: Sequence[Judged]) -> Image.Image:
    """A test image with the boxes that are wrong or were missed, and in words what they are."""
    with Image.open(example.path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    scale = SIDE / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    draw = ImageDraw.Draw(image)
    for verdict in errors:
        if verdict.box:
            corners = (
                verdict.box.left,
                verdict.box.top,
                verdict.box.left + verdict.box.width,
                verdict.box.top + verdict.box.height,
            )
            draw.rectangle([side * scale for side in corners], outline=_colour(verdict), width=2)
    tile = Image.new("RGB", (SIDE, SIDE + LINES * LINE), "white")
    tile.paste(image, ((SIDE - image.width) // 2, SIDE - image.height))
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(11)
    for number, verdict in enumerate(errors[:LINES]):
        more = f" and {len(errors) - LINES} more" if number == LINES - 1 and len(errors) > LINES else ""
        draw.text((2, SIDE + number * LINE), _words(verdict) + more, fill=_colour(verdict), font=font)
    return tile


def _words(verdict: Judged) -> str:
    seen = f"at {verdict.confidence:.0f} %" if verdict.predicted else "not seen"
    return f"missed {verdict.label} ({seen})" if verdict.right else f"wrong: {verdict.label} ({seen})"


def _colour(verdict: Judged) -> str:
    return MISSED if verdict.right else WRONG


def _small(image: Image.Image) -> bytes:
    """As a JPEG file of no more than MAX_BYTES."""
    for quality in range(85, 20, -5):
        body = io.BytesIO()
        image.save(body, "JPEG", quality=quality, optimize=True)
        if body.tell() <= MAX_BYTES:
            break
    return body.getvalue()
