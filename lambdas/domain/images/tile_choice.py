"""Which parts of a large image people are asked about: those that show what a model is unsure of.

A part is a tile, or the overview: just what the model has been asked about, so that what people answer is
true of what it is trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.domain.images.tile_labels import MIN_VISIBLE
from lambdas.domain.images.tiles import Tile, TilePlan

MAX_PARTS = 3
"""Of one image that people are asked about: each is a task."""

Label = Mapping[str, Any]
"""As Detector.detect_labels returns it."""


@dataclass(frozen=True)
class Part:
    """A tile of an image, or its overview."""

    tile: Tile
    """What it shows, in pixels of the whole image."""
    size: tuple[int, int]
    """Its width and height in pixels: an overview is scaled down."""


def showing(plan: TilePlan, labels: Sequence[Label], limit: int = MAX_PARTS) -> list[Part]:
    """The parts that show these labels, one for each: those of the first labels, if they are too many."""
    parts = dict.fromkeys(part for label in labels if (part := _showing(plan, label.get("box"))))
    return list(parts)[:limit]


def any_of(plan: TilePlan, number: int) -> Part:
    """One of the tiles, by any number; the same for the same."""
    return _of(plan.tiles[number % len(plan.tiles)])


def seen_in(plan: TilePlan, part: Part, labels: Sequence[Label]) -> list[dict[str, Any]]:
    """What of the labels a part shows, with boxes as shares of it.

    Labels of the whole image are its overview's alone. Of an object half of it has to be seen.
    """
    seen = []
    for label in labels:
        box = label.get("box")
        if box is None:
            if part.tile == _whole(plan):
                seen.append(dict(label))
            continue
        left, top, right, bottom = _sides(plan, box)
        tile = part.tile
        inside = (max(left, tile.left), max(top, tile.top), min(right, tile.right), min(bottom, tile.bottom))
        if _area(*inside) >= MIN_VISIBLE * _area(left, top, right, bottom) > 0:
            seen.append({**label, "box": _shares(tile, *inside)})
    return seen


def _showing(plan: TilePlan, box: Mapping[str, float] | None) -> Part | None:
    if box is None:
        return _overview(plan)
    left, top, right, bottom = _sides(plan, box)
    is_large = right - left > plan.overlap or bottom - top > plan.overlap
    if is_large and (overview := _overview(plan)):
        return overview
    return _of(max(plan.tiles, key=lambda tile: _view(tile, left, top, right, bottom)))


def _view(tile: Tile, left: float, top: float, right: float, bottom: float) -> tuple[float, float]:
    """How well a tile shows a box: how much of it, and how near to its middle."""
    visible = _area(
        max(left, tile.left), max(top, tile.top), min(right, tile.right), min(bottom, tile.bottom)
    )
    across = (left + right) / 2 - (tile.left + tile.right) / 2
    down = (top + bottom) / 2 - (tile.top + tile.bottom) / 2
    return round(visible, 3), -(across**2 + down**2)


def _whole(plan: TilePlan) -> Tile:
    return Tile(0, 0, plan.width, plan.height)


def _overview(plan: TilePlan) -> Part | None:
    return Part(_whole(plan), plan.overview) if plan.overview else None


def _of(tile: Tile) -> Part:
    return Part(tile, (tile.width, tile.height))


def _sides(plan: TilePlan, box: Mapping[str, float]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in pixels."""
    left, top = box["left"] * plan.width, box["top"] * plan.height
    return left, top, left + box["width"] * plan.width, top + box["height"] * plan.height


def _area(left: float, top: float, right: float, bottom: float) -> float:
    return max(0.0, right - left) * max(0.0, bottom - top)


def _shares(tile: Tile, left: float, top: float, right: float, bottom: float) -> dict[str, float]:
    sides = {
        "left": (left - tile.left) / tile.width,
        "top": (top - tile.top) / tile.height,
        "width": (right - left) / tile.width,
        "height": (bottom - top) / tile.height,
    }
    return {name: round(share, 6) for name, share in sides.items()}
