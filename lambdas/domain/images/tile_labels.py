"""Which labels the tiles of a labelled image have, so that they can be trained with.

A tile shows parts of objects at its borders. A part that is large enough is labelled as what it is. A smaller
one is neither the object nor background: it is hidden, so that nobody learns from it. What is too large for
tiles is learned from the overview, and only that is: answers take nothing else from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from lambdas.domain.images.tiles import Tile, TilePlan
from lambdas.domain.shared.annotation import MAX_BOXES_PER_IMAGE, Annotation, Box
from lambdas.domain.shared.manifests import check_fits

MIN_VISIBLE = 0.5
"""Share of a box in a tile from which on the tile has it. SAHI, which slices datasets in the same way, keeps
boxes of a tenth (`min_area_ratio`, https://obss.github.io/sahi/): here the rest of an object is hidden, and
the tile beside has it whole."""
MAX_HIDDEN = 0.5
"""Share of a tile; where more is hidden, it is not trained with."""


@dataclass(frozen=True)
class LabelledTile:
    """A tile, or the overview, of a labelled image. Boxes in pixels of it."""

    tile: Tile
    """What it shows, in pixels of the whole image."""
    size: tuple[int, int]
    """Its width and height in pixels: an overview is scaled down."""
    boxes: tuple[Box, ...]
    hidden: tuple[Box, ...] = ()
    """What is painted over, but where `boxes` are."""


@dataclass(frozen=True)
class LabelledTiles:
    """The tiles of an image that are trained with."""

    tiles: tuple[LabelledTile, ...]
    too_full: int = 0
    """Tiles that are left out because they show more objects than Custom Labels takes of an image."""


def labelled_tiles(plan: TilePlan, boxes: Sequence[Box], min_visible: float = MIN_VISIBLE) -> LabelledTiles:
    """The tiles of an image with these boxes.

    Of tiles that show nothing there are as many as of those that show something, or one: an image of a few
    small objects is nearly all background.
    """
    every = [_of_tile(tile, boxes, min_visible) for tile in plan.tiles]
    if overview := _of_overview(plan, boxes):
        every.append(overview)
    fitting = [each for each in every if _hidden_share(each) <= MAX_HIDDEN]
    showing = [each for each in fitting if each.boxes]
    taken = [each for each in showing if len(each.boxes) <= MAX_BOXES_PER_IMAGE]
    empty = (each for each in fitting if not each.boxes)
    return LabelledTiles((*taken, *islice(empty, max(1, len(taken)))), len(showing) - len(taken))


def _of_tile(tile: Tile, boxes: Sequence[Box], min_visible: float) -> LabelledTile:
    size, shown, hidden = (tile.width, tile.height), list[Box](), list[Box]()
    for box in boxes:
        if part := _part(tile, box):
            is_visible = part.width * part.height >= min_visible * box.width * box.height
            (shown if is_visible and _is_usable(part, size) else hidden).append(part)
    return LabelledTile(tile, size, tuple(shown), tuple(hidden))


def _of_overview(plan: TilePlan, boxes: Sequence[Box]) -> LabelledTile | None:
    """The overview with what is larger than the overlap; None if nothing is."""
    if not plan.overview:
        return None
    size, shown, hidden = plan.overview, list[Box](), list[Box]()
    for box in boxes:
        is_large = box.width > plan.overlap or box.height > plan.overlap
        scaled = _scaled(box, plan, size)
        (shown if is_large and _is_usable(scaled, size) else hidden).append(scaled)
    whole = Tile(0, 0, plan.width, plan.height)
    return LabelledTile(whole, size, tuple(shown), tuple(hidden)) if shown else None


def _part(tile: Tile, box: Box) -> Box | None:
    """What a tile shows of a box, in pixels of the tile; None if that is nothing."""
    left, top = max(box.left, tile.left), max(box.top, tile.top)
    right, bottom = min(box.left + box.width, tile.right), min(box.top + box.height, tile.bottom)
    if right <= left or bottom <= top:
        return None
    return Box(box.label, left - tile.left, top - tile.top, right - left, bottom - top)


def _scaled(box: Box, plan: TilePlan, size: tuple[int, int]) -> Box:
    x, y = size[0] / plan.width, size[1] / plan.height
    left, top = int(box.left * x), int(box.top * y)
    right, bottom = round((box.left + box.width) * x), round((box.top + box.height) * y)
    return Box(box.label, left, top, max(1, right - left), max(1, bottom - top))


def _is_usable(box: Box, size: tuple[int, int]) -> bool:
    """Whether Custom Labels takes a box of an image of this size."""
    return check_fits(Annotation("", "", "detection", boxes=(box,)), *size) is None


def _hidden_share(tile: LabelledTile) -> float:
    """About how much of a tile is hidden; what is hidden twice counts twice."""
    hidden = sum(box.width * box.height for box in tile.hidden)
    return hidden / (tile.size[0] * tile.size[1])
